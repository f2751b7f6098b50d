package oshost

import (
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// States of a parker.
const (
	idle    uint32 = iota // no permit, nobody waits
	permit                // the permit is there
	waiting               // the task waits or is about to; whoever moves it on sends one token
	woken                 // the scope ended while the task waited
)

// parker is a permit and a channel of one slot. The state carries the meaning and the channel only the
// wake-up, so that no token is ever left behind (O1): from waiting the state is moved on once, by Unpark,
// by Wake, or by the task itself on its deadline, and only the first two send.
type parker struct {
	h     *Host
	state atomic.Uint32
	token chan struct{}
	timer *time.Timer // made at the first deadline, then reused
	scope host.Waiter
}

func newParker(h *Host) *parker {
	p := &parker{h: h, token: make(chan struct{}, 1)}
	p.scope.Wake = p.wake
	return p
}

// Parker implements host.Host.
func (h *Host) Parker() host.Parker { return h.parkers.Get().(*parker) }

// Release implements host.Parker.
func (p *parker) Release() {
	p.state.Store(idle)
	p.h.parkers.Put(p)
}

// Unpark implements host.Parker.
func (p *parker) Unpark() {
	if p.state.Swap(permit) == waiting {
		p.token <- struct{}{} // has room: O1
	}
}

// wake is called by the scope that ends.
func (p *parker) wake() {
	if p.state.CompareAndSwap(waiting, woken) {
		p.token <- struct{}{} // has room: O1
	}
}

// Park implements host.Parker.
func (p *parker) Park(sc *host.Scope, until host.Time) error {
	if !p.state.CompareAndSwap(idle, waiting) {
		p.state.Swap(idle) // takes the permit; a swap, to be ordered after the latest Unpark
		return nil
	}
	if err := sc.Enlist(&p.scope); err != nil {
		return p.giveUp(err)
	}
	if limit := sc.Until(); limit != 0 && (until == 0 || limit < until) {
		until = limit
	}
	late := false
	if until == 0 {
		<-p.token
	} else {
		late = !p.receive(until)
	}
	sc.Delist(&p.scope)
	if late {
		return p.giveUp(host.ErrTimeout)
	}
	return p.settle(sc)
}

// receive waits for the token until the deadline and reports whether it took it.
func (p *parker) receive(until host.Time) bool {
	for {
		// The timer runs on monotonic time, the deadline on the boot clock: after a suspend it fires
		// late, never early by more than rounding, and then it is set again.
		d := until.Sub(p.h.Now())
		if d <= 0 {
			return false
		}
		d = p.h.real(d)
		if p.timer == nil {
			p.timer = time.NewTimer(d)
		} else {
			p.timer.Reset(d)
		}
		select {
		case <-p.token:
			p.timer.Stop()
			return true
		case <-p.timer.C:
		}
	}
}

// giveUp ends a wait that took no token: with err, unless somebody has moved the state on meanwhile.
func (p *parker) giveUp(err error) error {
	if p.state.CompareAndSwap(waiting, idle) {
		return err
	}
	<-p.token // is there or on its way
	if p.state.Swap(idle) == permit {
		return nil
	}
	return err
}

// settle ends a wait that took its token.
func (p *parker) settle(sc *host.Scope) error {
	if p.state.Swap(idle) == permit {
		return nil
	}
	return sc.Err()
}

// Sleep implements host.Clock.
func (h *Host) Sleep(sc *host.Scope, d time.Duration) error {
	if d <= 0 {
		return sc.Err()
	}
	until := h.Now().Add(d)
	p := h.Parker()
	err := p.Park(sc, until)
	p.Release()
	if err == host.ErrTimeout && h.Now() >= until {
		return nil // our own deadline, not the scope's
	}
	return err
}
