package run

import (
	"io"
	"time"

	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// Func runs one seed; workload.Run is the real one.
type Func func(workload.Options) *workload.Result

const (
	checkpointEvery = 1024 // events
	stallMax        = 10 * time.Second
)

// SeedOptions shape the run of one seed. Nothing in them changes the run.
type SeedOptions struct {
	Seed  uint64
	Log   io.Writer     // the node's log, stamped with virtual time; nil = nowhere
	Trace io.Writer     // one line for each event; nil = nowhere
	Stall time.Duration // wall time without an event after which the run is stuck; 0 = 10 s
	// Stuck is called by the watchdog, on a goroutine of its own, when the run is stuck. It gets a result
	// that says so and the stacks of all goroutines, and must end the process: a goroutine that hangs
	// cannot be stopped.
	Stuck func(r *Result, stacks []byte)
}

// Seed runs one seed in this process and returns what it came to. No other may run meanwhile.
func Seed(run Func, o SeedOptions) *Result {
	res := &Result{Seed: o.Seed}
	dog := startWatchdog(o)
	defer dog.end()
	wo := workload.Options{Seed: o.Seed, Sites: true, Watch: dog.watch}
	if o.Log != nil {
		wo.Log = dog.patient(o.Log)
	}
	var tr *tracer
	if o.Trace != nil {
		tr = &tracer{w: dog.patient(o.Trace), task: dog.task}
	}
	wo.OnEvent = func(e sim.Event) {
		if e.N%checkpointEvery == 0 {
			res.Checkpoints = append(res.Checkpoints, Hash(e.Hash))
		}
		if tr != nil {
			tr.event(e)
		}
	}
	begin := time.Now()
	res.fill(run(wo))
	res.Wall = time.Since(begin)
	if tr != nil {
		tr.flush()
		if tr.err != nil && res.OK() {
			res.Failure = "write the trace: " + tr.err.Error()
		}
	}
	return res
}
