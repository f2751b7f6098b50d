//go:build integration

package crashtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKillUnderLoadLosesNothing kills the server over and over while idempotent producers write and a group
// commits. After each restart every acknowledged record is there once and in order, and no committed offset
// went back.
func TestKillUnderLoadLosesNothing(t *testing.T) {
	s := newServer(t, "--wal-size", "128MiB", "--memory", "256MiB", "--upload-age", "300ms")
	s.start()
	killRounds(t, s, *rounds)
}

// TestKillUnderLoadWithEverythingInTheWAL is the same with uploads too late to help.
func TestKillUnderLoadWithEverythingInTheWAL(t *testing.T) {
	s := newServer(t, "--memory", "256MiB", "--upload-age", "24h")
	s.start()
	killRounds(t, s, max(2, *rounds/3))
}

// killRounds leaves the server stopped in order.
func killRounds(t *testing.T, s *server, rounds int) {
	t.Helper()
	l := startLoad(t, s, "events", 6, modest)
	g := startGroup(t, s, "readers", "events")
	worst := time.Duration(0)
	for round := range rounds {
		l.awaitAcks(t, 200, callMax)
		time.Sleep(time.Duration(rand.IntN(800)) * time.Millisecond)
		s.kill()
		acked, committed := l.snapshot(), g.acknowledged()
		s.start()
		worst = max(worst, s.took)
		l.judge(t, l.topic, acked)
		g.judge(s, committed)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	require.NotEmpty(t, g.acknowledged(), "the group committed nothing")
	l.finish()
	l.judgeAgain(t, l.topic)
	g.stop()
	g.done.Wait()
	g.judge(s, g.acknowledged())
	took := s.stop()
	t.Logf("%d rounds, %d records acknowledged, slowest ready %s, stopped in %s", rounds, l.total(),
		worst.Round(time.Millisecond), took.Round(time.Millisecond))
}
