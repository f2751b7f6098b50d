package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// openForeign opens the ring as who recovers it for its holder does.
func openForeign(h host.Host, sc *host.Scope, change func(*wal.ReadConfig, *wal.Expect)) (
	*wal.Log, *wal.Recovery, error) {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return nil, nil, err
	}
	var cfg wal.ReadConfig
	if cfg.Reading, err = wal.NewReading(h); err != nil {
		return nil, nil, err
	}
	want := wal.Expect{Cluster: testIdentity.Cluster, Volume: testIdentity.Volume, WAL: testIdentity.WAL}
	if change != nil {
		change(&cfg, &want)
	}
	return wal.OpenReadOnly(sc, h, vol, ringFile, cfg, want)
}

func TestAnotherHoldersLogIsReadAndNoByteOfItChanges(t *testing.T) {
	const n = 4
	b, _, after, rs := written(t, n, 9000, 0)
	torn := append([]byte{}, after...)
	from, to := lastFrame(rs)
	clear(torn[from+wal.BlockSize : to]) // as if only its first block had been written
	for _, img := range [][]byte{after, torn} {
		b.put(img)
		var foreign *wal.Recovery
		b.do(func(h host.Host, sc *host.Scope) error {
			l, rec, err := openForeign(h, sc, nil)
			if err != nil {
				return err
			}
			foreign = rec
			for i, f := range rec.Entries {
				got := make([]byte, f.Len)
				if err := l.ReadAt(sc, f.Extent, got); err != nil || !bytes.Equal(got, rs[i].data) {
					return fmt.Errorf("record %d: %w", i, err)
				}
			}
			if err := l.Append(sc, 0, newRecord(h, 1, 9, payload(9, 10))); !errors.Is(err, wal.ErrReadOnly) {
				return fmt.Errorf("append: %w", err)
			}
			l.Trim(rec.Entries[1].Frame)
			got := make([]byte, 1)
			if err := l.ReadAt(sc, rec.Entries[0].Extent, got); !errors.Is(err, wal.ErrTrimmed) {
				return fmt.Errorf("read below the trim: %w", err)
			}
			if err := l.SearchRest(sc); err != nil {
				return err
			}
			if err := h.Sleep(sc, time.Second); err != nil {
				return err
			}
			if err := l.Close(sc); err != nil {
				return err
			}
			if err := l.ReadAt(sc, rec.Entries[2].Extent, got); !errors.Is(err, wal.ErrClosed) {
				return fmt.Errorf("read after close: %w", err)
			}
			return nil
		})
		b.kill()
		require.True(t, bytes.Equal(img, b.image()), "no byte was changed")
		own := b.recovered(nil)
		require.Equal(t, own.Entries, foreign.Entries)
		require.Equal(t, own.Torn, foreign.Torn)
		require.Equal(t, own.End, foreign.End)
	}
}

func TestWhatIsFoundInAnotherHoldersLogIsSyncedBeforeItIsUsed(t *testing.T) {
	b := newBench(t, sim.Config{})
	full, _, img, _ := written(t, 3, 9000, 0)
	require.Len(t, full.image(), len(img))
	var found []wal.Found
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		f, err := vol.Open(ringFile, 0)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(img, 0); err != nil { // all of it is in the cache and nowhere else
			return err
		}
		_, rec, err := openForeign(h, sc, nil)
		if err == nil {
			found = rec.Entries
		}
		return err
	})
	b.m.KillWith(sim.LoseUnsynced)
	require.Len(t, found, 3)
	require.Equal(t, bases(found), bases(b.recovered(nil).Entries))
}

// TestWhatALaterHolderWroteOverIsNoDamage: the log is that one's again, and may be going on in its ring.
func TestWhatALaterHolderWroteOverIsNoDamage(t *testing.T) {
	b, _, _, rs := written(t, 3, 9000, 0)
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		fence, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 2)
		if err != nil {
			return err
		}
		l, rec, err := openForeign(h, sc, func(c *wal.ReadConfig, _ *wal.Expect) { c.Fence = fence.Check })
		if err != nil {
			return err
		}
		b.m.Volume("v").Flip(ringFile, int64(fileOffset(rs[1].at.Frame)+500), 1)
		got := make([]byte, rec.Entries[1].Len)
		if err := l.ReadAt(sc, rec.Entries[1].Extent, got); !errors.Is(err, wal.ErrDamage) {
			return fmt.Errorf("a changed byte: %w", err)
		}
		if _, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 3); err != nil {
			return err
		}
		err = l.ReadAt(sc, rec.Entries[1].Extent, got)
		if !errors.Is(err, wal.ErrFenced) || errors.Is(err, wal.ErrDamage) {
			return fmt.Errorf("after a takeover: %w", err)
		}
		return nil
	})
}

func TestAnotherHoldersLogIsRefusedForAllThatOpenRefusesItFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(img []byte)
		change func(*wal.Expect)
		want   error
	}{
		{"blank", func(img []byte) { clear(img) }, nil, wal.ErrBlank},
		{"no superblock", func(img []byte) { img[0] ^= 1; img[len(img)-wal.BlockSize] ^= 1 }, nil, wal.ErrSuperblock},
		{"foreign", nil, func(e *wal.Expect) { e.WAL[0]++ }, wal.ErrForeign},
		{"another volume", nil, func(e *wal.Expect) { e.Volume[0]++ }, wal.ErrForeign},
		{"an old copy", nil, func(e *wal.Expect) { e.Opened = 9 }, wal.ErrGeneration},
		{"evidence far beyond it", nil, func(e *wal.Expect) { e.Durable = 1 << 40 }, wal.ErrGeneration},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, img, _ := written(t, 3, 9000, time.Second)
			if c.spoil != nil {
				c.spoil(img)
			}
			b.put(img)
			b.do(func(h host.Host, sc *host.Scope) error {
				_, _, err := openForeign(h, sc, func(_ *wal.ReadConfig, e *wal.Expect) {
					if c.change != nil {
						c.change(e)
					}
				})
				if !errors.Is(err, c.want) {
					return fmt.Errorf("it was opened with %w", err)
				}
				return nil
			})
		})
	}
	b := newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		if err := vol.Remove(ringFile); err != nil {
			return err
		}
		if _, _, err := openForeign(h, sc, nil); !errors.Is(err, wal.ErrMissing) {
			return fmt.Errorf("a missing ring was opened with %w", err)
		}
		return nil
	})
}

func TestEvidenceFromElsewhereMakesATornTailOfAnotherHolderDamage(t *testing.T) {
	const n = 4
	b, before, after, rs := written(t, n, 9000, 0)
	from, to := lastFrame(rs)
	img := append([]byte{}, after...)
	copy(img[:wal.BlockSize], before)
	copy(img[len(img)-wal.BlockSize:], before[len(before)-wal.BlockSize:])
	clear(img[from+wal.BlockSize : to])
	b.put(img)
	b.do(func(h host.Host, sc *host.Scope) error {
		_, rec, err := openForeign(h, sc, func(_ *wal.ReadConfig, e *wal.Expect) {
			e.Durable = rs[n-1].at.Frame + wal.Position(to-from)
		})
		if err == nil && (len(rec.Damage) != 1 || rec.Torn.Frames != 0) {
			err = fmt.Errorf("found %+v", rec)
		}
		return err
	})
}

// TestAFrameFarBehindTheEndIsFoundBeforeTheRingIsLetGo spoils everything of a log but its last frames so thoroughly
// that the scan ends before them.
func TestAFrameFarBehindTheEndIsFoundBeforeTheRingIsLetGo(t *testing.T) {
	const n = 16
	b, before, img, rs := written(t, n, 9000, 0)
	copy(img[:wal.BlockSize], before)
	copy(img[len(img)-wal.BlockSize:], before[len(before)-wal.BlockSize:])
	from, to := fileOffset(rs[2].at.Frame), fileOffset(rs[n-1].at.Frame)
	clear(img[from:to])
	for _, at := range []int{0, len(img) - wal.BlockSize} { // born, and no evidence since
		clear(img[at : at+wal.BlockSize])
	}
	born := newBench(t, sim.Config{})
	copy(img[:wal.BlockSize], born.image()[:wal.BlockSize])
	b.put(img)
	b.do(func(h host.Host, sc *host.Scope) error {
		l, rec, err := openForeign(h, sc, nil)
		if err != nil {
			return err
		}
		if len(rec.Entries) != 2 || len(rec.Damage) != 0 {
			return fmt.Errorf("found %+v", rec)
		}
		if err := l.SearchRest(sc); !errors.Is(err, wal.ErrDamage) {
			return fmt.Errorf("the rest: %w", err)
		}
		return nil
	})
}

// TestNobodyIsToldOfARecordThatATakeoverDoesNotSee has a holder append and trim while others take its log over, at
// a higher generation each, and die of it or not.
func TestNobodyIsToldOfARecordThatATakeoverDoesNotSee(t *testing.T) {
	fenced, seen := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		x := &takeover{
			burst: rapid.SampledFrom([]int{1, 4, 40}).Draw(rt, "burst"),
			size:  rapid.SampledFrom([]int{50, 3000, 20000}).Draw(rt, "size"),
		}
		seed := rapid.Uint64Range(1, 1<<40).Draw(rt, "seed")
		lives := rapid.SliceOfN(rapid.IntRange(0, 200), 1, 3).Draw(rt, "ms")
		if err := x.run(seed, lives); err != nil {
			rt.Fatalf("%v", err)
		}
		fenced += x.fenced
		seen += x.seen
	})
	t.Logf("holders fenced %d, records seen by takeovers %d", fenced, seen)
	require.Positive(t, fenced)
	require.Positive(t, seen)
}

// takeover is one world of that test.
type takeover struct {
	burst, size  int
	m            model
	fenced, seen int
}

func (x *takeover) run(seed uint64, ms []int) (err error) {
	w := sim.New(sim.Config{Seed: seed})
	defer func() { err = errors.Join(err, w.Close()) }()
	holder := w.Machine("b1")
	var died error
	holder.Boot(func(h host.Host, sc *host.Scope) { died = x.hold(h, sc) })
	if err := w.RunUntil(w.Now() + host.Time(100*time.Millisecond)); err != nil {
		return err
	}
	for i, wait := range ms {
		if err := w.RunUntil(w.Now() + host.Time(time.Duration(wait)*time.Millisecond)); err != nil {
			return err
		}
		r := w.Machine(fmt.Sprintf("r%d", i))
		r.Attach("v", holder.Volume("v"))
		if err := w.Do(r, func(h host.Host, sc *host.Scope) error { return x.take(h, sc, int64(i)+2) }); err != nil {
			return fmt.Errorf("takeover %d: %w", i, err)
		}
		if wait%2 == 0 {
			r.KillWith(sim.LoseUnsynced)
		}
	}
	acked := x.m.acked
	if err := w.RunUntil(w.Now() + host.Time(time.Second)); err != nil {
		return err
	}
	if x.m.acked != acked {
		return fmt.Errorf("%d records were acknowledged after the takeover", x.m.acked-acked)
	}
	if errors.Is(died, wal.ErrFenced) {
		x.fenced++
	} else if died != nil {
		return fmt.Errorf("the holder ended with %w", died)
	}
	return nil
}

// hold is the holder: it appends and trims until it is fenced.
func (x *takeover) hold(h host.Host, sc *host.Scope) error {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return err
	}
	fence, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, 1)
	if err != nil {
		return err
	}
	cfg, err := ringConfig(h)
	if err != nil {
		return err
	}
	if err := wal.Format(sc, h, vol, ringFile, cfg, testIdentity); err != nil {
		return err
	}
	cfg.Fence = fence.Check
	l, _, err := wal.Open(nil, h, vol, ringFile, cfg, wal.Expect{WAL: testIdentity.WAL})
	if err != nil {
		return err
	}
	rng := h.Rand("life")
	for l.Err() == nil {
		for range 1 + rng.IntN(x.burst) {
			r := &modelRecord{m: &x.m, base: x.m.next, data: payload(int(x.m.next), rng.IntN(x.size))}
			x.m.next++
			if l.Append(sc, h.Now().Add(5*time.Millisecond), r) != nil {
				break
			}
		}
		if rng.IntN(3) == 0 {
			if err := h.Sleep(sc, time.Duration(rng.IntN(3000))*time.Microsecond); err != nil {
				return err
			}
		}
		if rng.IntN(3) == 0 {
			x.m.trimSome(l, rng.IntN(100))
		}
	}
	return l.Err()
}

// take is a takeover: fence word, scan. All that was acknowledged by then, and is not trimmed, must be there.
func (x *takeover) take(h host.Host, sc *host.Scope, generation int64) error {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return err
	}
	fence, err := wal.TakeFence(h, vol, "fence", testIdentity.WAL, generation)
	if err != nil {
		return err
	}
	l, rec, err := openForeign(h, sc, func(c *wal.ReadConfig, e *wal.Expect) {
		c.Fence, e.Generation = fence.Check, generation
	})
	if err != nil {
		return err
	}
	if len(rec.Damage) > 0 {
		return fmt.Errorf("it is damaged: %+v", rec.Damage)
	}
	found := map[int64]wal.Found{}
	for _, f := range rec.Entries {
		found[f.Base] = f
	}
	for _, r := range x.m.log {
		f, ok := found[r.base]
		if r.acked && !ok && r.at.Frame >= x.m.trim {
			return fmt.Errorf("acknowledged record %d at %d is not in [%d, %d)", r.base, r.at.Frame, rec.Start, rec.End)
		}
		if !ok {
			continue
		}
		x.seen++
		got := make([]byte, f.Len)
		switch err := l.ReadAt(sc, f.Extent, got); {
		case err != nil && f.Frame >= x.m.trim:
			return fmt.Errorf("read record %d: %w", r.base, err)
		case err == nil && !bytes.Equal(got, r.data):
			return fmt.Errorf("record %d came back wrong", r.base)
		}
	}
	return l.Close(sc)
}
