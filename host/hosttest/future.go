package hosttest

import (
	"errors"
	"time"

	"github.com/weirmq/weir/host"
)

var futureScenarios = []scenario{
	{"completed before the wait", func(t *T, h host.Host, sc *host.Scope) {
		var f host.Future[string]
		f.Init(h)
		t.Check(!f.Done(), "done before its outcome")
		f.Complete("value", nil)
		t.Check(f.Done(), "not done after its outcome")
		child, cancel := sc.Child(0)
		cancel()
		v, err := f.Wait(child, 1)
		t.Is(err, nil, "Wait, though scope and deadline are over")
		t.Check(v == "value", "got %q", v)
	}},
	{"completed during the wait, with value and error", func(t *T, h host.Host, sc *host.Scope) {
		failed := errors.New("failed")
		var f host.Future[int]
		f.Init(h)
		tasks(h, sc,
			func(sc *host.Scope) {
				v, err := f.Wait(sc, 0)
				t.Is(err, failed, "Wait")
				t.Check(v == 5, "got %d, want 5", v)
			},
			func(sc *host.Scope) { settle(h, sc); f.Complete(5, failed) },
		)
	}},
	{"the first outcome stays", func(t *T, h host.Host, sc *host.Scope) {
		var f host.Future[int]
		f.Init(h)
		f.Complete(1, nil)
		f.Complete(2, errors.New("late"))
		v, err := f.Wait(sc, 0)
		t.Is(err, nil, "Wait")
		t.Check(v == 1, "got %d, want 1", v)
	}},
	{"a wait that ended early may be tried again", func(t *T, h host.Host, sc *host.Scope) {
		var f host.Future[int]
		f.Init(h)
		_, err := f.Wait(sc, h.Now().Add(time.Millisecond))
		t.Is(err, host.ErrTimeout, "Wait until a deadline")
		child, cancel := sc.Child(0)
		cancel()
		_, err = f.Wait(child, 0)
		t.Is(err, host.ErrCancelled, "Wait in an ended scope")
		f.Complete(3, nil)
		v, err := f.Wait(sc, 0)
		t.Is(err, nil, "Wait")
		t.Check(v == 3, "got %d, want 3", v)
	}},
	{"completed while the wait ends", func(t *T, h host.Host, sc *host.Scope) {
		for range 100 {
			var f host.Future[int]
			f.Init(h)
			child, cancel := sc.Child(0)
			tasks(h, sc,
				func(*host.Scope) {
					v, err := f.Wait(child, 0)
					t.Check(err == nil && v == 9 || err == host.ErrCancelled, "got %d, %v", v, err)
				},
				func(*host.Scope) { f.Complete(9, nil) },
				func(*host.Scope) { cancel() },
			)
			v, err := f.Wait(sc, 0)
			t.Check(err == nil && v == 9, "afterwards: %d, %v", v, err)
		}
	}},
}
