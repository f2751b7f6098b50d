package wal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// Every region of a frame, the last one included and with nothing but the frame's own bytes as evidence:
// a single changed byte is damage with a position, never a torn tail, and the rest is served.
func TestAFlippedByteInALiveFrameIsNamed(t *testing.T) {
	const n, size = 4, 9000
	for _, idle := range []time.Duration{0, 200 * time.Millisecond} {
		b, _, after, rs := written(t, n, size, idle)
		length := int(rs[1].at.Frame - rs[0].at.Frame)
		body := int(rs[0].at.FrameOff)
		for frame := range n {
			start := fileOffset(rs[frame].at.Frame)
			for name, at := range map[string]int{
				"magic": 0, "version": 8, "uuid": 20, "epoch": 32, "position": 41, "known durable": 50, "length": 56,
				"chain": 60, "entries": 64, "place": 68, "trailer": 72, "trailer checksum": 76, "reserved": 100,
				"header checksum": 124, "first of body": body, "middle of body": body + 5000, "last of body": body + size - 1,
				"gap": body + size, "table": body + size + 10, "block checksums": body + size + 54, "padding": length - 1,
			} {
				name = fmt.Sprintf("idle %v, frame %d of %d, %s", idle, frame, n, name)
				img := append([]byte{}, after...)
				img[start+at] ^= 0xA5
				b.put(img)
				rec := b.recovered(nil)
				require.Len(t, rec.Damage, 1, name)
				require.Zero(t, rec.Torn.Frames, name)
				d := rec.Damage[0]
				require.Equal(t, rs[frame].at.Frame, d.From, name)
				require.Equal(t, rs[frame].at.Frame+wal.Position(length), d.To, name)
				require.Equal(t, rs[n-1].at.Frame+wal.Position(length), rec.End, name)
				require.True(t, d.Listed, name)
				// The entry has bytes in every block, also in the one with the padding.
				require.Equal(t, []int64{int64(frame)}, bases(d.Lost), name)
				want := append(upTo(n)[:frame], upTo(n)[frame+1:]...)
				require.Equal(t, want, bases(rec.Entries), name)
			}
		}
	}
}

// Of a frame whose table can be read only the entries in the spoilt block are lost.
func TestOneBadBlockLosesOnlyTheEntriesInIt(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		var rs []*record
		for i := range 6 { // the first goes alone, the others fill one frame while it is synced
			rs = append(rs, newRecord(h, wal.StreamID(i), int64(i), payload(i, 4096)))
			if err := l.Append(sc, 0, rs[i]); err != nil {
				return err
			}
			if i == 0 {
				if err := h.Sleep(sc, time.Microsecond); err != nil {
					return err
				}
			}
		}
		return rs[5].wait()
	})
	b.kill()
	whole := b.recovered(nil)
	require.Equal(t, upTo(6), bases(whole.Entries))
	require.Equal(t, whole.Entries[1].Frame, whole.Entries[5].Frame)
	x := whole.Entries[3].Extent
	require.True(t, b.m.Volume("v").Flip(ringFile, int64(fileOffset(x.Position()))+200, 0x33))
	rec := b.recovered(nil)
	require.Len(t, rec.Damage, 1)
	require.True(t, rec.Damage[0].Listed)
	require.Equal(t, []int64{2, 3}, bases(rec.Damage[0].Lost), "both lie in that block")
	require.Equal(t, []int64{0, 1, 4, 5}, bases(rec.Entries))
}

func TestReadsOfDamagedBytesFailAndOthersDoNot(t *testing.T) {
	b, _, after, rs := written(t, 4, 9000, 200*time.Millisecond)
	after[fileOffset(rs[1].at.Frame)+6000] ^= 1
	b.put(after)
	b.do(func(h host.Host, sc *host.Scope) error {
		l, rec, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		got := make([]byte, 9000)
		if err := l.ReadAt(sc, rec.Damage[0].Lost[0].Extent, got); err == nil {
			return fmt.Errorf("a damaged entry was read")
		}
		for _, e := range rec.Entries {
			if err := l.ReadAt(sc, e.Extent, got); err != nil {
				return err
			}
			if string(got) != string(rs[e.Base].data) {
				return fmt.Errorf("record %d came back wrong", e.Base)
			}
		}
		return l.Close(sc)
	})
}

func TestDamageAfterTheScanIsNamedByTheReadThatMeetsIt(t *testing.T) {
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		rs, err := fill(h, sc, l, 0, 2, 9000)
		if err != nil {
			return err
		}
		if !b.m.Volume("v").Flip(ringFile, int64(fileOffset(rs[1].at.Frame))+5000, 2) {
			return fmt.Errorf("nothing to flip")
		}
		at := rs[1].at
		at.Slab = nil
		var damage *wal.DamageError
		err = l.ReadAt(sc, at, make([]byte, 9000))
		if !asDamage(err, &damage) || damage.Position != at.Frame+4096 {
			return fmt.Errorf("got %v", err)
		}
		return l.Close(sc)
	})
}

func TestFlipsInDeadSpaceHaveNoEffect(t *testing.T) {
	b, _, after, rs := written(t, 4, 9000, 200*time.Millisecond)
	end := fileOffset(rs[3].at.Frame) + int(rs[1].at.Frame-rs[0].at.Frame)
	for at := end; at < len(after)-wal.BlockSize; at += 1500 {
		img := append([]byte{}, after...)
		img[at] ^= 0x10
		b.put(img)
		rec := b.recovered(nil)
		require.Empty(t, rec.Damage, "%d", at)
		require.Equal(t, upTo(4), bases(rec.Entries), "%d", at)
	}
}

func TestOneDamagedSuperblockIsWarnedOfAndTwoAreRefused(t *testing.T) {
	b, _, after, _ := written(t, 3, 5000, 500*time.Millisecond)
	last := len(after) - wal.BlockSize
	for at := 0; at < wal.BlockSize; at += 61 {
		for _, slot := range []int{0, last} {
			img := append([]byte{}, after...)
			img[slot+at] ^= 0x08
			b.put(img)
			rec := b.recovered(nil)
			require.Len(t, rec.Warnings, 1)
			require.Equal(t, upTo(3), bases(rec.Entries))
		}
		img := append([]byte{}, after...)
		img[at] ^= 0x08
		img[last+at] ^= 0x08
		b.put(img)
		b.refused(wal.ErrSuperblock, nil)
	}
	b.put(after)
	require.Empty(t, b.recovered(nil).Warnings)
}

// refused requires that Open fails with want and changes nothing.
func (b *bench) refused(want error, change func(*wal.Config, *wal.Expect)) {
	b.t.Helper()
	before := b.image()
	err := b.w.Do(b.m, func(h host.Host, sc *host.Scope) error {
		_, _, err := open(h, sc, change)
		return err
	})
	require.ErrorIs(b.t, err, want)
	b.kill()
	require.Equal(b.t, before, b.image(), "a refused volume is not touched")
}

func TestAVolumeThatIsNotTheOneMeantIsRefused(t *testing.T) {
	b, before, after, rs := written(t, 4, 5000, 200*time.Millisecond)
	b.put(after)
	for name, c := range map[string]struct {
		err    error
		change func(*wal.Expect)
	}{
		"another WAL":            {wal.ErrForeign, func(e *wal.Expect) { e.WAL = wal.UUID{9} }},
		"another volume":         {wal.ErrForeign, func(e *wal.Expect) { e.Volume = wal.UUID{9} }},
		"another cluster":        {wal.ErrForeign, func(e *wal.Expect) { e.Cluster = wal.UUID{9} }},
		"another broker":         {wal.ErrForeign, func(e *wal.Expect) { e.Broker = 2 }},
		"older than it was":      {wal.ErrGeneration, func(e *wal.Expect) { e.Opened = 2 }},
		"metadata older, epoch":  {wal.ErrGeneration, func(e *wal.Expect) { e.BrokerEpoch = 1 }},
		"superblock of long ago": {wal.ErrGeneration, func(e *wal.Expect) { e.Durable = 1 << 30 }},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			b.refused(c.err, func(_ *wal.Config, e *wal.Expect) { c.change(e) })
		})
	}
	b.t = t
	rec := b.recovered(func(_ *wal.Config, e *wal.Expect) { e.Generation = 5 })
	require.Len(t, rec.Entries, 4)
	b.refused(wal.ErrGeneration, func(_ *wal.Config, e *wal.Expect) { e.Generation = 4 })
	b.put(make([]byte, len(after)))
	b.refused(wal.ErrBlank, nil)
	// An old copy: its superblocks know nothing of the last frame, but metadata does.
	b.put(before)
	end := rs[3].at.Frame + (rs[1].at.Frame - rs[0].at.Frame)
	rec = b.recovered(func(_ *wal.Config, e *wal.Expect) { e.Durable = end })
	require.Len(t, rec.Damage, 1)
	require.Equal(t, rs[3].at.Frame, rec.Damage[0].From)
	require.Equal(t, end, rec.Damage[0].To)
	require.False(t, rec.Damage[0].Listed)
	require.Equal(t, end, rec.End)
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		return vol.Remove(ringFile)
	})
	err := b.w.Do(b.m, func(h host.Host, sc *host.Scope) error {
		_, _, err := open(h, sc, nil)
		return err
	})
	require.ErrorIs(t, err, wal.ErrMissing)
	require.ErrorContains(t, err, ringFile)
}

// Rule 38: damage that hides its own length does not hide what lies behind it.
func TestTheScanResumesBehindADestroyedFrame(t *testing.T) {
	b, _, after, rs := written(t, 6, 9000, 0)
	for i := range 3 * wal.BlockSize {
		after[fileOffset(rs[2].at.Frame)+i] ^= 0x5A
	}
	b.put(after)
	for range 2 { // and again behind what the first recovery and its appends wrote
		rec := b.recovered(nil)
		require.Equal(t, []int64{0, 1, 3, 4, 5}, bases(rec.Entries))
		require.Len(t, rec.Damage, 1)
		require.Equal(t, rs[2].at.Frame, rec.Damage[0].From)
		require.Equal(t, rs[3].at.Frame, rec.Damage[0].To)
		require.False(t, rec.Damage[0].Listed)
	}
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		_, err = fill(h, sc, l, 6, 2, 700)
		return err
	})
	b.kill()
	require.Equal(t, []int64{0, 1, 3, 4, 5, 6, 7}, bases(b.recovered(nil).Entries))
}

// A missing write in the last frame is damage as soon as anything says that it was durable.
func TestATornTailBelowTheEvidenceIsDamage(t *testing.T) {
	b, before, after, rs := written(t, 4, 9000, 200*time.Millisecond)
	from, to := lastFrame(rs)
	copy(after[from+4096:to], before[from+4096:to])
	b.put(after)
	rec := b.recovered(nil)
	require.Len(t, rec.Damage, 1)
	require.Equal(t, rs[3].at.Frame, rec.Damage[0].From)
	require.Zero(t, rec.Torn.Frames)
	require.Equal(t, upTo(3), bases(rec.Entries))
	copy(after[from:to], before[from:to])
	b.put(after)
	rec = b.recovered(nil)
	require.Len(t, rec.Damage, 1)
	require.Equal(t, rs[3].at.Frame, rec.Damage[0].From)
}

// After a start at a new generation either slot alone tells of it: ranges are opened at it next, and a volume that
// knows only of the generation before is an old copy.
func TestEitherSlotAloneTellsTheGenerationOfTheStart(t *testing.T) {
	b, _, _, _ := written(t, 4, 5000, 0)
	b.recovered(func(_ *wal.Config, e *wal.Expect) { e.Generation = 5 })
	img := b.image()
	for _, at := range []int{0, len(img) - wal.BlockSize} {
		rotten := slices.Clone(img)
		clear(rotten[at : at+wal.BlockSize])
		b.put(rotten)
		rec := b.recovered(func(_ *wal.Config, e *wal.Expect) { e.Generation, e.Opened = 5, 5 })
		require.Len(t, rec.Entries, 4)
	}
}
