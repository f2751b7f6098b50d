package workload_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// TestACrashAtEveryIOCallLosesNothingAcknowledged kills the node at each I/O call of a short run, before
// the call's effect and after it, restarts it and judges the whole history.
func TestACrashAtEveryIOCallLosesNothingAcknowledged(t *testing.T) {
	quiet := workload.Plain()
	o := workload.Options{Seed: 11, Settings: &quiet, Duration: 60 * time.Millisecond, Sites: true}
	calls, err := workload.Calls(o)
	require.NoError(t, err)
	require.Greater(t, calls, uint64(100))
	places := map[string]bool{}
	var acked int
	for n := uint64(1); n <= calls; n++ {
		for _, when := range []sim.When{sim.BeforeEffect, sim.AfterEffect} {
			o.CrashAt = workload.Crash{N: n, When: when}
			r := workload.Run(o)
			require.NoError(t, r.Err, "crash at call %d, moment %d (%v)", n, when, r.Crashes)
			acked += r.Verdict.Counts.Acked
			for _, c := range r.Crashes {
				places[c] = true
			}
		}
	}
	t.Logf("%d calls from %d places, %d acknowledged", calls, len(places), acked)
	require.Greater(t, acked, int(calls))
	require.Greater(t, len(places), 30)
}
