package hosttest

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

var clockScenarios = []scenario{
	{"now is above zero and does not go back", func(t *T, h host.Host, _ *host.Scope) {
		last := h.Now()
		t.Check(last > 0, "Now is %d", last)
		for range 1000 {
			now := h.Now()
			t.Check(now >= last, "Now went from %d to %d", last, now)
			last = now
		}
		t.Check(!h.Wall().IsZero(), "Wall is the zero time")
	}},
	{"sleep lasts at least as long as asked", func(t *T, h host.Host, sc *host.Scope) {
		const d = 3 * time.Millisecond
		from := h.Now()
		t.Is(h.Sleep(sc, d), nil, "Sleep")
		t.Check(h.Now().Sub(from) >= d, "slept %v, want at least %v", h.Now().Sub(from), d)
		t.Is(h.Sleep(nil, time.Millisecond), nil, "Sleep in the nil scope")
		t.Is(h.Sleep(sc, 0), nil, "Sleep for nothing")
	}},
	{"sleep ends with its scope", func(t *T, h host.Host, sc *host.Scope) {
		child, cancel := sc.Child(0)
		tasks(h, sc,
			func(*host.Scope) { t.Is(h.Sleep(child, time.Hour), host.ErrCancelled, "Sleep") },
			func(sc *host.Scope) { settle(h, sc); cancel() },
		)
		t.Is(h.Sleep(child, time.Hour), host.ErrCancelled, "Sleep in an ended scope")
	}},
	{"sleep ends at its scope's deadline", func(t *T, h host.Host, sc *host.Scope) {
		until := h.Now().Add(2 * time.Millisecond)
		child, cancel := sc.Child(until)
		defer cancel()
		t.Is(h.Sleep(child, time.Hour), host.ErrTimeout, "Sleep")
		t.Check(h.Now() >= until, "Sleep returned before the deadline")
	}},
}

var taskScenarios = []scenario{
	{"a task runs in a child of the scope it was given", func(t *T, h host.Host, sc *host.Scope) {
		parent, cancel := sc.Child(0)
		defer cancel()
		var done host.Future[*host.Scope]
		done.Init(h)
		h.Go(parent, "hosttest.child", func(own *host.Scope) {
			cancel()
			done.Complete(own, own.Err())
		})
		own, err := done.Wait(sc, 0)
		t.Is(err, host.ErrCancelled, "the task's scope after its parent was cancelled")
		t.Check(own != parent && own != nil, "the task got the parent's own scope")
	}},
	{"a task without a scope runs in the machine's", func(t *T, h host.Host, sc *host.Scope) {
		var done host.Future[int]
		done.Init(h)
		h.Go(nil, "hosttest.root", func(own *host.Scope) {
			t.Check(own != nil, "the task got the nil scope")
			done.Complete(7, own.Err())
		})
		v, err := done.Wait(sc, 0)
		t.Is(err, nil, "the task's scope")
		t.Check(v == 7, "got %d, want 7", v)
	}},
	{"a task's scope ends when it returns", func(t *T, h host.Host, sc *host.Scope) {
		var child *host.Scope
		var done atomic.Bool
		h.Go(sc, "hosttest.child", func(own *host.Scope) {
			child, _ = own.Child(0)
			done.Store(true)
		})
		for !done.Load() || child.Err() == nil {
			settle(h, sc)
		}
		t.Is(child.Err(), host.ErrCancelled, "a scope below a returned task's")
	}},
	{"tasks wait at the same time", func(t *T, h host.Host, sc *host.Scope) {
		// Each of two tasks can only return after the other has started.
		var a, b host.Future[int]
		a.Init(h)
		b.Init(h)
		tasks(h, sc,
			func(sc *host.Scope) { a.Complete(1, nil); _, err := b.Wait(sc, 0); t.Is(err, nil, "first") },
			func(sc *host.Scope) { _, err := a.Wait(sc, 0); b.Complete(1, nil); t.Is(err, nil, "second") },
		)
	}},
	{"secrets and random streams differ", func(t *T, h host.Host, _ *host.Scope) {
		a, b := make([]byte, 32), make([]byte, 32)
		h.Secret(a)
		h.Secret(b)
		t.Check(!bytes.Equal(a, b), "two secrets are the same: %x", a)
		t.Check(!bytes.Equal(a, make([]byte, 32)), "a secret is all zero")
		x, y := h.Rand("hosttest.x"), h.Rand("hosttest.y")
		t.Check(x.Uint64() != y.Uint64() || x.Uint64() != y.Uint64(), "two random streams are the same")
	}},
	{"there is a logger", func(t *T, h host.Host, sc *host.Scope) {
		// What it says goes wherever the machine's owner wants; here only that it takes a record.
		if log := h.Log(); t.Check(log != nil, "Log is nil") {
			log.Log(sc, slog.LevelDebug-4, "hosttest")
			log.Log(context.Context(sc), slog.LevelDebug-4, "hosttest")
		}
	}},
}
