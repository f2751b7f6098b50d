package hosttest

import (
	"errors"
	"time"

	"github.com/weirmq/weir/host"
)

var lockScenarios = []scenario{
	{"a mutex keeps tasks apart", func(t *T, h host.Host, sc *host.Scope) {
		var m host.Mutex
		m.Init(h)
		n := 0
		work := func(*host.Scope) {
			for range 100 {
				m.Lock()
				n++
				m.Unlock()
			}
		}
		tasks(h, sc, work, work, work)
		t.Check(n == 300, "counted to %d, want 300", n)
	}},
	{"a semaphore bounds who is inside", func(t *T, h host.Host, sc *host.Scope) {
		var s host.Semaphore
		var m host.Mutex
		s.Init(h, 2)
		m.Init(h)
		inside := 0
		step := func(d int) {
			m.Lock()
			defer m.Unlock()
			inside += d
			t.Check(inside <= 2, "%d tasks are inside, want at most 2", inside)
		}
		work := func(sc *host.Scope) {
			t.Is(s.Acquire(sc, 1), nil, "Acquire")
			step(1)
			settle(h, sc) // held while waiting: that is what it is for
			step(-1)
			s.Release(1)
		}
		tasks(h, sc, work, work, work, work)
		t.Check(s.TryAcquire(2), "units are missing afterwards")
	}},
	{"a semaphore serves in order", semaphoreOrder},
	{"a semaphore's waiter gives up with its scope and lets others by", semaphoreGivesUp},
	{"a condition wakes one on signal and all on broadcast", condition},
	{"a condition's wait ends with deadline and scope, mutex held", func(t *T, h host.Host, sc *host.Scope) {
		var m host.Mutex
		var c host.Cond
		m.Init(h)
		c.Init(h, &m)
		child, cancel := sc.Child(0)
		tasks(h, sc,
			func(sc *host.Scope) {
				m.Lock()
				defer m.Unlock()
				t.Is(c.Wait(sc, h.Now().Add(time.Millisecond)), host.ErrTimeout, "Wait until a deadline")
				t.Is(c.Wait(child, 0), host.ErrCancelled, "Wait in a scope that ends")
				t.Is(c.Wait(child, 0), host.ErrCancelled, "Wait in an ended scope")
			},
			func(sc *host.Scope) { settle(h, sc); settle(h, sc); cancel() },
		)
		m.Lock() // hangs or fails the seed if Wait left it locked
		m.Unlock()
		c.Signal() // nobody waits: nothing happens
		c.Broadcast()
	}},
	{"a group returns the first error and cancels the rest", func(t *T, h host.Host, sc *host.Scope) {
		first, second := errors.New("first"), errors.New("second")
		g := host.NewGroup(h, sc)
		g.Go("hosttest.fails", func(sc *host.Scope) error { settle(h, sc); return first })
		for range 3 {
			g.Go("hosttest.waits", func(sc *host.Scope) error {
				t.Is(h.Sleep(sc, time.Hour), host.ErrCancelled, "a sleep in the failed group")
				return second
			})
		}
		t.Is(g.Wait(), first, "Wait")
		t.Is(g.Scope().Err(), host.ErrCancelled, "the group's scope")
		t.Is(sc.Err(), nil, "the scope above")
	}},
	{"a group waits for all, also for tasks started by its tasks", func(t *T, h host.Host, sc *host.Scope) {
		g := host.NewGroup(h, sc)
		var m host.Mutex
		n := 0
		count := func(sc *host.Scope) error {
			settle(h, sc)
			m.Lock()
			defer m.Unlock()
			n++
			return nil
		}
		g.Go("hosttest.outer", func(sc *host.Scope) error {
			g.Go("hosttest.inner", count)
			return count(sc)
		})
		t.Is(g.Wait(), nil, "Wait")
		t.Check(n == 2, "%d tasks have run when Wait returned, want 2", n)
		t.Is(host.NewGroup(h, sc).Wait(), nil, "Wait of an empty group")
	}},
	{"cancelling a group ends its tasks", func(t *T, h host.Host, sc *host.Scope) {
		g := host.NewGroup(h, sc)
		g.Go("hosttest.waits", func(sc *host.Scope) error { return h.Sleep(sc, time.Hour) })
		settle(h, sc)
		g.Cancel()
		t.Is(g.Wait(), host.ErrCancelled, "Wait")
	}},
}

func semaphoreOrder(t *T, h host.Host, sc *host.Scope) {
	var s host.Semaphore
	var m host.Mutex
	s.Init(h, 3)
	m.Init(h)
	t.Is(s.Acquire(sc, 2), nil, "Acquire")
	var order []int64
	take := func(sc *host.Scope, n int64) {
		t.Is(s.Acquire(sc, n), nil, "Acquire")
		m.Lock()
		order = append(order, n)
		m.Unlock()
		settle(h, sc)
		s.Release(n)
	}
	tasks(h, sc,
		func(sc *host.Scope) { take(sc, 3) },
		func(sc *host.Scope) {
			for s.TryAcquire(1) { // succeeds until the large request waits: then nobody overtakes it
				s.Release(1)
				settle(h, sc)
			}
			tasks(h, sc,
				func(sc *host.Scope) { take(sc, 1) },
				func(sc *host.Scope) { settle(h, sc); s.Release(2) },
			)
		},
	)
	t.Check(len(order) == 2 && order[0] == 3, "served %v, want the request for 3 first", order)
}

func semaphoreGivesUp(t *T, h host.Host, sc *host.Scope) {
	var s host.Semaphore
	s.Init(h, 1)
	child, cancel := sc.Child(0)
	tasks(h, sc,
		func(*host.Scope) { t.Is(s.Acquire(child, 2), host.ErrCancelled, "Acquire of too much") },
		func(sc *host.Scope) {
			for s.TryAcquire(1) {
				s.Release(1)
				settle(h, sc)
			}
			tasks(h, sc,
				func(sc *host.Scope) { t.Is(s.Acquire(sc, 1), nil, "Acquire behind one that gives up") },
				func(sc *host.Scope) { settle(h, sc); cancel() },
			)
			s.Release(1)
		},
	)
	t.Check(s.TryAcquire(1), "the unit is lost")
	t.Check(!s.TryAcquire(1), "there is a unit too many")
}

func condition(t *T, h host.Host, sc *host.Scope) {
	var m host.Mutex
	var c host.Cond
	m.Init(h)
	c.Init(h, &m)
	waiting, tokens, woken := 0, 0, 0
	wait := func(sc *host.Scope) {
		m.Lock()
		defer m.Unlock()
		waiting++
		for tokens == 0 {
			t.Is(c.Wait(sc, 0), nil, "Wait")
		}
		tokens--
		woken++
	}
	await := func(sc *host.Scope, n *int, want int) {
		m.Lock()
		defer m.Unlock()
		for *n != want {
			_ = c.Wait(sc, h.Now().Add(time.Millisecond))
			c.Signal() // a signal that met this task instead of a waiter is passed on
		}
	}
	give := func(n int) {
		m.Lock()
		defer m.Unlock()
		tokens += n
	}
	tasks(h, sc, wait, wait, wait, func(sc *host.Scope) {
		await(sc, &waiting, 3)
		give(1)
		c.Signal()
		await(sc, &woken, 1)
		give(2)
		c.Broadcast()
		await(sc, &woken, 3)
	})
	t.Check(tokens == 0 && woken == 3, "%d tokens are left and %d tasks woke", tokens, woken)
}
