package sim_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

func TestMachinesClocksBeginAnywhereAndDrift(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	a, b := w.Machine("a"), w.Machine("b")
	a.SetDrift(100_000) // a tenth faster
	a.Boot(nil)
	b.Boot(nil)
	a0, b0 := a.Host().Now(), b.Host().Now()
	if a0 == b0 || a0 <= 0 || b0 <= 0 {
		t.Fatalf("clocks begin at %d and %d", a0, b0)
	}
	must(t, w.RunUntil(host.Time(100*time.Hour)))
	if d := b.Host().Now().Sub(b0); d != 100*time.Hour {
		t.Errorf("b: %v", d)
	}
	if d := a.Host().Now().Sub(a0); d != 110*time.Hour {
		t.Errorf("a: %v", d)
	}
}

func TestTimersFollowTheirMachinesClock(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		w.After(host.Time(r.Int64N(int64(20*time.Second))), func() { m.SetDrift(r.Int64N(800_000) - 400_000) })
	}
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		for range 100 {
			want := h.Now().Add(time.Duration(r.Int64N(int64(time.Second))))
			if err := h.Sleep(sc, want.Sub(h.Now())); err != nil {
				return err
			}
			if late := h.Now().Sub(want); late < 0 || late > time.Nanosecond {
				t.Errorf("woke %v after the time", late)
			}
		}
		return nil
	}))
}

func TestTheWallClockJumpsAndDecidesNothing(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		wall, now := h.Wall(), h.Now()
		m.SetWall(-time.Hour)
		if d := h.Wall().Sub(wall); d != -time.Hour || h.Now() != now {
			t.Errorf("wall moved by %v", d)
		}
		return nil
	}))
}

func TestAPausedMachineStandsStillWhileTimePasses(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	var gap time.Duration
	m.Boot(func(h host.Host, sc *host.Scope) {
		last := h.Now()
		for h.Sleep(sc, time.Millisecond) == nil {
			gap = max(gap, h.Now().Sub(last))
			last = h.Now()
		}
	})
	w.After(host.Time(time.Second), func() { m.Pause(time.Minute) })
	must(t, w.RunUntil(host.Time(2*time.Minute)))
	if gap < time.Minute-time.Millisecond || gap > time.Minute+2*time.Millisecond {
		t.Errorf("longest gap %v", gap)
	}
	m.Pause(time.Hour)
	m.Kill() // a paused machine can die
	m.Boot(nil)
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error { return h.Sleep(sc, time.Second) }))
}

func TestLogLinesCarryVirtualTimeMachineAndTask(t *testing.T) {
	var out strings.Builder
	w := newWorld(t, sim.Config{Seed: 1, Log: &out})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		h.Sleep(sc, 90*time.Second)
		h.Log().With("k", 1).Info("hello")
		return nil
	}))
	want := "time=2026-01-01T00:01:30.000Z level=INFO msg=hello k=1 machine=a/1 task=do\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

func TestTheWatchdogSeesThePulse(t *testing.T) {
	var seen *sim.Pulse
	stopped := 0
	w := newWorld(t, sim.Config{Seed: 1, Watch: func(p *sim.Pulse) func() {
		seen = p
		return func() { stopped++ }
	}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error { return h.Sleep(sc, time.Second) }))
	if seen.Events() != w.Events() || seen.Task() != "do" || stopped != 1 {
		t.Errorf("events %d, task %q, stopped %d times", seen.Events(), seen.Task(), stopped)
	}
}
