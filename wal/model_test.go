package wal_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// model is what must be true of a ring whatever crashes: who was told "durable" is there, the order is
// kept, and nothing that a recovery dropped comes back.
type model struct {
	next  int64
	log   []*modelRecord // placed and not dropped, in log order
	acked int            // how many of log, from its front, were acknowledged or recovered
	trim  wal.Position   // as the last Trim said
	torn  int
	laps  wal.Position
	crash int
	full  int
	dead  int
}

type modelRecord struct {
	m     *model
	base  int64
	data  []byte
	at    wal.Extent
	acked bool
	told  bool
	fail  error
}

func (r *modelRecord) Size() int { return len(r.data) }

func (r *modelRecord) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	copy(dst, r.data)
	r.at = at
	r.m.log = append(r.m.log, r)
	return wal.Entry{Stream: 1, Epoch: 1, Kind: wal.KindData, Base: r.base, Count: 1}, nil
}

func (r *modelRecord) Durable(err error) {
	if r.told {
		r.fail = fmt.Errorf("record %d was told twice", r.base)
	}
	r.told = true
	if err != nil {
		return
	}
	r.acked = true
	if q := r.m.log[r.m.acked]; q != r {
		r.fail = fmt.Errorf("record %d was acknowledged before %d", r.base, q.base)
	}
	r.m.acked++
}

// recovered compares what a recovery found with the model and forgets what it dropped.
func (m *model) recovered(rec *wal.Recovery) error {
	m.torn += rec.Torn.Frames
	m.laps = rec.End / ringBytes
	i := 0
	var kept []*modelRecord
	for _, r := range m.log {
		if r.fail != nil {
			return r.fail
		}
		switch {
		case i < len(rec.Entries) && rec.Entries[i].Base == r.base:
			i++
			r.acked = true // found and synced: from here on it must stay
			kept = append(kept, r)
		case r.at.Frame < rec.Start: // trimmed
			if r.at.Frame >= m.trim {
				return fmt.Errorf("record %d at %d was trimmed, Trim said %d", r.base, r.at.Frame, m.trim)
			}
		case r.acked:
			return fmt.Errorf("acknowledged record %d is gone: %+v", r.base, rec)
		case len(rec.Damage) == 0 && i < len(rec.Entries):
			return fmt.Errorf("record %d is missing in the middle", r.base)
		}
	}
	if i < len(rec.Entries) {
		return fmt.Errorf("record %d came back from nowhere", rec.Entries[i].Base)
	}
	m.log, m.acked = kept, len(kept)
	return nil
}

// life is one incarnation: recover, check, then append and trim until killed.
func (m *model) life(h host.Host, sc *host.Scope, draw *lifePlan) error {
	l, rec, err := open(h, sc, nil)
	if err != nil {
		if draw.faulty {
			return nil // the next life tries again
		}
		return fmt.Errorf("open: %w", err)
	}
	if err := m.recovered(rec); err != nil {
		return err
	}
	rng := h.Rand("life")
	for i, f := range rec.Entries {
		got := make([]byte, f.Len)
		if err := l.ReadAt(sc, f.Extent, got); err != nil {
			return fmt.Errorf("read %d: %w", f.Base, err)
		}
		if want := m.log[len(m.log)-len(rec.Entries)+i]; string(got) != string(want.data) {
			return fmt.Errorf("record %d came back wrong", f.Base)
		}
	}
	for l.Err() == nil {
		for range 1 + rng.IntN(draw.burst) {
			size := rng.IntN(draw.size)
			r := &modelRecord{m: m, base: m.next, data: payload(int(m.next), size)}
			m.next++
			until := h.Now().Add(5 * time.Millisecond)
			if err := l.Append(sc, until, r); err != nil {
				m.full++
				break
			}
		}
		if rng.IntN(3) == 0 {
			if err := h.Sleep(sc, time.Duration(rng.IntN(3000))*time.Microsecond); err != nil {
				return nil
			}
		}
		if rng.IntN(3) == 0 {
			m.trimSome(l, rng.IntN(100))
		}
	}
	m.dead++
	return nil
}

// trimSome trims below a record somewhere in the durable part.
func (m *model) trimSome(l *wal.Log, percent int) {
	n := m.acked
	if n == 0 {
		return
	}
	at := m.log[min(n-1, n*(percent+20)/100)].at.Frame
	m.trim = max(m.trim, at)
	l.Trim(at)
}

type lifePlan struct {
	burst, size int
	live        time.Duration
	fate        sim.Fate
	faulty      bool // disk errors are injected
}

func TestWhateverCrashesTheModelHolds(t *testing.T) {
	var total model
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		cfg := sim.Config{Seed: seed}
		if rapid.Bool().Draw(t, "torn sectors") {
			cfg.Faults.TornSector = 200_000
		}
		if rapid.IntRange(0, 3).Draw(t, "errors") == 0 {
			cfg.Faults.SyncError, cfg.Faults.WriteError = 3_000, 3_000
		}
		lives := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) lifePlan {
			return lifePlan{
				burst: rapid.SampledFrom([]int{1, 4, 40}).Draw(t, "burst"),
				size:  rapid.SampledFrom([]int{50, 3000, 20000}).Draw(t, "size"),
				live:  time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond,
				fate:  rapid.SampledFrom([]sim.Fate{sim.MixUnsynced, sim.LoseUnsynced, sim.KeepUnsynced}).Draw(t, "fate"),
			}
		}), 1, 8).Draw(t, "lives")
		if err := runModel(cfg, lives, &total); err != nil {
			t.Fatalf("%v", err)
		}
	})
	t.Logf("torn %d, crashes %d, full %d, died %d, laps at most %d", total.torn, total.crash, total.full, total.dead,
		total.laps)
	if total.torn == 0 || total.laps == 0 || total.full == 0 || total.dead == 0 {
		t.Fatal("the model never met a torn tail, a wrap, a full ring or a dead log")
	}
}

func runModel(cfg sim.Config, lives []lifePlan, total *model) (err error) {
	faults := cfg.Faults
	cfg.Faults = sim.Faults{}
	w := sim.New(cfg)
	defer func() {
		if e := w.Close(); err == nil {
			err = e
		}
	}()
	m, mach := &model{}, w.Machine("b1")
	if err := w.Do(mach, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		cfg, err := ringConfig(h)
		if err != nil {
			return err
		}
		return wal.Format(sc, h, vol, ringFile, cfg, testIdentity)
	}); err != nil {
		return err
	}
	mach.KillWith(sim.LoseUnsynced)
	lives = append(lives, lifePlan{burst: 1, size: 10, live: 50 * time.Millisecond, fate: sim.KeepUnsynced})
	for i, life := range lives {
		var failed error
		life.faulty = faults.SyncError > 0 && i < len(lives)-1
		mach.Boot(func(h host.Host, sc *host.Scope) {
			failed = m.life(h, sc, &life)
		})
		deadline := w.Now() + host.Time(life.live)
		if i == len(lives)-1 {
			faults = sim.Faults{}
			deadline += host.Time(2 * time.Second)
		}
		w.SetFaults(faults)
		if err := w.RunUntil(deadline); err != nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("life %d: %w", i, failed)
		}
		mach.KillWith(life.fate)
		total.crash++
	}
	total.torn += m.torn
	total.full += m.full
	total.dead += m.dead
	total.laps = max(total.laps, m.laps)
	return nil
}
