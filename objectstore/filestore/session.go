package filestore

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/weirmq/weir/host"
)

const (
	// dirMarker is a file made to bring its directory into being: a volume makes directories only for
	// files. Like lockName it begins with a dot, so that it cannot be part of a key.
	dirMarker = ".dir"
	// lockName is the file in a session's directory whose lock the session holds while it lives.
	lockName = ".lock"
	// sessionTries bounds the search for a session no one else is just clearing.
	sessionTries = 16
)

// openSession makes the store's directories durable, takes a session of its own and clears dead ones.
func (s *Store) openSession() error {
	for _, dir := range []string{s.objects(), path.Join(s.root, "tmp")} {
		if err := s.makeDir(dir); err != nil {
			return err
		}
	}
	for _, dir := range parents(s.objects(), "") {
		if err := s.vol.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := s.takeSession(); err != nil {
		return err
	}
	if err := s.clearDead(); err != nil {
		_ = s.lock.Close() // the first error is the one to report
		return err
	}
	return nil
}

// takeSession makes a temporary directory and locks it. Another process that clears dead sessions may take
// the directory for one between the making and the locking; then the next try has another name.
func (s *Store) takeSession() error {
	var err error
	for range sessionTries {
		dir := path.Join(s.root, "tmp", s.uniqueName())
		if err = s.makeDir(dir); errors.Is(err, host.ErrNotExist) {
			continue // cleared before it had a file
		} else if err != nil {
			return err
		}
		var lock io.Closer
		if lock, err = s.vol.Lock(path.Join(dir, lockName)); err != nil {
			if errors.Is(err, host.ErrLocked) || errors.Is(err, host.ErrNotExist) {
				continue
			}
			return err
		}
		if s.exists(path.Join(dir, lockName)) {
			s.temp, s.lock = dir, lock
			return nil
		}
		if err = lock.Close(); err != nil { // the lock of a file that was removed is worth nothing
			return err
		}
	}
	return fmt.Errorf("take a temporary directory after %d tries: %w", sessionTries, err)
}

// uniqueName returns a file name that no session uses twice.
func (s *Store) uniqueName() string {
	var id [16]byte
	s.h.Secret(id[:])
	return fmt.Sprintf("%x", id)
}

func (s *Store) exists(p string) bool {
	f, err := s.vol.Open(p, host.ReadOnly)
	if err != nil {
		return false
	}
	_ = f.Close() // it was only opened to see that it is there
	return true
}

// makeDir makes dir and its parents exist, by a file that is made in it and removed again.
func (s *Store) makeDir(dir string) error {
	f, err := s.vol.Open(path.Join(dir, dirMarker), host.Create)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// Another task may make the same directory at the same moment and have removed the file already.
	return s.removeQuietly(path.Join(dir, dirMarker))
}

// clearDead removes the temporary directories whose session's lock is free: the lock proves that nobody
// writes there any more.
func (s *Store) clearDead() error {
	tmp := path.Join(s.root, "tmp")
	entries, err := s.vol.List(tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := path.Join(tmp, e.Name)
		if !e.Dir || dir == s.temp {
			continue
		}
		lock, err := s.vol.Lock(path.Join(dir, lockName))
		if errors.Is(err, host.ErrLocked) || errors.Is(err, host.ErrNotExist) {
			continue // alive, or cleared by someone else
		}
		if err != nil {
			return err
		}
		err = s.removeSession(dir)
		if e := lock.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeSession deletes a dead session's files, its lock file last, and its directory. The caller holds the
// lock. Names that are gone already do not matter.
func (s *Store) removeSession(dir string) error {
	entries, err := s.vol.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name != lockName {
			if err := s.removeQuietly(path.Join(dir, e.Name)); err != nil {
				return err
			}
		}
	}
	if err := s.removeQuietly(path.Join(dir, lockName)); err != nil {
		return err
	}
	if err := s.removeQuietly(dir); !errors.Is(err, host.ErrExist) {
		return err
	}
	return nil // it is not empty again: a session that has just begun takes it
}

// removeQuietly removes p if it is there.
func (s *Store) removeQuietly(p string) error {
	if err := s.vol.Remove(p); err != nil && !errors.Is(err, host.ErrNotExist) {
		return err
	}
	return nil
}
