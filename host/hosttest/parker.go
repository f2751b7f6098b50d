package hosttest

import (
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

var parkerScenarios = []scenario{
	{"a permit given before is taken at once", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		p.Unpark()
		t.Is(p.Park(sc, 0), nil, "Park")
		p.Release()
	}},
	{"permits do not add up", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		p.Unpark()
		p.Unpark()
		t.Is(p.Park(sc, 0), nil, "the first Park")
		t.Is(p.Park(sc, h.Now().Add(time.Millisecond)), host.ErrTimeout, "the second Park")
		p.Release()
	}},
	{"a permit wakes the waiter", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		tasks(h, sc,
			func(sc *host.Scope) { t.Is(p.Park(sc, 0), nil, "Park") },
			func(sc *host.Scope) { settle(h, sc); p.Unpark() },
		)
		p.Release()
	}},
	{"a permit ends a wait with a deadline", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		for range 3 { // the timer is used again
			tasks(h, sc,
				func(sc *host.Scope) { t.Is(p.Park(sc, h.Now().Add(time.Hour)), nil, "Park") },
				func(sc *host.Scope) { settle(h, sc); p.Unpark() },
			)
		}
		t.Is(p.Park(sc, h.Now().Add(time.Millisecond)), host.ErrTimeout, "Park after those")
		p.Release()
	}},
	{"a deadline is not early", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		for range 3 {
			until := h.Now().Add(2 * time.Millisecond)
			t.Is(p.Park(sc, until), host.ErrTimeout, "Park")
			t.Check(h.Now() >= until, "Park timed out %v early", until.Sub(h.Now()))
		}
		t.Is(p.Park(sc, h.Now()), host.ErrTimeout, "Park until now")
		t.Is(p.Park(sc, 1), host.ErrTimeout, "Park until long ago")
		p.Release()
	}},
	{"a permit that is there wins over a deadline that has come", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		p.Unpark()
		t.Is(p.Park(sc, 1), nil, "Park")
		p.Release()
	}},
	{"the scope's end wakes the waiter", func(t *T, h host.Host, sc *host.Scope) {
		parent, cancel := sc.Child(0)
		child, cancelChild := parent.Child(0)
		defer cancelChild()
		p, q := h.Parker(), h.Parker()
		tasks(h, sc,
			func(*host.Scope) { t.Is(p.Park(child, 0), host.ErrCancelled, "Park below the scope") },
			func(*host.Scope) { t.Is(q.Park(parent, h.Now().Add(time.Hour)), host.ErrCancelled, "Park") },
			func(sc *host.Scope) { settle(h, sc); cancel() },
		)
		t.Is(p.Park(child, 0), host.ErrCancelled, "Park in an ended scope")
		p.Release()
		q.Release()
	}},
	{"the scope's deadline bounds the wait", func(t *T, h host.Host, sc *host.Scope) {
		until := h.Now().Add(2 * time.Millisecond)
		child, cancel := sc.Child(until)
		defer cancel()
		p := h.Parker()
		t.Is(p.Park(child, 0), host.ErrTimeout, "Park without a deadline of its own")
		t.Check(h.Now() >= until, "Park returned before the deadline")
		t.Is(p.Park(child, h.Now().Add(time.Hour)), host.ErrTimeout, "Park with a later one")
		p.Release()
	}},
	{"a permit that is there wins over an ended scope", func(t *T, h host.Host, sc *host.Scope) {
		child, cancel := sc.Child(0)
		cancel()
		p := h.Parker()
		p.Unpark()
		t.Is(p.Park(child, 0), nil, "Park with a permit")
		t.Is(p.Park(child, 0), host.ErrCancelled, "Park without one")
		p.Release()
	}},
	{"release drops the permit", func(t *T, h host.Host, sc *host.Scope) {
		for range 4 {
			p := h.Parker()
			t.Is(p.Park(sc, h.Now().Add(time.Millisecond)), host.ErrTimeout, "Park on a fresh parker")
			p.Unpark()
			p.Release()
		}
	}},
	{"the nil scope waits like any other", func(t *T, h host.Host, sc *host.Scope) {
		p := h.Parker()
		t.Is(p.Park(nil, h.Now().Add(time.Millisecond)), host.ErrTimeout, "Park until a deadline")
		p.Unpark()
		t.Is(p.Park(nil, 0), nil, "Park")
		p.Release()
	}},
	{"no permit is lost in a race of permit, deadline and scope", raceOfThree},
	{"two tasks hand over to one another", func(t *T, h host.Host, sc *host.Scope) {
		const rounds = 200
		ping, pong := h.Parker(), h.Parker()
		var count atomic.Int64
		tasks(h, sc,
			func(sc *host.Scope) {
				for i := range int64(rounds) {
					ping.Unpark()
					t.Is(pong.Park(sc, 0), nil, "pong")
					t.Check(count.Load() == i+1, "round %d counts %d", i, count.Load())
				}
			},
			func(sc *host.Scope) {
				for range rounds {
					t.Is(ping.Park(sc, 0), nil, "ping")
					count.Add(1)
					pong.Unpark()
				}
			},
		)
		ping.Release()
		pong.Release()
	}},
}

// raceOfThree lets a permit, a deadline and a cancellation come at about the same time, many times. The
// wait ends in one of the three ways, and a permit that did not end it is still there.
func raceOfThree(t *T, h host.Host, sc *host.Scope) {
	for i := range 100 {
		p := h.Parker()
		child, cancel := sc.Child(0)
		var parked error
		tasks(h, sc,
			func(*host.Scope) { parked = p.Park(child, h.Now().Add(time.Duration(i%5)*10*time.Microsecond)) },
			func(*host.Scope) { p.Unpark() },
			func(*host.Scope) { cancel() },
		)
		switch parked {
		case nil:
			t.Is(p.Park(sc, 1), host.ErrTimeout, "Park after the permit was taken")
		case host.ErrTimeout, host.ErrCancelled:
			t.Is(p.Park(child, 1), nil, "Park with the permit left over")
		default:
			t.Errorf("Park: %v", parked)
		}
		p.Release()
	}
}
