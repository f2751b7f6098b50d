package objectwal_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
	"github.com/weirmq/weir/wal/objectwal"
)

var testID = wal.UUID{9}

// slow is a store that holds back puts of one key until it is let go.
type slow struct {
	objectstore.Store
	key  string
	gate host.Future[struct{}]
}

func (s *slow) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	if key == s.key {
		if _, err := s.gate.Wait(nil, 0); err != nil {
			return err
		}
	}
	return s.Store.PutIfAbsent(sc, key, body)
}

// note is a draft that notes what it hears.
type note struct {
	base int64
	size int
	at   wal.Extent
	done host.Future[struct{}]
	told *[]int64
}

func (n *note) Size() int { return n.size }

func (n *note) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	n.at = at
	copy(dst, content(int(n.base), n.size))
	return wal.Entry{Stream: 1, Epoch: 1, Kind: wal.KindData, Base: n.base, Count: 1}, nil
}

func (n *note) Durable(err error) {
	if n.told != nil {
		*n.told = append(*n.told, n.base)
	}
	n.done.Complete(struct{}{}, err)
}

func newNote(h host.Host, base int64, size int) *note {
	n := &note{base: base, size: size}
	n.done.Init(h)
	return n
}

func (n *note) wait() error {
	_, err := n.done.Wait(nil, 0)
	return err
}

// rig is a world with one log in it.
type rig struct {
	w     *sim.World
	h     host.Host
	sc    *host.Scope
	store objectstore.Store
	cfg   objectwal.Config
	l     *objectwal.Log
}

// run has fn use a log in a world, as change has it configured.
func run(t *testing.T, change func(r *rig), fn func(r *rig) error) {
	t.Helper()
	w := sim.New(sim.Config{Seed: 3})
	require.NoError(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		r := &rig{w: w, h: h, sc: sc, store: w.Store(h)}
		var err error
		if r.cfg, err = smallConfig(w, h); err != nil {
			return err
		}
		if change != nil {
			change(r)
		}
		if r.l, err = objectwal.Create(nil, h, r.cfg, wal.Identity{WAL: testID, Broker: 1, BrokerEpoch: 7,
			Generation: 1}); err != nil {
			return err
		}
		return fn(r)
	}))
	require.NoError(t, w.Close())
}

// fill appends n records one after the other, each in an object of its own.
func (r *rig) fill(t *testing.T, n int) []*note {
	var out []*note
	for i := range n {
		e := newNote(r.h, int64(i), 5000)
		require.NoError(t, r.l.Append(r.sc, 0, e))
		require.NoError(t, e.wait())
		out = append(out, e)
	}
	return out
}

func (r *rig) fence(t *testing.T, change func(*objectwal.Expect)) (*objectwal.Log, *wal.Recovery) {
	want := objectwal.Expect{WAL: testID, Broker: 2, BrokerEpoch: 8, Generation: 2}
	if change != nil {
		change(&want)
	}
	l, rec, err := objectwal.Fence(r.sc, r.h, objectwal.ReadConfig{Store: r.store, Heads: 8}, want)
	require.NoError(t, err)
	return l, rec
}

func bases(found []wal.Found) []int64 {
	out := []int64{}
	for _, f := range found {
		out = append(out, f.Base)
	}
	return out
}

const object = wal.Position(wal.MaxFrame)

func TestAnswersComeInOrderAndPutsAtOnce(t *testing.T) {
	s := &slow{key: objectwal.Key(testID, 0)}
	run(t, func(r *rig) { s.Store, r.cfg.Store = r.store, s; s.gate.Init(r.h) }, func(r *rig) error {
		var told []int64
		var last *note
		for i := range 3 {
			last = newNote(r.h, int64(i), 5000)
			last.told = &told
			require.NoError(t, r.l.Append(r.sc, 0, last))
		}
		require.NoError(t, r.h.Sleep(r.sc, time.Second))
		require.Len(t, r.w.Objects(), 2, "the others do not wait for the first")
		require.Empty(t, told, "nothing is answered before the first is stored")
		require.Zero(t, r.l.Durable())
		require.NotZero(t, r.l.SyncBegan())
		s.gate.Complete(struct{}{}, nil)
		require.NoError(t, last.wait())
		require.Equal(t, []int64{0, 1, 2}, told)
		require.Equal(t, 3*object, r.l.Durable())
		require.Zero(t, r.l.SyncBegan())
		return nil
	})
}

func TestABatchWaitsForItsTimeOrItsSize(t *testing.T) {
	run(t, func(r *rig) { r.cfg.Linger = time.Second }, func(r *rig) error {
		one, two := newNote(r.h, 0, 100), newNote(r.h, 1, 100)
		began := r.h.Now()
		require.NoError(t, r.l.Append(r.sc, 0, one))
		require.NoError(t, r.l.Append(r.sc, 0, two))
		require.NoError(t, two.wait())
		require.GreaterOrEqual(t, r.h.Now().Sub(began), time.Second)
		require.Equal(t, one.at.Frame, two.at.Frame)
		full := newNote(r.h, 2, 5000)
		began = r.h.Now()
		require.NoError(t, r.l.Append(r.sc, 0, full))
		require.NoError(t, full.wait())
		require.Less(t, r.h.Now().Sub(began), time.Second)
		require.Equal(t, uint64(2), r.l.Stats().Frames)
		return nil
	})
}

func TestAPutWithoutAnswerIsRepeatedWithTheSameBytes(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.w.SetFaults(sim.Faults{StoreAppliedError: 500_000})
		r.fill(t, 20)
		require.Greater(t, r.l.Stats().Syncs, uint64(20))
		require.Len(t, r.w.Objects(), 20)
		return nil
	})
}

func TestATombstoneEndsItsWriter(t *testing.T) {
	var died []error
	run(t, func(r *rig) { r.cfg.Dead = func(err error) { died = append(died, err) } }, func(r *rig) error {
		r.fill(t, 3)
		require.NoError(t, r.l.CheckFence(r.sc))
		other, rec := r.fence(t, nil)
		require.Equal(t, []int64{0, 1, 2}, bases(rec.Entries))
		require.Equal(t, 3*object, rec.End)
		require.False(t, rec.Clean)
		late := newNote(r.h, 3, 100)
		require.NoError(t, r.l.Append(r.sc, 0, late))
		err := late.wait()
		require.ErrorIs(t, err, wal.ErrFenced)
		require.ErrorIs(t, err, wal.ErrDead)
		require.ErrorIs(t, r.l.Append(r.sc, 0, newNote(r.h, 4, 100)), wal.ErrDead)
		require.ErrorIs(t, r.l.Close(r.sc), wal.ErrFenced)
		require.Len(t, died, 1)
		require.ErrorIs(t, other.Append(r.sc, 0, newNote(r.h, 4, 100)), wal.ErrReadOnly)
		return other.Close(r.sc)
	})
}

func TestAnIdleWriterHearsOfItsTombstone(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 1)
		r.fence(t, nil)
		require.ErrorIs(t, r.l.CheckFence(r.sc), wal.ErrFenced)
		require.NoError(t, r.h.Sleep(r.sc, time.Millisecond))
		require.ErrorIs(t, r.l.Err(), wal.ErrDead)
		return nil
	})
}

func TestForeignBytesAtAKeyEndTheLog(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.w.PutObject(objectwal.Key(testID, 0), []byte(strings.Repeat("z", 200)))
		e := newNote(r.h, 0, 100)
		require.NoError(t, r.l.Append(r.sc, 0, e))
		err := e.wait()
		require.ErrorIs(t, err, wal.ErrDamage)
		require.NotErrorIs(t, err, wal.ErrFenced)
		return nil
	})
}

func TestAClosedLogEndsWithItsOwnTombstone(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 2)
		last := newNote(r.h, 2, 10)
		require.NoError(t, r.l.Append(r.sc, 0, last))
		require.NoError(t, r.l.Close(r.sc))
		require.NoError(t, last.wait())
		require.ErrorIs(t, r.l.Close(r.sc), wal.ErrClosed)
		_, rec := r.fence(t, nil)
		require.True(t, rec.Clean)
		require.Equal(t, []int64{0, 1, 2}, bases(rec.Entries))
		require.Len(t, r.w.Objects(), 4)
		return nil
	})
}

func TestRoomIsMadeByATrim(t *testing.T) {
	run(t, func(r *rig) { r.cfg.Objects = 4 }, func(r *rig) error {
		r.fill(t, 3)
		until := r.h.Now().Add(time.Second)
		require.ErrorIs(t, r.l.Append(r.sc, until, newNote(r.h, 3, 100)), host.ErrTimeout)
		require.NoError(t, r.l.AppendReserved(r.sc, until, newNote(r.h, 3, 5000)))
		r.l.Trim(2*object + 100)
		require.Equal(t, 2*object, r.l.Trimmed())
		require.NoError(t, r.l.Append(r.sc, r.h.Now().Add(time.Second), newNote(r.h, 4, 100)))
		require.ErrorIs(t, r.l.Append(r.sc, 0, newNote(r.h, 5, 1<<20)), wal.ErrTooLarge)
		return nil
	})
}

func TestWhoMayUseTheReserveDoesNotWaitBehindOthers(t *testing.T) {
	s := &slow{key: objectwal.Key(testID, 3)}
	run(t, func(r *rig) {
		r.cfg.Objects, r.cfg.Parallel, r.cfg.Store, s.Store = 8, 1, s, r.store
		s.gate.Init(r.h)
	}, func(r *rig) error {
		r.fill(t, 3)
		for i := range 3 { // one in flight, one pending, one filling
			require.NoError(t, r.l.Append(r.sc, 0, newNote(r.h, int64(3+i), 5000)))
		}
		var order []string
		g := host.NewGroup(r.h, r.sc)
		g.Go("test.plain", func(sc *host.Scope) error {
			for i := range 3 {
				if err := r.l.Append(sc, 0, newNote(r.h, int64(20+i), 5000)); err != nil {
					return err
				}
			}
			order = append(order, "plain")
			return nil
		})
		require.NoError(t, r.h.Sleep(r.sc, time.Second))
		g.Go("test.reserved", func(sc *host.Scope) error {
			err := r.l.AppendReserved(sc, 0, newNote(r.h, 10, 5000))
			order = append(order, "reserved")
			return err
		})
		require.NoError(t, r.h.Sleep(r.sc, time.Second))
		require.Empty(t, order)
		s.gate.Complete(struct{}{}, nil)
		require.NoError(t, r.h.Sleep(r.sc, time.Minute))
		require.Equal(t, []string{"reserved"}, order, "the others wait for a trim")
		r.l.Trim(4 * object)
		require.NoError(t, g.Wait())
		return nil
	})
}

func TestSlabsThatOthersHoldAreAskedBack(t *testing.T) {
	run(t, nil, func(r *rig) error {
		var held []*wal.Slab
		for s := r.cfg.Slabs.Take(); s != nil; s = r.cfg.Slabs.Take() {
			held = append(held, s)
		}
		r.cfg.Slabs.Pressure = func() {
			if len(held) > 0 {
				held[0].Release(wal.HolderLog)
				held = held[1:]
			}
		}
		r.fill(t, 2)
		require.Less(t, len(held), 8)
		require.Equal(t, 2*object, r.l.End())
		require.Equal(t, int64(7), r.l.Identity().BrokerEpoch)
		return nil
	})
}

func TestAnObjectOfAnotherWriterIsDamage(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 4)
		third, _ := r.w.Object(objectwal.Key(testID, 2))
		r.w.PutObject(objectwal.Key(testID, 1), third) // whole, and at a key that is not its own
		_, rec := r.fence(t, nil)
		require.Equal(t, []int64{0, 2, 3}, bases(rec.Entries))
		require.Len(t, rec.Damage, 1)
		return nil
	})
}

func TestABadConfigurationIsRefused(t *testing.T) {
	run(t, nil, func(r *rig) error {
		for _, spoil := range []func(*objectwal.Config){
			func(c *objectwal.Config) { c.Store = nil },
			func(c *objectwal.Config) { c.Slabs = nil },
			func(c *objectwal.Config) { c.Parallel = -1 },
			func(c *objectwal.Config) { c.Objects = 3 },
		} {
			cfg := r.cfg
			spoil(&cfg)
			_, err := objectwal.Create(r.sc, r.h, cfg, wal.Identity{WAL: testID})
			require.Error(t, err)
		}
		return nil
	})
}

func TestObjectsAreReadAheadOfTheWalk(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 40)
		var took [2]time.Duration
		for i, ahead := range []int{1, 8} {
			began := r.h.Now()
			_, rec, err := objectwal.Fence(r.sc, r.h, objectwal.ReadConfig{Store: r.store, Ahead: ahead},
				objectwal.Expect{WAL: testID, Broker: 2, BrokerEpoch: 8, Generation: 2})
			require.NoError(t, err)
			require.Len(t, rec.Entries, 40)
			took[i] = r.h.Now().Sub(began)
		}
		require.Less(t, 3*took[1], took[0])
		return nil
	})
}

func TestKeysGoWhenMetadataCarriesTheTrim(t *testing.T) {
	run(t, nil, func(r *rig) error {
		notes := r.fill(t, 4)
		r.l.Trim(3 * object)
		require.NoError(t, r.h.Sleep(r.sc, time.Minute))
		require.Len(t, r.w.Objects(), 4)
		r.l.Carried(2 * object)
		require.NoError(t, r.h.Sleep(r.sc, time.Minute))
		require.Equal(t, []string{objectwal.Key(testID, 2), objectwal.Key(testID, 3)}, r.w.Objects())
		at := notes[1].at
		at.Slab = nil
		require.ErrorIs(t, r.l.ReadAt(r.sc, at, make([]byte, 10)), wal.ErrTrimmed)
		_, rec := r.fence(t, func(e *objectwal.Expect) { e.Trim = 2 * object })
		require.Equal(t, []int64{2, 3}, bases(rec.Entries))
		return nil
	})
}

func TestASweepLeavesTheTombstone(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 4)
		_, rec := r.fence(t, nil)
		r.w.PutObject(objectwal.Key(testID, 6), make([]byte, 500)) // a put that came late
		n, err := objectwal.Sweep(r.sc, r.store, testID, rec.End, rec.End)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.Equal(t, []string{objectwal.Key(testID, 4)}, r.w.Objects())
		_, again := r.fence(t, func(e *objectwal.Expect) { e.Trim = rec.End })
		require.Equal(t, rec.End, again.End)
		require.Empty(t, again.Damage)
		return nil
	})
}

func TestAnAnswerWaitsForTheLease(t *testing.T) {
	var gate host.Future[struct{}]
	var end error
	run(t, func(r *rig) {
		gate.Init(r.h)
		r.cfg.Lease = func(sc *host.Scope) (bool, error) {
			_, err := gate.Wait(sc, 0)
			return true, errors.Join(err, end)
		}
	}, func(r *rig) error {
		e := newNote(r.h, 0, 100)
		require.NoError(t, r.l.Append(r.sc, 0, e))
		require.NoError(t, r.h.Sleep(r.sc, time.Minute))
		require.Zero(t, r.l.Durable())
		gate.Complete(struct{}{}, nil)
		require.NoError(t, e.wait())
		end = errors.New("fenced")
		e = newNote(r.h, 1, 100)
		require.NoError(t, r.l.Append(r.sc, 0, e))
		require.ErrorIs(t, e.wait(), wal.ErrLease)
		return nil
	})
}

func TestDamageIsNamedAndTheWalkGoesOn(t *testing.T) {
	third := objectwal.Key(testID, 2)
	for name, c := range map[string]struct {
		spoil  func(w *sim.World)
		trim   func(*objectwal.Expect)
		found  []int64
		at     wal.Position
		listed bool
	}{
		"a header": {spoil: func(w *sim.World) { w.FlipObject(third, 40, 1) }, found: []int64{0, 1, 3, 4}, at: 2 * object},
		"a body": {spoil: func(w *sim.World) { w.FlipObject(third, 3000, 1) }, found: []int64{0, 1, 3, 4}, at: 2 * object,
			listed: true},
		"a table": {spoil: func(w *sim.World) { w.FlipObject(third, 5140, 1) }, found: []int64{0, 1, 3, 4}, at: 2 * object},
		"a short object": {spoil: func(w *sim.World) { w.PutObject(third, []byte("short")) }, found: []int64{0, 1, 3, 4},
			at: 2 * object},
		"a key that metadata knows of": {spoil: func(w *sim.World) { w.DeleteObject(third) }, found: []int64{0, 1, 3, 4},
			trim: func(e *objectwal.Expect) { e.Durable = 5 * object }, at: 2 * object},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(r *rig) error {
				notes := r.fill(t, 5)
				c.spoil(r.w)
				l, rec := r.fence(t, c.trim)
				require.Equal(t, c.found, bases(rec.Entries))
				require.Equal(t, 5*object, rec.End)
				require.Len(t, rec.Damage, 1)
				require.Equal(t, c.at, rec.Damage[0].From)
				require.Equal(t, c.listed, rec.Damage[0].Listed)
				if c.listed {
					require.Equal(t, []int64{2}, bases(rec.Damage[0].Lost))
				}
				at := notes[2].at
				at.Slab = nil
				require.ErrorIs(t, l.ReadAt(r.sc, at, make([]byte, 5000)), wal.ErrDamage)
				at = notes[3].at
				at.Slab = nil
				got := make([]byte, 5000)
				require.NoError(t, l.ReadAt(r.sc, at, got))
				require.Equal(t, content(3, 5000), got)
				return l.Close(r.sc)
			})
		})
	}
}

func TestAGapWithoutEvidenceIsTheEnd(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 4)
		r.w.DeleteObject(objectwal.Key(testID, 1))
		_, rec := r.fence(t, nil)
		require.Equal(t, object, rec.End)
		_, again := r.fence(t, nil)
		require.Equal(t, object, again.End)
		return nil
	})
}

func TestALogThatWroteNothingIsEndedAtItsTrim(t *testing.T) {
	run(t, nil, func(r *rig) error {
		_, rec := r.fence(t, func(e *objectwal.Expect) { e.Trim, e.Durable = 7*object, 7*object })
		require.Equal(t, 7*object, rec.End)
		require.Empty(t, rec.Damage)
		require.Equal(t, []string{objectwal.Key(testID, 7)}, r.w.Objects())
		return nil
	})
}
