package workload

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// Some mistakes show only if two things come together that both are rare. What is here brings them together in a share
// of the runs: metadata's disk fails while metadata is asked for, the fence word cannot be read when it matters, the
// store is gone when a start needs it.

const (
	// unreadable is how many reads in a row fail: as often as the fence word is read before it is given up. The bytes
	// of a record that cannot be read that often are taken for damaged; the fence is asked first.
	unreadable = 5
	// strandedMax is the longest outage of the store that begins at a start.
	strandedMax = 20 * time.Second
	// strandsMax is how many starts of a run meet one.
	strandsMax = 3
)

// drawTrouble draws which of it a run has.
func (s *Settings) drawTrouble(rng *rand.Rand) {
	if rng.IntN(4) == 0 {
		s.drawMetaErrors(rng)
	}
	s.Crash.Mishaps = drawMishaps(rng, s.Beyond != nil || len(s.Ring) > 0)
	if rng.IntN(2) == 0 {
		s.Crash.Blind = 2 + rng.IntN(3)
		s.Crash.Usurps = append(s.Crash.Usurps, time.Duration(rng.Int64N(int64(s.Duration))))
		slices.Sort(s.Crash.Usurps)
	}
	if rng.IntN(3) == 0 {
		s.Crash.Stranded = 2 + rng.IntN(3)
		s.Node.StoreCall = 300*time.Millisecond + time.Duration(rng.Int64N(int64(2*time.Second)))
		s.Crash.Count = max(2, s.Crash.Count)
	}
}

// drawMetaErrors lets a few calls to metadata's disk fail, each at a time when clients ask metadata for something.
func (s *Settings) drawMetaErrors(rng *rand.Rand) {
	for range 1 + rng.IntN(3) {
		step := fault.Step{At: host.Time(rng.Int64N(int64(s.Duration))), Nth: 1, Target: nodeMachine + ":" + metaVolume,
			Kind: pick(rng, fault.SyncError, fault.SyncError, fault.WriteError, fault.NoSpace), Arg: rng.Uint64()}
		s.Nemesis = append(s.Nemesis, step)
	}
	slices.SortStableFunc(s.Nemesis, func(a, b fault.Step) int { return cmp.Compare(a.At, b.At) })
	for i := range s.Clients {
		s.Clients[i].Restless = s.Clients[i].Role == RoleExactly
	}
}

// blind lets the reads of the WAL's volume fail from now on for a while, those of the fence word among them.
func (c *crashes) blind() {
	if c.rng.IntN(4) >= c.r.settings.Crash.Blind {
		return
	}
	for i := range unreadable {
		c.r.w.Inject(fault.Step{At: c.r.w.Now() + 1, Nth: 1 + i, Target: nodeMachine + ":" + walVolume,
			Kind: fault.ReadError})
	}
}

// strand lets the store answer nothing from some instant of a start on, for longer than the node tries.
func (r *run) strand() {
	if r.replay || r.calm || r.began == 0 || r.stranded == strandsMax || r.settings.Crash.Stranded == 0 {
		return
	}
	rng := stream(r.plan.Seed, "stranded", int32(r.restarts))
	if rng.IntN(4) >= r.settings.Crash.Stranded {
		return
	}
	r.stranded++
	at := r.w.Now() + 1 + host.Time(rng.Int64N(int64(50*time.Millisecond))>>rng.IntN(12))
	least := r.settings.Node.StoreCall * 2
	r.w.Inject(fault.Step{At: at, Nth: 1, Target: storeSide, Kind: fault.StoreOutage,
		For: least + time.Duration(rng.Int64N(int64(max(1, strandedMax-least))))>>rng.IntN(4)})
}
