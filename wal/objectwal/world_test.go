package objectwal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
	"github.com/weirmq/weir/wal/objectwal"
)

// ledger is what the world knows of one log, and metadata's part in it.
type ledger struct {
	w  *sim.World
	id wal.UUID

	frames    []wal.Position // of the objects that carry the records, by their offset
	acked     []bool
	inOrder   int // all below are acked
	committed int // metadata: records below are in objects
	trim      wal.Position
	durable   wal.Position
	fenced    bool // metadata: its writer commits nothing more
	closed    bool // its writer closed it

	ended bool
	found []bool // by the recovery
	end   wal.Position
	seen  int // recoveries
}

// entry is a draft of the world's.
type entry struct {
	s    *ledger
	at   int
	size int
}

func (e *entry) Size() int { return e.size }

func (e *entry) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	e.at = len(e.s.frames)
	e.s.frames, e.s.acked = append(e.s.frames, at.Frame), append(e.s.acked, false)
	copy(dst, content(e.at, e.size))
	return wal.Entry{Stream: 1, Epoch: 1, Kind: wal.KindData, Base: int64(e.at), Count: 1}, nil
}

func (e *entry) Durable(err error) {
	s := e.s
	if err != nil {
		return
	}
	s.acked[e.at] = true
	if s.ended && (e.at >= len(s.found) || !s.found[e.at]) && e.at >= s.committed {
		s.w.Fail(fmt.Errorf("record %d of %s is acknowledged, and its recovery did not find it", e.at, s.id))
	}
	for s.inOrder < len(s.acked) && s.acked[s.inOrder] {
		s.inOrder++
	}
}

// content is what record at of size bytes holds.
func content(at, size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(at*31 + i)
	}
	binary.LittleEndian.PutUint32(p, uint32(at))
	return p
}

func smallConfig(w *sim.World, h host.Host) (objectwal.Config, error) {
	pool, err := wal.NewSlabPool(h, 8, 32<<10)
	if err != nil {
		return objectwal.Config{}, err
	}
	pool.Poison = true
	return objectwal.Config{Store: w.Store(h), Slabs: pool, Linger: 10 * time.Millisecond, Bytes: 4 << 10,
		Parallel: 3, Objects: 256, Attempt: 3 * time.Second}, nil
}

// write is the life of a writer: it appends, commits and trims until its log ends.
func (s *ledger) write(h host.Host, sc *host.Scope, closes bool) {
	cfg, err := smallConfig(s.w, h)
	if err != nil {
		s.w.Fail(err)
		return
	}
	l, err := objectwal.Create(sc, h, cfg, wal.Identity{WAL: s.id, Broker: 1, BrokerEpoch: 7, Generation: 1})
	if err != nil {
		s.w.Fail(err)
		return
	}
	for i := range 3 {
		h.Go(sc, "test.append", func(sc *host.Scope) {
			rng := h.Rand(fmt.Sprintf("append %d", i))
			for {
				if l.Append(sc, 0, &entry{s: s, size: 16 + rng.IntN(3000)}) != nil {
					return
				}
				if h.Sleep(sc, time.Duration(rng.IntN(8000))*time.Microsecond) != nil {
					return
				}
			}
		})
	}
	rng := h.Rand("commit")
	for n := 0; l.Err() == nil; n++ {
		if closes && n == 12 {
			s.closed = l.Close(sc) == nil
			return
		}
		if h.Sleep(sc, time.Duration(100+rng.IntN(300))*time.Millisecond) != nil {
			return
		}
		s.commit(l)
	}
}

// commit has metadata carry what is uploaded, with the trim as the commit before left it.
func (s *ledger) commit(l *objectwal.Log) {
	if s.fenced {
		return
	}
	s.trim, s.durable = max(s.trim, l.Trimmed()), max(s.durable, l.Durable())
	s.committed = max(s.committed, s.inOrder-3)
	l.Carried(s.trim)
	if s.committed < len(s.frames) {
		l.Trim(s.frames[s.committed])
	}
}

// recover ends the log, twice and more, holds what it reads against what was acknowledged, and sweeps.
func (s *ledger) recover(h host.Host, sc *host.Scope, epoch int64) {
	s.fenced = true
	store := s.w.Store(h)
	for range 4 {
		l, rec, err := objectwal.Fence(sc, h, objectwal.ReadConfig{Store: store, Attempt: 3 * time.Second, Heads: 4},
			objectwal.Expect{WAL: s.id, Trim: s.trim, Durable: s.durable, Broker: 2, BrokerEpoch: epoch, Generation: epoch})
		if err == nil {
			err = s.judge(sc, l, rec)
		}
		if err != nil {
			if sc.Err() == nil {
				s.w.Fail(err)
			}
			return
		}
		for range 3 {
			_, _ = objectwal.Sweep(sc, store, s.id, s.trim, rec.End)
			if h.Sleep(sc, time.Second) != nil {
				return
			}
		}
	}
}

func (s *ledger) judge(sc *host.Scope, l *objectwal.Log, rec *wal.Recovery) error {
	if len(rec.Damage) > 0 {
		return fmt.Errorf("%s: %s", s.id, rec.Damage[0].Why)
	}
	if s.closed && !rec.Clean {
		return fmt.Errorf("%s was closed, and its recovery is not clean", s.id)
	}
	found := make([]bool, len(s.frames))
	for i, f := range rec.Entries {
		at := int(f.Base)
		if i > 0 && f.Base != rec.Entries[i-1].Base+1 {
			return fmt.Errorf("record %d of %s follows %d", f.Base, s.id, rec.Entries[i-1].Base)
		}
		found[at] = true
		got := make([]byte, f.Len)
		if err := l.ReadAt(sc, f.Extent, got); err != nil {
			return err
		}
		if string(got) != string(content(at, len(got))) || string(f.Head) != string(got[:4]) {
			return fmt.Errorf("record %d of %s has other bytes", at, s.id)
		}
	}
	for at, acked := range s.acked {
		if acked && at >= s.committed && !found[at] {
			return fmt.Errorf("record %d of %s was acknowledged and is lost", at, s.id)
		}
	}
	if s.ended && rec.End != s.end {
		return fmt.Errorf("%s ended at %d, and now at %d", s.id, s.end, rec.End)
	}
	s.ended, s.found, s.end = true, found, rec.End
	s.seen++
	return l.Close(sc)
}

// hardStore is a store that loses answers, lands puts late and refuses calls.
var hardStore = sim.Faults{
	StoreThrottle: 20_000, StoreError: 20_000, StoreAppliedError: 60_000, StoreLate: 60_000, StoreConflict: 20_000,
	StoreOwnExists: 20_000, StaleList: 50_000, StoreTruncated: 20_000, BodyFlipped: 10_000, WrongRange: 10_000,
	StoreSlow: 10_000, DeleteLate: 20_000,
}

// live is one world: three logs one after the other, each written, ended by another machine while its writer lives on,
// is paused or was killed, and swept.
func live(seed uint64) (uint64, error) {
	w := sim.New(sim.Config{Seed: seed, Faults: hardStore, Store: sim.StoreConfig{LateMax: 8 * time.Second,
		Timeout: 2 * time.Second}})
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 3 {
		s := &ledger{w: w, id: wal.UUID{byte(round + 1)}}
		a, b := w.Machine(fmt.Sprintf("a%d", round)), w.Machine(fmt.Sprintf("b%d", round))
		closes := rng.IntN(4) == 0
		a.Boot(func(h host.Host, sc *host.Scope) { s.write(h, sc, closes) })
		until := w.Now() + host.Time(rng.Int64N(int64(6*time.Second)))
		_ = w.RunUntil(until)
		switch rng.IntN(3) {
		case 0:
			a.Kill()
		case 1:
			a.Pause(time.Duration(rng.Int64N(int64(4 * time.Second))))
		}
		epoch := int64(10)
		boot := func() {
			epoch++
			e := epoch
			b.Boot(func(h host.Host, sc *host.Scope) { s.recover(h, sc, e) })
		}
		boot()
		if rng.IntN(3) == 0 {
			_ = w.RunUntil(w.Now() + host.Time(rng.Int64N(int64(300*time.Millisecond))))
			b.Kill()
			boot()
		}
		if err := w.Run(func() bool { return s.seen >= 4 }); err != nil {
			break
		}
		_ = w.RunUntil(w.Now() + host.Time(10*time.Second))
		a.Kill()
		b.Kill()
	}
	err := errors.Join(w.Err(), w.Close())
	return w.Hash(), err
}

func TestWhatWasAcknowledgedOutlivesItsWriter(t *testing.T) {
	seeds := uint64(30)
	if mutant.Active() != "" {
		seeds = 300
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		_, err := live(seed)
		require.NoError(t, err, "seed %d", seed)
	}
}

func TestSameSeedSameWorld(t *testing.T) {
	one, err := live(5)
	require.NoError(t, err)
	two, err := live(5)
	require.NoError(t, err)
	require.Equal(t, one, two)
}
