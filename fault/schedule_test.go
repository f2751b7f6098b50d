package fault_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// naive is a schedule as one would explain it: every step counts for itself.
type naive struct {
	steps []naiveStep
}

type naiveStep struct {
	fault.Step
	seen          int
	fired, missed bool
}

func newNaive(p fault.Plan) *naive {
	n := &naive{}
	for _, s := range p {
		n.steps = append(n.steps, naiveStep{Step: s})
	}
	slices.SortStableFunc(n.steps, func(a, b naiveStep) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return n
}

func (n *naive) strikes(now host.Time, target string, kind fault.Kind) (hit fault.Step, ok bool) {
	for i := range n.steps {
		s := &n.steps[i]
		if s.Kind != kind || s.Target != target && s.Target != fault.Any || s.At > now || s.fired || s.missed {
			continue
		}
		if s.seen++; s.seen < s.Nth {
			continue
		}
		if ok {
			s.missed = true
			continue
		}
		hit, ok, s.fired = s.Step, true, true
	}
	return hit, ok
}

func (n *naive) unfired() (left fault.Plan) {
	for _, s := range n.steps {
		if !s.fired {
			left = append(left, s.Step)
		}
	}
	return left
}

var (
	modelKinds   = []fault.Kind{fault.SyncError, fault.ReadError, fault.DiskStall}
	modelTargets = []string{"weir:wal", "weir:meta", fault.Any}
)

func TestAScheduleStrikesAsEachStepCountsForItself(t *testing.T) {
	step := rapid.Custom(func(t *rapid.T) fault.Step {
		return fault.Step{
			At:     host.Time(rapid.IntRange(0, 20).Draw(t, "at")),
			Nth:    rapid.IntRange(0, 5).Draw(t, "nth"),
			Target: rapid.SampledFrom(modelTargets).Draw(t, "target"),
			Kind:   rapid.SampledFrom(modelKinds).Draw(t, "kind"),
			Arg:    rapid.Uint64Range(0, 3).Draw(t, "arg"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := fault.Plan(rapid.SliceOfN(step, 0, 12).Draw(t, "plan"))
		s, model := fault.NewSchedule(p), newNaive(p)
		now := host.Time(0)
		for range rapid.IntRange(0, 60).Draw(t, "opportunities") {
			now += host.Time(rapid.IntRange(0, 2).Draw(t, "later"))
			target := rapid.SampledFrom(modelTargets[:2]).Draw(t, "target")
			kind := rapid.SampledFrom(modelKinds).Draw(t, "kind")
			want, wantOK := model.strikes(now, target, kind)
			got, ok := s.Strikes(now, target, kind)
			require.Equal(t, wantOK, ok)
			require.Equal(t, want, got)
			require.Equal(t, model.unfired(), s.Unfired())
		}
	})
}

func TestTheNthOpportunityAtOrAfterTheTimeIsStruck(t *testing.T) {
	s := fault.NewSchedule(fault.Plan{{At: 100, Nth: 3, Target: "weir:wal", Kind: fault.SyncError, Arg: 7}})
	strikes := func(now host.Time, target string, kind fault.Kind) bool {
		_, ok := s.Strikes(now, target, kind)
		return ok
	}
	require.False(t, strikes(99, "weir:wal", fault.SyncError), "too early to count")
	require.False(t, strikes(100, "weir:wal", fault.SyncError), "the first")
	require.False(t, strikes(100, "weir:meta", fault.SyncError), "another target does not count")
	require.False(t, strikes(100, "weir:wal", fault.ReadError), "another kind does not count")
	require.False(t, strikes(100, "weir:wal", fault.SyncError), "the second")
	require.Len(t, s.Unfired(), 1)
	require.True(t, strikes(5000, "weir:wal", fault.SyncError), "the third")
	require.False(t, strikes(5000, "weir:wal", fault.SyncError), "once only")
	require.Empty(t, s.Unfired())
}

func TestAWindowIsOpenFromItsTimeForItsLength(t *testing.T) {
	p := fault.Plan{
		{At: 200, Target: "a>b", Kind: fault.Clog, For: 50},
		{At: 100, Target: fault.Any, Kind: fault.Clog, For: 10},
		{At: 900, Target: "a>b", Kind: fault.Clog, For: 10},
	}
	s := fault.NewSchedule(p)
	require.Equal(t, []fault.Step{p[1], p[0], p[2]}, s.Windows(), "in the order of their times")
	for at, open := range map[host.Time]bool{99: false, 110: false, 199: false, 250: false, 899: false} {
		_, ok := s.Active(at, "a>b", fault.Clog)
		require.Equal(t, open, ok, "at %d", at)
	}
	require.Len(t, s.Unfired(), 3, "nobody has looked while one was open")
	for at, want := range map[host.Time]fault.Step{100: p[1], 109: p[1], 200: p[0], 249: p[0]} {
		got, ok := s.Active(at, "a>b", fault.Clog)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := s.Active(220, "b>a", fault.Clog)
	require.False(t, ok, "the other direction")
	require.Equal(t, fault.Plan{p[2]}, s.Unfired())
	s.Carried(p[2])
	require.Empty(t, s.Unfired())
}

func TestALengthLeftOpenIsDrawnFromTheArgument(t *testing.T) {
	lengths := map[time.Duration]bool{}
	for arg := range uint64(50) {
		s := fault.Step{Kind: fault.DiskStall, Arg: arg}
		require.Equal(t, s.Lasts(), s.Lasts(), "the same step lasts as long each time")
		require.GreaterOrEqual(t, s.Lasts(), time.Second)
		require.LessOrEqual(t, s.Lasts(), 30*time.Second)
		lengths[s.Lasts()] = true
	}
	require.Greater(t, len(lengths), 40)
	require.Equal(t, 3*time.Second, fault.Step{Kind: fault.DiskStall, Arg: 1, For: 3 * time.Second}.Lasts())
	require.Zero(t, fault.Step{Kind: fault.SyncError, Arg: 1}.Lasts(), "a kind that takes no time")
	for _, k := range fault.Kinds() {
		if info := k.Info(); info.Window {
			require.Positive(t, info.Longest, "%s is a window and needs a length", k)
			require.Positive(t, info.Shortest, k)
		}
	}
}

func TestNoScheduleStrikesNothing(t *testing.T) {
	var s *fault.Schedule
	_, ok := s.Strikes(1, "weir", fault.Crash)
	require.False(t, ok)
	_, ok = s.Active(1, "weir", fault.Pause)
	require.False(t, ok)
	require.False(t, s.Has(fault.Crash))
	require.False(t, s.Wants("weir", fault.Crash))
	require.Empty(t, s.Windows())
	require.Empty(t, s.Unfired())
}

func BenchmarkAKindWithoutSteps(b *testing.B) {
	s := fault.NewSchedule(fault.Plan{{Target: "weir:wal", Kind: fault.SyncError, Nth: 1 << 40}})
	for b.Loop() {
		if _, ok := s.Strikes(1, "weir:wal", fault.ReadError); ok {
			b.Fatal("struck")
		}
	}
}

func BenchmarkAKindWithSteps(b *testing.B) {
	var p fault.Plan
	for i := range 10_000 {
		p = append(p, fault.Step{At: host.Time(i), Target: "weir:wal", Kind: fault.SyncError, Nth: 1 << 40})
	}
	s := fault.NewSchedule(p)
	for b.Loop() {
		if _, ok := s.Strikes(1<<20, "weir:wal", fault.SyncError); ok {
			b.Fatal("struck")
		}
	}
}
