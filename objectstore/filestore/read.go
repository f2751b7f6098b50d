package filestore

import (
	"fmt"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// GetRange implements objectstore.Store.
func (s *Store) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	f, size, err := s.open(sc, objectstore.OpGet, key)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: a failed close loses nothing
	start, err := objectstore.Span(off, len(dst), size)
	if err != nil {
		return s.fail(objectstore.OpGet, key, err)
	}
	if n, err := f.ReadAt(dst, start); n < len(dst) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return s.fail(objectstore.OpGet, key, fmt.Errorf("read %d bytes at %d: %w", len(dst), start, err))
	}
	return nil
}

// Head implements objectstore.Store.
func (s *Store) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	f, size, err := s.open(sc, objectstore.OpHead, key)
	if err != nil {
		return objectstore.Info{}, err
	}
	_ = f.Close() // read only: a failed close loses nothing
	return objectstore.Info{Key: key, Size: size}, nil
}

// open opens key's object for reading; the caller closes it.
func (s *Store) open(sc *host.Scope, op objectstore.Op, key string) (host.File, int64, error) {
	if err := s.begin(sc, key); err != nil {
		return nil, 0, err
	}
	f, err := s.vol.Open(s.objectPath(key), host.ReadOnly)
	if err != nil {
		if s.absent(key, err) {
			err = objectstore.ErrNotFound
		}
		return nil, 0, s.fail(op, key, err)
	}
	size, err := f.Size()
	if err == nil && s.isDir(s.objectPath(key)) { // a host may let a directory be opened
		err = objectstore.ErrNotFound
	}
	if err != nil {
		_ = f.Close() // read only: a failed close loses nothing
		return nil, 0, s.fail(op, key, err)
	}
	return f, size, nil
}
