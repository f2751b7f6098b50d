package node_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// TestABirthOnAFullVolumeSaysSoAndTheNextStartServes: wherever in a first start there is no room, it ends with that,
// and a start with room goes on from what is there.
func TestABirthOnAFullVolumeSaysSoAndTheNextStartServes(t *testing.T) {
	ring := 0
	for _, volume := range []string{"node", "meta", "wal"} {
		for nth := 1; nth <= 8; nth++ {
			r := newRig(t, sim.Config{Seed: 8, Plan: fault.Plan{
				{Nth: nth, Target: "weir:" + volume, Kind: fault.NoSpace},
			}})
			if err := r.boot(); err != nil {
				require.ErrorIs(t, err, host.ErrNoSpace, "%s %d", volume, nth)
				if strings.Contains(err.Error(), "no room for a ring") {
					ring++
				}
				r.m.KillWith(sim.KeepUnsynced)
				require.NoError(t, r.boot(), "%s %d", volume, nth)
			}
			r.client(func(c *client) error { return c.createTopic(testTopic, 1) })
			require.NoError(t, r.stop())
		}
	}
	require.Equal(t, 2, ring, "the raft log's and the WAL's")
}

// TestASmallerRingFitsWhereTheFirstDidNot: who asks for a smaller one gets it, as the refusal of the first start says.
func TestASmallerRingFitsWhereTheFirstDidNot(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 9, Plan: fault.Plan{{Nth: 4, Target: "weir:wal", Kind: fault.NoSpace}}})
	require.ErrorContains(t, r.boot(), "no room for a ring of 2 MiB")
	r.m.KillWith(sim.KeepUnsynced)
	r.change = func(c *node.Config) { c.WALCapacity = 1 << 20 }
	for _, topic := range []string{testTopic, "another"} {
		require.NoError(t, r.boot())
		require.EqualValues(t, 1<<20, r.node.Broker().Log().Stats().Capacity)
		r.client(func(c *client) error { return c.createTopic(topic, 1) })
		require.Len(t, slices.DeleteFunc(r.m.Volume("wal").Files(), func(name string) bool {
			return strings.HasSuffix(name, ".fence")
		}), 1)
		require.NoError(t, r.stop())
	}
}

// TestAStartThatLetsGoOfARingMayDieAnywhere: between the removal of its file and the release of its WAL, too. The next
// start serves, and leaves no file behind that nobody looks for.
func TestAStartThatLetsGoOfARingMayDieAnywhere(t *testing.T) {
	released := 0
	for n, whole := uint64(1), false; !whole; n++ {
		fate := []sim.Fate{sim.LoseUnsynced, sim.KeepUnsynced, sim.MixUnsynced}[n%3]
		r := newRig(t, sim.Config{Seed: 9, Plan: fault.Plan{{Nth: 4, Target: "weir:wal", Kind: fault.NoSpace}}})
		require.ErrorContains(t, r.boot(), "no room for a ring of 2 MiB")
		r.m.KillWith(sim.LoseUnsynced)
		r.change = func(c *node.Config) { c.WALCapacity = 1 << 20 }
		r.m.CrashAt(r.m.Calls()+n, sim.When(1+n%2), fate)
		r.node, r.ended = nil, nil
		r.m.Boot(func(h host.Host, sc *host.Scope) { r.node, r.ended = node.Start(sc, h, r.config(h)) })
		require.NoError(t, r.w.Run(func() bool { return r.node != nil || r.ended != nil || !r.m.Alive() }))
		require.NoError(t, r.ended, "call %d", n)
		if whole = r.m.Alive(); whole {
			r.m.CrashAt(0, sim.BeforeEffect, fate)
			r.m.KillWith(fate)
		}
		if len(r.m.Volume("wal").Files()) == 0 {
			released++ // the old one is gone, and no new one is there
		}
		require.NoError(t, r.boot(), "after a crash at call %d", n)
		require.EqualValues(t, 1<<20, r.node.Broker().Log().Stats().Capacity)
		require.Len(t, r.m.Volume("wal").Files(), 2, "a ring and its fence word; after a crash at call %d", n)
		r.client(func(c *client) error { return c.createTopic(testTopic, 1) })
		require.NoError(t, r.stop())
	}
	require.GreaterOrEqual(t, released, 3)
}
