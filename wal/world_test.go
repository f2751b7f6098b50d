package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

const (
	ringFile  = "ring"
	ringBytes = 256 << 10
	slabBytes = 32 << 10
)

// bench is one simulated machine with a small ring on it.
type bench struct {
	t testing.TB
	w *sim.World
	m *sim.Machine
}

func newBench(t testing.TB, cfg sim.Config) *bench {
	t.Helper()
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	w := sim.New(cfg)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	b := &bench{t: t, w: w, m: w.Machine("b1")}
	b.do(func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err != nil {
			return err
		}
		cfg, err := ringConfig(h)
		if err != nil {
			return err
		}
		return wal.Format(sc, h, vol, ringFile, cfg, testIdentity)
	})
	return b
}

func ringConfig(h host.Host) (wal.Config, error) {
	pool, err := wal.NewSlabPool(h, 6, slabBytes)
	if err != nil {
		return wal.Config{}, err
	}
	pool.Poison = true
	return wal.Config{Capacity: ringBytes, Slabs: pool}, nil
}

// do runs fn on the machine and requires that it succeeds.
func (b *bench) do(fn func(h host.Host, sc *host.Scope) error) {
	b.t.Helper()
	require.NoError(b.t, b.w.Do(b.m, fn))
}

// open opens the ring in a task's scope that outlives the task.
func open(h host.Host, sc *host.Scope, change func(*wal.Config, *wal.Expect)) (*wal.Log, *wal.Recovery, error) {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return nil, nil, err
	}
	cfg, err := ringConfig(h)
	if err != nil {
		return nil, nil, err
	}
	want := wal.Expect{Cluster: testIdentity.Cluster, Volume: testIdentity.Volume, WAL: testIdentity.WAL}
	if change != nil {
		change(&cfg, &want)
	}
	return wal.Open(nil, h, vol, ringFile, cfg, want)
}

// fill appends n records of size bytes one after the other, each durable before the next.
func fill(h host.Host, sc *host.Scope, l *wal.Log, from, n, size int) ([]*record, error) {
	var out []*record
	for i := from; i < from+n; i++ {
		r := newRecord(h, 1, int64(i), payload(i, size))
		if err := l.Append(sc, 0, r); err != nil {
			return nil, err
		}
		if err := r.wait(); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// image returns the ring's bytes as a reader sees them now.
func (b *bench) image() []byte {
	b.t.Helper()
	img, ok := b.m.Volume("v").Current(ringFile)
	require.True(b.t, ok)
	return img
}

// put makes the ring's bytes on the medium equal to img. The machine must be down.
func (b *bench) put(img []byte) {
	b.t.Helper()
	now := b.image()
	require.Len(b.t, img, len(now))
	for i := range img {
		if d := img[i] ^ now[i]; d != 0 {
			require.True(b.t, b.m.Volume("v").Flip(ringFile, int64(i), d))
		}
	}
}

// kill ends the machine as kill -9 does.
func (b *bench) kill() { b.m.KillWith(sim.KeepUnsynced) }

// recovered opens the ring, returns what it found and kills the machine.
func (b *bench) recovered(change func(*wal.Config, *wal.Expect)) *wal.Recovery {
	b.t.Helper()
	var rec *wal.Recovery
	b.do(func(h host.Host, sc *host.Scope) error {
		var err error
		_, rec, err = open(h, sc, change)
		return err
	})
	b.kill()
	return rec
}

// bases returns the offsets of what was found.
func bases(found []wal.Found) []int64 {
	out := []int64{}
	for _, f := range found {
		out = append(out, f.Base)
	}
	return out
}

func upTo(n int) []int64 {
	out := []int64{}
	for i := range n {
		out = append(out, int64(i))
	}
	return out
}

// written is a bench whose ring holds n frames of one record each, killed right after the last one was
// acknowledged, and the images before and after the last append. Nothing but the frames themselves says
// that they were durable unless idle is given.
func written(t testing.TB, n, size int, idle time.Duration) (b *bench, before, after []byte, rs []*record) {
	t.Helper()
	b = newBench(t, sim.Config{})
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		// The ring in front is cleared before the images are taken.
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		if rs, err = fill(h, sc, l, 0, n-1, size); err != nil {
			return err
		}
		before = b.image()
		last, err := fill(h, sc, l, n-1, 1, size)
		if err != nil {
			return err
		}
		rs = append(rs, last...)
		after = b.image()
		if idle > 0 {
			if err := h.Sleep(sc, idle); err != nil {
				return err
			}
			after = b.image()
		}
		return nil
	})
	b.kill()
	return b, before, after, rs
}

// fileOffset returns where in the file a position lies: the ring begins behind a margin of one block.
func fileOffset(pos wal.Position) int { return wal.BlockSize + int(pos%ringBytes) }

func lastFrame(rs []*record) (from, to int) {
	from = fileOffset(rs[len(rs)-1].at.Frame)
	return from, from + int(rs[1].at.Frame-rs[0].at.Frame)
}

func TestATornTailIsDroppedAndCountedAtEverySector(t *testing.T) {
	const n = 4
	b, before, after, rs := written(t, n, 9000, 0)
	from, to := lastFrame(rs)
	// No superblock of later: nothing else may say that the last frame was durable.
	copy(after[:wal.BlockSize], before)
	copy(after[len(after)-wal.BlockSize:], before[len(before)-wal.BlockSize:])
	check := func(name string, written func(at int) bool) {
		img := append([]byte{}, after...)
		for at := from; at < to; at += 512 {
			if !written(at) {
				copy(img[at:at+512], before[at:at+512])
			}
		}
		all := bytes.Equal(img[from:to], after[from:to]) // a missing sector of zeros is not missing
		b.put(img)
		rec := b.recovered(nil)
		require.Empty(t, rec.Damage, name)
		switch {
		case all:
			require.Equal(t, upTo(n), bases(rec.Entries), name)
			require.Zero(t, rec.Torn.Frames, name)
		case !zero(img[from:to]):
			require.Equal(t, upTo(n-1), bases(rec.Entries), name)
			require.Equal(t, 1, rec.Torn.Frames, name)
			require.Equal(t, rs[n-1].at.Frame, rec.Torn.At, name)
			if written(from) {
				require.EqualValues(t, to-from, rec.Torn.Bytes, name)
			}
		default:
			require.Equal(t, upTo(n-1), bases(rec.Entries), name)
			require.Zero(t, rec.Torn.Frames, name)
		}
		require.Equal(t, rec.End == rs[n-1].at.Frame, !all, name)
		if !all { // the next scan must be able to tell a missing write from a spoilt one
			require.True(t, zero(b.image()[from:to]), name)
		}
	}
	for cut := from; cut <= to; cut += 512 {
		check(fmt.Sprintf("only sectors below %d", cut-from), func(at int) bool { return at < cut })
		check(fmt.Sprintf("only sectors from %d", cut-from), func(at int) bool { return at >= cut })
		if cut < to && !zero(after[cut:cut+512]) {
			check(fmt.Sprintf("all but sector %d", cut-from), func(at int) bool { return at != cut })
		}
		check(fmt.Sprintf("only the header and sector %d", cut-from), func(at int) bool { return at == from || at == cut })
	}
}

// TestATearWithinASectorIsNoDamage tears each sector of the last frame, the header's too, before and behind the last
// byte of it that is not zero, and in the middle: one byte alone is wrong then, or several are.
func TestATearWithinASectorIsNoDamage(t *testing.T) {
	const n = 4
	b, before, after, rs := written(t, n, 9000, 0)
	from, to := lastFrame(rs)
	copy(after[:wal.BlockSize], before) // nothing else may say that the last frame was durable
	copy(after[len(after)-wal.BlockSize:], before[len(before)-wal.BlockSize:])
	tear := func(at, end int) {
		img := append([]byte{}, after...)
		if copy(img[at:end], before[at:end]); bytes.Equal(img, after) {
			return
		}
		b.put(img)
		rec := b.recovered(nil)
		require.Empty(t, rec.Damage, "torn at byte %d", at-from)
		require.Equal(t, upTo(n-1), bases(rec.Entries))
		require.Equal(t, 1, rec.Torn.Frames)
	}
	for at := from; at < to; at += 512 {
		last := at + len(bytes.TrimRight(after[at:at+512], "\x00")) - 1
		for _, cut := range []int{last - 1, last, at + 200, at + 127, at + 126} {
			if cut >= at {
				tear(cut, at+512)
			}
		}
	}
}

func zero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

func asDamage(err error, target **wal.DamageError) bool { return errors.As(err, target) }
