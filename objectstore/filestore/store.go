package filestore

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Store keeps objects in a directory of a volume.
type Store struct {
	h    host.Host
	vol  host.Volume
	name string
	root string // directory of the store in the volume, "" for the volume's root
	temp string // this session's temporary directory
	lock io.Closer
	pool bufferPool

	// names is held while a name below objects/ is given, and while a directory found empty is removed:
	// the volume's Remove takes files too, and must not meet an object where a directory was.
	names host.Semaphore
}

var _ objectstore.Store = (*Store)(nil)

// New opens the store in directory dir of vol ("" for the volume's root), makes what is missing, and
// removes what dead sessions left half-written. label is what people call the place in messages, such as
// "weir-data/store". The caller owns the store and ends it with Close; vol outlives it.
func New(h host.Host, vol host.Volume, dir, label string) (*Store, error) {
	s := &Store{h: h, vol: vol, name: "file store " + label, root: dir}
	s.pool.init(h)
	s.names.Init(h, 1)
	if err := s.openSession(); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, err)
	}
	return s, nil
}

// Close ends the session. Calls under way may fail; what was acknowledged stays.
func (s *Store) Close() error { return s.lock.Close() }

// Name implements objectstore.Store.
func (s *Store) Name() string { return s.name }

// objects is the directory below which every object lies.
func (s *Store) objects() string { return path.Join(s.root, "objects") }

func (s *Store) objectPath(key string) string { return path.Join(s.root, "objects", key) }

// begin checks what every call on one key checks first.
func (s *Store) begin(sc *host.Scope, key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	return sc.Err()
}

// fail adds to an error what was attempted and where. A full volume also tells how full.
func (s *Store) fail(op objectstore.Op, key string, err error) error {
	if errors.Is(err, host.ErrNoSpace) {
		if free, total, e := s.vol.Space(); e == nil {
			return fmt.Errorf("%s %s in %s: volume is full, %d of %d MiB free, make room: %w",
				op, key, s.name, free>>20, total>>20, err)
		}
	}
	return fmt.Errorf("%s %s in %s: %w", op, key, s.name, err)
}

// isDir reports whether p is a directory of the volume.
func (s *Store) isDir(p string) bool {
	_, err := s.vol.List(p)
	return err == nil
}

// fileAbove returns the part of key, if any, that is an object where key needs a directory. It is asked
// only after the volume refused a path: systems differ in the error they give then.
func (s *Store) fileAbove(key string) string {
	for i, c := range key {
		if c != '/' {
			continue
		}
		f, err := s.vol.Open(s.objectPath(key[:i]), host.ReadOnly)
		if err != nil {
			continue
		}
		_ = f.Close() // it was only opened to see that it is there
		if !s.isDir(s.objectPath(key[:i])) {
			return key[:i]
		}
	}
	return ""
}

// absent reports whether err, met on the way to key's file, means that key has no object.
func (s *Store) absent(key string, err error) bool {
	return errors.Is(err, host.ErrNotExist) || s.isDir(s.objectPath(key)) || s.fileAbove(key) != ""
}

// parents returns the directories above p up to and including top, nearest first; "" is the volume's root.
func parents(p, top string) []string {
	var list []string
	for {
		p = path.Dir(p)
		if p == "." {
			p = ""
		}
		list = append(list, p)
		if p == top || p == "" {
			return list
		}
	}
}
