package host

import "sync"

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
// ErrTimeout or sc.Err(); the mutex is held in every case. Wake-ups may be spurious: test in a loop.
func (c *Cond) Wait(sc *Scope, until Time) error {
	p := c.h.Parker()
	defer p.Release()
	c.mu.Lock()
	c.waiters = append(c.waiters, p)
	c.mu.Unlock()
	err := parkUnlocked(c.mx, p, sc, until)
	if err != nil && !c.forget(p) {
		return nil // a signal chose us while we gave up: it counts
	}
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
	var found bool
	c.waiters, found = without(c.waiters, p)
	return found
}

// Signal wakes the oldest waiter, if any.
func (c *Cond) Signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiters) > 0 {
		// Under c.mu: the waiter cannot release its parker before forget has looked.
		c.waiters[0].Unpark()
		c.waiters = append(c.waiters[:0], c.waiters[1:]...)
	}
}

// Broadcast wakes all waiters.
func (c *Cond) Broadcast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.waiters {
		p.Unpark()
		c.waiters[i] = nil
	}
	c.waiters = c.waiters[:0]
}

// without returns list with the first p removed, order kept, and whether it was there.
func without(list []Parker, p Parker) ([]Parker, bool) {
	for i, q := range list {
		if q == p {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = nil
			return list[:len(list)-1], true
		}
	}
	return list, false
}
