package workload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

const (
	nodeMachine = "weir"
	walVolume   = "wal"
	nodeAddr    = nodeMachine + ":9092"
	clientHost  = "clients"
	producers   = 4 // three of them idempotent
	readers     = 3
	committers  = 2
)

// Result is what a run came to.
type Result struct {
	Seed     uint64
	Hash     uint64
	Events   uint64
	Virtual  time.Duration
	Ops      int
	Verdict  *check.Verdict
	Fired    []sim.FaultCount
	Crashes  []string // "call site op when" of each crash at an I/O call
	Objects  int      // objects put
	Restarts int
	History  *check.History
	Err      error // why the run failed; nil if it passed
}

// run is one seed at work. Everything in it is touched by tasks of the world only, one at a time.
type run struct {
	o    Options
	w    *sim.World
	m    *sim.Machine
	node *node.Node // of the running incarnation, once it serves

	history     check.History
	durable     *durableSet
	producerIDs map[int64]bool
	over        bool // the clients' work is over
	calm        bool // no crash is planned or wanted any more
	running     int  // clients at work
	puts        int
	deleted     int // topics
	restarts    int
	crashes     []string
	lastCall    sim.Call
	nodeErr     error    // why the node did not start or ended by itself
	plan        []uint64 // I/O calls after each start at which the node is killed
	planned     bool     // a crash is armed
	calls       *calls   // of a dry run
}

// Run runs one seed. It runs it without crashes first: the crash points are drawn from all I/O calls that
// the seed makes.
func Run(o Options) *Result {
	o = o.withDefaults()
	var plan []uint64
	if o.Crashes > 0 {
		dry := o
		dry.Crashes, dry.OnEvent, dry.Log, dry.Sites = 0, nil, nil, true
		calls, err := dryRun(dry)
		if err != nil {
			return &Result{Seed: o.Seed, Err: fmt.Errorf("without crashes: %w", err)}
		}
		plan = drawCrashes(rand.New(rand.NewPCG(o.Seed, 0x6372617368)), calls, o.Crashes) // "crash"
	}
	if o.CrashAt.N > 0 {
		plan = []uint64{o.CrashAt.N}
	}
	r := newRun(o, plan)
	return r.whole()
}

// Calls returns how many I/O calls the node makes in a run without crashes.
func Calls(o Options) (uint64, error) {
	c, err := dryRun(o.withDefaults())
	if err != nil {
		return 0, err
	}
	return c.total, nil
}

// calls are the I/O calls of a run without crashes, by the place in the code that made them.
type calls struct {
	total  uint64
	places []string            // in the order of their first call
	at     map[string][]uint64 // ordinals of the calls, by place
}

func place(c sim.Call) string { return c.Site + " " + c.Op.String() }

// drawCrashes draws the plan. The first crash is drawn from all calls or, three times as often, from all
// places and then from the calls made there, so that what happens once is reached as well as what happens
// all the time. A later crash is counted from the restart before it (see boot): half of them strike in the
// recovery, the others anywhere in what is left of the run.
func drawCrashes(rng *rand.Rand, c *calls, n int) []uint64 {
	first := 1 + rng.Uint64N(c.total)
	if rng.IntN(4) > 0 {
		at := c.at[c.places[rng.IntN(len(c.places))]]
		first = at[rng.IntN(len(at))]
	}
	plan := []uint64{first}
	left := (c.total - first) * 3 / 4
	for range n - 1 {
		most := uint64(recoveryCalls)
		if left > most && rng.IntN(2) == 0 {
			most = left
		}
		at := 1 + rng.Uint64N(most)
		plan = append(plan, at)
		left -= min(left, at)
	}
	return plan
}

// recoveryCalls is about how many I/O calls a start makes.
const recoveryCalls = 80

// dryRun returns the I/O calls that the node's machine makes under clients alone.
func dryRun(o Options) (*calls, error) {
	r := newRun(o, nil)
	defer r.w.Close()
	r.calls = &calls{at: map[string][]uint64{}}
	if err := r.work(); err != nil {
		return nil, err
	}
	r.calls.total = r.m.Calls()
	return r.calls, nil
}

func newRun(o Options, plan []uint64) *run {
	r := &run{o: o, plan: plan, durable: newDurableSet(), producerIDs: map[int64]bool{}}
	cfg := sim.Config{
		Seed: o.Seed, Log: o.Log, Sites: o.Sites, ForbidGoroutines: true, Watch: o.Watch,
		Limit: host.Time(10 * time.Minute),
	}
	if !o.Quiet {
		cfg.Faults = faults()
	}
	// A slow sync now and then: clients give up, come back and find their first attempt still in flight.
	cfg.Disk.Sync = sim.Latency{Min: 200 * time.Microsecond, Max: 2 * time.Millisecond, Tail: 10_000, Worst: time.Second}
	cfg.Store.LateMax = 5 * time.Second
	cfg.Store.StormMax = time.Second
	cfg.OnEvent = o.OnEvent
	cfg.OnSynced = func(v *sim.Volume, path string, _ int64, b []byte) { r.durable.scanWrite(v.Name()+"/"+path, b) }
	cfg.OnPut = func(_ string, b []byte) { r.puts++; r.durable.scan(b) }
	cfg.OnCall = func(c sim.Call) {
		if c.Machine != nodeMachine {
			return
		}
		r.lastCall = c
		if r.calls != nil {
			p := place(c)
			if r.calls.at[p] == nil {
				r.calls.places = append(r.calls.places, p)
			}
			r.calls.at[p] = append(r.calls.at[p], c.N)
		}
	}
	cfg.OnKill = r.onKill
	r.w = sim.New(cfg)
	r.m = r.w.Machine(nodeMachine)
	return r
}

// config is the node's: everything small, so that a run fills, wraps, evicts and uploads.
func (r *run) config(h host.Host) node.Config {
	return node.Config{
		NodeID: 1, Listen: nodeAddr, AutoCreate: true, Store: r.w.Store(h),
		Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
		GroupInitialDelay: 50 * time.Millisecond,
		Collect: broker.Collect{
			Every: 700 * time.Millisecond, Grace: time.Second, Sweep: 6 * time.Second, First: 4 * time.Second,
		},
		UploadAge: 400 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
	}
}

// boot starts the node on its machine.
func (r *run) boot() {
	if len(r.plan) > 0 {
		rng := r.w.Rand(fmt.Sprintf("crash-%d", r.restarts))
		when := sim.When(1 + rng.IntN(2))
		if r.o.CrashAt.N > 0 {
			when = r.o.CrashAt.When
		}
		r.m.CrashAt(r.m.Calls()+r.plan[0], when, sim.Seeded)
		r.plan = r.plan[1:]
		r.planned = true
	}
	r.m.Boot(func(h host.Host, sc *host.Scope) {
		n, err := node.Start(sc, h, r.config(h))
		if err == nil {
			r.node = n
			err = n.Failed(sc)
		}
		if err != nil && !errors.Is(err, host.ErrKilled) && !errors.Is(err, host.ErrCancelled) {
			r.w.Fail(fmt.Errorf("the node ended: %w", err))
		}
	})
}

// onKill notes where a planned crash struck and starts the node again a little later.
func (r *run) onKill(m *sim.Machine) {
	if m != r.m || r.calm {
		return
	}
	r.node, r.planned = nil, false
	r.restarts++
	// What a crash kept of unsynced writes is as durable from now on as what was synced.
	v := m.Volume(walVolume)
	for _, path := range v.Files() {
		if b, ok := v.Durable(path); ok {
			r.durable.scan(b)
		}
	}
	c := r.lastCall
	r.crashes = append(r.crashes, place(c))
	rng := r.w.Rand(fmt.Sprintf("restart-%d", r.restarts))
	r.w.After(host.Time(rng.Int64N(int64(300*time.Millisecond))), r.boot)
}

// work boots the node and lets the clients work for the run's duration.
func (r *run) work() error {
	r.boot()
	clients := r.w.Machine(clientHost)
	clients.Boot(func(h host.Host, sc *host.Scope) { r.clients(h, sc) })
	r.running = 1
	return r.w.Run(func() bool { return r.over && r.running == 0 })
}

// clients creates the topic and starts every client; it ends their work when the time has come.
func (r *run) clients(h host.Host, sc *host.Scope) {
	admin := r.newActor(h, 100)
	for !admin.create(sc, topicName, topicParts) {
		if h.Sleep(sc, 20*time.Millisecond) != nil {
			return
		}
	}
	admin.wire.drop()
	start := func(id int32, name string, op func(*actor, *host.Scope)) {
		a := r.newActor(h, id)
		r.running++
		h.Go(sc, name, func(sc *host.Scope) { a.loop(sc, func(sc *host.Scope) { op(a, sc) }) })
	}
	for i := range int32(producers) {
		start(1+i, "client.produce", func(a *actor, sc *host.Scope) {
			if a.id == 1 && a.rng.IntN(3) == 0 {
				a.produceMany(sc)
			} else {
				a.produce(sc, a.id > 1)
			}
		})
	}
	for i := range int32(readers) {
		start(11+i, "client.read", func(a *actor, sc *host.Scope) {
			if a.rng.IntN(6) == 0 {
				a.listEnd(sc)
			} else {
				a.fetch(sc)
			}
		})
	}
	for i := range int32(committers) {
		start(21+i, "client.commit", func(a *actor, sc *host.Scope) {
			if a.rng.IntN(3) == 0 {
				a.fetchCommitted(sc)
			} else {
				a.commit(sc)
			}
		})
	}
	r.ensureCrashes()
	start(scratchID, "client.scratch", func(a *actor, sc *host.Scope) { a.scratch(sc) })
	if h.Sleep(sc, r.o.Duration) == nil {
		r.over = true
	}
	r.running--
}

// ensureCrashes kills the node late in the run as often as the plan has not: a planned call may fail, or
// never be made once an earlier crash has changed the course of the run.
func (r *run) ensureCrashes() {
	planned := len(r.plan) + len(r.crashes)
	if r.planned {
		planned++ // the one that is armed
	}
	for i := range planned {
		at := r.o.Duration * time.Duration(70+20*i/max(planned, 1)) / 100
		r.w.After(host.Time(at), func() {
			if len(r.crashes) <= i && !r.over && r.m.Alive() {
				r.m.Kill()
			}
		})
	}
}

// whole is the run with crashes, read-backs and verdict.
func (r *run) whole() *Result {
	defer r.w.Close()
	err := r.work()
	if err == nil {
		err = r.finish()
	}
	res := &Result{
		Seed: r.o.Seed, Virtual: r.w.Now().Sub(0), Ops: len(r.history.Ops), Fired: r.w.Fired(), Crashes: r.crashes,
		Objects: r.puts, Restarts: r.restarts, History: &r.history, Err: err,
	}
	if err == nil {
		res.Verdict = check.Judge(&r.history, r.least())
		if !res.Verdict.OK() {
			res.Err = fmt.Errorf("seed %d: %s", r.o.Seed, res.Verdict)
		}
	}
	res.Hash, res.Events = r.w.Hash(), r.w.Events()
	return res
}

// least is what a run must have exercised to prove anything.
func (r *run) least() check.Counts {
	if r.o.Duration < time.Second {
		return check.Counts{} // too short to demand anything of each run
	}
	return check.Counts{Acked: 500, AckedRecords: 1000, Fetches: 500, ReadRecords: 1000, ListEnds: 50,
		FinalRecords: 1000, Linearized: 500,
		Commits: 100, CommitsRead: 50, OffsetsChecked: 100}
}

// finish heals the world and reads everything back twice: from the node as it is, and after kill -9.
func (r *run) finish() error {
	r.w.SetFaults(sim.Faults{})
	r.plan = nil
	r.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
	first, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	r.calm = true
	r.m.KillWith(sim.KeepUnsynced)
	r.restarts++
	r.boot()
	second, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back after kill -9: %w", err)
	}
	for i := range first {
		// A request that its client gave up may be appended as late as now: the log may have grown.
		n := len(first[i].Values)
		if first[i].Start != second[i].Start || n > len(second[i].Values) ||
			!slices.Equal(first[i].Values, second[i].Values[:n]) {
			return fmt.Errorf("%s reads [%d, %d) before kill -9 and [%d, %d) after it, with other records",
				first[i].Partition, first[i].Start, first[i].End(), second[i].Start, second[i].End())
		}
	}
	r.history.Logs = second
	if err := r.noOrphans(); err != nil {
		return err
	}
	return r.stop()
}

// noOrphans waits until the store holds what metadata refers to and nothing else: the bytes of deleted
// topics, of abandoned uploads and of late puts are gone, and nothing that is referred to is missing.
func (r *run) noOrphans() error {
	until := r.w.Now() + host.Time(time.Minute)
	var leaked, missing []string
	for r.w.Now() < until {
		if err := r.w.RunUntil(r.w.Now() + host.Time(time.Second)); err != nil {
			return err
		}
		if leaked, missing = r.node.Orphans(r.w.Objects()); len(leaked)+len(missing) == 0 {
			return nil
		}
		if len(missing) > 0 {
			break
		}
	}
	return fmt.Errorf("ObjectReferencedExists: %d objects are missing, %v; %d are in the store for nothing, %v",
		len(missing), missing, len(leaked), leaked)
}

// readBack reads every partition with a fresh client once the node serves.
func (r *run) readBack() ([]check.Log, error) {
	var logs []check.Log
	err := r.w.Do(r.w.Machine(clientHost), func(h host.Host, sc *host.Scope) error {
		until := h.Now() + host.Time(time.Minute)
		var err error
		for h.Now() < until {
			a := r.newActor(h, 101)
			logs, err = a.readAll(sc)
			a.wire.drop()
			if err == nil {
				return nil
			}
			if e := h.Sleep(sc, 100*time.Millisecond); e != nil {
				return e
			}
		}
		return fmt.Errorf("not readable within a minute after healing: %w", err)
	})
	return logs, err
}

func (a *actor) readAll(sc *host.Scope) ([]check.Log, error) {
	var logs []check.Log
	for p := range int32(topicParts) {
		log, err := a.readLog(sc, p)
		if err != nil {
			return nil, err
		}
		logs = append(logs, log)
	}
	return logs, nil
}

// stop ends the node in order.
func (r *run) stop() error {
	if r.node == nil {
		return errors.New("the node does not serve at the end")
	}
	return r.w.Do(r.m, func(h host.Host, sc *host.Scope) error { return r.node.Stop(sc) })
}
