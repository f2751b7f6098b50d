//go:build integration

package crashtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// underPlan makes the next process of s carry out a fault plan, and returns what takes it off again.
func underPlan(t *testing.T, s *server, plan string) func() {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.txt")
	require.NoError(t, os.WriteFile(file, []byte(plan), 0o600))
	before := s.args
	s.args = append(append([]string{}, before...), "--fault-plan", file, "--allow-faults")
	return func() { s.args = before }
}

// TestAPlannedSyncErrorEndsTheServerAndLosesNothing fails the WAL's 50th sync: the process says so and ends, and
// what it had acknowledged is there after a restart, although the failed sync has lost a write. Once the store is away
// meanwhile, so that nothing but the WAL has it.
func TestAPlannedSyncErrorEndsTheServerAndLosesNothing(t *testing.T) {
	const loses = "arg=2" // the write that it covered
	for _, store := range []string{"", "0s store O7.outage for=1h"} {
		s := newServer(t, "--memory", "256MiB", "--upload-age", "1h")
		off := underPlan(t, s, "0s #50 weir:wal D7.sync-error "+loses+"\n"+store)
		s.start()
		s.says("WARNING: this server fails on purpose")
		l := startLoad(t, s, "events", 4, modest)
		require.NotZero(t, s.exit(60*time.Second), "it ends with an error:\n%s", s.out.now())
		said := s.out.now()
		require.Contains(t, said, "injected fault D7.sync-error")
		require.Regexp(t, `(?m)^fault plan: struck: D7.sync-error 1`, said)
		require.Regexp(t, `(?m)^weir: .*injected D7.sync-error.*input/output error`, said, "it says why")
		acked := l.snapshot()
		t.Logf("%d records were acknowledged before the sync failed", l.total())
		require.Positive(t, l.total())
		off()
		s.start()
		l.judge(t, l.topic, acked)
		l.finish()
		l.judgeAgain(t, l.topic)
		s.stop()
	}
}

// TestAPlanOfPassingFaultsIsNoticedByNobody: what a store and connections do in a bad minute costs time and nothing
// else.
func TestAPlanOfPassingFaultsIsNoticedByNobody(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "100ms")
	off := underPlan(t, s, `
		0s  #3   store         O2.applied
		0s  #5   store         O2.not-applied
		0s  #9   store         O1.throttle
		1s       store         O7.outage       for=1s
		2s       store         O1.storm        for=500ms
		0s  #50  weir>clients  N4.reset        arg=1
		0s  #90  clients>weir  N1.drop
		1s       clients>weir  N2.partition    for=300ms
		1s       weir          C1.step         arg=3
		0s  #99  weir:wal      D9.stall        for=300ms
		1s       *             D9.slow         for=50ms
		0s  #20  weir:store    D6.write-error
		0s  #25  weir:store    D6.dir-error`)
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 3000, 60*time.Second)
	require.True(t, s.await(30*time.Second, func() bool {
		return s.out.has("O2.applied", "O2.not-applied", "O1.throttle", "O7.outage", "O1.storm", "N4.reset", "N1.drop",
			"N2.partition", "C1.step", "D9.stall", "D9.slow", "D6.write-error", "D6.dir-error")
	}), "not every step has struck")
	l.finish()
	l.judge(t, l.topic, l.snapshot())
	s.stop()
	off()
	s.start()
	l.judgeAgain(t, l.topic)
	s.stop()
}

// has reports whether the present process has told of all these injected faults.
func (w *transcript) has(kinds ...string) bool {
	said := w.now()
	for _, k := range kinds {
		if !strings.Contains(said, "injected fault "+k) {
			return false
		}
	}
	return true
}

func TestAPlanIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	s := newServer(t)
	off := underPlan(t, s, "0s weir:wal D7.sync-error\n0s weir P1.crash\n")
	require.Contains(t, s.refused(), "cannot carry out P1.crash")
	off()
	off = underPlan(t, s, "0s weir:wal D7.sync-eror\n")
	require.Contains(t, s.refused(), "line 1, column 13")
	s.args = s.args[:len(s.args)-1] // without --allow-faults
	require.Contains(t, s.refused(), "--allow-faults")
	off()
	_, err := os.Stat(s.data)
	require.ErrorIs(t, err, os.ErrNotExist, "the data directory was not made")
}
