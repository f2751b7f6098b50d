package broker

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// answersMax bounds the requests of one connection that wait for their answers; past it the connection is
// not read further.
const answersMax = 128

// conn is one client connection: a reader task that decodes requests and begins them, and a responder
// task, started with the first request, that answers them in order (DESIGN §3).
//
//	reader:    header ─ body ─ decode ─ begin (Produce appends) ─▶ answers ─▶ next request
//	responder:                                          answers ─▶ finish (waits) ─ writev of all that are ready
type conn struct {
	id      uint64 // in the order of arrival
	b       *Broker
	nc      host.Conn
	sc      *host.Scope
	cancel  func()
	answers host.Queue[*call]
	started bool // responder; reader task only

	in    intake    // reader task only
	name  string    // the client id of its latest request; reader task only
	armed host.Time // the read deadline, 0 for none; reader task only
	out   outlet    // responder task only

	polls     atomic.Bool // waiting is set
	mu        host.Mutex  // guards the fields below, and orders what sets deadlines
	waiting   host.Parker // the responder's, while a Fetch long-polls
	readBy    host.Time   // the connection's deadlines
	writtenBy host.Time
}

// serve runs a connection until it ends and closes it.
func (b *Broker) serve(_ *host.Scope, nc host.Conn) {
	c := &conn{b: b, nc: nc}
	c.mu.Init(b.h)
	c.answers.Init(b.h, answersMax/2) // as many again are in the responder's hands
	c.sc, c.cancel = b.root.Child(0)  // not of the reader's, which ends before the last answers have left
	c.in.init(b.h, nc, &b.buffers, c.arm, c.disarm)
	b.addConn(c)
	defer func() {
		if c.answers.Len() > 0 {
			probe.Hit(probe.BrokerAnswersPending)
		}
		c.in.close()
		c.answers.Close()
		if !c.started {
			c.shut()
		}
	}()
	if b.draining.Load() {
		return // Stop may not have seen it
	}
	err := c.read()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, host.ErrReset) &&
		!errors.Is(err, host.ErrClosed) && c.sc.Err() == nil && !b.draining.Load() {
		b.counters.BadRequests.Add(1)
		b.h.Log().Warn("client connection closed", "client", nc.Peer().Addr, "why", err)
	}
	if err != nil && !b.draining.Load() {
		c.cancel() // nobody is there to hear the answers
	}
}

// shut ends the connection for good.
func (c *conn) shut() {
	c.cancel()
	c.nc.Close()
	c.b.dropConn(c)
}

// enqueue hands the call to the responder and tells a Fetch that long-polls there to answer at once.
func (c *conn) enqueue(call *call) error {
	if !c.started {
		c.started = true
		c.b.h.Go(c.b.root, "broker.respond", func(sc *host.Scope) { c.respond() })
	}
	if !c.answers.TryPush(call) {
		if err := c.answers.Push(c.sc, call); err != nil {
			return err
		}
		probe.Hit(probe.BrokerAnswersFull)
	}
	c.wake()
	return nil
}

// wake makes a Fetch that long-polls look again.
func (c *conn) wake() {
	if !c.polls.Load() {
		return // who begins to wait from now on sees first what has changed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		c.waiting.Unpark()
	}
}

// clientID returns p as a string, without a new one while the client keeps its name.
func (c *conn) clientID(p []byte) string {
	if c == nil {
		return string(p)
	}
	if c.name != string(p) {
		c.name = string(p)
	}
	return c.name
}

// cutOff lets the client take its answers until t, unless the connection is being drained.
func (c *conn) cutOff(t host.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writtenBy = t
	if !c.b.draining.Load() {
		c.nc.SetDeadlines(c.readBy, t)
	}
}

// arm bounds the reads from now on: the client is in the middle of a request.
func (c *conn) arm() {
	if now := c.b.h.Now(); c.armed < now+readStallMax-readStallSlack {
		c.armed = now + readStallMax
		c.boundReads(c.armed)
	}
}

// disarm lifts the bound: between two requests a client may pause for ever.
func (c *conn) disarm() {
	if c.armed != 0 {
		c.armed = 0
		c.boundReads(0)
	}
}

func (c *conn) boundReads(t host.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	if !c.b.draining.Load() {
		c.nc.SetDeadlines(t, c.writtenBy)
	}
}

// drain ends the reading; what was read is answered until t.
func (c *conn) drain(t host.Time) {
	c.mu.Lock()
	c.nc.SetDeadlines(c.b.h.Now(), t)
	c.mu.Unlock()
	c.wake()
}

// behind reports whether another request waits behind the one being answered.
func (c *conn) behind() bool { return c.out.at < len(c.out.line) || c.answers.Len() > 0 }

// setWaiting names the parker to wake when another request arrives; nil for none.
func (c *conn) setWaiting(p host.Parker) {
	c.mu.Lock()
	c.waiting = p
	c.polls.Store(p != nil)
	c.mu.Unlock()
}
