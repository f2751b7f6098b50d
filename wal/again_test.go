package wal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
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

// TestAPlaceThatIsReadWrongThreeTimesIsNoPanic: what is right at the last look is a frame of the log, and what stays
// wrong is named or the search behind it finds what the log holds.
func TestAPlaceThatIsReadWrongThreeTimesIsNoPanic(t *testing.T) {
	const n = 12
	whole := 0
	for nth := 1; nth <= 24; nth++ {
		var plan fault.Plan
		for i := range 3 {
			plan = append(plan, fault.Step{At: 1 << 40, Nth: nth + i, Target: "b1:v", Kind: fault.MisdirectRead})
		}
		b := newBench(t, sim.Config{Plan: plan})
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
			_, rec, err := open(h, sc, nil)
			switch {
			case err != nil:
				require.ErrorIs(t, err, wal.ErrSuperblock, "%d", nth)
			case len(rec.Damage) == 0:
				require.Equal(t, upTo(n), bases(rec.Entries), "%d", nth)
				whole++
			}
			return nil
		})
	}
	require.NotZero(t, whole)
}
