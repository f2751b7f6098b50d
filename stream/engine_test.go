package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

func TestTailIsReadFromSlabsAndRestFromObjects(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1}, 3)
	r.do(func(h host.Host, sc *host.Scope) error {
		if err := r.boot(h, sc); err != nil {
			return err
		}
		for i := range 60 {
			if err := r.append(sc, r.streams[i%3], 100+i*10, true); err != nil {
				return err
			}
		}
		if err := r.verify(sc); err != nil {
			return err
		}
		if s := r.e.Stats(); s.TailReads != 60 || s.LogReads > 0 || s.Puts > 0 {
			return fmt.Errorf("%+v", s)
		}
		for r.e.Evict() {
		}
		if err := r.verify(sc); err != nil {
			return err
		}
		if s := r.e.Stats(); s.TailReads != 60 || s.LogReads == 0 || s.Puts > 0 {
			return fmt.Errorf("after eviction: %+v", s)
		}
		if err := r.e.Flush(sc); err != nil {
			return err
		}
		s := r.e.Stats()
		if s.IndexEntries != 0 || s.OwingRanges != 0 || s.PendingBytes != 0 || r.log.Trimmed() != r.log.Durable() {
			return fmt.Errorf("after flush: %+v, trimmed to %d of %d", s, r.log.Trimmed(), r.log.Durable())
		}
		if err := r.verify(sc); err != nil {
			return err
		}
		if s := r.e.Stats(); s.ObjectReads < 60 {
			return fmt.Errorf("after flush: %+v", s)
		}
		return r.stop(sc)
	})
}

func TestRecordsAreUploadedWhenTheyAreOldEnough(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 2}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		if err := r.boot(h, sc); err != nil {
			return err
		}
		if err := r.append(sc, r.streams[0], 1000, true); err != nil {
			return err
		}
		if err := h.Sleep(sc, r.cfg.UploadAge*9/10); err != nil {
			return err
		}
		if n := r.e.Stats().Commits; n != 0 {
			return fmt.Errorf("%d commits before the age", n)
		}
		if err := h.Sleep(sc, r.cfg.UploadAge/2); err != nil {
			return err
		}
		if n := r.e.Stats().Commits; n != 1 {
			return fmt.Errorf("%d commits after the age", n)
		}
		return r.stop(sc)
	})
}

func TestIdlePartitionDoesNotPinTheRing(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 3}, 20)
	r.do(func(h host.Host, sc *host.Scope) error {
		if err := r.boot(h, sc); err != nil {
			return err
		}
		for range 300 { // 4.5 MB through a ring of 2 MiB, on one stream
			if err := r.append(sc, r.streams[0], 15_000, true); err != nil {
				return err
			}
		}
		if err := r.verify(sc); err != nil {
			return err
		}
		return r.stop(sc)
	})
}

func TestReadsKeepTheirContract(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 4}, 1)
	x := r.streams[0]
	r.do(func(h host.Host, sc *host.Scope) error {
		if err := r.boot(h, sc); err != nil {
			return err
		}
		for range 10 {
			if err := r.append(sc, x, 1000, true); err != nil {
				return err
			}
		}
		for _, how := range []string{"slabs", "log", "objects"} {
			switch how {
			case "log":
				for r.e.Evict() {
				}
			case "objects":
				require.NoError(r, r.e.Flush(sc))
			}
			mid := x.list[4]
			last := mid.base + int64(mid.count) - 1
			cases := []struct {
				name        string
				from, limit int64
				max         int
				strict      bool
				first, n    int
			}{
				{"from within an entry gives that entry", last, x.next, 1000, false, 4, 1},
				{"one entry even when it is too large", mid.base, x.next, 1, false, 4, 1},
				{"none when it is too large and max is strict", mid.base, x.next, 999, true, 4, 0},
				{"as many as fit", x.list[2].base, x.next, 3500, true, 2, 3},
				{"nothing past the limit", x.list[2].base, mid.base, 1 << 20, false, 2, 2},
				{"no part of an entry at the limit", x.list[2].base, mid.base + int64(mid.count) - 1, 1 << 20, false, 2, 2},
				{"nothing at the end", x.next, x.next, 1000, false, 10, 0},
				{"nothing beyond the end", x.next, x.next + 100, 1000, false, 10, 0},
				{"all", 0, x.next + 100, 1 << 20, false, 0, 10},
			}
			for _, c := range cases {
				if mid.count == 1 && c.limit == mid.base {
					continue
				}
				rd, err := x.s.Read(sc, c.from, c.limit, c.max, c.strict)
				require.NoError(r, err, "%s: %s", how, c.name)
				require.Len(r, rd.Chunks, c.n, "%s: %s", how, c.name)
				for i, ch := range rd.Chunks {
					require.Equal(r, x.list[c.first+i].base, ch.Base, "%s: %s", how, c.name)
					require.Equal(r, x.list[c.first+i].data, ch.Data, "%s: %s", how, c.name)
				}
				rd.Release()
			}
		}
		require.NoError(r, x.s.Trim(sc, x.list[3].base))
		require.NoError(r, x.s.Trim(sc, x.list[2].base))
		require.Equal(r, x.list[3].base, x.s.LogStart(), "the log start offset only grows")
		_, err := x.s.Read(sc, x.list[3].base-1, x.next, 1000, false)
		require.ErrorIs(r, err, stream.ErrOutOfRange)
		x.s.Close()
		require.ErrorIs(r, r.append(sc, x, 10, false), stream.ErrClosed)
		return r.stop(sc)
	})
}

func TestTimestampsAreFoundWhereverTheEntryIs(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 5}, 2)
	x := r.streams[0]
	check := func(sc *host.Scope) {
		lo, hi := x.list[0].ts, x.list[0].ts
		best := x.list[0]
		for _, s := range x.list {
			lo, hi = min(lo, s.ts), max(hi, s.ts)
			if s.ts > best.ts {
				best = s
			}
		}
		for ts := lo - 1; ts <= hi+1; ts++ {
			want := int64(-1)
			for _, s := range x.list {
				if s.ts >= ts {
					want = s.base
					break
				}
			}
			rd, err := x.s.OffsetForTimestamp(sc, ts)
			require.NoError(r, err)
			if want < 0 {
				require.Nil(r, rd)
				continue
			}
			require.Equal(r, want, rd.Chunks[0].Base)
			rd.Release()
		}
		rd, err := x.s.MaxTimestamp(sc)
		require.NoError(r, err)
		require.Equal(r, best.base, rd.Chunks[0].Base)
		rd.Release()
	}
	r.do(func(h host.Host, sc *host.Scope) error {
		if err := r.boot(h, sc); err != nil {
			return err
		}
		for i := range 40 {
			require.NoError(r, r.append(sc, x, 500, true))
			if i%13 == 12 {
				check(sc)
				require.NoError(r, r.e.Flush(sc))
				for r.e.Evict() {
				}
			}
		}
		check(sc)
		return r.stop(sc)
	})
}

func TestDeletedStreamOwesNothing(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 6}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for i := range 20 {
			require.NoError(r, r.append(sc, r.streams[i%2], 500, true))
		}
		delete(r.cat.streams, 1)
		r.e.Drop(1)
		require.ErrorIs(r, r.append(sc, r.streams[0], 10, false), stream.ErrClosed)
		require.NoError(r, r.e.Flush(sc))
		require.Equal(r, r.log.Durable(), r.log.Trimmed())
		_, err := r.e.Read(sc, 1, 0, 100, 100, false)
		require.ErrorIs(r, err, stream.ErrGone)
		r.streams = r.streams[1:]
		require.NoError(r, r.verify(sc))
		return r.stop(sc)
	})
}

func TestRefusedRangeIsKeptInTheLog(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 7}, 3)
	r.cat.refuse = func(e stream.CommitEntry) bool { return e.ID == 2 }
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for i := range 30 {
			require.NoError(r, r.append(sc, r.streams[i%3], 500, true))
		}
		require.ErrorIs(r, r.e.Flush(sc), stream.ErrRefused)
		s := r.e.Stats()
		require.Equal(r, uint64(1), s.RefusedRanges)
		require.Equal(r, 1, s.OwingRanges)
		require.Zero(r, s.PendingBytes)
		for range 10 {
			require.NoError(r, r.append(sc, r.streams[1], 500, true))
		}
		for r.e.Evict() {
		}
		require.NoError(r, r.verify(sc))
		return r.stop(sc)
	})
	// Metadata has come to its senses: a restart commits it.
	r.cat.refuse = nil
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.e.Flush(sc))
		require.NoError(r, r.verify(sc))
		return r.stop(sc)
	})
}

func TestEverythingIsInObjectsAfterAFlush(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 8}, 5)
	for round := range 3 {
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			require.NoError(r, r.verify(sc))
			for i := range 50 {
				require.NoError(r, r.append(sc, r.streams[i%4], 100+i, true))
			}
			require.NoError(r, r.e.Flush(sc))
			return r.stop(sc)
		})
		r.m.Kill()
		r.walNo += byte(round % 2) // sometimes the log's volume is lost
	}
}

func TestDeadLogIsRescuedFromMemory(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 9}, 3)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		for i := range 60 {
			require.NoError(r, r.append(sc, r.streams[i%3], 2000, true))
			if i == 20 {
				r.e.Evict()
			}
		}
		r.m.SetFaults(&sim.Faults{SyncError: sim.Always})
		require.Error(r, r.append(sc, r.streams[0], 100, true))
		require.Error(r, r.append(sc, r.streams[1], 100, true))
		require.Error(r, r.dead)
		require.NoError(r, r.e.Rescue(sc))
		for _, x := range r.streams {
			require.Equal(r, x.acked, r.cat.streams[x.id].last().committed)
		}
		r.m.SetFaults(nil)
		_ = r.stop(sc)
		return nil
	})
	r.m.Kill()
	r.walNo++
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.verify(sc))
		return r.stop(sc)
	})
}

func TestFencedEpochStopsCommitting(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 10}, 1)
	var fatal error
	r.cfg.Fatal = func(err error) { fatal = err }
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.cat.fenced = true
		require.NoError(r, r.append(sc, r.streams[0], 100, true))
		require.NoError(r, h.Sleep(sc, 5*time.Second))
		require.ErrorIs(r, fatal, stream.ErrFenced)
		require.True(r, errors.Is(r.e.Flush(sc), stream.ErrFenced))
		return r.stop(sc)
	})
}
