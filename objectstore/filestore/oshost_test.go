package filestore_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/objectstore/storetest"
)

// onDisk returns a real host and its volume "v" below dir.
func onDisk(t *testing.T, dir string) (*oshost.Host, host.Volume) {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: dir, Log: slog.DiscardHandler})
	require.NoError(t, err)
	t.Cleanup(func() { h.Close(nil) })
	vol, err := h.Disk().Volume(h.Root(), "v")
	require.NoError(t, err)
	return h, vol
}

// conform runs the conformance suite on file stores on a real disk, wrapped by wrap.
func conform(t *testing.T, wrap func(host.Host, objectstore.Store) objectstore.Store) {
	t.Helper()
	storetest.Run(t, func(t *testing.T, task storetest.Task) {
		h, vol := onDisk(t, t.TempDir())
		s, err := filestore.New(h, vol, "store", "test")
		require.NoError(t, err)
		require.NoError(t, task(h.Root(), h, wrap(h, s)))
		require.NoError(t, s.Close())
		require.Empty(t, filesIn(t, vol, "store/tmp"), "temporary files after the session")
	})
}

// filesIn lists the names below dir but the session locks, which outlive a session that closed in order.
func filesIn(t *testing.T, vol host.Volume, dir string) []string {
	t.Helper()
	entries, err := vol.List(dir)
	require.NoError(t, err)
	var list []string
	for _, e := range entries {
		p := dir + "/" + e.Name
		switch {
		case e.Dir:
			list = append(list, filesIn(t, vol, p)...)
		case e.Name != ".lock":
			list = append(list, p)
		}
	}
	return list
}

func TestConformsOnARealDisk(t *testing.T) {
	conform(t, func(_ host.Host, s objectstore.Store) objectstore.Store { return s })
}

func TestConformsBehindEveryWrapper(t *testing.T) {
	conform(t, func(h host.Host, s objectstore.Store) objectstore.Store {
		p, err := objectstore.WithPrefix(s, "/some/prefix/")
		if err != nil {
			panic(err)
		}
		return objectstore.WithRetry(h, objectstore.WithMeter(h, p), objectstore.Policy{})
	})
}

func TestDeadSessionsAreClearedAndLiveOnesKept(t *testing.T) {
	dir := t.TempDir()
	h, vol := onDisk(t, dir)
	live, err := filestore.New(h, vol, "", "live")
	require.NoError(t, err)
	temp := filepath.Join(dir, "v", "tmp")
	sessions, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Len(t, sessions, 1)
	kept := filepath.Join(temp, sessions[0].Name(), "being-written")
	require.NoError(t, os.WriteFile(kept, []byte("x"), 0o600))
	dead := filepath.Join(temp, "dead")
	require.NoError(t, os.Mkdir(dead, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dead, "left-over"), []byte("x"), 0o600))

	second, err := filestore.New(h, vol, "", "second")
	require.NoError(t, err)
	require.FileExists(t, kept)
	require.NoDirExists(t, dead)

	require.NoError(t, live.Close())
	third, err := filestore.New(h, vol, "", "third")
	require.NoError(t, err)
	require.NoFileExists(t, kept)
	sessions, err = os.ReadDir(temp)
	require.NoError(t, err)
	require.Len(t, sessions, 2)
	require.NoError(t, second.Close())
	require.NoError(t, third.Close())
}

func TestSessionsThatBeginTogetherClearNobodysDirectory(t *testing.T) {
	h, vol := onDisk(t, t.TempDir())
	errs := make(chan error)
	for range 4 {
		go func() {
			var all error
			for range 10 {
				s, err := filestore.New(h, vol, "", "one of four")
				if err == nil {
					err = errors.Join(s.Put(h.Root(), "key", objectstore.BytesBody([]byte("x"))), s.Close())
				}
				all = errors.Join(all, err)
			}
			errs <- all
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
}

func TestDeletingLeavesNoDirectories(t *testing.T) {
	dir := t.TempDir()
	h, vol := onDisk(t, dir)
	s, err := filestore.New(h, vol, "", "test")
	require.NoError(t, err)
	for _, key := range []string{"a/b/c/d", "a/b/e", "f"} {
		require.NoError(t, s.Put(h.Root(), key, objectstore.BytesBody([]byte(key))))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "v/objects/a/b/c/.dir"), nil, 0o600)) // a crash's
	for _, key := range []string{"a/b/c/d", "a/b/e", "f"} {
		require.NoError(t, s.Delete(h.Root(), key))
	}
	left, err := vol.List("objects")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestANameIsAnObjectOrADirectory(t *testing.T) {
	h, vol := onDisk(t, t.TempDir())
	s, err := filestore.New(h, vol, "", "test")
	require.NoError(t, err)
	sc, body := h.Root(), objectstore.BytesBody([]byte("x"))
	require.NoError(t, s.Put(sc, "a/b", body))
	for name, put := range map[string]func(*host.Scope, string, objectstore.Body) error{
		"put": s.Put, "put-if-absent": s.PutIfAbsent,
	} {
		err := put(sc, "a", body)
		require.ErrorIs(t, err, objectstore.ErrTerminal, name)
		require.NotErrorIs(t, err, objectstore.ErrExists, name)
		require.ErrorContains(t, err, "directory of other keys", name)
		err = put(sc, "a/b/c", body)
		require.ErrorIs(t, err, objectstore.ErrTerminal, name)
		require.ErrorContains(t, err, "its part a/b is an object", name)
	}
	require.ErrorIs(t, s.GetRange(sc, "a", 0, nil), objectstore.ErrNotFound)
	require.NoError(t, s.Delete(sc, "a"))
	info, err := s.Head(sc, "a/b")
	require.NoError(t, err)
	require.Equal(t, objectstore.Info{Key: "a/b", Size: 1}, info)
}

func TestForeignFilesAreNotListed(t *testing.T) {
	dir := t.TempDir()
	h, vol := onDisk(t, dir)
	s, err := filestore.New(h, vol, "", "test")
	require.NoError(t, err)
	require.NoError(t, s.Put(h.Root(), "a/b", objectstore.BytesBody(nil)))
	for _, name := range []string{".hidden", "ünïcode", "back\\slash"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "v/objects/a", name), nil, 0o600))
	}
	page, err := s.List(h.Root(), "", "", 10)
	require.NoError(t, err)
	require.Equal(t, []objectstore.Info{{Key: "a/b"}}, page)
}
