package cluster_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/cluster"
	"github.com/weirmq/weir/sim/workload"
)

var roundsFlag = flag.Int("rounds", 200, "how many failovers TestZombieRounds goes through")

// roundsOfWorld is how many rounds one world is to have: it must end within a simulated half hour.
const roundsOfWorld = 50

// TestZombieRounds: an owner is paused past its lease in the middle of a commit, another broker takes over, the owner
// goes on. No acknowledged record is lost, nothing is acknowledged that the new owner does not have.
func TestZombieRounds(t *testing.T) {
	rounds, ops := 0, 0
	for seed := *seedFlag; rounds < *roundsFlag; seed++ {
		s := cluster.Zombies(seed, min(roundsOfWorld, *roundsFlag-rounds))
		res := cluster.Run(workload.Options{Seed: seed, Settings: &s})
		require.NoError(t, res.Err, "seed %d", seed)
		require.Positive(t, res.Cluster.Takeovers, "seed %d", seed)
		rounds += min(res.Cluster.Zombies, res.Cluster.Takeovers)
		ops += res.Verdict.Counts.Acked
		t.Logf("seed %d: %+v, %v simulated, %d acknowledged", seed, *res.Cluster, res.Virtual, res.Verdict.Counts.Acked)
	}
	t.Logf("%d rounds, %d batches acknowledged", rounds, ops)
}
