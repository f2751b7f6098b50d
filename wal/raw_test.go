package wal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// A raw read gives the ring's bytes as they are, damaged ones too, from any position to any other, across the
// ring's end, and nothing that is trimmed or not durable.
func TestARawReadGivesTheBytesOfTheRing(t *testing.T) {
	b, _, img, rs := written(t, 4, 9000, 0)
	require.True(t, b.m.Volume("v").Flip(ringFile, int64(fileOffset(rs[1].at.Position())), 0x10))
	img[fileOffset(rs[1].at.Position())] ^= 0x10
	b.do(func(h host.Host, sc *host.Scope) error {
		l, rec, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		require.Len(t, rec.Damage, 1)
		end := int(l.Durable())
		for _, span := range [][2]int{{0, end}, {1, 2}, {4095, 4097}, {5000, end - 1}, {end, end}} {
			dst := make([]byte, span[1]-span[0])
			require.NoError(t, l.ReadRaw(sc, wal.Position(span[0]), dst))
			require.Equal(t, img[fileOffset(0)+span[0]:fileOffset(0)+span[1]], dst, "%v", span)
		}
		require.Error(t, l.ReadRaw(sc, wal.Position(end-1), make([]byte, 2)), "not durable")

		for int(l.Durable()) < ringBytes+9000 { // around the ring
			l.Trim(l.Durable())
			last, err := fill(h, sc, l, int(l.Durable()), 1, 9000)
			if err != nil {
				return err
			}
			rs = append(rs, last...)
		}
		require.ErrorIs(t, l.ReadRaw(sc, l.Trimmed()-1, make([]byte, 1)), wal.ErrTrimmed)
		from := l.Trimmed()
		dst := make([]byte, l.Durable()-from)
		require.NoError(t, l.ReadRaw(sc, from, dst))
		now := b.image()
		for i, got := range dst {
			require.Equal(t, now[fileOffset(from+wal.Position(i))], got, "position %d", int(from)+i)
		}
		require.NoError(t, l.Close(sc))
		require.ErrorIs(t, l.ReadRaw(sc, from, dst), wal.ErrClosed)
		return nil
	})
}
