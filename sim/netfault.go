package sim

import (
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// repeatLinger is how long a connection that repeats old bytes stays open: long enough to be answered.
const repeatLinger = 10 * time.Second

// strikeSend lets faults strike p on its way out, and returns what of it the caller goes on to send.
func (e *endpoint) strikeSend(p []byte) []byte {
	w, t, r := e.inc.w, &e.out.target, e.inc.m.rates
	if w.hit(t, r, fault.PacketDrop) != nil {
		e.reset()
		return p
	}
	if e.dialed {
		s := w.strike(t, r, fault.PacketRepeat)
		if s != nil && len(p) > 0 && (w.cfg.Repeat == nil || w.cfg.Repeat(e.out.from, e.out.to, p)) {
			e.repeat(s, p)
			w.fire(t, s)
		}
	}
	if len(p) > 1 {
		if s := w.hit(t, r, fault.ResetMidway); s != nil {
			return e.breakWithin(s, p)
		}
	}
	return p
}

// breakWithin sends a part of p and breaks the connection behind it.
func (e *endpoint) breakWithin(s *fault.Step, p []byte) []byte {
	n := 1 + s.Rand().IntN(len(p)-1)
	n = max(0, min(n, e.inc.w.cfg.Net.Buffer-e.unread))
	if n > 0 {
		e.post(append([]byte(nil), p[:n]...))
	}
	peer := e.peer
	e.send(parcel{fire: func() { peer.over(host.ErrReset) }})
	e.over(host.ErrReset)
	return p
}

// repeat has the bytes of p arrive once more, on a connection of their own whose answers nobody hears.
func (e *endpoint) repeat(s *fault.Step, p []byte) {
	w, inc, out, addr := e.inc.w, e.inc, e.out, e.remote
	bytes := append([]byte(nil), p...)
	wait := between(rand.New(rand.NewPCG(s.Arg, mixB)), time.Millisecond, 2*time.Second)
	w.After(wait, func() {
		w.after(out, false, func() {
			l := w.network.listeners[addr]
			if inc.dead || l == nil || len(l.backlog) >= maxBacklog {
				return
			}
			near, far := w.connect(inc, l)
			near.repeats = true
			l.backlog = append(l.backlog, far)
			l.ready.Unpark()
			near.post(bytes)
			w.After(host.Time(repeatLinger), func() {
				if near.err == nil {
					near.over(host.ErrClosed)
					near.sendEnd()
				}
			})
		})
	})
}
