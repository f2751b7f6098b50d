package filestore

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// namingTries bounds how often a name is tried again because another process, deleting the last object
// beside it, removed a directory that was just made.
const namingTries = 16

// Put implements objectstore.Store.
func (s *Store) Put(sc *host.Scope, key string, body objectstore.Body) error {
	return s.put(sc, objectstore.OpPut, key, body, s.vol.Rename)
}

// PutIfAbsent implements objectstore.Store.
func (s *Store) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	return s.put(sc, objectstore.OpPutIfAbsent, key, body, s.vol.Link)
}

// put writes body to a temporary file and gives it key's name by means of name.
func (s *Store) put(sc *host.Scope, op objectstore.Op, key string, body objectstore.Body,
	name func(from, to string) error) error {
	if err := s.begin(sc, key); err != nil {
		return err
	}
	temp := path.Join(s.temp, s.uniqueName())
	err := s.writeTemp(sc, temp, body)
	if err == nil {
		err = s.publish(sc, temp, key, name)
	}
	// A link leaves the temporary name, and so does a failure; a rename took it. What cannot be removed
	// now is removed by New.
	if op == objectstore.OpPutIfAbsent || err != nil {
		_ = s.vol.Remove(temp)
	}
	if err != nil {
		return s.fail(op, key, err)
	}
	return nil
}

// writeTemp fills the new file temp with body and syncs it.
func (s *Store) writeTemp(sc *host.Scope, temp string, body objectstore.Body) error {
	buf, err := s.pool.take(sc)
	if err != nil {
		return err
	}
	defer s.pool.give(buf)
	flags := host.Create | host.Exclusive
	if body.Size() >= directSize {
		flags |= host.Direct
	}
	f, err := s.vol.Open(temp, flags)
	if err != nil {
		return err
	}
	err = copyBody(sc, f, body, buf)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// copyBody writes body to f in chunks of buf. A direct file is written in whole blocks and cut to size.
func copyBody(sc *host.Scope, f host.File, body objectstore.Body, buf []byte) error {
	r, size, align := objectstore.OpenBody(sc, body), body.Size(), f.Align()
	for off := int64(0); ; {
		if err := sc.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf)
		full := n
		if tail := n % align; tail != 0 {
			full = n + align - tail
			clear(buf[n:full])
		}
		if n > 0 {
			if _, err := f.WriteAt(buf[:full], off); err != nil {
				return err
			}
			off += int64(full)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if off == size {
				return nil
			}
			return f.Resize(size)
		}
		if err != nil {
			return fmt.Errorf("read the body at %d: %w", off, err)
		}
	}
}

// publish gives the synced file temp the name of key and makes the name durable.
func (s *Store) publish(sc *host.Scope, temp, key string, name func(from, to string) error) error {
	to := s.objectPath(key)
	err := s.giveName(sc, temp, to, name)
	switch {
	case err == nil:
		return s.syncUp(to)
	case s.isDir(to):
		return objectstore.Terminal(fmt.Errorf("the key is a directory of other keys, use another: %w", err))
	case errors.Is(err, host.ErrExist):
		// Who is told "exists" builds on it, so the other one's name has to be durable first.
		if err := s.syncUp(to); err != nil {
			return err
		}
		return objectstore.ErrExists
	}
	if above := s.fileAbove(key); above != "" {
		return objectstore.Terminal(fmt.Errorf("its part %s is an object, use another key: %w", above, err))
	}
	return err
}

// giveName calls name, making the directories it misses.
func (s *Store) giveName(sc *host.Scope, temp, to string, name func(from, to string) error) error {
	if err := s.names.Acquire(sc, 1); err != nil {
		return err
	}
	defer s.names.Release(1)
	for range namingTries {
		err := name(temp, to)
		if !errors.Is(err, host.ErrNotExist) {
			return err
		}
		if err := s.makeDir(path.Dir(to)); err != nil && !errors.Is(err, host.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("its directory or its temporary file vanished %d times: %w", namingTries, host.ErrNotExist)
}

// syncUp syncs every directory above p up to objects/. One that is gone was empty: the object was deleted
// meanwhile, and the deleter answers for that.
func (s *Store) syncUp(p string) error {
	for _, dir := range parents(p, s.objects()) {
		if err := s.vol.SyncDir(dir); err != nil && !errors.Is(err, host.ErrNotExist) {
			return err
		}
	}
	return nil
}
