package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

func TestEveryKindThatStrikesAtARateHasAFieldOfItsOwn(t *testing.T) {
	seen := map[*sim.Rate]fault.Kind{}
	var f sim.Faults
	for _, k := range fault.Kinds() {
		r := f.Of(k)
		if r == nil {
			continue
		}
		if other, taken := seen[r]; taken {
			t.Errorf("%v and %v have one field", k, other)
		}
		seen[r] = k
	}
	if n := len(sim.New(sim.Config{}).Fired()); n != len(fault.Kinds()) {
		t.Errorf("%d kinds are counted, the catalogue has %d", n, len(fault.Kinds()))
	}
}

func TestACrashArgSaysAllOfACrash(t *testing.T) {
	for _, when := range []sim.When{sim.BeforeEffect, sim.AfterEffect} {
		for _, fate := range []sim.Fate{sim.Seeded, sim.KeepUnsynced, sim.LoseUnsynced, sim.MixUnsynced} {
			for _, seed := range []uint64{0, 1, 1<<61 - 1} {
				if w, f, s := sim.CrashOf(sim.CrashArg(when, fate, seed)); w != when || f != fate || s != seed {
					t.Errorf("(%v, %v, %d) came back as (%v, %v, %d)", when, fate, seed, w, f, s)
				}
			}
		}
	}
}

// writes makes three calls on a file of machine a: each is an opportunity.
func writes(w *sim.World) error {
	return w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		f := create(h, sc, "f")
		for i := range int64(3) {
			if _, err := f.WriteAt(block(byte(i)), i*sector); err != nil {
				return err
			}
		}
		return f.Sync()
	})
}

func TestACrashIsAStepWhoeverPlannedIt(t *testing.T) {
	for _, c := range []struct {
		name string
		plan fault.Plan
		own  bool
	}{
		{"by the plan", fault.Plan{{Nth: 5, Target: "a", Kind: fault.Crash,
			Arg: sim.CrashArg(sim.AfterEffect, sim.LoseUnsynced, 7)}}, false},
		{"by CrashAt", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var steps fault.Plan
			var calls []sim.Call
			cfg := sim.Config{Seed: 1, Plan: c.plan, Hooks: sim.Hooks{
				OnFault: func(s fault.Step) { steps = append(steps, s) },
				OnCall:  func(c sim.Call) { calls = append(calls, c) },
			}}
			w := newWorld(t, cfg)
			if c.own {
				w.Machine("a").CrashAt(5, sim.AfterEffect, sim.LoseUnsynced)
			}
			if err := writes(w); !errors.Is(err, host.ErrKilled) {
				t.Fatalf("%v", err)
			}
			if len(steps) != 1 || steps[0].Kind != fault.Crash || len(calls) != 5 || count(w, fault.Crash) != 1 ||
				count(w, fault.LostWrites) != 1 {
				t.Fatalf("steps %v, %d calls; lost writes %d", steps, len(calls), count(w, fault.LostWrites))
			}
			if when, fate, _ := sim.CrashOf(steps[0].Arg); when != sim.AfterEffect || fate != sim.LoseUnsynced {
				t.Errorf("the step is %v", steps[0])
			}
			again := newWorld(t, sim.Config{Seed: 1, Plan: steps})
			if err := writes(again); !errors.Is(err, host.ErrKilled) || again.Hash() != w.Hash() {
				t.Errorf("replayed: %v, hash %016x, want %016x", err, again.Hash(), w.Hash())
			}
		})
	}
}

func TestACrashLoopKillsTheNextStartsToo(t *testing.T) {
	most := uint64(0)
	for seed := range uint64(10) {
		plan := fault.Plan{{Nth: 3, Target: "a", Kind: fault.CrashLoop, Arg: seed * 991}}
		w := newWorld(t, sim.Config{Seed: seed, Plan: plan})
		deaths := 0
		for range 10 {
			for range 30 {
				if err := writes(w); errors.Is(err, host.ErrKilled) {
					deaths++
					break
				}
			}
		}
		if n := count(w, fault.CrashLoop); n < 2 || n > 5 || n != uint64(deaths) {
			t.Errorf("seed %d: %d deaths, %d counted", seed, deaths, n)
		}
		most = max(most, count(w, fault.CrashLoop))
		w.Close()
	}
	if most < 3 {
		t.Errorf("at most %d deaths in a row", most)
	}
}

func TestAStepWithoutItsOpportunityIsReported(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, Plan: fault.Plan{
		{Nth: 1, Target: "nobody:data", Kind: fault.SyncError},
		{Nth: 99, Target: "a:data", Kind: fault.WriteError},
		{Target: "nobody", Kind: fault.Pause, For: time.Second},
		{At: 1 << 60, Target: "a", Kind: fault.Pause, For: time.Second},
		{Nth: 2, Target: "a:data", Kind: fault.DiskSlow},
	}})
	must(t, writes(w))
	if left := w.Unfired(); len(left) != 4 {
		t.Errorf("not fired: %v", left)
	}
	w.Calm()
	if left := w.Unfired(); len(left) != 4 || count(w, fault.DiskSlow) != 1 {
		t.Errorf("after Calm: %v", left)
	}
}

func TestCalmEndsWhatIsWrong(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, Faults: sim.Faults{WriteError: sim.Always, Buggify: sim.Always}, Plan: fault.Plan{
		{At: 1, Target: "a>store", Kind: fault.Partition, For: time.Hour},
		{At: 1, Target: "store", Kind: fault.StoreOutage, For: time.Hour},
		{At: 1, Target: "b", Kind: fault.Pause, For: time.Hour},
		{At: host.Time(time.Minute), Target: "a>store", Kind: fault.Partition, For: time.Hour},
	}})
	w.Machine("b").Boot(nil)
	w.Machine("a").SetFaults(&sim.Faults{SyncError: sim.Always})
	must(t, w.RunUntil(host.Time(time.Second)))
	w.Block("b", "a")
	w.Calm()
	must(t, writes(w))
	must(t, w.RunUntil(host.Time(2*time.Minute)))
	must(t, w.Do(w.Machine("b"), func(h host.Host, sc *host.Scope) error {
		return w.Store(w.Machine("a").Host()).Put(nil, "k", objectstore.BytesBody(nil))
	}))
	if w.Blocked("b", "a") || w.Blocked("a", sim.StoreNode) {
		t.Error("something is cut")
	}
}

func TestBuggifyTurnsSomeSitesOfSomeWorlds(t *testing.T) {
	active, fired := 0, 0
	for seed := range uint64(100) {
		w := newWorld(t, sim.Config{Seed: seed, Faults: sim.Faults{Buggify: 200_000}})
		must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			for range 100 {
				for i := range 5 {
					host.Buggify(h, fmt.Sprintf("site.%d", i))
				}
			}
			return nil
		}))
		if n := int(count(w, fault.Buggify)); n > 0 {
			active++
			fired += n
		}
		w.Close()
	}
	if active < 30 || active == 100 || fired < 1000 {
		t.Errorf("%d of 100 worlds, %d turns", active, fired)
	}
	w := newWorld(t, sim.Config{Seed: 1, Plan: fault.Plan{{Nth: 2, Target: "site", Kind: fault.Buggify}}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		turns := fmt.Sprint(host.Buggify(h, "site"), host.Buggify(h, "site"), host.Buggify(h, "site"))
		if turns != "false true false" {
			t.Errorf("planned: %s", turns)
		}
		return nil
	}))
}

func TestAPlaceNamesWhatACallDoesAndNotForWhom(t *testing.T) {
	var places []string
	onCall := func(c sim.Call) { places = append(places, c.Place()) }
	w := newWorld(t, sim.Config{Seed: 1, Hooks: sim.Hooks{OnCall: onCall}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		create(h, sc, "log-17.wal")
		s := w.Store(h)
		for _, key := range []string{
			"0a1b2c3d/0Ff0cKQlTkqDQaUzLVPsqg/1/12/00000000000000ff",
			"ffffffff/6b2e9d2e-65c0-4f19-9d0e-0cf1cd2ab411/2/3/0123456789abcdef",
		} {
			if err := s.Put(sc, key, objectstore.BytesBody(nil)); err != nil {
				return err
			}
		}
		return nil
	}))
	want := []string{
		"do attach data", "do open a/data:log-#.wal", "do attach data", "do syncdir a/data:",
		"do store.put #/#/#/#/#", "do store.put #/#/#/#/#",
	}
	slices.Sort(places)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(places), slices.Compact(want)) {
		t.Errorf("places %q", places)
	}
}

func TestARunStopsAtAnEventAndShowsItself(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1, StopAt: 20, Plan: fault.Plan{
		{At: 1 << 50, Target: "store", Kind: fault.StoreOutage, For: time.Second},
	}})
	w.PutObject("an/object", []byte("x"))
	w.Block("a", "b")
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		h.Go(sc, "waiter", func(sc *host.Scope) { h.Sleep(sc, time.Hour) })
		f := create(h, sc, "f")
		for {
			f.WriteAt(block(1), 0)
		}
	})
	if !errors.Is(err, sim.ErrStopped) || w.Events() < 20 || w.Events() > 25 {
		t.Fatalf("%v at event %d", err, w.Events())
	}
	var b bytes.Buffer
	must(t, w.Dump(&b))
	for _, want := range []string{
		"event 2", "machine a: up", "waiter", "sleep", "volume a:data", "not synced",
		"a>b: cut", "an/object", "O7.outage", "timers: ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the dump does not say %q:\n%s", want, &b)
		}
	}
}

func TestClocksOfAMachineAreWrongForAsLongAsTheStepSays(t *testing.T) {
	for _, k := range []fault.Kind{fault.ClockSkew, fault.ClockStep, fault.ClockStrobe, fault.ClockDrift} {
		t.Run(k.String(), func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 1, Plan: fault.Plan{
				{At: host.Time(time.Second), Target: "a", Kind: k, For: 10 * time.Second, Arg: 12},
			}})
			must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				var off []time.Duration // at 0.5 s, 5 s and 20 s: of the wall clock, and of the other one
				start, wall, begin := h.Now(), h.Wall(), w.Now()
				for _, at := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 20 * time.Second} {
					for w.Now() < host.Time(at) {
						h.Sleep(sc, time.Millisecond)
					}
					passed := w.Now().Sub(begin)
					off = append(off, h.Wall().Sub(wall)-passed, h.Now().Sub(start)-passed)
				}
				wallOff, monoOff := off[2] != 0, off[3] != 0
				if off[0] != 0 || off[1] != 0 || wallOff == (k == fault.ClockDrift) && k != fault.ClockStrobe ||
					monoOff != (k == fault.ClockDrift) || (off[4] != 0) != (k == fault.ClockStep) {
					t.Errorf("off by %v", off)
				}
				return nil
			}))
			if count(w, k) != 1 {
				t.Errorf("left: %v", w.Unfired())
			}
		})
	}
}
