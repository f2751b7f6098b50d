package host

import "sync"

// Group runs tasks in one child scope and waits for all of them; the first error cancels the rest.
type Group struct {
	h      Host
	sc     *Scope
	cancel func()

	mu      sync.Mutex // guards the fields below; never held across a park
	running int
	err     error
	waiter  Parker
}

// NewGroup returns a group whose tasks run in a child of sc.
func NewGroup(h Host, sc *Scope) *Group {
	g := &Group{h: h}
	g.sc, g.cancel = sc.Child(0)
	return g
}

// Scope returns the scope the group's tasks run in.
func (g *Group) Scope() *Scope { return g.sc }

// Cancel ends the group's scope; Wait still waits for the tasks.
func (g *Group) Cancel() { g.cancel() }

// Go starts fn in the group's scope.
func (g *Group) Go(name string, fn func(*Scope) error) {
	g.mu.Lock()
	g.running++
	g.mu.Unlock()
	g.h.Go(g.sc, name, func(sc *Scope) {
		err := fn(sc)
		g.mu.Lock()
		g.running--
		first := err != nil && g.err == nil
		if first {
			g.err = err
		}
		if g.running == 0 && g.waiter != nil {
			g.waiter.Unpark()
			g.waiter = nil
		}
		g.mu.Unlock()
		if first {
			g.cancel()
		}
	})
}

// Wait waits until every task has returned and gives the first error. One task may call it.
// It does not look at any scope: the tasks must end, and do when theirs has.
func (g *Group) Wait() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.running > 0 {
		p := g.h.Parker()
		g.waiter = p
		err := parkUnlocked(&g.mu, p, nil, 0)
		g.waiter = nil
		p.Release()
		if err != nil {
			return err
		}
	}
	g.cancel()
	return g.err
}
