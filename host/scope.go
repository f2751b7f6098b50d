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

	task       string // the task it belongs to, for logs; fixed at birth
	parent     *Scope // nil at the root; fixed at birth
	prev, next *Scope // siblings; guarded by parent.mu until the parent ends, then owned by its end

	mu       sync.Mutex // guards the fields below
	err      error      // nil while live
	children *Scope     // first child
	waiters  *Waiter    // first waiter, oldest first
	last     *Waiter    // newest waiter
}

// Waiter is a task's registration with a Scope, embedded in a Parker by the hosts. Wake is called at most
// once a registration, when the scope ends. The scope's lock is held during the call, so that after
// Delist no Wake can come late and meet a Parker that is in other hands; Wake must not block and must not
// call the scope.
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
	return s.child(until, "")
}

// Task returns a child scope for a task called name and the function that ends it. For hosts only.
func (s *Scope) Task(name string) (*Scope, func()) {
	return s.child(0, name)
}

// TaskName returns the name of the task that s was made for, or "".
func (s *Scope) TaskName() string {
	if s == nil {
		return ""
	}
	return s.task
}

func (s *Scope) child(until Time, task string) (*Scope, func()) {
	c := &Scope{until: until, task: task}
	if s == nil {
		if until != 0 {
			panic("host: a deadline needs a scope that belongs to a host")
		}
		return c, func() { c.end(ErrCancelled) }
	}
	if c.host, c.parent = s.host, s; task == "" {
		c.task = s.task
	}
	if s.until != 0 && (until == 0 || s.until < until) {
		c.until = s.until
	}
	s.mu.Lock()
	if s.err != nil {
		c.err = s.err
	} else {
		if s.children != nil {
			s.children.prev = c
		}
		c.next, s.children = s.children, c
	}
	s.mu.Unlock()
	return c, func() { c.end(ErrCancelled) }
}

// end gives s its outcome, wakes its waiters and ends its children. The first outcome stays; a deadline
// that has come was there before a cancellation. A machine's death does not ask its clock.
func (s *Scope) end(err error) {
	if err == ErrCancelled && s.late() {
		err = ErrTimeout
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	for s.waiters != nil {
		w := s.waiters
		s.waiters = w.next
		w.prev, w.next, w.on = nil, nil, false
		w.Wake()
	}
	child := s.children
	s.last, s.children = nil, nil
	s.mu.Unlock()
	for child != nil {
		// The list is ours: detach only unlinks while the parent is live, and Child only links then.
		next := child.next
		child.prev, child.next = nil, nil
		child.end(err)
		child = next
	}
	s.detach()
}

// late reports whether the deadline has come.
func (s *Scope) late() bool { return s.until != 0 && s.host.Now() >= s.until }

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
	if err == nil && s.late() {
		s.end(ErrTimeout) // from now on a cancellation does not change the answer (H5)
		return s.Err()
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

// Delist takes w off s's list if it is there. Once it returned, Wake is not running and will not be called
// for this registration.
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
// A descendant of the nil Scope belongs to no host and has a nil channel: give libraries a host's scope.
func (s *Scope) Done() <-chan struct{} {
	if s == nil || s.host == nil {
		return nil
	}
	return s.host.ScopeDone(s)
}

// Value implements context.Context; a Scope carries none.
func (s *Scope) Value(any) any { return nil }
