package broker

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAKeyIsGivenUpOnlyWhenAllBelowItHaveAnOutcome: raising the low sequence gives up all keys below it, and one of
// those may be another engine's that is about to be committed.
func TestAKeyIsGivenUpOnlyWhenAllBelowItHaveAnOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k keyring
		engines := []*catalog{{}, {}, {}}
		out := map[uint64]*catalog{} // no outcome yet
		var next, low, gave uint64
		raise := func(due uint64) {
			if due == 0 {
				return
			}
			for seq := range out {
				require.GreaterOrEqual(t, seq, due, "a key on its way is given up")
			}
			require.Greater(t, due, low)
			if rapid.Bool().Draw(t, "applied") {
				low = due
				k.raised(due)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			var seqs []uint64
			for seq := range out {
				seqs = append(seqs, seq)
			}
			slices.Sort(seqs)
			step := rapid.SampledFrom([]string{"take", "settle", "give up", "leave"}).Draw(t, "step")
			switch {
			case step == "take" || len(seqs) == 0:
				c := rapid.SampledFrom(engines).Draw(t, "engine")
				seq := k.take(c)
				require.Equal(t, next, seq, "no sequence is issued twice")
				next, out[seq] = next+1, c
			case step == "leave":
				c := rapid.SampledFrom(engines).Draw(t, "engine")
				for seq, to := range out {
					if to == c {
						gave = max(gave, seq+1)
						delete(out, seq)
					}
				}
				raise(k.leave(c))
			default:
				seq := rapid.SampledFrom(seqs).Draw(t, "key")
				delete(out, seq)
				if step == "settle" {
					raise(k.settle(seq))
					continue
				}
				gave = max(gave, seq+1)
				raise(k.giveUp(seq))
			}
		}
		for _, c := range engines {
			for seq, to := range out {
				if to == c {
					gave = max(gave, seq+1)
					delete(out, seq)
				}
			}
			if due := k.leave(c); due > 0 {
				low = due
				k.raised(due)
			}
		}
		require.Equal(t, gave, low, "in the end all that was given up is garbage")
	})
}
