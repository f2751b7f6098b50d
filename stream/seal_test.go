package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

// TestASealWaitsForWhatIsInFlightAndIsFinal: at whatever moment a range is sealed, its end is behind all that was
// placed, all of which is acknowledged by then, and nothing is placed afterwards.
func TestASealWaitsForWhatIsInFlightAndIsFinal(t *testing.T) {
	for seed := range uint64(30) {
		r := newRig(t, sim.Config{Seed: seed}, 2)
		x := r.streams[0]
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			g := host.NewGroup(h, sc)
			for range 4 {
				g.Go("test.append", func(sc *host.Scope) error {
					for x.s.Append(sc, 0, &draft{x: x, data: make([]byte, 500), n: 1}) == nil {
					}
					return nil
				})
			}
			require.NoError(r, h.Sleep(sc, time.Duration(seed)*300*time.Microsecond))
			end, err := x.s.Seal(sc)
			require.NoError(r, err)
			require.Equal(r, x.next, end)
			require.Equal(r, x.acked, end)
			require.NoError(r, g.Wait())
			require.NoError(r, h.Sleep(sc, time.Second))
			require.Equal(r, x.next, end)
			require.ErrorIs(r, r.append(sc, x, 10, true), stream.ErrClosed)
			again, err := x.s.Seal(sc)
			require.NoError(r, err)
			require.Equal(r, end, again)
			return r.stop(sc)
		})
	}
}

func TestARangeWhoseLogDiesWhileItIsSealedHasNoEnd(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1}, 1)
	x := r.streams[0]
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.m.SetFaults(&sim.Faults{SyncError: sim.Always})
		require.NoError(r, r.append(sc, x, 100, false))
		_, err := x.s.Seal(sc)
		require.ErrorIs(r, err, stream.ErrDead)
		_ = r.e.Close()
		_ = r.log.Close(sc)
		return nil
	})
}

// TestWhatASealedRangeOwesIsServedAndGoesUpFirst: others read it here until it is committed, from here alone.
func TestWhatASealedRangeOwesIsServedAndGoesUpFirst(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 2}, 2)
	r.cfg.UploadAge = time.Hour
	x, other := r.streams[0], r.streams[1]
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for range 5 {
			require.NoError(r, r.append(sc, other, 1000, true))
			require.NoError(r, r.append(sc, x, 1000, true))
		}
		epoch := r.cat.streams[x.id].last().epoch
		_, _, err := r.e.ReadOwed(sc, x.id, epoch, 0, x.next, 1<<20, 100)
		require.ErrorIs(r, err, stream.ErrNotSealed)
		_, err = x.s.Seal(sc)
		require.NoError(r, err)
		rd, entries, err := r.e.ReadOwed(sc, x.id, epoch, x.list[1].base, x.list[4].base, 1<<20, 2)
		require.NoError(r, err)
		require.Len(r, entries, 2)
		for i, e := range entries {
			w := x.list[i+1]
			require.Equal(r, stream.OwedEntry{Base: w.base, Count: w.count, MaxTimestamp: w.ts, Data: w.data}, e)
		}
		rd.Release()
		require.NoError(r, h.Sleep(sc, 2*time.Second))
		require.Equal(r, x.next, r.cat.streams[x.id].last().committed)
		require.Zero(r, r.cat.streams[other.id].last().committed)
		for r.e.Evict() {
		}
		rd, entries, err = r.e.ReadOwed(sc, x.id, epoch, 0, x.next, 1<<20, 100)
		require.NoError(r, err)
		require.Empty(r, entries, "objects hold it, and nobody looks there for a peer")
		rd.Release()
		return r.stop(sc)
	})
}

// TestWhatAnotherLogOwesIsReadFromItsHolder: records, the state that they make, and their timestamps.
func TestWhatAnotherLogOwesIsReadFromItsHolder(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 3}, 1)
	far := &expected{id: 9}
	for i := range int64(20) {
		far.list = append(far.list, sample{base: 5 * i, count: 5, ts: 100 + i, data: []byte{byte(i), 1, 2}})
	}
	far.next, far.acked = 100, 100
	down, asked := false, 0
	r.cfg.Owed = func(_ *host.Scope, q stream.OwedRead) (out []stream.OwedEntry, err error) {
		if asked++; down {
			return nil, stream.ErrNotNow
		}
		for n, s := range far.list {
			if s.base+int64(s.count) > q.From && s.base+int64(s.count) <= q.Limit && n < 20 && len(out) < 3 {
				out = append(out, stream.OwedEntry{Base: s.base, Count: s.count, MaxTimestamp: s.ts, Data: s.data})
			}
		}
		if len(out) == 0 || asked == 2 {
			return nil, map[bool]error{true: stream.ErrNoObject}[len(out) == 0]
		}
		return out, nil
	}
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.cat.create(far.id)
		r.cat.seal(far.id, 100)
		r.streams = append(r.streams, far)
		epoch := r.cat.streams[far.id].last().epoch
		own, err := r.e.Open(sc, stream.OpenRange{ID: far.id, Epoch: 0, State: (&shadow{}).Snapshot()})
		require.NoError(r, err)
		_, err = own.Seal(sc) // an earlier range was here, and its end is not the stream's
		require.NoError(r, err)
		state, err := r.e.StateAt(sc, far.id, epoch, 100)
		require.NoError(r, err)
		require.Equal(r, far.shadowAt(100).Snapshot(), state)
		far.s, err = r.e.Open(sc, stream.OpenRange{ID: far.id, Epoch: epoch, Start: 100, State: state})
		require.NoError(r, err)
		r.ts = 200
		require.NoError(r, r.append(sc, far, 300, true))
		require.NoError(r, r.verify(sc))
		rd, err := far.s.OffsetForTimestamp(sc, 110)
		require.NoError(r, err)
		require.Equal(r, int64(50), rd.Chunks[0].Base)
		rd.Release()
		down = true
		_, err = far.s.Read(sc, 0, far.next, 1000, false)
		require.ErrorIs(r, err, stream.ErrNotNow)
		_, err = far.s.OffsetForTimestamp(sc, 110)
		require.ErrorIs(r, err, stream.ErrNotNow)
		rd, err = far.s.Read(sc, 100, far.next, 1000, false)
		require.NoError(r, err)
		rd.Release()
		return r.stop(sc)
	})
}
