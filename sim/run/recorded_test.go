package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/workload"
)

// TestARecordedPlanIsItsSeedEventForEvent records seeds as plans, writes each down and replays what was read back: with
// nothing taken away yet, what shrinking begins with is the run that failed. Crashes with lost and torn writes, damage
// beyond the promise and takeovers are among these seeds.
func TestARecordedPlanIsItsSeedEventForEvent(t *testing.T) {
	for seed := uint64(11); seed <= 20; seed++ {
		first := workload.Run(workload.Options{Seed: seed, Record: true})
		text, err := first.Plan.Marshal()
		require.NoError(t, err)
		plan, err := workload.ParsePlan(text)
		require.NoError(t, err)
		again := workload.Replay(plan, workload.Options{Record: true})
		require.Equal(t, first.Events, again.Events, "seed %d", seed)
		require.Equal(t, Hash(first.Hash), Hash(again.Hash), "seed %d", seed)
		require.Equal(t, first.Plan.Faults, again.Plan.Faults, "seed %d", seed)
	}
}
