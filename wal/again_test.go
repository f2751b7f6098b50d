package wal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// TestAReadOfTheWrongPlaceLosesNothing: whichever of the calls of a start and of the reads after it gives the bytes
// of another place, or fails, once, all entries are there and none is called damaged.
func TestAReadOfTheWrongPlaceLosesNothing(t *testing.T) {
	const n = 12
	for _, kind := range []fault.Kind{fault.MisdirectRead, fault.ReadError} {
		for nth := 1; nth <= 40; nth++ {
			b := newBench(t, sim.Config{Plan: fault.Plan{{At: 1 << 40, Nth: nth, Target: "b1:v", Kind: kind}}})
			b.do(func(h host.Host, sc *host.Scope) error {
				l, _, err := open(h, sc, nil)
				if err == nil {
					_, err = fill(h, sc, l, 0, n, 9000)
				}
				return err
			})
			b.kill()
			require.NoError(t, b.w.RunUntil(1<<40+1))
			b.do(func(h host.Host, sc *host.Scope) error {
				l, rec, err := open(h, sc, nil)
				if err != nil {
					require.ErrorIs(t, err, host.ErrIO)
					require.Equal(t, fault.ReadError, kind)
					return nil
				}
				require.Equal(t, upTo(n), bases(rec.Entries), "%v %d", kind, nth)
				require.Empty(t, rec.Damage)
				require.Zero(t, rec.Torn.Frames)
				for i, f := range rec.Entries {
					got := make([]byte, f.Len)
					require.NoError(t, l.ReadAt(sc, f.Extent, got), "%v %d", kind, nth)
					require.Equal(t, payload(i, 9000), got)
				}
				return nil
			})
		}
	}
}
