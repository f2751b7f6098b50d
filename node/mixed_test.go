package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// TestVolumesInEachOthersPlaceAreRefused: a start would find nothing where it looks, and begin anew.
func TestVolumesInEachOthersPlaceAreRefused(t *testing.T) {
	for _, pair := range [][2]string{{"node", "meta"}, {"node", "wal"}, {"meta", "wal"}} {
		t.Run(pair[0]+" and "+pair[1], func(t *testing.T) {
			r := newRig(t, sim.Config{Seed: 8})
			require.NoError(t, r.boot())
			require.NoError(t, r.stop())
			a, b := r.m.Volume(pair[0]), r.m.Volume(pair[1])
			r.m.Attach(pair[0], b)
			r.m.Attach(pair[1], a)
			for range 2 {
				require.ErrorIs(t, r.boot(), node.ErrMixedVolumes)
				r.m.KillWith(sim.KeepUnsynced)
			}
			r.m.Attach(pair[0], a)
			r.m.Attach(pair[1], b)
			require.NoError(t, r.boot())
		})
	}
}

// TestAWALThatNobodyKnowsOfIsRefused: it is what is left when the other volumes are lost.
func TestAWALThatNobodyKnowsOfIsRefused(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 9})
	require.NoError(t, r.boot())
	require.NoError(t, r.stop())
	r.m.Wipe("node")
	r.m.Wipe("meta")
	require.ErrorIs(t, r.boot(), node.ErrMixedVolumes)
}

// TestNamesOfABirthAreDurableBeforeTheyAreUsed: a sync of a directory fails at a birth, the process ends, the next
// start finds the files in the cache. A power loss after it must not take them.
func TestNamesOfABirthAreDurableBeforeTheyAreUsed(t *testing.T) {
	for _, volume := range []string{"node", "meta"} {
		t.Run(volume, func(t *testing.T) {
			r := newRig(t, sim.Config{Seed: 10, Plan: fault.Plan{{Nth: 1, Target: "weir:" + volume, Kind: fault.DirError}}})
			require.ErrorIs(t, r.boot(), host.ErrIO)
			r.m.KillWith(sim.KeepUnsynced)
			require.NoError(t, r.boot())
			cluster := r.node.ClusterID()
			r.m.KillWith(sim.LoseUnsynced)
			require.NoError(t, r.boot())
			require.Equal(t, cluster, r.node.ClusterID())
		})
	}
}
