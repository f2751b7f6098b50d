package host

import (
	"sync"
	"time"
)

// ScopeHost is what a Scope asks of the host that made its root.
type ScopeHost interface {
	Now() Time
	Wall() time.Time
	// ScopeDone returns a channel closed when s ends, for libraries that want a context. In
	// simulation it panics: a library that selects on it cannot run there.
	ScopeDone(s *Scope) <-chan struct{}
}

// Scope is a node in a tree of cancellation and deadlines. The nil Scope never ends. It implements
// context.Context for libraries in the exempt packages.
//
// A deadline needs no timer: a parked task gives it to its Parker, and Err compares it with the clock.
type Scope struct {
	host  ScopeHost
	until Time // the earliest deadline on the way to the root; 0 = none; fixed at birth

	parent     *Scope // nil at the root and once detached; guarded by its own mu for the list only
	prev, next *Scope // siblings; guarded by parent.mu

	mu       sync.Mutex // guards the fields below
	err      error      // nil while live
	children *Scope     // first child
	waiters  *Waiter    // first waiter, oldest first
	last     *Waiter    // newest waiter
}

// Waiter is a task's registration with a Scope, embedded in a Parker by the hosts. Wake is called once,
// without locks held, when the scope ends; it must not block.
type Waiter struct {
	Wake       func()
	prev, next *Waiter
	on         bool
}

// NewRoot returns a root scope for a host incarnation and the function that ends it.
func NewRoot(h ScopeHost) (*Scope, func(error)) {
	s := &Scope{host: h}
	return s, s.end
}

// Child returns a scope that ends with s, when until comes (0 = no deadline of its own), or when the
// returned function is called. Call it when the work is over, else the child leaks until s ends.
func (s *Scope) Child(until Time) (*Scope, func()) {
	c := &Scope{until: until}
	if s == nil {
		if until != 0 {
			panic("host: a deadline needs a scope that belongs to a host")
		}
		return c, func() { c.end(ErrCancelled) }
	}
	c.host, c.parent = s.host, s
	if s.until != 0 && (until == 0 || s.until < until) {
		c.until = s.until
	}
	s.mu.Lock()
	if s.err != nil {
		c.err, c.parent = s.err, nil
	} else {
		if s.children != nil {
			s.children.prev = c
		}
		c.next, s.children = s.children, c
	}
	s.mu.Unlock()
	return c, func() { c.end(ErrCancelled) }
}

// end gives s its outcome, wakes its waiters and ends its children. The first outcome stays.
func (s *Scope) end(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	w, child := s.waiters, s.children
	s.waiters, s.last, s.children = nil, nil, nil
	for x := w; x != nil; x = x.next {
		x.on = false
	}
	s.mu.Unlock()
	for w != nil {
		next := w.next
		w.prev, w.next = nil, nil
		w.Wake()
		w = next
	}
	for child != nil {
		// A child that ends on its own at this moment finds itself off the list: detach only unlinks
		// while the parent is live.
		next := child.next
		child.end(err)
		child = next
	}
	s.detach()
}

// detach takes s off its parent's list, so that an ended child is collected.
func (s *Scope) detach() {
	p := s.parent
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return // the parent is walking, or has walked, its list
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else if p.children == s {
		p.children = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// Err returns nil while s is live, else ErrCancelled, ErrTimeout or ErrKilled.
func (s *Scope) Err() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err == nil && s.until != 0 && s.host.Now() >= s.until {
		return ErrTimeout
	}
	return err
}

// Until returns the scope's effective deadline, 0 if none.
func (s *Scope) Until() Time {
	if s == nil {
		return 0
	}
	return s.until
}

// Enlist registers w to be woken when s ends. It returns s's outcome, and does not register, when s has
// one already. For hosts only.
func (s *Scope) Enlist(w *Waiter) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	w.on, w.prev, w.next = true, s.last, nil
	if s.last != nil {
		s.last.next = w
	} else {
		s.waiters = w
	}
	s.last = w
	return nil
}

// Delist takes w off s's list; afterwards Wake is not called any more, unless the call has begun.
func (s *Scope) Delist(w *Waiter) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.on {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		s.waiters = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		s.last = w.prev
	}
	w.prev, w.next, w.on = nil, nil, false
}

// Deadline implements context.Context in wall time, for libraries only.
func (s *Scope) Deadline() (time.Time, bool) {
	if s == nil || s.until == 0 {
		return time.Time{}, false
	}
	return s.host.Wall().Add(s.until.Sub(s.host.Now())), true
}

// Done implements context.Context. The channel is made on demand by the host; in simulation it panics.
func (s *Scope) Done() <-chan struct{} {
	if s == nil || s.host == nil {
		return nil
	}
	return s.host.ScopeDone(s)
}

// Value implements context.Context; a Scope carries none.
func (s *Scope) Value(any) any { return nil }
