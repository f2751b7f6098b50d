package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
)

// TestAStoreThatAnswersWronglySeveralTimesInARowHasDamagedNothing: five wrong answers to one read are within what a
// store does to who reads much; what stays wrong is damage, and that is said within seconds.
func TestAStoreThatAnswersWronglySeveralTimesInARowHasDamagedNothing(t *testing.T) {
	for wrong, damaged := range map[int]bool{5: false, 6: true} {
		const at = 10 * host.Time(time.Second)
		var plan fault.Plan
		for n := range wrong {
			plan = append(plan, fault.Step{
				At: at, Nth: 1 + n, Target: "store", Kind: fault.WrongRange, Arg: uint64(n),
			})
		}
		r := newRig(t, sim.Config{Seed: 36, Plan: plan}, 1)
		r.cfg.BlockCacheBytes = 1
		x := r.streams[0]
		r.do(func(h host.Host, sc *host.Scope) error {
			require.NoError(r, r.boot(h, sc))
			require.NoError(r, r.append(sc, x, 6000, true))
			require.NoError(r, r.e.Flush(sc))
			for r.e.Evict() {
			}
			require.NoError(r, h.Sleep(sc, at.Sub(r.w.Now())))
			_, err := x.s.Read(sc, 0, x.next, 1000, false)
			if damaged {
				require.ErrorIs(r, err, stream.ErrDamaged)
			} else {
				require.NoError(r, err)
			}
			require.Less(r, r.w.Now().Sub(at), 3*time.Second)
			return r.stop(sc)
		})
		require.Equal(t, uint64(wrong), r.w.Fired()[fault.WrongRange].Count)
	}
}
