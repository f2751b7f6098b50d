package cluster_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/cluster"
	"github.com/weirmq/weir/sim/workload"
)

var (
	seedFlag  = flag.Uint64("seed", 1, "first seed of TestSeeds")
	seedsFlag = flag.Int("seeds", 3, "how many seeds TestSeeds runs")
)

// run runs a world twice and wants the same events both times.
func run(t *testing.T, o workload.Options) *workload.Result {
	t.Helper()
	if testing.Verbose() && os.Getenv("WEIR_SIM_LOG") != "" {
		o.Log = os.Stderr
	}
	first := cluster.Run(o)
	require.NoError(t, first.Err, "seed %d", o.Seed)
	o.Log = nil
	second := cluster.Run(o)
	require.Equal(t, first.Hash, second.Hash, "seed %d", o.Seed)
	t.Logf("seed %d: hash=%016x events=%d virtual=%v ops=%d restarts=%d %+v", o.Seed, first.Hash, first.Events,
		first.Virtual, first.Ops, first.Restarts, first.Verdict.Counts)
	return first
}

// TestThreeNodesServe runs clients on three nodes with both roles to which nothing happens.
func TestThreeNodesServe(t *testing.T) {
	s := cluster.Plain()
	s.Duration = 10 * time.Second
	run(t, workload.Options{Seed: 1, Settings: &s})
}

// TestSeeds runs seeds as they are drawn.
func TestSeeds(t *testing.T) {
	for i := range *seedsFlag {
		run(t, workload.Options{Seed: *seedFlag + uint64(i)})
	}
}

// TestAPlanIsItsSeed replays a run from its plan.
func TestAPlanIsItsSeed(t *testing.T) {
	first := cluster.Run(workload.Options{Seed: 5, Record: true})
	require.NoError(t, first.Err)
	text, err := first.Plan.Marshal()
	require.NoError(t, err)
	plan, err := workload.ParsePlan(text)
	require.NoError(t, err)
	require.Equal(t, *first.Plan, plan)
	second := cluster.Replay(plan, workload.Options{})
	require.NoError(t, second.Err)
	require.Equal(t, first.Hash, second.Hash)
}

// TestNodesGossip: half of the worlds gossip, over a network that has the same faults for it, with members that are
// suspected for nothing; and nothing else needs it.
func TestNodesGossip(t *testing.T) {
	s := cluster.Plain()
	s.Duration, s.Cluster.Gossip = 10*time.Second, true
	heard := uint64(0)
	for _, p := range run(t, workload.Options{Seed: 2, Settings: &s}).Probes {
		if p.Name == "node.gossip sees another node" {
			heard = p.Hits
		}
	}
	require.Positive(t, heard)
}
