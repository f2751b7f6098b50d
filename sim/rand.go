package sim

import (
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/host"
)

// Every subsystem draws from a stream of its own, derived from the seed and the subsystem's name, so that
// one more draw in one of them leaves the others as they were.

func newPCG(seed uint64, names ...string) *rand.PCG {
	h := mix(mixB, seed)
	for _, name := range names {
		h = mix(h, hashString(name))
	}
	return rand.NewPCG(h, mix(h, seed))
}

func newRand(seed uint64, names ...string) *rand.Rand { return rand.New(newPCG(seed, names...)) }

// draw returns a duration from l.
func draw(r *rand.Rand, l Latency) host.Time {
	least, most := l.Min, l.Max
	if l.Tail > 0 && l.Tail.hits(r) {
		least, most = max(l.Min, l.Max), l.Worst
	}
	return between(r, least, most)
}

func between(r *rand.Rand, least, most time.Duration) host.Time {
	if most <= least {
		return host.Time(least)
	}
	return host.Time(least) + host.Time(r.Int64N(int64(most-least)+1))
}
