package host

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"
)

// fakeHost is a machine of one task. A task that would wait is answered by onPark instead: it may play the
// other tasks, move the clock, end the scope, or panic the way the simulator unwinds a killed task.
type fakeHost struct {
	Host   // what a test does not need panics on the nil interface
	t      *testing.T
	now    Time
	onPark func(p *fakeParker, sc *Scope, until Time) error
}

func (h *fakeHost) Now() Time                        { return h.now }
func (h *fakeHost) Wall() time.Time                  { return time.Unix(0, int64(h.now)) }
func (h *fakeHost) ScopeDone(*Scope) <-chan struct{} { return nil }
func (h *fakeHost) Parker() Parker                   { return &fakeParker{h: h} }
func (h *fakeHost) Rand(string) *rand.Rand           { return rand.New(rand.NewPCG(1, 1)) }
func (h *fakeHost) Log() *slog.Logger                { return slog.New(slog.DiscardHandler) }

// fakeParker fails the test when it is used after its release.
type fakeParker struct {
	h        *fakeHost
	permit   bool
	released bool
}

func (p *fakeParker) Park(sc *Scope, until Time) error {
	p.check("Park")
	if !p.permit {
		if err := p.h.onPark(p, sc, until); err != nil {
			return err
		}
	}
	if !p.permit {
		p.h.t.Error("a wait ended without a permit and without an error: nobody would have woken it")
	}
	p.permit = false
	return nil
}

func (p *fakeParker) Unpark()  { p.check("Unpark"); p.permit = true }
func (p *fakeParker) Release() { p.check("Release"); p.released = true }

func (p *fakeParker) check(call string) {
	p.h.t.Helper()
	if p.released {
		p.h.t.Errorf("%s after Release: the Parker may be another task's", call)
	}
}

type killed struct{}

// killIn runs fn as a task that is killed at its first wait, after before has played the others.
func killIn(h *fakeHost, before func(), fn func()) (unwound bool) {
	h.onPark = func(*fakeParker, *Scope, Time) error {
		if before != nil {
			before()
		}
		panic(killed{})
	}
	defer func() { unwound = recover() == any(killed{}) }()
	fn()
	return false
}

// never fails the test when a task waits.
func never(t *testing.T) func(*fakeParker, *Scope, Time) error {
	return func(*fakeParker, *Scope, Time) error {
		t.Helper()
		t.Error("a task waits that should not")
		return ErrTimeout
	}
}
