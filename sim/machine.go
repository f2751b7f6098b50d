package sim

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// Machine is a name, a clock and volumes. What runs on it is its incarnation: Boot begins one, Kill ends
// it. Volumes, the drift of the clock and the count of I/O calls outlive incarnations; memory does not.
type Machine struct {
	w    *World
	id   uint64 // ordinal in the world, from 1
	name string
	inc  *incarnation // the latest; nil before the first Boot
	n    int          // incarnations so far

	target  target
	mounts  []*mount   // volumes, in order of creation
	rates   *rates     // its own, or the world's
	secrets *rand.Rand // goes on across incarnations: no uuid is drawn twice

	ppm        int64 // drift of the monotonic clock
	wallOffset time.Duration
	strobe     strobe
	paused     bool
	frozen     []*task // runnable tasks of a paused machine

	calls uint64 // I/O calls so far, in all incarnations
	crash crashPlan
	loop  crashLoop
	after *fault.Step // a crash after the effect of the call that is under way
	armed uint64      // that call
}

// incarnation is one life of a machine.
type incarnation struct {
	w     *World
	m     *Machine
	n     int // ordinal on the machine, from 1
	dead  bool
	host  *simHost
	root  *host.Scope
	end   func(error)
	tasks []*task
	pool  []*parker
	clock clock

	streams   map[string]int // generators given out by stream
	ends      []*endpoint    // open connections
	listeners []*listener
	handles   []*fileHandle // open files
}

// Machine returns the machine called name, creating it, down, at the first call. The name is also its
// address on the network.
func (w *World) Machine(name string) *Machine {
	if m := w.byName[name]; m != nil {
		return m
	}
	m := &Machine{
		w: w, id: uint64(len(w.machines) + 1), name: name, rates: &w.rates, secrets: newRand(w.cfg.Seed, "secret", name),
	}
	m.target.init(name)
	w.machines = append(w.machines, m)
	w.byName[name] = m
	return m
}

// Machines returns all machines in the order of their creation. The slice belongs to the world.
func (w *World) Machines() []*Machine { return w.machines }

// Name returns the machine's name.
func (m *Machine) Name() string { return m.name }

// Alive reports whether an incarnation runs.
func (m *Machine) Alive() bool { return m.inc != nil && !m.inc.dead }

// Incarnation returns how often the machine was booted.
func (m *Machine) Incarnation() int { return m.n }

// Host returns the host of the running incarnation, nil if the machine is down.
func (m *Machine) Host() host.Host {
	if !m.Alive() {
		return nil
	}
	return m.inc.host
}

// Boot begins an incarnation whose first task is fn; nil starts it without tasks. It may be called from
// anywhere, also from tasks of other machines. The machine must be down.
func (m *Machine) Boot(fn func(h host.Host, sc *host.Scope)) {
	if m.Alive() {
		panic("sim: machine " + m.name + " was booted while it runs")
	}
	w := m.w
	m.bootFaults()
	m.n++
	m.loop.boot(m.calls)
	inc := &incarnation{w: w, m: m, n: m.n, streams: map[string]int{}}
	inc.host = &simHost{inc: inc}
	inc.root, inc.end = host.NewRoot(inc.host)
	// Monotonic time begins anywhere, so that comparing two machines' shows.
	inc.clock = clock{w: w, base: between(w.clocks, time.Second, 100*time.Hour), ref: w.now, ppm: m.ppm}
	m.inc = inc
	w.note(KindBoot, m.id, uint64(m.n), 0)
	if fn != nil {
		w.spawn(inc, nil, "boot", func(sc *host.Scope) { fn(inc.host, sc) })
	}
}

// Kill ends the incarnation at this instant: in one of three ways, drawn from the seed: as kill -9
// (unsynced writes stay), as a power loss in which every unsynced sector and name is kept or lost by
// itself, or as one in which all are lost. It does nothing if the machine is down.
//
// From within a task of the machine it marks the incarnation dead; the task unwinds at its next call.
func (m *Machine) Kill() { m.KillWith(Seeded) }

// KillWith is Kill with the fate of unsynced state given.
func (m *Machine) KillWith(fate Fate) {
	if m.Alive() {
		m.kill(fate, m.w.crash.Uint64())
	}
}

// kill is KillWith with the seed of what the fate leaves open.
func (m *Machine) kill(fate Fate, seed uint64) {
	w, inc := m.w, m.inc
	inc.dead = true // first: from here on every handle refuses
	w.note(KindKill, m.id, uint64(m.n), uint64(fate))
	m.paused, m.after = false, nil
	for _, t := range m.frozen {
		t.queued = false
	}
	m.frozen = nil
	w.forgetRunnable()
	inc.end(host.ErrKilled)
	inc.crashVolumes(fate, seed)
	inc.crashNetwork()
	w.dying = append(w.dying, inc)
	if !w.driving {
		leave := w.enter()
		w.reap()
		leave()
	}
	if w.cfg.OnKill != nil {
		w.cfg.OnKill(m)
	}
}

// Pause stops every task of the machine for d of world time, between two of their steps, as a stopped
// virtual machine or a long collection of garbage does. Its clock goes on and messages arrive.
func (m *Machine) Pause(d time.Duration) {
	if !m.Alive() || m.paused {
		return
	}
	m.w.After(host.Time(d), m.stop())
}

// stop pauses the machine and returns the function that lets it go on.
func (m *Machine) stop() (resume func()) {
	w, inc := m.w, m.inc
	m.paused = true
	kept := w.runnable[:0]
	for _, t := range w.runnable {
		if t.inc == inc {
			m.frozen = append(m.frozen, t)
			continue
		}
		kept = append(kept, t)
	}
	clear(w.runnable[len(kept):])
	w.runnable = kept
	return func() {
		if inc.dead {
			return
		}
		m.paused = false
		w.runnable = append(w.runnable, m.frozen...)
		m.frozen = nil
	}
}

// drop takes an ended task off its incarnation.
func (inc *incarnation) drop(t *task) {
	last := len(inc.tasks) - 1
	inc.tasks[t.slot] = inc.tasks[last]
	inc.tasks[t.slot].slot = t.slot
	inc.tasks[last] = nil
	inc.tasks = inc.tasks[:last]
}

// gate refuses a call through a handle of a dead incarnation. A task of that incarnation which does not
// know yet unwinds here.
func (inc *incarnation) gate() error {
	if !inc.dead {
		return nil
	}
	if t := inc.w.current; t != nil && t.inc == inc && !t.unwinding {
		t.unwind()
	}
	inc.w.deadCalls++
	return host.ErrKilled
}

// parkGate is gate for calls that only wait: they unwind again, so that no loop around them spins.
func (inc *incarnation) parkGate() error {
	if !inc.dead {
		return nil
	}
	inc.w.deadCalls++
	if t := inc.w.current; t != nil && t.inc == inc {
		t.unwind()
	}
	return host.ErrKilled
}

func (inc *incarnation) now() host.Time { return inc.clock.now() }

func (inc *incarnation) String() string { return inc.m.name + "/" + strconv.Itoa(inc.n) }
