package fault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// off is how far the wall clock under the plan is off the machine's.
func (m *machine) off() time.Duration {
	for {
		before := m.under.Wall()
		shown := m.h.Wall()
		if m.under.Wall().Sub(before) < 4*time.Millisecond {
			return shown.Sub(before).Round(10 * time.Millisecond)
		}
	}
}

func TestASteppedWallClockStaysOff(t *testing.T) {
	p := plan(t, "300ms n1 C1.step arg=3\n600ms n1 C1.step arg=4")
	onDisk(t, p, func(m *machine) {
		require.Zero(t, m.off())
		before := m.h.Now()
		m.waitUntil(t, 300*time.Millisecond)
		first, both := p[0].Shift(), p[0].Shift()+p[1].Shift()
		require.InDelta(t, first, m.off(), float64(20*time.Millisecond))
		m.waitUntil(t, 600*time.Millisecond)
		require.InDelta(t, both, m.off(), float64(20*time.Millisecond))
		require.InDelta(t, both, m.off(), float64(20*time.Millisecond), "not again")
		require.Less(t, m.h.Now().Sub(before), time.Minute, "monotonic time goes on as it was")
		m.struck(t, fault.ClockStep, 2)
	})
}

func TestASkewedWallClockComesBack(t *testing.T) {
	p := plan(t, "0s n1 C1.skew for=400ms arg=9")
	onDisk(t, p, func(m *machine) {
		require.InDelta(t, p[0].Shift(), m.off(), float64(20*time.Millisecond))
		m.waitUntil(t, 400*time.Millisecond)
		require.Zero(t, m.off())
		m.struck(t, fault.ClockSkew, 1)
	})
}

func TestAStrobedWallClockJumpsBackAndForth(t *testing.T) {
	p := fault.Plan{{Target: "n1", Kind: fault.ClockStrobe, For: time.Hour}}
	for p[0].StrobePeriod() > 20*time.Millisecond {
		p[0].Arg++
	}
	onDisk(t, p, func(m *machine) {
		jumps, last := 0, m.off()
		for range 200 {
			require.NoError(t, m.h.Sleep(m.root, time.Millisecond))
			if now := m.off(); (now - last).Abs() > p[0].Shift().Abs()/2 {
				jumps, last = jumps+1, now
			}
		}
		require.Greater(t, jumps, 3)
	})
}

// A clock that is half as fast again tells more than what passed, for everybody: who reads it, who sleeps, and whose
// scope has a deadline.
func TestADriftingClockIsEverybodysClock(t *testing.T) {
	p := plan(t, "50ms n1 C1.drift for=600ms")
	for p[0].Drift() < 400_000 {
		p[0].Arg++
	}
	onDisk(t, p, func(m *machine) {
		m.waitUntil(t, 100*time.Millisecond)
		m.struck(t, fault.ClockDrift, 1)
		real, shown := time.Now(), m.h.Now()
		require.NoError(t, m.h.Sleep(m.root, 300*time.Millisecond))
		took := time.Since(real)
		require.GreaterOrEqual(t, m.h.Now().Sub(shown), 300*time.Millisecond)
		require.InDelta(t, float64(300*time.Millisecond)/(1+float64(p[0].Drift())/1e6), took, float64(100*time.Millisecond))
		require.Less(t, took, 300*time.Millisecond, "it sleeps by the clock that drifts")
		late, cancel := m.root.Child(m.h.Now().Add(time.Millisecond))
		defer cancel()
		require.ErrorIs(t, m.h.Sleep(late, time.Hour), host.ErrTimeout)
		m.waitUntil(t, 700*time.Millisecond)
		require.Eventually(t, func() bool {
			real, shown := time.Now(), m.h.Now()
			require.NoError(t, m.h.Sleep(m.root, 20*time.Millisecond))
			return (m.h.Now().Sub(shown) - time.Since(real)).Abs() < 2*time.Millisecond
		}, 10*time.Second, time.Millisecond, "its own pace again")
		require.Empty(t, m.i.Unfired())
	})
}

func TestDriftIsRefusedWhereTheClockCannot(t *testing.T) {
	onDisk(t, nil, func(m *machine) {
		_, err := fault.Wrap(buggified{m.under}, plan(t, "0s n1 C1.drift for=1s"), "n1")
		require.ErrorContains(t, err, "leave C1.drift out")
	})
}

func TestDriftsGoBothWays(t *testing.T) {
	slow := 0
	for arg := range uint64(1000) {
		ppm := fault.Step{Kind: fault.ClockDrift, Arg: arg}.Drift()
		require.NotZero(t, ppm)
		require.LessOrEqual(t, max(ppm, -ppm), int64(500_000))
		if ppm < 0 {
			slow++
		}
	}
	require.InDelta(t, 500, slow, 100)
}

func TestShiftsAreSmallAndLargeBothWays(t *testing.T) {
	var small, large, back int
	for arg := range uint64(1000) {
		d := fault.Step{Kind: fault.ClockStep, Arg: arg}.Shift()
		require.GreaterOrEqual(t, d.Abs(), 10*time.Millisecond)
		require.LessOrEqual(t, d.Abs(), time.Hour)
		if d < 0 {
			back++
		}
		if d.Abs() < time.Second {
			small++
		}
		if d.Abs() > time.Minute {
			large++
		}
	}
	require.Greater(t, small, 200)
	require.Greater(t, large, 200)
	require.InDelta(t, 500, back, 100)
}

// buggified is a host that takes rare turns of its own.
type buggified struct{ host.Host }

func (buggified) Buggify(site string) bool { return site == "own" }

func TestRareTurnsAreThePlansAndTheHosts(t *testing.T) {
	onDisk(t, nil, func(m *machine) {
		i, err := fault.NewInjector(buggified{m.under}, plan(t, "0s #2 wal.full P7.buggify"), "n1")
		require.NoError(t, err)
		h := i.Host()
		require.False(t, host.Buggify(h, "wal.full"))
		require.True(t, host.Buggify(h, "wal.full"))
		require.False(t, host.Buggify(h, "wal.full"))
		require.True(t, host.Buggify(h, "own"))
		require.Equal(t, []fault.Count{{Kind: fault.Buggify, Fired: 1}}, i.Fired())
	})
}

func TestAPlanThatAHostCannotCarryOutIsRefusedByName(t *testing.T) {
	onDisk(t, nil, func(m *machine) {
		for text, want := range map[string][]string{
			"0s n1 P1.crash\n0s n1:v D6.read-error\n1s n1:v D1.torn-write": {"P1.crash", "D1.torn-write"},
			"0s n1 D6.read-error":      {"D6.read-error", "n1:wal", "not n1"},
			"0s other:v D6.read-error": {"not other:v"},
			"0s a>b N1.delay":          {"clients>n1", "not a>b"},
			"0s n1>n1 N1.delay":        {"not n1>n1"},
			"0s n1 O1.throttle":        {"strikes store"},
			"0s store C1.step":         {"the machine n1"},
		} {
			_, err := fault.Wrap(m.under, plan(t, text), "n1")
			var unsuited *fault.UnsuitedError
			require.ErrorAs(t, err, &unsuited, text)
			require.NotEmpty(t, unsuited.Steps)
			for _, w := range want {
				require.ErrorContains(t, err, w)
			}
		}
	})
}
