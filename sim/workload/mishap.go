package workload

import (
	"math/rand/v2"
	"strings"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// mishaps choose calls to the node's disks that fail, as crashes are chosen: by their places, for the places of an
// error that somebody forgot to look at are called a thousand times less often than the others. The world shows each
// as the explicit step that repeats it; a replay takes those and chooses nothing.
type mishaps struct {
	r     *run
	rng   *rand.Rand
	slots []mishap
	seen  map[string]int // calls so far, by place
	since uint64         // calls to disks since the last start
}

// mishap is one error to come.
type mishap struct {
	salt  uint64
	from  host.Time // not before, since the world began
	calls uint64    // at this call of a start; 0 = by place
	asked bool      // when metadata's log is synced while a client waits for what it asks of metadata
}

func (c *mishaps) init(r *run) {
	c.r, c.rng, c.seen = r, stream(r.plan.Seed, "mishap", 0), map[string]int{}
	if r.replay {
		return
	}
	for i := range r.settings.Crash.Mishaps {
		s := mishap{salt: c.rng.Uint64(), from: host.Time(c.rng.Int64N(int64(r.settings.Duration) * 3 / 4))}
		switch c.rng.IntN(4) {
		case 0:
			s.calls = 1 + c.rng.Uint64N(recoveryCalls)
		case 1, 2:
			s.asked = true
		}
		if i == 0 && c.rng.IntN(3) == 0 { // the very first start
			s = mishap{calls: 1 + c.rng.Uint64N(recoveryCalls)}
		}
		c.slots = append(c.slots, s)
	}
}

// failing is the fault by which a call fails.
func failing(call sim.Call, rng *rand.Rand) (fault.Kind, bool) {
	switch call.Op {
	case sim.OpRead:
		return fault.ReadError, true
	case sim.OpWrite:
		return pick(rng, fault.WriteError, fault.WriteError, fault.NoSpace), true
	case sim.OpSync:
		return fault.SyncError, true
	case sim.OpSyncDir:
		return fault.DirError, true
	case sim.OpOpen:
		return fault.NoSpace, true // of one that creates
	}
	return 0, false
}

// call lets a call of the node fail if that is due.
func (c *mishaps) call(call sim.Call) {
	if len(c.slots) == 0 || c.r.calm {
		return
	}
	volume, path, onDisk := strings.Cut(call.Target, ":")
	if _, can := failing(call, rand.New(rand.NewPCG(0, 0))); !can || !onDisk {
		return
	}
	if call.Op == sim.OpRead && !strings.HasSuffix(path, ".fence") {
		return // of bytes that are there once: who cannot read them takes them for damaged
	}
	c.since++
	if !c.due(call) {
		return
	}
	c.slots = c.slots[1:]
	kind, _ := failing(call, c.rng)
	step := fault.Step{At: c.r.w.Now(), Nth: 1, Target: strings.Replace(volume, "/", ":", 1), Kind: kind,
		Arg: c.rng.Uint64()}
	if kind == fault.ReadError { // who reads tries again
		for n := 2; n <= unreadable; n++ {
			more := step
			more.Nth = n
			c.r.w.Inject(more)
		}
	}
	c.r.w.Inject(step)
}

func (c *mishaps) due(call sim.Call) bool {
	s, place, now := &c.slots[0], call.Place(), c.r.w.Now()
	c.seen[place]++
	switch {
	case now < s.from:
		return false
	case s.asked:
		return c.r.asking > 0 && call.Op == sim.OpSync && strings.Contains(call.Target, metaVolume+":")
	case s.calls > 0:
		return c.since == s.calls
	}
	const whole = 1 << 32
	bar := uint64(min(barRises, now.Sub(s.from))) * whole / uint64(barRises)
	switch n := c.seen[place]; {
	case n <= 2:
		bar *= 16
	case n <= 20:
		bar *= 4
	}
	return score(s.salt, place) < bar
}

// drawMishaps draws how many calls fail.
func drawMishaps(rng *rand.Rand, beyond bool) int {
	if beyond || rng.IntN(5) > 1 {
		return 0
	}
	return 1 + rng.IntN(4)
}
