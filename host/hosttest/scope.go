package hosttest

import (
	"context"
	"errors"
	"time"

	"github.com/weirmq/weir/host"
)

var scopeScenarios = []scenario{
	{"cancelling ends the scope and all below, not those above", func(t *T, _ host.Host, sc *host.Scope) {
		a, cancelA := sc.Child(0)
		b, cancelB := a.Child(0)
		c, cancelC := b.Child(0)
		d, cancelD := a.Child(0)
		cancelB()
		t.Is(a.Err(), nil, "the parent")
		t.Is(b.Err(), host.ErrCancelled, "the scope")
		t.Is(c.Err(), host.ErrCancelled, "its child")
		t.Is(d.Err(), nil, "its sibling")
		cancelA()
		t.Is(d.Err(), host.ErrCancelled, "the sibling after the parent's end")
		late, cancelLate := b.Child(0)
		t.Is(late.Err(), host.ErrCancelled, "a child of an ended scope")
		cancelC()
		cancelD()
		cancelLate()
		cancelLate()
		t.Is(sc.Err(), nil, "the task's scope")
	}},
	{"a deadline ends the scope and all below", func(t *T, h host.Host, sc *host.Scope) {
		until := h.Now().Add(2 * time.Millisecond)
		a, cancelA := sc.Child(until)
		b, cancelB := a.Child(h.Now().Add(time.Hour))
		defer cancelB()
		t.Check(b.Until() == until, "the child's deadline is %d, want the parent's %d", b.Until(), until)
		t.Check(sc.Until() == 0, "the task's scope has the deadline %d", sc.Until())
		for h.Now() < until {
			settle(h, sc)
		}
		t.Is(a.Err(), host.ErrTimeout, "the scope")
		cancelA()
		t.Is(a.Err(), host.ErrTimeout, "the scope, cancelled after its deadline")
		t.Is(b.Err(), host.ErrTimeout, "its child")
	}},
	{"cancelling before the deadline stays", func(t *T, h host.Host, sc *host.Scope) {
		until := h.Now().Add(time.Hour)
		child, cancel := sc.Child(until)
		cancel()
		t.Is(child.Err(), host.ErrCancelled, "the scope")
	}},
	{"the nil scope never ends", func(t *T, _ host.Host, _ *host.Scope) {
		var none *host.Scope
		child, cancel := none.Child(0)
		t.Is(none.Err(), nil, "the nil scope")
		t.Is(child.Err(), nil, "its child")
		cancel()
		t.Is(child.Err(), host.ErrCancelled, "its child, cancelled")
		t.Check(none.Until() == 0, "the nil scope has a deadline")
	}},
	{"a scope's outcome answers for the context error", func(t *T, h host.Host, sc *host.Scope) {
		a, cancel := sc.Child(0)
		cancel()
		t.Check(errors.Is(a.Err(), context.Canceled), "%v is not context.Canceled", a.Err())
		b, cancel := sc.Child(h.Now())
		defer cancel()
		t.Check(errors.Is(b.Err(), context.DeadlineExceeded), "%v is not DeadlineExceeded", b.Err())
	}},
	{"all waiters of a scope wake, the others do not", func(t *T, h host.Host, sc *host.Scope) {
		a, cancelA := sc.Child(0)
		b, cancelB := sc.Child(0)
		var fns []func(*host.Scope)
		for range 8 {
			fns = append(fns, func(*host.Scope) {
				t.Is(h.Sleep(a, time.Hour), host.ErrCancelled, "a waiter of the ended scope")
			})
		}
		fns = append(fns,
			func(*host.Scope) { t.Is(h.Sleep(b, 4*time.Millisecond), nil, "a waiter of another scope") },
			func(sc *host.Scope) { settle(h, sc); cancelA() },
		)
		tasks(h, sc, fns...)
		cancelB()
	}},
	{"scopes are cancelled and made at the same time", func(t *T, h host.Host, sc *host.Scope) {
		for range 50 {
			parent, cancel := sc.Child(0)
			tasks(h, sc,
				func(*host.Scope) { cancel() },
				func(*host.Scope) {
					for range 4 {
						c, end := parent.Child(0)
						end()
						t.Is(c.Err(), host.ErrCancelled, "a child cancelled beside its parent")
					}
				},
				func(*host.Scope) {
					c, end := parent.Child(0)
					t.Is(h.Sleep(c, time.Hour), host.ErrCancelled, "a sleep below the cancelled scope")
					end()
				},
			)
		}
	}},
}
