//go:build integration

package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

// TestSIGTERMUnderLoadLeavesEverythingInObjects stops a busy server, loses its WAL volume, and has every
// acknowledged record.
func TestSIGTERMUnderLoadLeavesEverythingInObjects(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "24h")
	s.start()
	l := startLoad(t, s, "events", 6, modest)
	g := startGroup(t, s, "readers", "events")
	for round := range 3 {
		l.awaitAcks(t, 500, callMax)
		took := s.stop()
		acked, committed := l.snapshot(), g.acknowledged()
		t.Logf("round %d: stopped in %s with %d records acknowledged", round, took.Round(time.Millisecond), l.total())
		require.Less(t, took, 10*time.Second)
		loseVolume(t, s)
		out := giveUp(t, s, s.refused())
		require.Contains(t, out, " 0 are offline")
		s.start()
		l.judge(t, l.topic, acked)
		g.judge(s, committed)
	}
	l.finish()
	l.judgeAgain(t, l.topic)
	s.stop()
}

// TestAFullStoreDiskStopsProduceOnlyWhenTheWALIsFull gives the embedded store a small disk and then a larger.
func TestAFullStoreDiskStopsProduceOnlyWhenTheWALIsFull(t *testing.T) {
	s := newServer(t, "--wal-size", "64MiB", "--memory", "512MiB", "--upload-age", "300ms")
	store := filepath.Join(s.data, "store")
	require.NoError(t, os.MkdirAll(store, 0o750))
	size := func(mib int) string { return fmt.Sprintf("size=%dm", mib) }
	require.NoError(t, syscall.Mount("tmpfs", store, "tmpfs", 0, size(16)), "mounting needs root")
	t.Cleanup(func() {
		s.kill()
		require.NoError(t, syscall.Unmount(store, 0))
	})
	s.start()
	l := startLoad(t, s, "events", 4, loadOptions{writers: 4, every: time.Millisecond, size: 20_000, plain: true})
	idle := newTopic(t, s, "idle")
	idle.add(value("idle", "0"))
	s.awaitFull(l, callMax)
	t.Logf("%d records of 20 kB were acknowledged before the store's 16 MiB and the WAL's 64 MiB were full", l.total())
	require.Greater(t, l.total(), 3000)
	idle.whole()
	s.says("no space left on device")
	done.count(t, fault.NoSpace, 1)
	l.judge(t, l.topic, l.snapshot())
	require.NoError(t, syscall.Mount("tmpfs", store, "tmpfs", syscall.MS_REMOUNT, size(1024)))
	l.awaitAcks(t, 500, callMax)
	l.finish()
	l.judgeAgain(t, l.topic)
	s.stop()
}
