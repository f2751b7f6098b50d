package workload_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// TestASeedReplaysEventForEvent runs a seed with crashes and faults, twice, and wants the same events both times; and
// once more from the plan that was recorded.
func TestASeedReplaysEventForEvent(t *testing.T) {
	o := workload.Options{Seed: 1, Sites: true, Record: true}
	if testing.Verbose() {
		o.Log = os.Stderr
	}
	first := workload.Run(o)
	require.NoError(t, first.Err)
	t.Logf("%+v", first.Verdict)
	t.Logf("hash=%016x events=%d ops=%d objects=%d restarts=%d crashes=%v fired=%v", first.Hash, first.Events,
		first.Ops, first.Objects, first.Restarts, first.Crashes, first.Fired)
	second := workload.Run(workload.Options{Seed: 1})
	require.NoError(t, second.Err)
	require.Equal(t, first.Hash, second.Hash)

	text, err := first.Plan.Marshal()
	require.NoError(t, err)
	plan, err := workload.ParsePlan(text)
	require.NoError(t, err)
	require.Equal(t, *first.Plan, plan)
	third := workload.Replay(plan, workload.Options{})
	require.NoError(t, third.Err)
	require.Equal(t, first.Hash, third.Hash)
}

// TestAnUnshrunkPlanIsItsSeed replays seeds of the swarm from their recorded plans: every fault, crash and operation is
// an explicit step, so nothing differs.
func TestAnUnshrunkPlanIsItsSeed(t *testing.T) {
	for seed := uint64(100); seed < 110; seed++ {
		first := workload.Run(workload.Options{Seed: seed, Record: true})
		second := workload.Replay(*first.Plan, workload.Options{})
		require.Equal(t, first.Hash, second.Hash, "seed %d, %d faults", seed, len(first.Plan.Faults))
	}
}

// TestEverySeedIsAnotherRun draws settings and wants them to differ in what a swarm varies, and to come back from JSON.
func TestEverySeedIsAnotherRun(t *testing.T) {
	slabs, clients, rates, beyond := map[int]bool{}, map[int]bool{}, map[int]bool{}, 0
	for seed := range uint64(300) {
		s := workload.Draw(seed)
		slabs[s.Node.SlabBytes], clients[len(s.Clients)], rates[len(s.Rates)] = true, true, true
		if s.Beyond != nil {
			beyond++
		}
		p := workload.Plan{Format: 1, Seed: seed, Settings: s}
		text, err := p.Marshal()
		require.NoError(t, err)
		back, err := workload.ParsePlan(text)
		require.NoError(t, err)
		require.Equal(t, p, back)
	}
	require.Greater(t, len(slabs), 3)
	require.Greater(t, len(clients), 8)
	require.Greater(t, len(rates), 20)
	require.True(t, 20 < beyond && beyond < 90, "%d", beyond)
}

// TestARunStopsAtAnEventWithItsWorldDumped stops a run and compares it with the whole one: the stop changes nothing
// before it.
func TestARunStopsAtAnEventWithItsWorldDumped(t *testing.T) {
	var at sim.Event
	whole := workload.Run(workload.Options{Seed: 3, Duration: time.Second, OnEvent: func(e sim.Event) {
		if e.N <= 3000 {
			at = e
		}
	}})
	var dump strings.Builder
	var last sim.Event
	o := workload.Options{Seed: 3, Duration: time.Second, StopAt: 3000, Dump: &dump}
	o.OnEvent = func(e sim.Event) {
		if e.N <= 3000 {
			last = e
		}
	}
	r := workload.Run(o)
	require.ErrorIs(t, r.Err, sim.ErrStopped)
	require.Empty(t, r.Oracle)
	require.Equal(t, at, last)
	require.Less(t, r.Events, whole.Events)
	for _, part := range []string{"event 30", "machine weir: up", "volume weir:wal", "ring-", "timers: ", "store: "} {
		require.Contains(t, dump.String(), part)
	}
}
