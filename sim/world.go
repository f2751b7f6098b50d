package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/weirmq/weir/host"
)

// World is machines, volumes, a network and an object store under one seeded scheduler. It belongs to
// one goroutine.
type World struct {
	cfg Config
	now host.Time // virtual time since the world began, ns

	// The scheduler.
	runnable []*task
	timers   timerHeap
	spent    []*timer       // of After, to be used again
	current  *task          // the task that runs; nil = the scheduler
	dying    []*incarnation // killed, their tasks not yet unwound
	driving  bool
	horizon  host.Time // what RunUntil runs to; 0 = Run
	steps    int       // since the time last moved
	taskIDs  uint64
	timerIDs uint64
	failure  error // the first one
	stopped  bool  // Config.StopAt was reached

	// The hash.
	events      uint64
	hash        uint64
	checkpoints []Checkpoint
	pulse       Pulse

	// Seeded streams, one a subsystem.
	picks  *rand.Rand
	salts  *rand.Rand
	clocks *rand.Rand
	disk   *rand.Rand
	crash  *rand.Rand
	net    *rand.Rand
	blobs  *rand.Rand
	crypto *rand.Rand

	faultState
	places placeNames

	machines  []*Machine // in order of creation
	byName    map[string]*Machine
	shared    map[string]*Volume // by name; they belong to no machine
	volumeIDs uint64
	inodeIDs  uint64
	pool      diskPool
	network   fabric
	store     storeState

	pulls     uint64 // coroutines created: each is a goroutine to the runtime
	routines  goroutineCount
	sites     map[uintptr]string // places by program counter, with Config.Sites
	deadCalls uint64             // calls through handles of dead incarnations
}

// New returns a world at virtual time 0 in which nothing runs yet.
func New(cfg Config) *World {
	cfg = cfg.withDefaults()
	w := &World{cfg: cfg, sites: map[uintptr]string{}, hash: mix(mixA, cfg.Seed)}
	w.byName, w.shared = map[string]*Machine{}, map[string]*Volume{}
	w.picks = newRand(cfg.Seed, "schedule")
	w.salts = newRand(cfg.Seed, "salt")
	w.clocks = newRand(cfg.Seed, "clock")
	w.disk = newRand(cfg.Seed, "disk")
	w.crash = newRand(cfg.Seed, "crash")
	w.net = newRand(cfg.Seed, "net")
	w.blobs = newRand(cfg.Seed, "store")
	w.crypto = newRand(cfg.Seed, "crypto/rand")
	w.initFaults()
	w.network.init()
	w.store.init(cfg.Seed)
	return w
}

// Now returns the virtual time since the world began. Machines' clocks differ from it.
func (w *World) Now() host.Time { return w.now }

// Running returns the machine whose task runs now, nil if none does.
func (w *World) Running() *Machine {
	if w.current == nil {
		return nil
	}
	return w.current.inc.m
}

// Rand returns a generator for a named stream of the world itself, such as a nemesis or a workload.
func (w *World) Rand(stream string) *rand.Rand { return newRand(w.cfg.Seed, "world", stream) }

// Fail ends the run with err. The first failure stays.
func (w *World) Fail(err error) { w.fail(err) }

func (w *World) fail(err error) {
	if w.failure == nil && err != nil {
		w.failure = fmt.Errorf("seed %d, event %d, %v: %w", w.cfg.Seed, w.events, w.now.Sub(0), err)
	}
}

// Err returns the world's failure, nil if it has none.
func (w *World) Err() error { return w.failure }

// Close kills every machine as kill -9 does, unwinds their tasks and returns the world's failure.
// A world that is not closed leaks its parked coroutines.
func (w *World) Close() error {
	for _, m := range w.machines {
		m.KillWith(KeepUnsynced)
	}
	return w.failure
}

// Do runs fn as a task of machine m, booting it if it is down, and steps the world until fn returns. It
// returns the world's failure or fn's error. If m dies meanwhile the error is host.ErrKilled.
func (w *World) Do(m *Machine, fn func(h host.Host, sc *host.Scope) error) error {
	if m.inc == nil || m.inc.dead {
		m.Boot(nil)
	}
	inc, done, err := m.inc, false, error(nil)
	w.spawn(inc, nil, "do", func(sc *host.Scope) {
		err = fn(inc.host, sc)
		done = true
	})
	if failure := w.Run(func() bool { return done || inc.dead }); failure != nil {
		return failure
	}
	if !done {
		return host.ErrKilled
	}
	return err
}

func (w *World) liveTasks() int {
	n := 0
	for _, m := range w.machines {
		if m.inc != nil {
			n += len(m.inc.tasks)
		}
	}
	return n
}

// Tasks returns one line for each live task: its machine, name, and what it has been waiting for since
// when. It is part of the report of a deadlock.
func (w *World) Tasks() string {
	var b strings.Builder
	for _, m := range w.machines {
		if m.inc == nil {
			continue
		}
		for _, t := range m.inc.tasks {
			fmt.Fprintf(&b, "  %s: %s since %v", t, t.waitsFor(), t.since.Sub(0))
			if t.queued && m.paused {
				b.WriteString(" (machine is paused)")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// DeadCalls returns how many calls were made through handles of dead incarnations: deferred functions
// of killed tasks that still tried to act.
func (w *World) DeadCalls() uint64 { return w.deadCalls }

// Pulse is what a watchdog on another goroutine may read of a running world.
type Pulse struct {
	events atomic.Uint64
	task   atomic.Pointer[string]
}

// Events returns how many events have happened; a world that hangs stays at one number.
func (p *Pulse) Events() uint64 { return p.events.Load() }

// Task returns the name of the task that runs, or ran last.
func (p *Pulse) Task() string {
	if s := p.task.Load(); s != nil {
		return *s
	}
	return ""
}

// PanicError is the failure of a world in which a task panicked.
type PanicError struct {
	Task  string
	Value any    // what it panicked with
	Stack string // where, as runtime/debug prints it
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("%s panicked: %v\n%s", e.Task, e.Value, e.Stack)
}

// Unwrap returns the value the task panicked with, if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
