package host

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestScopeTreeEndsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &fakeHost{t: t, now: 1}
		root, end := NewRoot(h)
		tree := []*node{{sc: root, end: func() { end(ErrKilled) }, kind: ErrKilled}}
		pick := func(rt *rapid.T) *node { return tree[rapid.IntRange(0, len(tree)-1).Draw(rt, "node")] }
		rt.Repeat(map[string]func(*rapid.T){
			"child": func(rt *rapid.T) {
				p := pick(rt)
				var until Time
				if rapid.Bool().Draw(rt, "bounded") {
					until = h.now + Time(rapid.IntRange(1, 50).Draw(rt, "in"))
				}
				sc, cancel := p.sc.Child(until)
				n := &node{sc: sc, parent: p, end: cancel, kind: ErrCancelled, until: until}
				if p.until != 0 && (until == 0 || p.until < until) {
					n.until = p.until
				}
				n.out = p.out
				tree = append(tree, n)
			},
			"enlist": func(rt *rapid.T) {
				n := pick(rt)
				w := &Waiter{}
				w.Wake = func() { n.woken++ }
				switch err := n.sc.Enlist(w); {
				case err == nil && rapid.Bool().Draw(rt, "leaves"):
					n.sc.Delist(w)
					n.sc.Delist(w)
				case err == nil:
					n.waiting++
				}
			},
			"cancel": func(rt *rapid.T) {
				n := pick(rt)
				n.end()
				endBelow(tree, n, n.kind, h.now)
			},
			"pass time": func(rt *rapid.T) { h.now += Time(rapid.IntRange(1, 20).Draw(rt, "by")) },
			"look": func(rt *rapid.T) {
				for _, n := range tree {
					n.settle(h.now)
					if got := n.sc.Err(); got != n.out {
						rt.Fatalf("scope is %v, want %v", got, n.out)
					}
					if got := n.sc.Until(); got != n.until {
						rt.Fatalf("deadline is %d, want %d", got, n.until)
					}
					if n.out != nil && n.woken != n.waiting {
						rt.Fatalf("%d of %d waiters woke", n.woken, n.waiting)
					}
				}
			},
		})
	})
}

// node is what the model knows of a scope.
type node struct {
	sc             *Scope
	parent         *node
	end            func()
	kind           error // what end gives
	until          Time
	out            error
	waiting, woken int
}

// settle gives n the outcome of its deadline.
func (n *node) settle(now Time) {
	if n.out == nil && n.until != 0 && now >= n.until {
		n.out = ErrTimeout
	}
}

// endBelow ends n and all below it that have not ended.
func endBelow(tree []*node, n *node, err error, now Time) {
	for _, m := range tree {
		for a := m; a != nil; a = a.parent {
			if a == n && m.out == nil {
				if err != ErrKilled { // a death does not ask a dead clock for deadlines
					m.settle(now)
				}
				if m.out == nil {
					m.out = err
				}
			}
		}
	}
}

func TestEndedChildrenAreNotKept(t *testing.T) {
	root, _ := NewRoot(&fakeHost{t: t, now: 1})
	for i := range 100 {
		a, cancelA := root.Child(0)
		_, cancelB := root.Child(Time(i%2) * 10)
		_, cancelC := a.Child(0)
		cancelA()
		cancelB()
		cancelC()
	}
	if root.children != nil {
		t.Error("the root still holds children that ended")
	}
}

func TestWaitersWakeInTheOrderTheyCame(t *testing.T) {
	root, end := NewRoot(&fakeHost{t: t, now: 1})
	var got []string
	var list []*Waiter
	for i := range 5 {
		w := &Waiter{Wake: func() { got = append(got, fmt.Sprint(i)) }}
		list = append(list, w)
		if err := root.Enlist(w); err != nil {
			t.Fatal(err)
		}
	}
	root.Delist(list[0])
	root.Delist(list[2])
	root.Delist(list[4])
	end(ErrKilled)
	end(ErrCancelled)
	if !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("woke %v, want 1 and 3", got)
	}
	if err := root.Enlist(list[0]); err != ErrKilled {
		t.Errorf("Enlist on an ended scope: %v", err)
	}
}

func TestNoWakeComesAfterDelist(t *testing.T) {
	root, end := NewRoot(&fakeHost{t: t, now: 1})
	w := &Waiter{Wake: func() {
		if root.mu.TryLock() {
			t.Error("the scope is not locked during Wake: Delist could return before it, and the Parker be released")
		}
	}}
	if err := root.Enlist(w); err != nil {
		t.Fatal(err)
	}
	end(ErrKilled)
	root.Delist(w)
}

func TestTaskNameIsInherited(t *testing.T) {
	root, _ := NewRoot(&fakeHost{t: t, now: 1})
	a, _ := root.Task("wal.commit")
	b, _ := a.Child(0)
	c, _ := b.Task("wal.sync")
	for _, tt := range []struct {
		sc   *Scope
		want string
	}{{nil, ""}, {root, ""}, {a, "wal.commit"}, {b, "wal.commit"}, {c, "wal.sync"}} {
		if got := tt.sc.TaskName(); got != tt.want {
			t.Errorf("task %q, want %q", got, tt.want)
		}
	}
}
