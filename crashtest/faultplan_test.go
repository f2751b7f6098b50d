//go:build integration

package crashtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
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

// TestMostOfTheCatalogueOnOneServer starts a server on what others have written, under nearly every kind of fault that
// a real process can do to itself and survive: those that read its WAL strike the recovery, those that read objects
// strike consumers from the beginning.
func TestMostOfTheCatalogueOnOneServer(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "100ms")
	s.start()
	l := startLoad(t, s, "events", 4, modest)
	l.awaitAcks(t, 2000, 60*time.Second)
	s.kill()
	off := underPlan(t, s, catalogue)
	s.start()
	l.awaitAcks(t, 2000, 60*time.Second)
	l.judge(t, l.topic, l.snapshot()) // reads objects, in which some reads go wrong
	var missing []string
	if !s.await(60*time.Second, func() bool {
		missing = s.out.without(kindsOf(t, catalogue))
		return len(missing) == 0
	}) {
		require.FailNow(t, "not every kind has struck", "missing: %v", missing)
	}
	l.finish()
	l.judge(t, l.topic, l.snapshot())
	s.stop()
	off()
	s.start()
	l.judgeAgain(t, l.topic)
	s.stop()
}

const catalogue = `
	0s  #2   weir:wal      D6.read-error
	0s  #3   weir:wal      D3.misdirected-read  arg=1
	0s  #4   weir:wal      D8.short-read        arg=1
	0s       weir:wal      D9.slow              for=20ms
	0s  #30  weir:wal      D9.stall             for=1200ms
	0s  #3   weir:store    D8.short-write       arg=1
	0s  #9   weir:store    D8.no-space
	0s  #14  weir:store    D6.write-error
	0s  #5   weir:store    D6.dir-error
	0s  #20  weir:store    D7.sync-error        arg=1
	0s  #3   weir:store    D6.read-error
	0s  #40  clients>weir  N1.delay             for=200ms
	0s  #60  clients>weir  N1.drop
	0s  #80  weir>clients  N4.reset             arg=1
	0s  #2   clients>weir  N4.accept-hang
	0s  #3   clients>weir  N4.refused
	6s       clients>weir  N2.partition         for=1s
	2s       weir>clients  N2.one-way           for=200ms
	3s       clients>weir  N3.clog              for=200ms
	4s       weir>clients  N3.slow-link         for=300ms
	0s  #2   store         O1.throttle
	0s  #6   store         O2.not-applied
	0s  #3   store         O2.applied
	0s  #5   store         O2.applied-late      for=1s
	0s  #2   store         O6.truncated
	0s  #4   store         O6.flipped
	0s  #6   store         O6.wrong-range
	0s  #20  store         O6.expired
	0s  #25  store         O6.clock-skew
	0s  #30  store         O7.slow              for=500ms
	2s       store         O1.storm             for=500ms
	8s       store         O7.outage            for=3s
	0s       weir          C1.skew              for=2s   arg=5
	1s       weir          C1.step              arg=3
	2s       weir          C1.strobe            for=3s   arg=7
	1s       weir          C1.drift             for=5s   arg=2
	0s  #5   *             P7.buggify`

// kindsOf lists the kinds in a plan.
func kindsOf(t *testing.T, text string) []string {
	plan, err := fault.Parse(text)
	require.NoError(t, err)
	var kinds []string
	for _, s := range plan {
		kinds = append(kinds, s.Kind.String())
	}
	return kinds
}

// without returns those of the kinds of which the present process has not told.
func (w *transcript) without(kinds []string) []string {
	return slices.DeleteFunc(kinds, func(k string) bool { return w.has(k) })
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
