package rpc

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// PoolConfig is what a Pool is told.
type PoolConfig struct {
	Identity
	// Calls bounds the calls to one address and class that are not answered; 0 = 1024.
	Calls int
	// Sends and SendBytes bound the one-way messages that wait for one address and class; 0 = 4096 and 4 MiB,
	// of the bulk class 64 MiB.
	Sends     int
	SendBytes int64
	// Down is called when a connection could not be made or was lost, by the task that saw it. One-way messages
	// may have been lost then. It must not block. nil = nothing is called.
	Down func(addr string, c Class, why error)
}

// Pool calls other nodes: one connection an address and class, made when there is something to send, closed when
// there was nothing for long.
type Pool struct {
	h      host.Host
	cfg    PoolConfig
	sc     *host.Scope
	cancel func()
	closed atomic.Bool
	stats  poolStats

	mu    host.Mutex // guards the fields below; taken before a link's
	links map[linkKey]*link
	none  host.Cond // signalled when links becomes empty
}

type linkKey struct {
	addr  string
	class Class
}

// PoolStats says what a Pool did.
type PoolStats struct {
	Calls       uint64 // begun
	Answered    uint64 // with a result or a Status
	Unreachable uint64
	Unknown     uint64
	Sent        uint64 // one-way messages handed to a connection
	Dropped     uint64 // one-way messages that never were
	Dials       uint64
	Lost        uint64 // connections, and dials that failed
	Links       int    // addresses and classes in use
}

type poolStats struct {
	calls, answered, unreachable, unknown, sent, dropped, dials, lost atomic.Uint64
}

// NewPool returns a pool whose tasks run in sc. The caller closes it.
func NewPool(sc *host.Scope, h host.Host, cfg PoolConfig) *Pool {
	if cfg.Calls == 0 {
		cfg.Calls = 1024
	}
	if cfg.Sends == 0 {
		cfg.Sends = 4096
	}
	p := &Pool{h: h, cfg: cfg, links: map[linkKey]*link{}}
	p.sc, p.cancel = sc.Child(0)
	p.mu.Init(h)
	p.none.Init(h, &p.mu)
	return p
}

// Call sends req to addr and waits for the answer until timeout, or the scope, is over. The bytes of req are given
// away, even when Call returns an error; those of the answer are the caller's.
//
// An error is a *[Status] (the other side's no), or wraps [ErrUnreachable] (definite: never carried out) or
// [ErrUnknown]; those two wrap host.ErrTimeout as well when the time was over. A call to an address that could not
// be reached a moment ago fails at once: try another, and pause before the same one again.
func (p *Pool) Call(
	sc *host.Scope, addr string, m Method, req []byte, timeout time.Duration,
) ([]byte, error) {
	m.check()
	p.stats.calls.Add(1)
	c := &call{method: m}
	c.done.Init(p.h)
	until := p.h.Now().Add(max(timeout, 0))
	if u := sc.Until(); u != 0 {
		until = min(until, u)
	}
	o := p.do(sc, addr, c, req, until)
	switch {
	case o.class == nil:
		p.stats.answered.Add(1)
		return o.answer, o.err
	case o.class == ErrUnreachable:
		p.stats.unreachable.Add(1)
	default:
		p.stats.unknown.Add(1)
	}
	return nil, &callError{class: o.class, addr: addr, method: m, why: o.err}
}

func (p *Pool) do(sc *host.Scope, addr string, c *call, req []byte, until host.Time) outcome {
	if len(req) > c.method.Class().PayloadMax() {
		return outcome{err: fmt.Errorf("%w: %d bytes", ErrTooLarge, len(req)), class: ErrUnreachable}
	}
	if err := sc.Err(); err != nil {
		return outcome{err: err, class: ErrUnreachable}
	}
	if p.h.Now() >= until {
		return outcome{err: host.ErrTimeout, class: ErrUnreachable}
	}
	o := outgoing{header: header{kind: kindRequest, method: c.method}, payload: req, call: c, until: until}
	l, err := p.enqueue(addr, &o)
	if err != nil {
		return outcome{err: err, class: ErrUnreachable}
	}
	out, err := c.done.Wait(sc, until)
	if err != nil {
		l.leave(c, err)
		out, _ = c.done.Wait(nil, 0) // is there
	}
	return out
}

// Send hands a one-way message to the connection with addr and reports whether it was taken. It never blocks. A
// message that was taken may be lost: PoolConfig.Down tells when. What goes over one connection arrives in order, and
// nothing arrives twice; the last of a lost connection may arrive after the first of the next. The bytes of payload
// are given away.
func (p *Pool) Send(addr string, m Method, payload []byte) bool {
	m.check()
	if len(payload) > m.Class().PayloadMax() {
		p.stats.dropped.Add(1)
		return false
	}
	o := outgoing{header: header{kind: kindOneWay, method: m}, payload: payload}
	if _, err := p.enqueue(addr, &o); err != nil {
		probe.Hit(probe.RPCSendDropped)
		p.stats.dropped.Add(1)
		return false
	}
	return true
}

// enqueue puts o in the queue of its address.
func (p *Pool) enqueue(addr string, o *outgoing) (*link, error) {
	key := linkKey{addr, o.method.Class()}
	for {
		l, err := p.link(key)
		if err != nil {
			return nil, err
		}
		if taken, err := l.enqueue(o); taken || err != nil {
			return l, err
		}
	}
}

// link returns the link of an address and class, and begins it if there is none.
func (p *Pool) link(key linkKey) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.links[key]; l != nil {
		return l, nil
	}
	if p.closed.Load() || p.sc.Err() != nil {
		return nil, ErrClosed
	}
	l := newLink(p, key)
	p.links[key] = l
	p.h.Go(p.sc, "rpc.link", l.run)
	return l, nil
}

// forget drops a link whose task ends, unless there is work for it and it may go on.
func (p *Pool) forget(l *link, must bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.retire(must) {
		return false
	}
	delete(p.links, l.key)
	if len(p.links) == 0 {
		p.none.Broadcast()
	}
	return true
}

// all returns the links, in order.
func (p *Pool) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*link, 0, len(p.links))
	for _, l := range p.links {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.key.addr, b.key.addr), cmp.Compare(a.key.class, b.key.class))
	})
	return list
}

// Stats returns the counters.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	links := len(p.links)
	p.mu.Unlock()
	s := &p.stats
	return PoolStats{
		Calls: s.calls.Load(), Answered: s.answered.Load(), Unreachable: s.unreachable.Load(),
		Unknown: s.unknown.Load(), Sent: s.sent.Load(), Dropped: s.dropped.Load(), Dials: s.dials.Load(),
		Lost: s.lost.Load(), Links: links,
	}
}

// Close ends every connection and every call, and waits until the pool's tasks have ended. It returns sc.Err()
// if sc ends first.
func (p *Pool) Close(sc *host.Scope) error {
	p.closed.Store(true)
	p.cancel()
	for _, l := range p.all() {
		l.cut() // a task that writes does not see its scope
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.links) > 0 {
		if err := p.none.Wait(sc, 0); err != nil {
			return err
		}
	}
	return nil
}
