package sim

import "github.com/weirmq/weir/host"

// parker implements host.Parker: one permit, one waiter.
type parker struct {
	inc    *incarnation
	permit bool
	waiter *task
	woken  wakeReason
	timer  timer
	onEnd  host.Waiter
}

type wakeReason uint8

const (
	wokeNone wakeReason = iota
	wokePermit
	wokeTimer
	wokeScope
)

var _ host.Parker = (*parker)(nil)

func (p *parker) init(inc *incarnation) {
	p.inc = inc
	p.timer.parker = p
	p.onEnd.Wake = func() { p.wake(wokeScope) }
}

// Park implements host.Parker.
func (p *parker) Park(sc *host.Scope, until host.Time) error { return p.park(sc, until, "park", "") }

func (p *parker) park(sc *host.Scope, until host.Time, reason, on string) error {
	w := p.inc.w
	if err := p.inc.parkGate(); err != nil {
		return err
	}
	t := w.self(reason)
	t.checkHeld(reason)
	if p.permit {
		p.permit = false
		return nil
	}
	if err := sc.Err(); err != nil {
		return err
	}
	if u := sc.Until(); u != 0 && (until == 0 || u < until) {
		until = u
	}
	if until != 0 && p.inc.now() >= until {
		return host.ErrTimeout
	}
	if err := sc.Enlist(&p.onEnd); err != nil {
		return err
	}
	if until != 0 {
		p.timer.clock, p.timer.until = &p.inc.clock, until
		w.arm(&p.timer, p.inc.clock.world(until))
	}
	p.block(t, sc, w.site(reason), on)
	switch {
	case p.woken == wokePermit:
		return nil
	case p.permit: // given while we were on our way out: a permit that is there wins
		p.permit = false
		return nil
	case p.woken == wokeTimer:
		return host.ErrTimeout
	}
	return sc.Err()
}

// wait blocks the running task for d of world time. Nothing but a kill ends it early.
func (p *parker) wait(t *task, until host.Time, reason, on string) {
	p.timer.clock = nil
	t.w.arm(&p.timer, until)
	p.block(t, nil, reason, on)
}

// block parks t until wake is called, and undoes every registration before it returns or unwinds.
func (p *parker) block(t *task, sc *host.Scope, reason, on string) {
	if p.waiter != nil {
		panic("sim: two tasks park on one Parker")
	}
	p.waiter, p.woken = t, wokeNone
	t.reason, t.on, t.since = reason, on, t.w.now
	t.yield(struct{}{})
	t.reason, t.on = "running", ""
	p.waiter = nil
	t.w.disarm(&p.timer)
	sc.Delist(&p.onEnd)
	if t.killed {
		t.unwind()
	}
}

// wake makes the waiter ready; the first reason stays.
func (p *parker) wake(why wakeReason) {
	if p.waiter == nil || p.inc.dead {
		return
	}
	t := p.waiter
	p.waiter, p.woken = nil, why
	t.w.ready(t)
}

// Unpark implements host.Parker.
func (p *parker) Unpark() {
	if p.waiter != nil {
		p.wake(wokePermit)
		return
	}
	p.permit = true
}

// Release implements host.Parker.
func (p *parker) Release() {
	if p.waiter != nil {
		panic("sim: a Parker was released while a task is parked on it")
	}
	p.permit = false
	if !p.inc.dead {
		p.inc.pool = append(p.inc.pool, p)
	}
}
