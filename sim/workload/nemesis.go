package workload

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// storeSide is the object store as a side of a link.
const storeSide = "store"

var nemesisLinks = []string{
	coreClients + ">" + nodeMachine, nodeMachine + ">" + coreClients,
	farClients + ">" + nodeMachine, nodeMachine + ">" + farClients,
	nodeMachine + ">" + storeSide, storeSide + ">" + nodeMachine,
}

// drawNemesis draws what goes wrong at a time and for a while: cuts, clogs, pauses, clocks, outages, stalls.
func drawNemesis(rng *rand.Rand, d time.Duration) fault.Plan {
	kinds := []fault.Kind{
		fault.Partition, fault.CutOneWay, fault.Clog, fault.SlowLink, fault.StoreStorm, fault.StoreOutage,
		fault.ClockSkew, fault.ClockDrift, fault.ClockStep, fault.ClockStrobe, fault.Pause, fault.Pause,
	}
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = kinds[:rng.IntN(len(kinds)+1)*2/3]
	var p fault.Plan
	for _, k := range kinds {
		for range 1 + rng.IntN(3) {
			p = append(p, drawStep(rng, k, d))
		}
	}
	if rng.IntN(6) == 0 {
		at := host.Time(rng.Int64N(int64(d)))
		p = append(p, sim.Swizzle(rng, nemesisLinks, at, between(rng, 100*time.Millisecond, 3*time.Second))...)
	}
	slices.SortStableFunc(p, func(a, b fault.Step) int { return cmp.Compare(a.At, b.At) })
	return p
}

func drawStep(rng *rand.Rand, k fault.Kind, d time.Duration) fault.Step {
	s := fault.Step{At: host.Time(rng.Int64N(int64(d))), Nth: 1, Kind: k, Arg: rng.Uint64()}
	switch k.Info().On {
	case fault.OnLink:
		s.Target = pick(rng, nemesisLinks...)
	case fault.OnStore:
		s.Target = storeSide
	default:
		s.Target = pick(rng, nodeMachine, nodeMachine, nodeMachine, coreClients)
	}
	switch k {
	case fault.StoreOutage:
		s.For = between(rng, time.Second, 12*time.Second)
	case fault.ClockSkew, fault.ClockDrift:
		s.For = between(rng, time.Second, d)
	case fault.ClockStep:
	default:
		s.For = between(rng, 20*time.Millisecond, 5*time.Second)
	}
	return s
}
