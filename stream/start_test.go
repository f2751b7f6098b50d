package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// TestALogThatOwesNothingIsLetGoAtTheStart: all that recovery found was committed, so no upload will trim.
func TestALogThatOwesNothingIsLetGoAtTheStart(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 30}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for range 20 {
			require.NoError(r, r.append(sc, r.streams[0], 6000, true))
		}
		return r.e.Flush(sc)
	})
	r.m.KillWith(sim.KeepUnsynced) // before a superblock says so
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.Greater(r, r.rec.Frames, 10)
		require.GreaterOrEqual(r, r.log.Trimmed(), r.rec.End)
		return r.stop(sc)
	})
}

// TestOpeningStatesAloneDoNotFillTheLog: ranges that open and open again without a record are checkpointed when
// their states fill half of the ring.
func TestOpeningStatesAloneDoNotFillTheLog(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 31}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		limit, cancel := sc.Child(h.Now().Add(time.Minute))
		defer cancel()
		x := r.streams[0]
		for range 2 * r.wcfg.Capacity / wal.BlockSize {
			x.s.Close()
			require.NoError(r, r.reopen(limit, x, x.next))
		}
		return r.stop(sc)
	})
}

// TestAStreamOfManyRangesIsDropped: ranges with nothing left go while the others are let go.
func TestAStreamOfManyRangesIsDropped(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 32}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.append(sc, r.streams[0], 100, true))
		return r.e.Flush(sc)
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		x := r.streams[0]
		for range 3 {
			require.NoError(r, r.append(sc, x, 100, true))
			x.s.Close()
			require.NoError(r, r.reopen(sc, x, x.next))
		}
		for r.e.Evict() {
		}
		delete(r.cat.streams, 1)
		r.e.Drop(1)
		r.streams = r.streams[1:]
		return r.stop(sc)
	})
}

// TestARangeBelowTheLogStartOffsetIsOwedByNobody: metadata has let go of it and of its checkpoints, so nothing of
// it is uploaded and it pins the log no more, once a later range has a state of its own.
func TestARangeBelowTheLogStartOffsetIsOwedByNobody(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 33}, 2)
	r.cfg.UploadAge = 1 << 50
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		x := r.streams[0]
		for range 5 {
			require.NoError(r, r.append(sc, x, 6000, true))
		}
		before, committed := x.next, r.cat.streams[1].last().committed
		x.s.Close()
		require.NoError(r, r.reopen(sc, x, x.next))
		require.NoError(r, r.append(sc, x, 6000, true))
		closed := r.cat.streams[1].ranges[len(r.cat.streams[1].ranges)-2]
		require.NoError(r, x.s.Trim(sc, before))
		x.start = before
		require.NoError(r, r.e.Flush(sc))
		require.Equal(r, committed, closed.committed, "it is not uploaded")
		require.Equal(r, r.log.Durable(), r.log.Trimmed())
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.e.Flush(sc), "and is no hole at the next start")
		require.NoError(r, r.verify(sc))
		return r.stop(sc)
	})
}
