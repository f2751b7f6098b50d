package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

// fillUp appends to stream x until nothing more fits.
func (r *rig) fillUp(h host.Host, sc *host.Scope, x *expected) {
	for {
		d := &draft{x: x, data: make([]byte, 6000), n: 1}
		if err := x.s.Append(sc, h.Now().Add(time.Second), d); err != nil {
			require.ErrorIs(r, err, host.ErrTimeout)
			return
		}
	}
}

// quarantine lets go of holes from time to time, as an owner does.
func (r *rig) quarantine(h host.Host, sc *host.Scope) {
	h.Go(sc, "quarantine", func(sc *host.Scope) {
		for h.Sleep(sc, 100*time.Millisecond) == nil {
			if r.e != nil {
				for _, x := range r.e.Holed() {
					r.e.Quarantined(x.Hole.ID, x.Hole.Epoch)
				}
			}
		}
	})
}

// TestAnOpenRangeWithAHolePinsNoFullRing: it goes on until it pins half of the ring. Then it is closed, so that it can
// be quarantined, and the others go on.
func TestAnOpenRangeWithAHolePinsNoFullRing(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 37}, 2)
	x, other := r.streams[0], r.streams[1]
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.quarantine(h, sc)
		r.fill(sc, 6)
		for r.e.Evict() {
		}
		r.flipLog(x.list[3])
		_, err := x.s.Read(sc, x.list[3].base, x.next, 1000, false)
		require.ErrorIs(r, err, stream.ErrDamaged)
		require.NoError(r, r.append(sc, x, 6000, true), "it goes on")
		limit, cancel := sc.Child(h.Now().Add(time.Minute))
		defer cancel()
		for range 3 * r.wcfg.Capacity / 6000 {
			require.NoError(r, r.append(limit, other, 6000, true))
		}
		require.ErrorIs(r, r.append(limit, x, 6000, true), stream.ErrClosed)
		require.NoError(r, r.verifyStream(sc, other))
		return r.stop(sc)
	})
}

// TestARangeWhoseStateIsLostPinsNoFullRing: the object that a range's state is built from is gone, so that nothing
// more of it can be committed, and the ring is full of it. The range becomes a hole to be quarantined, and the others
// are opened and go on.
func TestARangeWhoseStateIsLostPinsNoFullRing(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 34}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for _, x := range r.streams { // an object each
			require.NoError(r, r.append(sc, x, 6000, true))
			require.NoError(r, r.e.Flush(sc))
		}
		r.w.SetFaults(sim.Faults{StoreError: sim.Always})
		r.fillUp(h, sc, r.streams[0])
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.w.SetFaults(sim.Faults{})
	loc, err := r.cat.Checkpoint(1, 1<<40)
	require.NoError(t, err)
	r.w.DeleteObject(loc.Key)
	r.streams = r.streams[1:] // the other cannot be opened
	r.do(func(h host.Host, sc *host.Scope) error {
		r.quarantine(h, sc)
		limit, cancel := sc.Child(h.Now().Add(time.Minute))
		defer cancel()
		r.e = nil
		require.NoError(r, r.boot(h, limit))
		require.Len(r, r.cat.holes, 1)
		require.Equal(r, stream.ID(1), r.cat.holes[0].ID)
		require.Equal(r, r.cat.streams[1].last().committed, r.cat.holes[0].From)
		for range 3 * r.wcfg.Capacity / 6000 {
			require.NoError(r, r.append(limit, r.streams[0], 6000, true))
		}
		require.NoError(r, r.verifyStream(sc, r.streams[0]))
		return r.stop(sc)
	})
}

// TestACheckpointThatIsReplacedWhileItIsReadIsNoDamage: an upload moves the checkpoint on and its object is deleted
// between the look at metadata and the read.
func TestACheckpointThatIsReplacedWhileItIsReadIsNoDamage(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 35}, 1)
	r.cfg.BlockCacheBytes, r.cfg.IndexCacheBytes = 1, 1
	x := r.streams[0]
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.append(sc, x, 6000, true))
		require.NoError(r, r.e.Flush(sc))
		old, err := r.cat.Checkpoint(1, 1<<40)
		require.NoError(r, err)
		require.NoError(r, r.append(sc, x, 6000, true))
		require.NoError(r, r.e.Flush(sc))
		r.w.DeleteObject(old.Key)
		r.cat.stale = []stream.Location{old}
		_, err = r.state(sc, x, x.next)
		require.NoError(r, err)
		require.Empty(r, r.cat.stale)
		return r.stop(sc)
	})
}

// TestAReadErrorIsNoHoleUntilItStays: a volume that fails to read for seconds has lost nothing; one that does so for
// long has.
func TestAReadErrorIsNoHoleUntilItStays(t *testing.T) {
	for _, long := range []bool{false, true} {
		r := newRig(t, sim.Config{Seed: 36}, 1)
		r.cfg.UploadAge, r.cfg.RetryMax = 1<<50, time.Second
		x := r.streams[0]
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			require.NoError(r, r.e.Flush(sc))
			r.fill(sc, 4)
			for r.e.Evict() {
			}
			r.w.SetFaults(sim.Faults{ReadError: sim.Always})
			flush, cancel := sc.Child(h.Now().Add(10 * time.Second))
			defer cancel()
			err := r.e.Flush(flush)
			require.ErrorIs(r, err, host.ErrIO)
			require.Zero(r, r.e.Stats().Holes)
			if long {
				require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
				require.EqualValues(r, 1, r.e.Stats().Holes)
				return nil
			}
			r.w.SetFaults(sim.Faults{})
			require.NoError(r, r.e.Flush(sc))
			require.Equal(r, x.next, r.cat.streams[1].last().committed)
			require.NoError(r, r.verify(sc))
			return r.stop(sc)
		})
	}
}

// TestAnUnreadableEntryIsLostHoweverManyAre: readers that meet others behind it meanwhile do not put it off. One that
// could not be read long ago, and was not asked for since, is as good as any.
func TestAnUnreadableEntryIsLostHoweverManyAre(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 38}, 1)
	r.cfg.UploadAge, r.cfg.RetryMax = 1<<50, time.Second
	x := r.streams[0]
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.e.Flush(sc))
		r.fill(sc, 4)
		for r.e.Evict() {
		}
		last := x.list[len(x.list)-1]
		for range 2 {
			r.w.SetFaults(sim.Faults{ReadError: sim.Always})
			_, err := x.s.Read(sc, last.base, x.next, 1, false)
			require.ErrorIs(r, err, host.ErrIO)
			r.w.SetFaults(sim.Faults{})
			require.NoError(r, h.Sleep(sc, time.Minute))
		}
		require.Zero(r, r.e.Stats().Holes)

		r.w.SetFaults(sim.Faults{ReadError: sim.Always})
		readers, cancel := sc.Child(0)
		defer cancel()
		h.Go(readers, "reader", func(sc *host.Scope) {
			for h.Sleep(sc, 200*time.Millisecond) == nil && r.e.Stats().Holes == 0 {
				_, _ = x.s.Read(sc, last.base, x.next, 1, false)
			}
		})
		limit, stop := sc.Child(h.Now().Add(time.Minute))
		defer stop()
		require.ErrorIs(r, r.e.Flush(limit), stream.ErrHole)
		require.EqualValues(r, 1, r.e.Stats().Holes)
		_, err := x.s.Read(sc, x.list[0].base, x.next, 1, false)
		require.ErrorIs(r, err, stream.ErrHole)
		return nil
	})
}

// TestARescueLeavesWhatCannotBeRead: the volume of a dead log fails to read as well. What is in memory is uploaded
// before the owner must end, however many ranges have entries that are not (rule 15).
func TestARescueLeavesWhatCannotBeRead(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 39}, 4)
	r.cfg.UploadAge = 1 << 50
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.e.Flush(sc))
		for i := range 2 {
			require.NoError(r, r.append(sc, r.streams[i], 2000, true))
		}
		for r.e.Evict() {
		}
		for i := 2; i < 4; i++ {
			require.NoError(r, r.append(sc, r.streams[i], 2000, true))
		}
		r.m.SetFaults(&sim.Faults{SyncError: sim.Always, ReadError: sim.Always})
		require.Error(r, r.append(sc, r.streams[0], 100, true))
		limit, cancel := sc.Child(h.Now().Add(30 * time.Second))
		defer cancel()
		require.ErrorIs(r, r.e.Rescue(limit), stream.ErrHole)
		for _, x := range r.streams[2:] {
			require.Equal(r, x.acked, r.cat.streams[x.id].last().committed)
		}
		require.EqualValues(r, 2, r.e.Stats().Holes)
		return nil
	})
}
