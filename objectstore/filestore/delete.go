package filestore

import (
	"errors"
	"path"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Delete implements objectstore.Store.
func (s *Store) Delete(sc *host.Scope, key string) error {
	if err := s.begin(sc, key); err != nil {
		return err
	}
	p := s.objectPath(key)
	if err := s.vol.Remove(p); err != nil {
		if s.fileAbove(key) != "" {
			return nil // below an object there is nothing, and no directory to sync
		}
		if !s.absent(key, err) {
			return s.fail(objectstore.OpDelete, key, err)
		}
	}
	if err := s.syncNearest(p); err != nil {
		return s.fail(objectstore.OpDelete, key, err)
	}
	if err := s.prune(sc, p); err != nil {
		return s.fail(objectstore.OpDelete, key, err)
	}
	return nil
}

// syncNearest syncs the lowest directory above p that exists.
func (s *Store) syncNearest(p string) error {
	for _, dir := range parents(p, s.objects()) {
		if err := s.vol.SyncDir(dir); !errors.Is(err, host.ErrNotExist) {
			return err
		}
	}
	return nil
}

// prune removes the directories above p that are empty, as far as that succeeds. It needs no sync: an
// empty directory that a crash brings back holds nothing.
func (s *Store) prune(sc *host.Scope, p string) error {
	if err := s.names.Acquire(sc, 1); err != nil {
		return err
	}
	defer s.names.Release(1)
	for _, dir := range parents(p, s.objects()) {
		if dir == s.objects() || !s.removeEmpty(dir) {
			return nil
		}
	}
	return nil
}

// removeEmpty removes dir if it is an empty directory, or one with nothing in it but a marker that a crash
// left there, and reports whether the directory above may be empty now.
func (s *Store) removeEmpty(dir string) bool {
	entries, err := s.vol.List(dir)
	if errors.Is(err, host.ErrNotExist) {
		return true
	}
	if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name != dirMarker {
		return false
	}
	if len(entries) == 1 && s.removeQuietly(path.Join(dir, dirMarker)) != nil {
		return false
	}
	return s.removeQuietly(dir) == nil
}
