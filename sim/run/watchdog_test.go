package run

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/workload"
)

// stuckRun runs a task that hangs until the watchdog has reported it, or released is closed.
func stuckRun(o SeedOptions, released chan struct{}) *Result {
	return Seed(func(wo workload.Options) *workload.Result {
		return world(wo, func(_ workload.Options, h host.Host, sc *host.Scope) error {
			_ = h.Sleep(sc, time.Second)
			<-released
			return nil
		})
	}, o)
}

func TestAStuckTaskIsReportedWithItsStack(t *testing.T) {
	released := make(chan struct{})
	var got *Result
	var stacks string
	stuckRun(SeedOptions{Seed: 5, Stall: 100 * time.Millisecond, Stuck: func(r *Result, s []byte) {
		got, stacks = r, string(s)
		close(released)
	}}, released)
	require.NotNil(t, got)
	require.Equal(t, uint64(5), got.Seed)
	require.True(t, got.Incomplete)
	require.Contains(t, got.Cause(), `no event for 100ms of wall time after event`)
	require.Contains(t, got.Cause(), `task "do"`)
	require.Contains(t, stacks, "stuckRun")
}

func TestAWorldThatMovesIsNotStuck(t *testing.T) {
	const stall = 300 * time.Millisecond
	end := time.Now().Add(2 * stall)
	r := Seed(func(wo workload.Options) *workload.Result {
		return world(wo, func(_ workload.Options, h host.Host, sc *host.Scope) error {
			for time.Now().Before(end) {
				if err := h.Sleep(sc, time.Microsecond); err != nil {
					return err
				}
			}
			return nil
		})
	}, SeedOptions{Stall: stall, Stuck: func(r *Result, _ []byte) { panic(r.Failure) }})
	require.Equal(t, "", r.Failure)
	require.Greater(t, r.Wall, stall)
}

// slow is a reader that looks away for longer than a stall.
type slow struct{ strings.Builder }

func (s *slow) Write(p []byte) (int, error) {
	if s.Len() == 0 {
		time.Sleep(600 * time.Millisecond)
	}
	return s.Builder.Write(p)
}

func TestASlowReaderOfTheTraceIsNotAStuckRun(t *testing.T) {
	var out slow
	r := Seed(func(wo workload.Options) *workload.Result { return world(wo, lives["honest"]) },
		SeedOptions{Trace: &out, Stall: 300 * time.Millisecond, Stuck: func(r *Result, _ []byte) { panic(r.Failure) }})
	require.True(t, r.OK())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.GreaterOrEqual(t, len(lines), int(r.Events)) // closing the world kills its machines: events too
	require.Equal(t, "do", strings.Fields(lines[2])[7], "the task that was picked")
	require.Equal(t, "1 0.000000000 boot 1 1 0 "+strings.Fields(lines[0])[6]+"  (a incarnation 1)", lines[0])
	require.Equal(t, r.Hash.String(), strings.Fields(lines[r.Events-1])[6])
}
