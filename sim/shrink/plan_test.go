package shrink_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/shrink"
	"github.com/weirmq/weir/sim/workload"
)

// drawn is a plan as a run leaves it, without running one.
func drawn() workload.Plan {
	p := workload.Plan{Seed: 7, Settings: workload.Draw(7)}
	for i := range 400 {
		c := p.Settings.Clients[i%len(p.Settings.Clients)]
		p.Ops = append(p.Ops, workload.Op{
			Client: c.ID, At: host.Time(i) * host.Time(50*time.Millisecond), Kind: workload.OpProduce,
			Batches: []workload.Batch{{Records: []int{100, 200}}},
		})
	}
	for i := range 40 {
		p.Faults = append(p.Faults, fault.Step{
			At: host.Time(i) * host.Time(time.Second), Target: "weir", Kind: fault.Kinds()[i], For: time.Second,
		})
	}
	return p
}

func at(d time.Duration) func() host.Time { return func() host.Time { return host.Time(d) } }

// TestAFailureOfOneOrderIsFoundAgainUnderOtherNoise shrinks a plan whose failure depends on the seed of the noise and
// on how many operations there are: with one seed alone nothing could go.
func TestAFailureOfOneOrderIsFoundAgainUnderOtherNoise(t *testing.T) {
	begin := drawn()
	fails := func(p workload.Plan) bool {
		return len(p.Ops) > 2 && (p.Seed*7+uint64(len(p.Ops)))%3 == 0
	}
	begin.Seed = 2 // 14+400 is a multiple of 3
	require.True(t, fails(begin))
	s := shrink.Plan(begin, at(time.Hour), func(candidates []workload.Plan) int {
		return slices.IndexFunc(candidates, fails)
	}, shrink.Options{Batch: 2})
	require.LessOrEqual(t, len(s.Best().Ops), 5)
	require.True(t, fails(s.Best()))
}

func TestAPlanIsReducedToWhatItsFailureNeeds(t *testing.T) {
	begin := drawn()
	culprit, other, crash := begin.Ops[123], begin.Ops[57], begin.Faults[11]
	has := func(p workload.Plan, want workload.Op) bool {
		return slices.ContainsFunc(p.Ops, func(op workload.Op) bool { return op.At == want.At && op.Client == want.Client })
	}
	fails := func(p workload.Plan) bool {
		return has(p, culprit) && has(p, other) && p.Settings.Node == begin.Settings.Node &&
			slices.ContainsFunc(p.Faults, func(s fault.Step) bool {
				return s.Kind == crash.Kind && s.For >= 40*time.Millisecond
			})
	}
	require.True(t, fails(begin))
	before := drawn()
	s := shrink.Plan(begin, at(15*time.Second), func(candidates []workload.Plan) int {
		return slices.IndexFunc(candidates, fails)
	}, shrink.Options{Batch: 2})
	got := s.Best()
	require.True(t, fails(got))
	require.Equal(t, before, begin, "the plan that was given is not written to")
	require.Len(t, got.Ops, 2)
	require.Len(t, got.Faults, 1)
	require.Equal(t, 40*time.Millisecond, got.Faults[0].For)
	require.Equal(t, begin.Settings.Node, got.Settings.Node, "what the failure needs stays")
	plain := workload.Plain()
	require.Equal(t, plain.Crash, got.Settings.Crash)
	require.Equal(t, got.Settings.Disk.Sync.Min, got.Settings.Disk.Sync.Max, "no latency is left to chance")
	require.Equal(t, got.Settings.Net.Latency.Min, got.Settings.Net.Latency.Max)
	require.Empty(t, got.Settings.Ring)
	require.Empty(t, got.Settings.Rates)
	require.Equal(t, []int{0}, got.Ops[0].Batches[0].Records)
	for _, c := range got.Settings.Clients {
		require.True(t, c.ID == culprit.Client || c.ID == other.Client, "client %d does nothing", c.ID)
	}
	require.Less(t, got.Settings.Duration, 13*time.Second)
	require.Less(t, s.Tried(), 300)
}

func TestWhatComesAfterTheFailureIsCutFirst(t *testing.T) {
	tried := 0
	s := shrink.Plan(drawn(), at(4*time.Second), func([]workload.Plan) int {
		if tried++; tried == 1 {
			return 0
		}
		return -1
	}, shrink.Options{Budget: 1})
	require.Len(t, s.Best().Ops, 81)
	require.Len(t, s.Best().Faults, 5)
}
