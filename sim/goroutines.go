package sim

import (
	"fmt"
	"runtime"
	"runtime/metrics"
)

// goroutineCount compares the goroutines the process created with the coroutines the world created: each
// iter.Pull is one goroutine to the runtime, and a task must not be behind any other.
type goroutineCount struct {
	samples []metrics.Sample
	base    uint64 // created by anything but this world, as of begin
}

// begin sets the base. The collector starts its workers at its first cycle, so one is forced before.
func (g *goroutineCount) begin(w *World) {
	if !w.cfg.ForbidGoroutines {
		return
	}
	if g.samples == nil {
		runtime.GC()
		g.samples = []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	}
	g.base = g.created() - w.pulls
}

func (g *goroutineCount) created() uint64 {
	metrics.Read(g.samples)
	return g.samples[0].Value.Uint64()
}

// checkGoroutines fails the world if the task that just ran started a goroutine.
func (w *World) checkGoroutines(t *task) {
	if !w.cfg.ForbidGoroutines {
		return
	}
	if n := w.routines.created() - w.pulls - w.routines.base; n != 0 {
		w.fail(fmt.Errorf("%s: %w: %d of them; after its step it was waiting for: %s", t, ErrGoroutine, n, t.waitsFor()))
		w.routines.base += n
	}
}
