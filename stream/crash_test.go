package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// life is one incarnation of a random owner: it boots, checks what it finds, and works until it has done ops
// operations, or is killed.
func (r *rig) life(h host.Host, sc *host.Scope, ops int) error {
	if err := r.boot(h, sc); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	if err := r.verify(sc); err != nil {
		return fmt.Errorf("after boot: %w", err)
	}
	for i := range ops {
		if err := r.op(h, sc); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	return nil
}

func (r *rig) op(h host.Host, sc *host.Scope) error {
	x := r.streams[r.rng.IntN(len(r.streams))]
	if x.broken {
		return nil
	}
	switch n := r.rng.IntN(100); {
	case n < 70:
		size := 1 + r.rng.IntN(300)
		if r.rng.IntN(10) == 0 {
			size = r.rng.IntN(30_000)
		}
		return r.append(sc, x, size+1, r.rng.IntN(3) == 0)
	case n < 78:
		r.e.Evict()
	case n < 90:
		return r.verifyStream(sc, x)
	case n < 93:
		if len(x.list) == 0 || x.acked == 0 {
			return nil
		}
		to := x.start + r.rng.Int64N(x.acked-x.start+1)
		err := x.s.Trim(sc, to)
		x.start = x.s.LogStart()
		return err
	case n < 97:
		return h.Sleep(sc, time.Duration(r.rng.IntN(800))*time.Millisecond)
	default:
		return r.e.Flush(sc)
	}
	return nil
}

// quiet waits until everything placed was acknowledged.
func (r *rig) quiet(h host.Host, sc *host.Scope) error {
	for _, x := range r.streams {
		for !x.broken && x.acked < x.next {
			if err := h.Sleep(sc, time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// aftermath heals the world and requires that everything acknowledged is there: from the log, then, with the
// log's volume gone, from objects alone.
func (r *rig) aftermath() error {
	r.w.SetFaults(sim.Faults{})
	r.cat.lostEvery = 0
	err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		if err := r.life(h, sc, 10); err != nil {
			return err
		}
		if err := r.quiet(h, sc); err != nil {
			return err
		}
		if err := r.e.Flush(sc); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		if s := r.e.Stats(); s.OwingRanges > 0 || s.Verdicts[0]+s.Verdicts[4] > 0 {
			return fmt.Errorf("after the flush: %+v", s)
		}
		if to, all := r.log.Trimmed(), r.log.Durable(); to != all {
			return fmt.Errorf("after the flush the log is trimmed to %d of %d", to, all)
		}
		return r.stop(sc)
	})
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	r.m.Kill()
	r.walNo++
	err = r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		if err := r.life(h, sc, 0); err != nil {
			return err
		}
		return r.stop(sc)
	})
	if err != nil {
		return fmt.Errorf("restart without the log: %w", err)
	}
	return nil
}

func crashRig(t failer, seed uint64) *rig {
	r := newRig(t, sim.Config{Seed: seed}, 4)
	r.wcfg.Capacity = 512 << 10
	r.slab = 64 << 10
	r.slabs = 5
	r.cfg.UploadBytes = 64 << 10
	r.cfg.ObjectBytes = 128 << 10
	r.cat.lostEvery = 3
	return r
}

func TestNothingAcknowledgedIsLostByACrashAtAnyCall(t *testing.T) {
	count := crashRig(t, 1)
	count.do(func(h host.Host, sc *host.Scope) error { return count.life(h, sc, 150) })
	calls := count.m.Calls()
	fates := []sim.Fate{sim.Seeded, sim.KeepUnsynced, sim.LoseUnsynced}
	step := uint64(1)
	if testing.Short() || raceDetector {
		step = 11
	}
	ran := 0
	for n := uint64(1); n <= calls; n += step {
		r := crashRig(t, 1)
		when, fate := sim.BeforeEffect+sim.When(n%2), fates[n%3]
		r.m.CrashAt(n, when, fate)
		err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error { return r.life(h, sc, 150) })
		if err != nil && !errors.Is(err, host.ErrKilled) {
			t.Fatalf("crash at call %d of %d: before it: %v", n, calls, err)
		}
		r.m.CrashAt(0, when, fate)
		r.m.Kill()
		if err := r.aftermath(); err != nil {
			t.Fatalf("crash at call %d of %d (%d, fate %d): %v", n, calls, when, fate, err)
		}
		if err := r.w.Close(); err != nil {
			t.Fatal(err)
		}
		ran++
	}
	t.Logf("%d crashes in %d calls", ran, calls)
}

func TestStoreErrorsLatePutsAndCrashesLoseNothing(t *testing.T) {
	for seed := uint64(1); seed <= 25; seed++ {
		r := crashRig(t, seed)
		for round := range 4 {
			r.w.SetFaults(sim.Faults{
				StoreError: 100_000, StoreAppliedError: 100_000, StoreLate: 50_000, StoreTruncated: 50_000,
			})
			r.m.CrashAt(r.m.Calls()+1+r.rng.Uint64N(500), sim.AfterEffect, sim.Seeded)
			err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error { return r.patient(h, sc, 150) })
			if err != nil && !errors.Is(err, host.ErrKilled) {
				t.Fatalf("seed %d round %d: %v", seed, round, err)
			}
			r.m.CrashAt(0, sim.AfterEffect, sim.Seeded)
			r.m.Kill()
		}
		if err := r.aftermath(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := r.w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// patient is life for a world in which the store may fail reads.
func (r *rig) patient(h host.Host, sc *host.Scope, ops int) error {
	var err error
	for range 100 {
		if err = r.boot(h, sc); err == nil || sc.Err() != nil {
			break
		}
		if h.Sleep(sc, 10*time.Millisecond) != nil {
			return err
		}
		// Half a boot is no boot: what it opened is closed again, as a new process would find it.
		if cerr := r.stop(sc); cerr != nil {
			return fmt.Errorf("stop after %w: %w", err, cerr)
		}
	}
	if err != nil {
		return err
	}
	for range ops {
		if err := r.op(h, sc); err != nil && !errors.Is(err, sim.ErrUnavailable) && !errors.Is(err, sim.ErrNoAnswer) {
			return err
		}
	}
	return nil
}

func TestDiskErrorsEndInARescueThatHoldsEverythingAcknowledged(t *testing.T) {
	died := 0
	for seed := uint64(1); seed <= 40; seed++ {
		r := crashRig(t, 1000+seed)
		for round := range 3 {
			err := r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
				if err := r.life(h, sc, 20); err != nil {
					return err
				}
				r.m.SetFaults(&sim.Faults{SyncError: 20_000, WriteError: 20_000})
				err := error(nil)
				for i := 0; i < 150 && err == nil && r.dead == nil; i++ {
					err = r.op(h, sc)
				}
				r.m.SetFaults(nil)
				if r.dead == nil {
					return err
				}
				died++
				if err := r.e.Rescue(sc); err != nil {
					return fmt.Errorf("rescue: %w", err)
				}
				for _, x := range r.streams {
					if got := max(x.start, r.cat.streams[x.id].last().committed); got != x.acked {
						return fmt.Errorf("AckedDurable: stream %d: rescued to %d, acknowledged to %d", x.id, got, x.acked)
					}
				}
				r.walNo++
				return r.verify(sc)
			})
			if err != nil {
				t.Fatalf("seed %d round %d: %v", seed, round, err)
			}
			r.m.Kill()
		}
		if err := r.aftermath(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := r.w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if died < 10 {
		t.Fatalf("only %d logs died: the test shows nothing", died)
	}
}
