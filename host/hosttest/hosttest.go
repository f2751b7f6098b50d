package hosttest

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
)

// Runner is one machine. Its volumes outlive its incarnations.
type Runner interface {
	// Run boots an incarnation, runs fn as its first task in a scope of that incarnation, waits until fn
	// has returned, and ends the incarnation. It returns an error that tells the panic when fn panicked,
	// or what else the host found wrong; then this Runner is not used again.
	Run(fn func(h host.Host, sc *host.Scope)) error
}

// T collects the failures of one scenario, from any task.
type T struct {
	mu       host.Mutex
	failures []string
}

// Errorf records a failure.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

// Check records a failure unless ok, and returns ok.
func (t *T) Check(ok bool, format string, args ...any) bool {
	if !ok {
		t.Errorf(format, args...)
	}
	return ok
}

// Is records a failure unless err is want (nil: no error), and reports whether it is.
func (t *T) Is(err, want error, what string) bool {
	if want == io.EOF {
		return t.Check(err == io.EOF, "%s: got %v, want io.EOF itself", what, err)
	}
	return t.Check(errors.Is(err, want), "%s: got %v, want %v", what, err, want)
}

// scenario is one claim about a host.
type scenario struct {
	name string
	run  func(t *T, h host.Host, sc *host.Scope)
}

// Run holds newRunner's machine to the contract. Each claim gets a machine of its own.
func Run(t *testing.T, newRunner func(t *testing.T) Runner) {
	for _, suite := range []struct {
		name      string
		scenarios []scenario
	}{
		{"clock", clockScenarios}, {"task", taskScenarios}, {"parker", parkerScenarios},
		{"scope", scopeScenarios}, {"lock", lockScenarios}, {"future", futureScenarios},
		{"queue", queueScenarios}, {"network", networkScenarios}, {"disk", diskScenarios},
		{"names", nameScenarios},
	} {
		t.Run(suite.name, func(t *testing.T) {
			for _, s := range suite.scenarios {
				t.Run(s.name, func(t *testing.T) { play(t, newRunner(t), s.run) })
			}
		})
	}
	t.Run("volumes outlive the incarnation", func(t *testing.T) {
		r := newRunner(t)
		play(t, r, writeBeforeReboot)
		play(t, r, readAfterReboot)
	})
	for _, s := range misuse {
		t.Run("panics/"+s.name, func(t *testing.T) {
			rec := &T{}
			err := newRunner(t).Run(func(h host.Host, sc *host.Scope) { s.run(rec, h, sc) })
			if rec.report(t); err == nil {
				t.Error("Run returned no error, want one that tells the panic")
			}
		})
	}
}

func play(t *testing.T, r Runner, run func(*T, host.Host, *host.Scope)) {
	t.Helper()
	rec := &T{}
	if err := r.Run(func(h host.Host, sc *host.Scope) { run(rec, h, sc) }); err != nil {
		t.Errorf("the host reports: %v", err)
	}
	rec.report(t)
}

func (t *T) report(out *testing.T) {
	out.Helper()
	for _, f := range t.failures {
		out.Error(f)
	}
}

// settle gives other tasks time to come to a point where they wait. No assertion depends on it (T3).
func settle(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 2*time.Millisecond) }

// tasks runs fns side by side and returns when all have returned.
func tasks(h host.Host, sc *host.Scope, fns ...func(sc *host.Scope)) {
	g := host.NewGroup(h, sc)
	for _, fn := range fns {
		g.Go("hosttest.task", func(sc *host.Scope) error {
			fn(sc)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error
}
