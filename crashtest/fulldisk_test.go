//go:build integration

package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

// smallDisk mounts a disk of so many MiB as the server's data, and returns what changes its size.
func (s *server) smallDisk(mib int) (resize func(mib int)) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(s.data, 0o750))
	mount := func(mib int, flags uintptr) {
		s.t.Helper()
		require.NoError(s.t, syscall.Mount("tmpfs", s.data, "tmpfs", flags, fmt.Sprintf("size=%dm", mib)), "needs root")
	}
	mount(mib, 0)
	s.t.Cleanup(func() {
		s.kill()
		require.NoError(s.t, syscall.Unmount(s.data, syscall.MNT_DETACH))
	})
	return func(mib int) { mount(mib, syscall.MS_REMOUNT) }
}

// fill writes a file of zeros until the disk is full, and returns its path.
func (s *server) fill() string {
	s.t.Helper()
	path := filepath.Join(s.data, "filler")
	f, err := os.Create(path)
	require.NoError(s.t, err)
	defer f.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if _, err := f.Write(piece); err != nil {
			require.ErrorIs(s.t, err, syscall.ENOSPC)
			piece = piece[:len(piece)/2]
		}
	}
	done.count(s.t, fault.NoSpace, 1)
	return path
}

// TestADiskWithoutRoomForTheRingIsRefused: before anything is acknowledged, in one line, and a larger disk mends it.
func TestADiskWithoutRoomForTheRingIsRefused(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "256MiB")
	resize := s.smallDisk(160)
	said := s.refused()
	require.Contains(t, said, "no room for a ring of 256 MiB")
	require.Contains(t, said, "--wal-size")
	resize(600)
	s.start()
	w := newTopic(t, s, "events")
	w.add(value("events", "0"))
	w.whole()
	s.stop()
}

// TestAFullDiskTakesWhatTheRingHasRoomFor: the ring has its room since its birth, so what is acknowledged while the
// disk is full is there after a kill, also on a disk that is still full, and is uploaded once there is room.
func TestAFullDiskTakesWhatTheRingHasRoomFor(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB", "--upload-age", "200ms")
	s.smallDisk(400)
	s.start()
	w := newTopic(t, s, "events")
	w.add(value("events", "before"))
	filler := s.fill()
	for i := range 50 {
		w.add(value("events", fmt.Sprint(i)))
	}
	w.whole()
	s.kill()
	s.start()
	w.whole()
	w.add(value("events", "on the full disk"))
	w.whole()
	require.NoError(t, os.Remove(filler))
	w.add(value("events", "after"))
	s.stop()
	s.start()
	w.whole()
	s.stop()
}
