package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

// flipLog changes one byte of the log's file within the bytes of s.
func (r *rig) flipLog(s sample) {
	name := fmt.Sprintf("wal-%d", r.walNo)
	v := r.m.Volume("wal")
	file, ok := v.Current(name)
	if !ok {
		panic("no log file")
	}
	at := bytes.Index(file, s.data)
	if at < 0 {
		panic("the entry is not in the log's file")
	}
	v.Flip(name, int64(at+len(s.data)/2), 0x10)
}

// fill appends n entries of 6,000 bytes to each stream in turn, so that no two share a block of the log.
func (r *rig) fill(sc *host.Scope, n int) {
	for i := range n * len(r.streams) {
		require.NoError(r, r.append(sc, r.streams[i%len(r.streams)], 6000, true))
	}
}

func TestDamageInTheLogHolesOneRangeAndNoOther(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 20}, 3)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.cfg.UploadAge = 0
		r.fill(sc, 6)
		for r.e.Evict() {
		}
		x, bad := r.streams[1], r.streams[1].list[3]
		r.flipLog(bad)
		_, err := x.s.Read(sc, bad.base, x.next, 1000, false)
		var d *stream.DamageError
		require.ErrorAs(r, err, &d)
		end := bad.base + int64(bad.count)
		require.Equal(r, stream.DamageError{Position: d.Position, ID: 2, Epoch: 2, From: bad.base, To: end,
			Why: d.Why, Err: d.Err}, *d)
		_, err = x.s.Read(sc, bad.base, x.next, 1000, false)
		require.ErrorIs(r, err, stream.ErrHole, "nothing skips it")
		rd, err := x.s.Read(sc, 0, x.next, 1<<20, false)
		require.NoError(r, err)
		require.Len(r, rd.Chunks, 3, "what lies below is served")
		rd.Release()
		rd, err = x.s.Read(sc, x.list[4].base, x.next, 1<<20, false)
		require.NoError(r, err)
		require.Len(r, rd.Chunks, 2, "what lies above too, when asked for")
		rd.Release()

		require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
		require.Equal(r, bad.base, r.cat.streams[2].last().committed, "committed up to the hole")
		hole := stream.HoleError{ID: 2, Epoch: 2, From: bad.base, To: end, Why: r.cat.holes[0].Why}
		require.Equal(r, []stream.HoleError{hole}, r.cat.holes)
		for _, other := range []*expected{r.streams[0], r.streams[2]} {
			require.Equal(r, other.next, r.cat.streams[other.id].last().committed)
			require.NoError(r, r.verifyStream(sc, other))
		}
		require.Less(r, r.log.Trimmed(), r.log.Durable(), "the hole pins the log")
		r.e.Quarantined(2, 2)
		require.Equal(r, r.log.Durable(), r.log.Trimmed(), "until it is quarantined")
		return r.stop(sc)
	})
}

// TestAHoleThatMetadataDoesNotTakeHoldsNothingUp: other holes are told, other records are uploaded at their
// usual pace, and it is told again from time to time.
func TestAHoleThatMetadataDoesNotTakeHoldsNothingUp(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 22}, 3)
	r.cfg.UploadAge, r.cfg.RetryMax = 100*time.Millisecond, time.Second
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.cat.takesNot = func(hole stream.HoleError) bool { return hole.ID == 1 }
		r.fill(sc, 6)
		for r.e.Evict() {
		}
		for _, x := range r.streams[:2] {
			r.flipLog(x.list[3])
			_, err := x.s.Read(sc, x.list[3].base, x.next, 1000, false)
			require.ErrorIs(r, err, stream.ErrDamaged)
		}
		for range 50 {
			require.NoError(r, r.append(sc, r.streams[2], 100, true))
			require.NoError(r, h.Sleep(sc, 100*time.Millisecond))
		}
		require.NoError(r, h.Sleep(sc, time.Second))
		require.Equal(r, []stream.ID{2}, []stream.ID{r.cat.holes[0].ID}, "the other hole is known")
		require.Equal(r, r.streams[2].next, r.cat.streams[3].last().committed, "the other records are committed")
		require.Less(r, r.cat.commits, 60, "and not one by one")
		require.Greater(r, r.cat.untold, 2)
		r.cat.takesNot = nil
		require.NoError(r, h.Sleep(sc, 2*time.Second))
		require.Len(r, r.cat.holes, 2)
		return nil
	})
}

func TestDamageFoundByRecoveryHolesOneRange(t *testing.T) {
	for _, pick := range []int{0, 3, 5} { // the first entry, one between, the last
		r := newRig(t, sim.Config{Seed: 21}, 3)
		r.cfg.UploadAge = 1 << 50
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			r.fill(sc, 6)
			return nil
		})
		r.m.KillWith(sim.KeepUnsynced)
		bad := r.streams[1].list[pick]
		r.flipLog(bad)
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			require.Nil(r, r.streams[1].s, "the range stays unopened")
			require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
			require.Equal(r, bad.base, r.cat.streams[2].last().committed, "what lies below is committed")
			require.Equal(r, bad.base, r.cat.holes[0].From)
			require.LessOrEqual(r, r.log.Trimmed(), r.rec.Damage[0].From, "the damaged frame is kept")
			require.NoError(r, r.verify(sc), "other streams are served")
			for _, x := range []*expected{r.streams[0], r.streams[2]} {
				require.NoError(r, r.append(sc, x, 100, true))
			}
			_, err := r.e.Read(sc, 2, bad.base, bad.base+1, 100, false)
			if !errors.Is(err, stream.ErrHole) && err != nil {
				return err
			}
			return r.stop(sc)
		})
	}
}

func TestDamagedObjectFailsItsOffsetsOnly(t *testing.T) {
	for _, where := range []string{"block", "index", "footer", "missing"} {
		r := newRig(t, sim.Config{Seed: 22}, 2)
		r.cfg.BlockCacheBytes, r.cfg.IndexCacheBytes = 1, 1
		x := r.streams[0]
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			for range 3 {
				r.fill(sc, 4)
				require.NoError(r, r.e.Flush(sc))
			}
			for r.e.Evict() {
			}
			loc, err := r.cat.Lookup(1, x.list[5].base)
			require.NoError(r, err)
			obj, _ := r.w.Object(loc.Key)
			switch where {
			case "block":
				r.w.FlipObject(loc.Key, bytes.Index(obj, x.list[5].data)+17, 4)
			case "index":
				r.w.FlipObject(loc.Key, len(obj)-100, 4)
			case "footer":
				r.w.FlipObject(loc.Key, len(obj)-30, 4)
			case "missing":
				r.w.DeleteObject(loc.Key)
			}
			_, err = x.s.Read(sc, x.list[5].base, x.next, 100, false)
			var d *stream.DamageError
			require.ErrorAs(r, err, &d)
			require.Equal(r, loc.Key, d.Key)
			require.Equal(r, stream.ID(1), d.ID)
			require.True(r, d.From <= x.list[5].base && d.To > x.list[5].base, "%+v", d)
			require.True(r, strings.Contains(d.Error(), loc.Key))
			rd, err := x.s.Read(sc, 0, x.next, 1<<20, false)
			require.NoError(r, err, "offsets below")
			require.GreaterOrEqual(r, len(rd.Chunks), 4)
			require.LessOrEqual(r, len(rd.Chunks), 5)
			rd.Release()
			rd, err = x.s.Read(sc, x.list[8].base, x.next, 1<<20, false)
			require.NoError(r, err, "later offsets")
			require.Len(r, rd.Chunks, 4)
			rd.Release()
			if where == "block" {
				require.NoError(r, r.verifyStream(sc, r.streams[1]), "other streams of the same object")
			}
			require.NoError(r, r.append(sc, x, 10, true))
			return r.stop(sc)
		})
	}
}

// flipHeader changes one byte of the header of the frame that begins with s.
func (r *rig) flipHeader(s sample) {
	name := fmt.Sprintf("wal-%d", r.walNo)
	v := r.m.Volume("wal")
	file, _ := v.Current(name)
	v.Flip(name, int64(bytes.Index(file, s.data)-100), 1)
}

// A frame whose header is damaged lists nothing, so any range may have lost entries in it: only one whose
// entries tile across it, or whose end is known, is whole.
func TestUnlistedDamageHolesRangesThatDoNotShowOtherwise(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 23}, 3)
	r.cfg.UploadAge = 1 << 50
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.fill(sc, 3)
		for range 3 { // the others have nothing behind this
			require.NoError(r, r.append(sc, r.streams[1], 6000, true))
		}
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	bad := r.streams[1].list[4]
	r.flipHeader(bad)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NotEmpty(r, r.rec.Damage)
		require.Nil(r, r.streams[1].s, "it has a gap")
		if !r.rec.Damage[0].Listed {
			require.Nil(r, r.streams[0].s, "nothing shows that it has none")
			require.Nil(r, r.streams[2].s, "nothing shows that it has none")
		}
		require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
		require.Equal(r, bad.base, r.cat.streams[2].last().committed)
		for _, x := range []*expected{r.streams[0], r.streams[2]} {
			require.Equal(r, x.acked, r.cat.streams[x.id].last().committed, "what is there is committed")
			rd, err := r.e.Read(sc, x.id, 0, x.acked, 1<<20, false)
			require.NoError(r, err, "and served")
			require.Len(r, rd.Chunks, 3)
			rd.Release()
		}
		return r.stop(sc)
	})
}

// The log rots between the making of an object and its put: the key is given up, what can be read goes out under
// another, the rest is a hole.
func TestObjectThatCannotBeReadAnyMoreIsGivenUp(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 24}, 3)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		require.NoError(r, r.e.Flush(sc))
		r.w.SetFaults(sim.Faults{StoreError: sim.Always})
		r.fill(sc, 6)
		require.NoError(r, h.Sleep(sc, 3*r.cfg.UploadAge))
		require.NotZero(r, r.e.Stats().PutErrors)
		for r.e.Evict() {
		}
		bad := r.streams[1].list[3]
		r.flipLog(bad)
		r.w.SetFaults(sim.Faults{})
		require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
		require.Equal(r, r.cat.seq, r.cat.low, "every key but the last is given up")
		_, err := r.state(sc, r.streams[1], bad.base)
		require.NoError(r, err, "the checkpoint is of the offset where the commit ends")
		require.Equal(r, bad.base, r.cat.streams[2].last().committed)
		for _, x := range []*expected{r.streams[0], r.streams[2]} {
			require.Equal(r, x.acked, r.cat.streams[x.id].last().committed)
			require.NoError(r, r.verifyStream(sc, x))
		}
		return r.stop(sc)
	})
}

func TestStreamDeletedUnderAnUploadHurtsNobody(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 25}, 3)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.w.SetFaults(sim.Faults{StoreError: sim.Always})
		r.fill(sc, 6)
		require.NoError(r, h.Sleep(sc, 3*r.cfg.UploadAge))
		for r.e.Evict() {
		}
		delete(r.cat.streams, 1)
		r.e.Drop(1)
		r.streams = r.streams[1:]
		r.w.SetFaults(sim.Faults{})
		require.NoError(r, r.e.Flush(sc))
		require.Zero(r, r.cat.low, "the object under way is put as it was made")
		require.NoError(r, r.verify(sc))
		require.Equal(r, r.log.Durable(), r.log.Trimmed())
		return r.stop(sc)
	})
}

// TestAStreamDeletedUnnoticedHoldsNothingUp: the state for its next checkpoint cannot be had any more; the
// others are uploaded all the same, and the log is let go.
func TestAStreamDeletedUnnoticedHoldsNothingUp(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 27}, 3)
	r.cfg.UploadAge = 1 << 50
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.fill(sc, 6)
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		delete(r.cat.streams, 1)
		r.streams = r.streams[1:]
		flush, cancel := sc.Child(h.Now().Add(time.Minute))
		defer cancel()
		require.NoError(r, r.e.Flush(flush))
		require.NoError(r, r.verify(sc))
		require.Equal(r, r.log.Durable(), r.log.Trimmed())
		return r.stop(sc)
	})
}

func TestAcceptedLossLetsTheLogGo(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 26}, 2)
	r.do(func(h host.Host, sc *host.Scope) error {
		require.NoError(r, r.boot(h, sc))
		r.fill(sc, 6)
		for r.e.Evict() {
		}
		r.flipLog(r.streams[0].list[2])
		require.ErrorIs(r, r.e.Flush(sc), stream.ErrHole)
		require.Less(r, r.log.Trimmed(), r.log.Durable())
		r.e.LossAccepted(1, 2)
		require.NoError(r, r.e.Flush(sc))
		require.Equal(r, r.log.Durable(), r.log.Trimmed())
		return r.stop(sc)
	})
}
