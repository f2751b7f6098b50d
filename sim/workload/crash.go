package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// crashes chooses where the node dies, while it runs. Each crash that is chosen is an explicit step of the plan; a
// replay takes the steps and chooses nothing.
//
// A place is what an I/O call does, to what, in which task. Calls differ in how often they are made by a factor of
// ten thousand, so a crash is not drawn among calls: each place has a score, drawn from the seed, and the bar rises
// with time. The first call whose place is under the bar is the one; places that were rarely seen before have a
// better chance, because another may not come.
type crashes struct {
	r        *run
	rng      *rand.Rand
	schedule *fault.Schedule // of a replay
	done     fault.Plan
	slots    []slot
	seen     map[string]int // calls so far, by place
	since    uint64         // calls since the last start
	at       host.Time      // instant of the last call
	nth      int            // calls of that instant so far
	late     bool           // the clients' work is nearly over: whatever is open strikes now
}

// slot is one crash to come.
type slot struct {
	salt  uint64
	calls uint64    // strike at this call of an incarnation; 0 = by place
	from  host.Time // by place: not before, since the world began
}

const (
	// recoveryCalls is about how many I/O calls a start makes.
	recoveryCalls = 90
	// barRises is how long the bar takes from the lowest place to the highest.
	barRises = 20 * time.Second
)

func (c *crashes) init(r *run) {
	c.r, c.rng, c.seen = r, stream(r.plan.Seed, "crash", 0), map[string]int{}
	if r.replay {
		c.schedule = fault.NewSchedule(r.plan.Faults)
		return
	}
	if at := r.o.CrashAt; at.N > 0 {
		c.slots = []slot{{calls: at.N}}
		return
	}
	d := r.settings.Duration
	for i := range r.settings.Crash.Count {
		s := slot{salt: c.rng.Uint64(), from: host.Time(c.rng.Int64N(int64(d) * 4 / 5))}
		switch {
		case i == 0 && c.rng.IntN(8) == 0:
			s.calls = 1 + c.rng.Uint64N(2*recoveryCalls) // the very first start
		case i > 0 && c.rng.IntN(4) < r.settings.Crash.Recovery:
			s.calls = 1 + c.rng.Uint64N(recoveryCalls)
		}
		c.slots = append(c.slots, s)
	}
}

// booted begins the count of an incarnation's calls.
func (c *crashes) booted() { c.since = 0 }

// hurry lets what is still open strike as soon as it can.
func (c *crashes) hurry() { c.late = true }

// stop plans no crash any more.
func (c *crashes) stop() { c.slots, c.schedule = nil, nil }

// onCall is called before each I/O call of every machine.
func (r *run) onCall(call sim.Call) {
	if call.Machine == nodeMachine && !r.calm {
		r.crash.call(call)
	}
}

func (c *crashes) call(call sim.Call) {
	c.since++
	if now := c.r.w.Now(); now != c.at {
		c.at, c.nth = now, 0
	}
	c.nth++
	if c.schedule != nil {
		if s, ok := c.schedule.Strikes(c.at, nodeMachine, fault.Crash); ok {
			c.strike(call, s)
		}
		return
	}
	if len(c.slots) == 0 {
		return
	}
	place := placeOf(call)
	c.seen[place]++
	if !c.due(place) {
		return
	}
	c.slots = c.slots[1:]
	when := sim.When(1 + c.rng.IntN(2))
	if c.r.o.CrashAt.N > 0 {
		when = c.r.o.CrashAt.When
	}
	c.strike(call, fault.Step{At: c.at, Nth: c.nth, Target: nodeMachine, Kind: fault.Crash, Arg: uint64(when)})
}

// due tells whether the next crash strikes at a call of this place.
func (c *crashes) due(place string) bool {
	s := &c.slots[0]
	if s.calls > 0 {
		return c.since == s.calls || c.late && c.since > s.calls
	}
	if c.at < s.from {
		return false
	}
	if c.late {
		return true
	}
	const whole = 1 << 32
	bar := uint64(min(barRises, c.at.Sub(s.from))) * whole / uint64(barRises)
	switch n := c.seen[place]; {
	case n <= 2:
		bar *= 16
	case n <= 20:
		bar *= 4
	}
	return score(s.salt, place) < bar
}

// score is where a place stands in the order of a slot, below 1<<32.
func score(salt uint64, place string) uint64 {
	h := salt ^ 0xcbf29ce484222325
	for i := range len(place) {
		h = (h ^ uint64(place[i])) * 0x100000001b3
	}
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return h >> 32
}

func (c *crashes) strike(call sim.Call, s fault.Step) {
	c.done = append(c.done, s)
	when := sim.When(s.Arg & 3)
	text := fmt.Sprintf("%s %s", placeOf(call), momentOf(when))
	if call.Site != "" {
		text += " at " + call.Site
	}
	c.r.crashes = append(c.r.crashes, text)
	c.r.m.CrashAt(call.N, when, sim.Seeded)
}

func momentOf(w sim.When) string {
	if w == sim.AfterEffect {
		return "after"
	}
	return "before"
}

// placeOf names the place of a call: its task, what it does and to what, without numbers.
func placeOf(c sim.Call) string {
	if c.Op >= sim.OpStorePut {
		return c.Task + " " + c.Op.String() // keys begin with a checksum
	}
	return c.Task + " " + c.Op.String() + " " + classOf(c.Target)
}

// classOf is a target without what tells one of its kind from another.
func classOf(target string) string {
	i := strings.IndexAny(target, "0123456789")
	if i < 0 {
		return target
	}
	return target[:i]
}
