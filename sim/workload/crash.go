package workload

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// crashes chooses where the node dies, while it runs. The world shows each crash as the explicit step that repeats it;
// a replay takes those and chooses nothing.
//
// A place is what an I/O call does, to what, in which task. Calls differ in how often they are made by a factor of
// ten thousand, so a crash is not drawn among calls: each place has a score, drawn from the seed, and the bar rises
// with time. The first call whose place is under the bar is the one; places that were rarely seen before have a
// better chance, because another may not come.
type crashes struct {
	r        *run
	rng      *rand.Rand
	slots    []slot
	seen     map[string]int // calls so far, by place
	since    uint64         // calls since the last start
	late     bool           // the clients' work is nearly over: whatever is open strikes now
	last     sim.Call       // of the node
	wrote    int64          // bytes of the frame that is not synced yet
	taken    int            // of the settings' Usurps
	ringNext host.Time      // when it is looked again for a frame to spoil
	spoilt   int            // of the settings' frames
	at       string         // place of the call that was chosen
	list     []string       // where each crash struck
}

// slot is one crash to come.
type slot struct {
	salt  uint64
	calls uint64    // strike at this call of an incarnation; 0 = by place
	from  host.Time // by place: not before, since the world began
	loop  bool      // and again in the starts that follow
	mid   bool      // in the middle of a commit to the WAL: by its place alone that comes too seldom
	bytes int64     // mid: of a frame at least so large, if one comes
	fate  sim.Fate
}

const (
	// recoveryCalls is about how many I/O calls a start makes.
	recoveryCalls = 90
	// barRises is how long the bar takes from the lowest place to the highest.
	barRises = 20 * time.Second
	// midCommit begins the places where a frame is written and not synced yet, midWrite those where it is written.
	midCommit = "wal.commit sync weir/wal:"
	midWrite  = "wal.commit write weir/wal:"
	// largeWait is how long a crash waits for a large frame.
	largeWait = 4 * time.Second
	// usurpPause bounds the pause in which the WAL is taken over: clients wait longer.
	usurpPause = 50 * time.Millisecond
)

func (c *crashes) init(r *run) {
	c.r, c.rng, c.seen = r, stream(r.plan.Seed, "crash", 0), map[string]int{}
	if r.replay {
		return
	}
	if at := r.o.CrashAt; at.N > 0 {
		c.slots = []slot{{calls: at.N}}
		return
	}
	d, set, mid := r.settings.Duration, &r.settings.Crash, stream(r.plan.Seed, "crash in a commit", 0)
	for i := range set.Count {
		s := slot{salt: c.rng.Uint64(), from: host.Time(c.rng.Int64N(int64(d) * 4 / 5))}
		if r.settings.Beyond != nil { // what is damaged while the machine is down needs something to damage
			s.from = s.from/4 + host.Time(d)/2
		}
		switch {
		case i == 0 && c.rng.IntN(8) == 0:
			s.calls = 1 + c.rng.Uint64N(2*recoveryCalls) // the very first start
		case i > 0 && c.rng.IntN(4) < set.Recovery:
			s.calls = 1 + c.rng.Uint64N(recoveryCalls)
		default:
			s.loop = c.rng.IntN(8) < set.Loop && c.rng.IntN(4) == 0
		}
		if s.mid = s.calls == 0 && !s.loop && mid.IntN(2) == 0; s.mid {
			s.bytes = 4096 * pick[int64](mid, 0, 2, 4, 8)
			s.fate = pick(mid, sim.Seeded, sim.MixUnsynced, sim.MixUnsynced)
		}
		c.slots = append(c.slots, s)
	}
	if set.Count > 0 && mid.IntN(4) > 0 { // one comes before all others, and tears a large frame if one is written
		from := host.Time(mid.Int64N(int64(d) / 2))
		c.slots = slices.Insert(c.slots, 0, slot{from: from, mid: true, bytes: 4 * 4096, fate: sim.MixUnsynced})
	}
}

// booted begins the count of an incarnation's calls.
func (c *crashes) booted() { c.since, c.r.mishaps.since = 0, 0 }

// hurry lets what is still open strike as soon as it can.
func (c *crashes) hurry() { c.late = true }

// stop plans no crash any more.
func (c *crashes) stop() { c.slots = nil }

// onCall is called before each I/O call of every machine.
func (r *run) onCall(call sim.Call) {
	if call.Machine == nodeMachine {
		r.putting(call)
		r.crash.call(call)
		r.mishaps.call(call)
	}
}

func (c *crashes) call(call sim.Call) {
	c.since++
	c.last = call
	place := call.Place()
	if strings.HasPrefix(place, midWrite) {
		c.wrote += call.Len
	}
	inCommit := strings.HasPrefix(place, midCommit)
	if inCommit {
		c.usurp()
		if c.ringCrash() {
			c.at = place
			c.r.m.CrashAt(call.N, sim.When(1+c.rng.IntN(2)), sim.Seeded)
			return
		}
	}
	due := len(c.slots) > 0 && c.due(place)
	if inCommit {
		c.wrote = 0
	}
	if !due {
		return
	}
	s := c.slots[0]
	c.slots = c.slots[1:]
	c.at = place
	when := sim.When(1 + c.rng.IntN(2))
	if s.mid {
		when = sim.BeforeEffect
	}
	if c.r.o.CrashAt.N > 0 {
		when = c.r.o.CrashAt.When
	}
	if s.loop {
		c.r.w.Inject(fault.Step{At: c.r.w.Now(), Nth: 1, Target: nodeMachine, Kind: fault.CrashLoop,
			Arg: sim.CrashArg(when, sim.Seeded, c.rng.Uint64())})
		return
	}
	c.r.m.CrashAt(call.N, when, s.fate)
}

// usurp takes the WAL over while a frame is being synced, if that is due: what the node knew of its fence before the
// sync counts no more.
func (c *crashes) usurp() {
	list, now := c.r.settings.Crash.Usurps, c.r.w.Now()
	if c.r.replay || c.taken >= len(list) || now < host.Time(list[c.taken]) || c.r.node == nil || c.r.calm ||
		c.r.settings.Beyond != nil || !c.r.awaited() {
		return
	}
	c.taken++
	c.r.w.Inject(fault.Step{At: now + 1, Nth: 1, Target: nodeMachine, Kind: fault.Usurp})
	c.r.w.Inject(fault.Step{At: now + 1, Nth: 1, Target: nodeMachine, Kind: fault.Pause,
		For: time.Duration(1 + c.rng.Int64N(int64(usurpPause)))})
	c.blind()
}

// due tells whether the next crash strikes at a call of this place.
func (c *crashes) due(place string) bool {
	c.seen[place]++
	s, now := &c.slots[0], c.r.w.Now()
	if s.calls > 0 {
		return c.since == s.calls || c.late && c.since > s.calls
	}
	if now < s.from {
		return false
	}
	if c.late && !s.mid {
		return true
	}
	if s.mid {
		return strings.HasPrefix(place, midCommit) && (c.late || c.wrote >= s.bytes || now.Sub(s.from) > largeWait)
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

// struck notes where a crash was carried out.
func (c *crashes) struck(s fault.Step) {
	place, moment := c.at, "before"
	if place == "" {
		place = c.last.Place()
	}
	c.at = ""
	if when, _, _ := sim.CrashOf(s.Arg); when == sim.AfterEffect {
		moment = "after"
	}
	if s.Kind == fault.CrashLoop {
		moment += ", and again"
	}
	c.list = append(c.list, place+" "+moment)
}
