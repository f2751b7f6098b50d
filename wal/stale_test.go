package wal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// TestTheFirstFrameAfterACrashLiesOverZerosOnLaterLapsToo: what a dead run wrote there and never made durable could
// else mix with it, and differ from it in one byte.
func TestTheFirstFrameAfterACrashLiesOverZerosOnLaterLapsToo(t *testing.T) {
	b := newBench(t, sim.Config{})
	var oldest wal.Position
	b.do(func(h host.Host, sc *host.Scope) error {
		l, _, err := open(h, sc, nil)
		if err != nil {
			return err
		}
		for i := range 3 * ringBytes / 2 / (3 * wal.BlockSize) {
			rs, err := fill(h, sc, l, i, 1, 9000)
			if err != nil {
				return err
			}
			if i%4 == 0 {
				oldest = rs[0].at.Frame
				l.Trim(oldest)
			}
		}
		return nil
	})
	b.kill()
	before := b.image()
	rec := b.recovered(nil)
	require.Greater(t, rec.End, wal.Position(ringBytes), "a later lap")
	require.False(t, rec.Clean)

	img := b.image()
	from, behind := fileOffset(rec.End), fileOffset(rec.End)+slabBytes+wal.BlockSize
	require.False(t, zero(before[from:behind]), "an earlier lap wrote there")
	require.True(t, zero(img[from:behind]), "zero now")
	require.Equal(t, before[behind:len(img)-wal.BlockSize], img[behind:len(img)-wal.BlockSize], "and nothing else changed")
	require.Equal(t, before[wal.BlockSize:from], img[wal.BlockSize:from])
	again := b.recovered(nil)
	require.Equal(t, bases(rec.Entries), bases(again.Entries))
	require.Empty(t, again.Damage)
}
