package run

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/sim"
)

const (
	looksPerStall = 20
	stacksMax     = 16 << 20 // bytes
)

// watchdog looks at the pulse of the world that runs and reports one that stands still. Its goroutine
// starts before the world does: the world counts goroutines that appear while it runs.
type watchdog struct {
	o       SeedOptions
	pulse   atomic.Pointer[sim.Pulse] // of the world that runs; nil = none
	writing atomic.Int32              // writes of the log or the trace under way
	stop    chan struct{}
	stopped chan struct{}
}

func startWatchdog(o SeedOptions) *watchdog {
	if o.Stall == 0 {
		o.Stall = stallMax
	}
	d := &watchdog{o: o, stop: make(chan struct{}), stopped: make(chan struct{})}
	go d.loop()
	return d
}

// end stops the watchdog and waits for it.
func (d *watchdog) end() {
	close(d.stop)
	<-d.stopped
}

// watch implements sim.Config.Watch.
func (d *watchdog) watch(p *sim.Pulse) func() {
	d.pulse.Store(p)
	return func() { d.pulse.Store(nil) }
}

// task names the task that runs, or ran last.
func (d *watchdog) task() string {
	if p := d.pulse.Load(); p != nil {
		return p.Task()
	}
	return ""
}

// loop counts looks instead of reading a clock: a process that was stopped and goes on has lost no look.
func (d *watchdog) loop() {
	defer close(d.stopped)
	tick := time.NewTicker(d.o.Stall / looksPerStall)
	defer tick.Stop()
	var last *sim.Pulse
	var events uint64
	still := 0
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		p := d.pulse.Load()
		if p == nil || p != last || p.Events() != events || d.writing.Load() > 0 {
			last, still = p, 0
			if p != nil {
				events = p.Events()
			}
			continue
		}
		if still++; still >= looksPerStall {
			d.report(p)
			return
		}
	}
}

func (d *watchdog) report(p *sim.Pulse) {
	r := &Result{Seed: d.o.Seed, Events: p.Events(), Incomplete: true, Oracle: OracleStuck}
	r.Failure = fmt.Sprintf("no event for %v of wall time after event %d: task %q neither blocks nor ends",
		d.o.Stall, p.Events(), p.Task())
	stacks := make([]byte, stacksMax)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if d.o.Stuck == nil {
		panic("sim/run: " + r.Failure + "\n" + string(stacks))
	}
	d.o.Stuck(r, stacks)
}

// patient returns w, with the watchdog waiting for its writes: a reader that pauses is not a stuck run.
func (d *watchdog) patient(w io.Writer) io.Writer { return patientWriter{w, &d.writing} }

type patientWriter struct {
	w       io.Writer
	writing *atomic.Int32
}

func (p patientWriter) Write(b []byte) (int, error) {
	p.writing.Add(1)
	defer p.writing.Add(-1)
	return p.w.Write(b)
}
