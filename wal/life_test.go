package wal_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

func TestAfterTheFirstSyncErrorNothingIsWrittenOrAcknowledged(t *testing.T) {
	for name, faults := range map[string]sim.Faults{
		"sync": {SyncError: sim.Always}, "write": {WriteError: sim.Always},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			counting := false
			b := newBench(t, sim.Config{Hooks: sim.Hooks{OnCall: func(sim.Call) {
				if counting {
					calls++
				}
			}}})
			b.do(func(h host.Host, sc *host.Scope) error {
				deaths := 0
				l, _, err := open(h, sc, func(c *wal.Config, _ *wal.Expect) {
					c.Dead = func(err error) {
						deaths++
						counting = true
					}
				})
				if err != nil {
					return err
				}
				good, err := fill(h, sc, l, 0, 3, 5000)
				if err != nil {
					return err
				}
				b.w.SetFaults(faults)
				var rs []*record
				for i := 3; i < 8; i++ {
					r := newRecord(h, 1, int64(i), payload(i, 5000))
					if err := l.Append(sc, 0, r); err != nil {
						return err
					}
					rs = append(rs, r)
				}
				for _, r := range rs {
					if err := r.wait(); !errors.Is(err, wal.ErrDead) || !errors.Is(err, host.ErrIO) {
						return fmt.Errorf("got %v", err)
					}
				}
				if err := l.Append(sc, 0, rs[0]); !errors.Is(err, wal.ErrDead) {
					return fmt.Errorf("append after death: %w", err)
				}
				l.Trim(l.Durable())
				if err := h.Sleep(sc, time.Second); err != nil {
					return err
				}
				if calls != 0 || deaths != 1 {
					return fmt.Errorf("%d I/O calls after death, Dead called %d times", calls, deaths)
				}
				b.w.SetFaults(sim.Faults{})
				at := good[1].at
				at.Slab = nil
				got := make([]byte, 5000)
				if err := l.ReadAt(sc, at, got); err != nil || string(got) != string(good[1].data) {
					return fmt.Errorf("what was acknowledged cannot be read: %w", err)
				}
				if err := l.Close(sc); !errors.Is(err, wal.ErrDead) {
					return fmt.Errorf("close: %w", err)
				}
				return nil
			})
			b.kill()
			rec := b.recovered(nil)
			require.Equal(t, upTo(3), bases(rec.Entries)[:3])
			require.Empty(t, rec.Damage)
		})
	}
}

func TestAFenceTakenByAnotherKillsTheLogBeforeItAcknowledges(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		mine, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 1)
		if err != nil {
			return err
		}
		l, _, err := open(h, sc, func(c *wal.Config, _ *wal.Expect) { c.Fence = mine.Check })
		if err != nil {
			return err
		}
		if _, err := fill(h, sc, l, 0, 2, 100); err != nil {
			return err
		}
		if _, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 2); err != nil {
			return err
		}
		if _, err := fill(h, sc, l, 2, 1, 100); !errors.Is(err, wal.ErrFenced) || !errors.Is(err, wal.ErrDead) {
			return fmt.Errorf("fenced log said %w", err)
		}
		if _, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 1); !errors.Is(err, wal.ErrFenced) {
			return fmt.Errorf("fence went back: %w", err)
		}
		if _, err := wal.TakeFence(h, vol, "fence", wal.UUID{8}, 9); !errors.Is(err, wal.ErrForeign) {
			return fmt.Errorf("foreign fence was taken: %w", err)
		}
		if _, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 2); err != nil {
			return fmt.Errorf("taking it again: %w", err)
		}
		return nil
	})
}

func TestAFullRingWaitsAndATimedOutDraftIsNeverAppended(t *testing.T) {
	b := newBench(t, sim.Config{})
	var placed []*record
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		var timedOut *record
		for i := 0; ; i++ {
			r := newRecord(h, 1, int64(i), payload(i, 6000))
			start := h.Now()
			err := l.Append(sc, h.Now().Add(300*time.Millisecond), r)
			if errors.Is(err, host.ErrTimeout) {
				if waited := h.Now().Sub(start); waited < 300*time.Millisecond {
					return fmt.Errorf("gave up after %v", waited)
				}
				timedOut = r
				break
			}
			if err != nil {
				return err
			}
			placed = append(placed, r)
		}
		for _, r := range placed {
			if err := r.wait(); err != nil {
				return err
			}
		}
		if used := l.Stats().Used; used < ringBytes*3/4 {
			return fmt.Errorf("full at %d of %d bytes", used, ringBytes)
		}
		// The reserve is still there for what must fit.
		state := newRecord(h, 2, 1000, payload(7, 2000))
		if err := l.AppendReserved(sc, h.Now().Add(time.Second), state); err != nil {
			return fmt.Errorf("reserve: %w", err)
		}
		// One waits; a trim lets it in after both superblocks carry it.
		waiter := newRecord(h, 1, 2000, payload(8, 6000))
		h.Go(nil, "trim", func(sc *host.Scope) {
			if h.Sleep(sc, 50*time.Millisecond) == nil {
				l.Trim(placed[5].at.Frame)
			}
		})
		if err := l.Append(sc, h.Now().Add(time.Second), waiter); err != nil {
			return fmt.Errorf("after the trim: %w", err)
		}
		if err := waiter.wait(); err != nil {
			return err
		}
		if timedOut.at.Len != 0 || timedOut.done.Done() {
			return errors.New("the draft that timed out was placed")
		}
		placed = append(placed[5:], state, waiter)
		return nil
	})
	b.kill()
	rec := b.recovered(nil)
	var want []int64
	for _, r := range placed {
		want = append(want, r.base)
	}
	require.Equal(t, want, bases(rec.Entries))
}

func TestTheDurableEndIsInTheSuperblockWithin100msOfIdle(t *testing.T) {
	b, _, after, rs := written(t, 3, 5000, 110*time.Millisecond)
	from, to := lastFrame(rs)
	clear(after[from:to])
	b.put(after)
	rec := b.recovered(nil)
	require.Len(t, rec.Damage, 1)
	require.Equal(t, rs[2].at.Frame, rec.Damage[0].From)
}

func TestACleanMarkIsVoidOnceSomethingFollows(t *testing.T) {
	b := newBench(t, sim.Config{})
	for i := range 3 {
		b.do(func(h host.Host, sc *host.Scope) error {
			l, rec, err := open(h, sc, nil)
			if err != nil {
				return err
			}
			if want := i == 2; rec.Clean != want {
				return fmt.Errorf("life %d: clean is %v", i, rec.Clean)
			}
			if _, err := fill(h, sc, l, i, 1, 100); err != nil || i != 1 {
				return err
			}
			return l.Close(sc)
		})
		b.kill()
	}
	require.False(t, b.recovered(nil).Clean)
}

func TestAnEntryThatNoFrameCanCarryIsRefused(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		err = l.Append(sc, 0, newRecord(h, 1, 0, make([]byte, l.MaxEntry()+1)))
		if !errors.Is(err, wal.ErrTooLarge) {
			return fmt.Errorf("got %w", err)
		}
		rs, err := fill(h, sc, l, 0, 3, l.MaxEntry())
		if err != nil {
			return err
		}
		got := make([]byte, l.MaxEntry())
		if err := l.ReadAt(sc, rs[1].at, got); err != nil || string(got) != string(rs[1].data) {
			return fmt.Errorf("largest entry: %w", err)
		}
		return l.Close(sc)
	})
}

// refusing is a draft whose Place fails.
type refusing struct{ record }

var errRefused = errors.New("refused")

func (r *refusing) Place([]byte, wal.Extent) (wal.Entry, error) { return wal.Entry{}, errRefused }

func TestADraftThatRefusesItsPlaceLeavesNoTrace(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		if err := l.Append(sc, 0, &refusing{record{data: make([]byte, 10)}}); err != errRefused {
			return fmt.Errorf("got %w", err)
		}
		if _, err := fill(h, sc, l, 0, 2, 10); err != nil {
			return err
		}
		return l.Close(sc)
	})
	b.kill()
	require.Equal(t, upTo(2), bases(b.recovered(nil).Entries))
}

func TestAppendsWaitForASlabAndPressureFreesOne(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		var pool *wal.SlabPool
		l, _, err := open(h, sc, func(c *wal.Config, _ *wal.Expect) { pool = c.Slabs })
		if err != nil {
			return err
		}
		// A cache that keeps what it can: every slab it sees.
		var held []*wal.Slab
		hold := func(r *record) {
			if len(held) == 0 || held[len(held)-1] != r.at.Slab {
				r.at.Slab.Hold(wal.HolderCache)
				held = append(held, r.at.Slab)
			}
		}
		var rs []*record
		for i := 0; pool.Free() > 0 || i < 1; i++ {
			r := &holding{record: newRecord(h, 1, int64(i), payload(i, 9000)), hold: hold}
			if err := l.Append(sc, 0, r); err != nil {
				return err
			}
			if err := r.wait(); err != nil {
				return err
			}
			rs = append(rs, r.record)
		}
		err = nil
		for i := 100; err == nil; i++ {
			err = l.Append(sc, h.Now().Add(50*time.Millisecond), newRecord(h, 1, int64(i), payload(i, 20000)))
		}
		if !errors.Is(err, host.ErrTimeout) {
			return fmt.Errorf("with every slab held: %w", err)
		}
		asked := 0
		pool.Pressure = func() {
			asked++
			held[0].Release(wal.HolderCache)
			held = held[1:]
		}
		late, err := fill(h, sc, l, 200, 1, 20000)
		if err != nil || asked == 0 {
			return fmt.Errorf("asked %d times: %w", asked, err)
		}
		// The first record's slab was freed: it is read from the volume, not from 0xDB.
		for _, r := range append(late, rs[0], rs[len(rs)-1]) {
			got := make([]byte, len(r.data))
			if err := l.ReadAt(sc, r.at, got); err != nil || string(got) != string(r.data) {
				return fmt.Errorf("record %d: %w", r.base, err)
			}
		}
		if pool.Held(wal.HolderAnswer) != 0 {
			return errors.New("a read kept its hold")
		}
		return nil
	})
}

type holding struct {
	*record
	hold func(*record)
}

func (r *holding) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	e, err := r.record.Place(dst, at)
	r.hold(r.record)
	return e, err
}

func TestTrimmedBytesAreNotRead(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		rs, err := fill(h, sc, l, 0, 3, 100)
		if err != nil {
			return err
		}
		l.Trim(rs[1].at.Frame + 1) // rounds down to the frame
		if l.Trimmed() != rs[1].at.Frame {
			return fmt.Errorf("trimmed to %d", l.Trimmed())
		}
		l.Trim(0)
		for i, want := range []error{wal.ErrTrimmed, nil, nil} {
			at := rs[i].at
			at.Slab = nil
			if err := l.ReadAt(sc, at, make([]byte, 100)); !errors.Is(err, want) {
				return fmt.Errorf("record %d: %w", i, err)
			}
		}
		l.Trim(l.End())
		if l.Trimmed() != l.Durable() {
			return fmt.Errorf("trimmed to %d of %d", l.Trimmed(), l.Durable())
		}
		return l.Close(sc)
	})
	b.kill()
	require.Empty(t, b.recovered(nil).Entries)
}

func TestBirthMayBeRepeatedAndNeverDestroysAnotherWAL(t *testing.T) {
	b := newBench(t, sim.Config{})
	format := func(id wal.Identity) error {
		return b.w.Do(b.m, func(h host.Host, sc *host.Scope) error {
			vol, err := h.Disk().Volume(sc, "v")
			if err != nil {
				return err
			}
			cfg, err := ringConfig(h)
			if err != nil {
				return err
			}
			return wal.Format(sc, h, vol, ringFile, cfg, id)
		})
	}
	require.NoError(t, format(testIdentity))
	other := testIdentity
	other.WAL = wal.UUID{77}
	require.ErrorIs(t, format(other), wal.ErrExists)
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		if _, err = fill(h, sc, l, 0, 2, 100); err != nil {
			return err
		}
		return l.Close(sc)
	})
	require.ErrorIs(t, format(testIdentity), wal.ErrExists)
	require.Equal(t, upTo(2), bases(b.recovered(nil).Entries))
}

// W = 1: what is appended while a sync is in flight becomes one frame.
func TestAppendsDuringASyncShareTheNextFrame(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		var last *record
		for i := range 50 {
			last = newRecord(h, 1, int64(i), payload(i, 100))
			if err := l.Append(sc, 0, last); err != nil {
				return err
			}
			if i == 0 {
				if err := h.Sleep(sc, time.Microsecond); err != nil {
					return err
				}
			}
		}
		if err := last.wait(); err != nil {
			return err
		}
		if s := l.Stats(); s.Frames != 2 || s.Entries != 50 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

func TestALaterFrameFoundAheadEndsTheLog(t *testing.T) {
	// The frame right behind the end is destroyed with nothing known durable, and so is everything up to
	// more than a maximal frame further: the scan cannot know better. Before the ring there is written
	// again, the frame that is still whole is found.
	b, before, after, rs := written(t, 12, 9000, 0)
	from := fileOffset(rs[3].at.Frame)
	to := fileOffset(rs[7].at.Frame)
	copy(after[:wal.BlockSize], before)
	clear(after[from:to])
	for _, slot := range []int{0, len(after) - wal.BlockSize} {
		copy(after[slot:], birthSlots(t, b)[slot:slot+wal.BlockSize])
	}
	b.put(after)
	var died error
	b.do(func(h host.Host, sc *host.Scope) error {
		l, rec, err := open(h, sc, func(c *wal.Config, _ *wal.Expect) {
			c.Dead = func(err error) { died = err }
		})
		if err != nil {
			return err
		}
		if len(rec.Entries) != 3 {
			return fmt.Errorf("%d entries", len(rec.Entries))
		}
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		if !errors.Is(l.Err(), wal.ErrDead) {
			return fmt.Errorf("log goes on: %w", l.Err())
		}
		return nil
	})
	var damage *wal.DamageError
	require.True(t, asDamage(died, &damage))
	require.Equal(t, rs[3].at.Frame, damage.Position)
}

// birthSlots returns an image of a ring that was opened once and never appended to.
func birthSlots(t *testing.T, like *bench) []byte {
	b := newBench(t, sim.Config{})
	b.recovered(nil)
	return b.image()
}
