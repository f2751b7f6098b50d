package host

import (
	"slices"
	"sync"
)

// Cond is a condition variable over a [Mutex]. Waiters wake in the order they came.
type Cond struct {
	h  Host
	mx *Mutex

	mu      sync.Mutex // guards waiters; never held across a park
	waiters []Parker
}

// Init ties c to its host and to the mutex that guards the condition.
func (c *Cond) Init(h Host, m *Mutex) { c.h, c.mx = h, m }

// Wait unlocks the mutex, waits for Signal or Broadcast, and locks it again. It returns nil,
// ErrTimeout or sc.Err(); the mutex is held in every case, also when a killed task unwinds: unlock it by
// defer. Wake-ups may be spurious: test in a loop.
func (c *Cond) Wait(sc *Scope, until Time) error {
	p := c.h.Parker()
	c.mu.Lock()
	c.waiters = append(c.waiters, p)
	c.mu.Unlock()
	err := parkUnlocked(c.mx, p, sc, until)
	if listed := c.forget(p); err != nil && !listed {
		err = nil // a signal chose us while we gave up: it counts
	}
	p.Release() // forget waited for a signal on its way
	return err
}

// parkUnlocked parks with l released. It takes l again even when the park unwinds, because a killed
// task runs its deferred unlocks.
func parkUnlocked(l sync.Locker, p Parker, sc *Scope, until Time) error {
	l.Unlock()
	defer l.Lock()
	return p.Park(sc, until)
}

// forget takes p off the list and reports whether it was still there.
func (c *Cond) forget(p Parker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiters, p)
	if i >= 0 {
		c.waiters = slices.Delete(c.waiters, i, i+1)
	}
	return i >= 0
}

// Signal wakes the oldest waiter, if any.
func (c *Cond) Signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiters) > 0 {
		c.waiters[0].Unpark()
		c.waiters = slices.Delete(c.waiters, 0, 1)
	}
}

// Broadcast wakes all waiters.
func (c *Cond) Broadcast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.waiters {
		p.Unpark()
	}
	clear(c.waiters)
	c.waiters = c.waiters[:0]
}
