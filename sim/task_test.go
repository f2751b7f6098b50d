package sim_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// failure runs fn as a task and returns the world's failure.
func failure(t *testing.T, cfg sim.Config, fn func(h host.Host, sc *host.Scope)) error {
	t.Helper()
	w := newWorld(t, cfg)
	w.Machine("a").Boot(func(h host.Host, sc *host.Scope) {
		h.Go(nil, "culprit", func(sc *host.Scope) { fn(h, sc) })
	})
	return w.Run(nil)
}

func TestATaskPanicFailsTheWorldWithNameAndStack(t *testing.T) {
	boom := errors.New("boom")
	err := failure(t, sim.Config{Seed: 1}, func(host.Host, *host.Scope) { explode(boom) })
	var p *sim.PanicError
	if !errors.As(err, &p) || !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(p.Task, "culprit") || !strings.Contains(p.Stack, "explode") {
		t.Errorf("report names neither task nor function: %v", err)
	}
}

//go:noinline
func explode(err error) { panic(err) }

func TestGoexitInATaskIsReportedAndTheSchedulerLives(t *testing.T) {
	err := failure(t, sim.Config{Seed: 1}, func(host.Host, *host.Scope) { runtime.Goexit() })
	if !errors.Is(err, sim.ErrGoexit) || !strings.Contains(err.Error(), "culprit") {
		t.Fatalf("got %v", err)
	}
}

func TestAMutexHeldAcrossABlockingCallIsReported(t *testing.T) {
	for _, c := range []struct {
		name  string
		block func(h host.Host, sc *host.Scope)
	}{
		{"sleep", func(h host.Host, sc *host.Scope) { h.Sleep(sc, time.Second) }},
		{"yield", func(h host.Host, sc *host.Scope) { h.Sleep(sc, 0) }},
		{"park", func(h host.Host, sc *host.Scope) { h.Parker().Park(sc, 0) }},
		{"park with a permit", func(h host.Host, sc *host.Scope) {
			p := h.Parker()
			p.Unpark()
			p.Park(sc, 0)
		}},
		{"disk", func(h host.Host, sc *host.Scope) { h.Disk().Volume(sc, "v") }},
		{"dial", func(h host.Host, sc *host.Scope) { h.Network().Dial(sc, "b:1") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := failure(t, sim.Config{Seed: 1}, func(h host.Host, sc *host.Scope) {
				var mu host.Mutex
				mu.Init(h)
				mu.Lock()
				defer mu.Unlock()
				c.block(h, sc)
			})
			if !errors.Is(err, sim.ErrMutexHeld) || !strings.Contains(err.Error(), "culprit") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestADeadlockNamesEveryTaskAndWhatItWaitsFor(t *testing.T) {
	err := failure(t, sim.Config{Seed: 1, Sites: true}, waitForNobody)
	if !errors.Is(err, sim.ErrDeadlock) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"culprit", "park", "waitForNobody"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the report lacks %q: %v", want, err)
		}
	}
}

func waitForNobody(h host.Host, sc *host.Scope) {
	var f host.Future[int]
	f.Init(h)
	f.Wait(sc, 0)
}

func TestALivelockIsReported(t *testing.T) {
	err := failure(t, sim.Config{Seed: 1, InstantSteps: 1000}, func(h host.Host, sc *host.Scope) {
		for h.Sleep(sc, 0) == nil {
		}
	})
	if !errors.Is(err, sim.ErrLivelock) || !strings.Contains(err.Error(), "culprit") {
		t.Fatalf("got %v", err)
	}
}

func TestARunThatNeverEndsHitsTheLimit(t *testing.T) {
	err := failure(t, sim.Config{Seed: 1, Limit: host.Time(time.Minute)}, func(h host.Host, sc *host.Scope) {
		for h.Sleep(sc, time.Second) == nil {
		}
	})
	if !errors.Is(err, sim.ErrLimit) {
		t.Fatalf("got %v", err)
	}
}

func TestAGoroutineStartedByATaskIsReported(t *testing.T) {
	quiet := failure(t, sim.Config{Seed: 1, ForbidGoroutines: true}, func(h host.Host, sc *host.Scope) {
		for range 100 {
			h.Go(sc, "child", func(sc *host.Scope) { h.Sleep(sc, time.Millisecond) })
			h.Sleep(sc, time.Millisecond)
		}
	})
	must(t, quiet)
	done := make(chan bool)
	err := failure(t, sim.Config{Seed: 1, ForbidGoroutines: true}, func(h host.Host, sc *host.Scope) {
		go close(done)
		h.Sleep(sc, time.Millisecond)
	})
	<-done
	if !errors.Is(err, sim.ErrGoroutine) || !strings.Contains(err.Error(), "culprit") {
		t.Fatalf("got %v", err)
	}
}

func TestAScopeContextCannotBeWaitedFor(t *testing.T) {
	err := failure(t, sim.Config{Seed: 1}, func(_ host.Host, sc *host.Scope) { <-sc.Done() })
	var p *sim.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("got %v", err)
	}
}
