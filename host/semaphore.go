package host

import (
	"slices"
	"sync"
)

// Semaphore is a counted resource and the one lock that may be held across I/O. Waiters are served
// strictly in the order they came, so a large request is not starved by small ones.
type Semaphore struct {
	h Host

	mu      sync.Mutex // guards the fields below; never held across a park
	free    int64
	waiters []*semWaiter
}

type semWaiter struct {
	n       int64
	p       Parker
	granted bool
}

// Init ties s to its host and gives it n units.
func (s *Semaphore) Init(h Host, n int64) { s.h, s.free = h, n }

// Acquire takes n units, waiting for them. It returns nil or sc.Err(), and then took nothing.
func (s *Semaphore) Acquire(sc *Scope, n int64) error {
	s.mu.Lock()
	if len(s.waiters) == 0 && s.free >= n {
		s.free -= n
		s.mu.Unlock()
		return nil
	}
	w := &semWaiter{n: n, p: s.h.Parker()}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()

	err := w.p.Park(sc, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.granted {
		i := slices.Index(s.waiters, w)
		s.waiters = slices.Delete(s.waiters, i, i+1)
		s.grant() // whoever stood behind us may fit now
	} else {
		err = nil // the grant came while the scope ended: it counts
	}
	w.p.Release()
	return err
}

// TryAcquire takes n units if they are free and nobody waits, and reports whether it did.
func (s *Semaphore) TryAcquire(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiters) > 0 || s.free < n {
		return false
	}
	s.free -= n
	return true
}

// Release gives back n units.
func (s *Semaphore) Release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.grant()
}

func (s *Semaphore) grant() {
	for len(s.waiters) > 0 && s.waiters[0].n <= s.free {
		w := s.waiters[0]
		s.waiters = slices.Delete(s.waiters, 0, 1)
		s.free -= w.n
		w.granted = true
		w.p.Unpark()
	}
}
