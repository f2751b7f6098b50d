package wal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// badVolume is a volume of whose file some bytes cannot be read until a time.
type badVolume struct {
	host.Volume
	h        host.Host
	from, to int64
	until    host.Time // 0 = for ever
}

func (v *badVolume) Open(name string, flag host.Flag) (host.File, error) {
	f, err := v.Volume.Open(name, flag)
	return &badFile{f, v}, err
}

type badFile struct {
	host.File
	v *badVolume
}

func (f *badFile) ReadAt(p []byte, off int64) (int, error) {
	if off < f.v.to && off+int64(len(p)) > f.v.from && (f.v.until == 0 || f.v.h.Now() < f.v.until) {
		return 0, fmt.Errorf("read at %d: %w", off, host.ErrIO)
	}
	return f.File.ReadAt(p, off)
}

// openBad opens the ring with bytes that cannot be read.
func openBad(h host.Host, sc *host.Scope, from, to int64, until time.Duration) (*wal.Log, *wal.Recovery, error) {
	vol, err := h.Disk().Volume(sc, "v")
	if err != nil {
		return nil, nil, err
	}
	cfg, err := ringConfig(h)
	if err != nil {
		return nil, nil, err
	}
	bad := &badVolume{Volume: vol, h: h, from: from, to: to}
	if until > 0 {
		bad.until = h.Now().Add(until)
	}
	return wal.Open(nil, h, bad, ringFile, cfg, wal.Expect{WAL: testIdentity.WAL})
}

// TestABlockThatCannotBeReadIsDamageAndNoMore: wherever it lies the log opens; what lies in it is named, all else is
// there, and the log takes appends as it did, for more than a lap.
func TestABlockThatCannotBeReadIsDamageAndNoMore(t *testing.T) {
	const n, size = 8, 9000
	for block := 1; ; block++ {
		b, _, after, rs := written(t, n, size, 0)
		if (block+1)*wal.BlockSize >= len(after) {
			break
		}
		at := int64(block * wal.BlockSize)
		_, end := lastFrame(rs)
		b.do(func(h host.Host, sc *host.Scope) error {
			began := h.Now()
			l, rec, err := openBad(h, sc, at, at+wal.BlockSize, 0)
			require.NoError(t, err, "block %d", block)
			hit := -1
			for i, r := range rs {
				frame := int64(fileOffset(r.at.Frame))
				if at >= frame && at < frame+3*wal.BlockSize {
					hit = i
				}
			}
			want := upTo(n)
			switch {
			case hit >= 0:
				want = append(want[:hit:hit], want[hit+1:]...)
				require.Len(t, rec.Damage, 1, "block %d", block)
				require.Equal(t, rs[hit].at.Frame, rec.Damage[0].From)
				require.GreaterOrEqual(t, h.Now().Sub(began), 30*time.Second, "it waited before it believed that")
				require.NotEmpty(t, rec.Warnings)
			case at == int64(end):
				require.Len(t, rec.Damage, 1, "nobody knows whether another frame was there")
			default:
				require.Empty(t, rec.Damage, "block %d", block)
			}
			require.Equal(t, want, bases(rec.Entries), "block %d", block)
			if at != int64(fileOffset(rs[n-1].at.Frame)) { // without its header the last frame's body is nobody's
				require.Zero(t, rec.Torn.Frames, "block %d", block)
			}
			for i := range 3 * ringBytes / 12_000 {
				if _, err := fill(h, sc, l, n+i, 1, size); err != nil {
					return fmt.Errorf("block %d, append %d: %w", block, i, err)
				}
				l.Trim(l.Durable())
			}
			return nil
		})
		b.kill()
	}
}

// TestASuperblockThatCannotBeReadIsWarnedOf: either slot alone starts a right scan (rule 14).
func TestASuperblockThatCannotBeReadIsWarnedOf(t *testing.T) {
	const n = 4
	b, _, after, _ := written(t, n, 9000, time.Second)
	for _, at := range []int64{0, int64(len(after)) - wal.BlockSize} {
		b.do(func(h host.Host, sc *host.Scope) error {
			_, rec, err := openBad(h, sc, at, at+wal.BlockSize, 0)
			require.NoError(t, err)
			require.Equal(t, upTo(n), bases(rec.Entries))
			require.Empty(t, rec.Damage)
			require.Len(t, rec.Warnings, 1)
			return nil
		})
		b.kill()
	}
}

// TestAVolumeThatCannotBeReadAtAllIsRefused, and one that could not for a while loses nothing.
func TestAVolumeThatCannotBeReadAtAllIsRefused(t *testing.T) {
	const n = 4
	b, _, after, _ := written(t, n, 9000, 0)
	whole := int64(len(after))
	for _, c := range []struct {
		from  int64
		until time.Duration
		want  error
	}{
		{0, 0, host.ErrIO}, {0, 20 * time.Second, nil}, {wal.BlockSize, 20 * time.Second, nil},
	} {
		b.do(func(h host.Host, sc *host.Scope) error {
			_, rec, err := openBad(h, sc, c.from, whole, c.until)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.Equal(t, upTo(n), bases(rec.Entries))
				require.Empty(t, rec.Damage)
				require.Empty(t, rec.Warnings)
			}
			return nil
		})
		b.kill()
	}
}
