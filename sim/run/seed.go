package run

import (
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/cluster"
	"github.com/weirmq/weir/sim/workload"
)

// Func runs one seed; workload.Run is the real one, cluster.Run that of several nodes.
type Func func(workload.Options) *workload.Result

// Replay returns what runs a plan, whatever the seed of its options.
func Replay(plan workload.Plan) Func {
	if plan.Settings.Cluster != nil {
		return func(o workload.Options) *workload.Result { return cluster.Replay(plan, o) }
	}
	return func(o workload.Options) *workload.Result { return workload.Replay(plan, o) }
}

const (
	checkpointEvery = 1024 // events
	stallMax        = 10 * time.Second
	gcPercent       = 400 // a run lives for a second and holds little
)

// SeedOptions shape the run of one seed. Nothing in them changes the run.
type SeedOptions struct {
	Seed  uint64
	Log   io.Writer     // the node's log, stamped with virtual time; nil = nowhere
	Trace io.Writer     // one line for each event; nil = nowhere
	Sites bool          // name the functions that made I/O calls in what is printed; costs time
	Until uint64        // event at which the run ends, without a verdict; 0 = it ends by itself
	Dump  io.Writer     // what the world is like when the run fails or stops; nil = nowhere
	Stall time.Duration // wall time without an event after which the run is stuck; 0 = 10 s
	// First and Last are the events that the trace begins and ends with; 0 = the first and the last. Traced is called
	// after the last one and may end the process.
	First, Last uint64
	Traced      func()
	// Keep is given the run's own result, with its history, and the log of its machines' lives; nil = nobody wants it.
	// The run is recorded as a plan then.
	Keep func(*workload.Result, []Life)
	// Stuck is called by the watchdog, on a goroutine of its own, when the run is stuck. It gets a result
	// that says so and the stacks of all goroutines, and must end the process: a goroutine that hangs
	// cannot be stopped.
	Stuck func(r *Result, stacks []byte)
}

// Life is the boot or the end of one of the world's machines.
type Life struct {
	At      host.Time
	Machine string
	Up      bool
}

// Seed runs one seed in this process and returns what it came to. No other may run meanwhile.
func Seed(run Func, o SeedOptions) *Result {
	res := &Result{Seed: o.Seed}
	dog := startWatchdog(o)
	defer dog.end()
	wo := workload.Options{Seed: o.Seed, Sites: o.Sites, Watch: dog.watch, Record: o.Keep != nil,
		StopAt: o.Until, Dump: o.Dump}
	if o.Log != nil {
		wo.Log = dog.patient(o.Log)
	}
	var tr *tracer
	if o.Trace != nil {
		tr = &tracer{w: dog.patient(o.Trace), task: dog.task, first: o.First, last: o.Last, ended: o.Traced}
	}
	var lives []Life
	wo.OnEvent = func(e sim.Event) {
		if e.N%checkpointEvery == 0 {
			res.Checkpoints = append(res.Checkpoints, Hash(e.Hash))
		}
		if tr != nil {
			tr.event(e)
		}
		if o.Keep != nil && (e.Kind == sim.KindBoot || e.Kind == sim.KindKill) {
			lives = append(lives, Life{e.At, e.Machine, e.Kind == sim.KindBoot})
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	probes, begin := probe.Counts(), time.Now()
	out := run(wo)
	res.Wall = time.Since(begin)
	res.fill(out)
	res.Probes = hits(probes, probe.Counts())
	if tr != nil {
		tr.flush()
		if tr.err != nil && res.OK() {
			res.Failure = "write the trace: " + tr.err.Error()
		}
	}
	if o.Keep != nil {
		o.Keep(out, lives)
	}
	return res
}

// hits are the probes that were hit since before, by name.
func hits(before, after []probe.Count) []probe.Count {
	var list []probe.Count
	for i, c := range after {
		if c.Hits -= before[i].Hits; c.Hits > 0 {
			list = append(list, c)
		}
	}
	return list
}
