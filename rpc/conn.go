package rpc

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

// conn is a connection at the end that was dialled: a reader task that begins requests, a writer task for answers,
// and a task for each handler.
type conn struct {
	s      *Server
	id     uint64
	nc     host.Conn
	w      *wire
	peer   Peer
	sc     *host.Scope // handlers run below it
	cancel func()
	oneWay []byte // the reader's: what a one-way message is read into

	mu       host.Mutex // guards the fields below
	work     host.Cond  // signalled when the writer has something to look at
	room     host.Cond  // signalled when the writer has taken what was queued
	queue    []outgoing
	inFlight map[uint64]func() // ends the scope of a handler, by request
	owed     int               // answers that have not left
	tasks    int
	writing  bool
	shuts    bool // nothing is written any more

	batch []outgoing // the writer's
}

// controlMax bounds what the reader itself has queued: past it the connection is not read until it has left.
const controlMax = 1024

// oneWayKept is up to which size the memory of one-way messages is kept.
const oneWayKept = 64 << 10

func newConn(s *Server, id uint64, nc host.Conn) *conn {
	c := &conn{s: s, id: id, nc: nc, tasks: 1, inFlight: map[uint64]func(){}}
	c.sc, c.cancel = s.root.Child(0)
	c.mu.Init(s.h)
	c.work.Init(s.h, &c.mu)
	c.room.Init(s.h, &c.mu)
	c.w = newWire(s.h, nc)
	return c
}

// run is the reader's task.
func (c *conn) run() {
	err := c.greet()
	if err == nil {
		c.s.stats.accepted.Add(1)
		err = c.read()
	} else {
		c.s.stats.turnedAway.Add(1)
	}
	c.gone(err)
}

// gone ends the connection for the reason err, and the reader's part in it.
func (c *conn) gone(err error) {
	if !quiet(err) && !c.s.stopping.Load() {
		c.s.h.Log().Warn("connection of a node closed", "peer", c.nc.Peer().Addr, "node", c.peer.Node, "why", err)
	}
	c.shut()
	c.leave()
}

// greet exchanges hellos and starts the writer. R3: no frame is read before.
func (c *conn) greet() error {
	until := c.s.h.Now().Add(helloWithin)
	theirs, err := c.w.takeHello(until)
	if err != nil {
		if errors.Is(err, ErrProtocol) {
			probe.Hit(probe.RPCNoHello)
		}
		return fmt.Errorf("wait for a hello: %w", err)
	}
	mine := c.s.hello
	mine.class = theirs.class
	var refusal error
	mine.verdict, refusal = mine.admit(&theirs)
	if err := c.w.sendHello(&mine, until); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	c.peer = Peer{Identity: theirs.Identity, Addr: c.nc.Peer().Addr}
	if refusal != nil {
		probe.Hit(probe.RPCTurnedAway)
		return refusal
	}
	c.w.class, c.w.patience = theirs.class, listenerEnd
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks++
	c.s.h.Go(c.sc, "rpc.write", func(*host.Scope) { c.write() })
	return nil
}

// read reads frames until the connection ends, and returns why it did.
func (c *conn) read() error {
	for {
		d, err := c.w.next()
		if err != nil {
			return err
		}
		switch d.kind {
		case kindRequest:
			err = c.request(&d)
		case kindOneWay:
			err = c.message(&d)
		case kindCancel:
			if err = c.w.skip(&d); err == nil {
				c.cancelled(d.id)
			}
		case kindPing:
			if err = c.w.skip(&d); err == nil {
				err = c.say(outgoing{header: header{kind: kindPong}})
			}
		default:
			err = fmt.Errorf("%w: a frame of kind %d from the dialler", ErrProtocol, d.kind)
		}
		if err != nil {
			return err
		}
	}
}

// message hands a one-way message to its handler.
func (c *conn) message(d *header) error {
	p, err := c.w.payload(d, c.oneWay)
	if err != nil {
		return err
	}
	if cap(p) <= oneWayKept {
		c.oneWay = p
	}
	e := c.s.endpoints[d.method]
	if e == nil || e.oneWay == nil || c.peer.Cluster.IsZero() {
		probe.Hit(probe.RPCOneWayIgnored)
		return nil
	}
	c.s.stats.oneWays.Add(1)
	e.oneWay(&c.peer, p)
	return nil
}

// request reads a request and starts its handler, or refuses it.
func (c *conn) request(d *header) error {
	arrived := c.s.h.Now()
	e, no := c.judge(d)
	if no == nil {
		if no = c.reserve(d, arrived); no == nil && host.Buggify(c.s.h, "rpc.busy") {
			c.budget().requests.Release(int64(d.size))
			no = &Status{Code: CodeBusy, Text: "too busy"}
		}
	}
	if no != nil {
		if err := c.w.skip(d); err != nil {
			return err
		}
		c.s.stats.refused.Add(1)
		return c.say(c.refusal(d, no))
	}
	p, err := c.w.payload(d, nil)
	if err == nil {
		err = c.begin(e, d, p, arrived)
	}
	if err != nil {
		c.budget().requests.Release(int64(d.size))
	}
	return err
}

// judge finds the method of a request, and why it is refused before it was read.
func (c *conn) judge(d *header) (*endpoint, *Status) {
	e := c.s.endpoints[d.method]
	switch {
	case e == nil || e.Handler == nil:
		return nil, &Status{Code: CodeNoMethod, Text: fmt.Sprintf("node %d does not serve method %d",
			c.s.cfg.Node, d.method)}
	case c.peer.Cluster.IsZero() && !e.Stranger:
		probe.Hit(probe.RPCStranger)
		return nil, &Status{Code: CodeStrangers, Text: e.Name + " is for nodes of the cluster"}
	case d.size > e.RequestMax:
		probe.Hit(probe.RPCRequestTooLarge)
		return nil, &Status{Code: CodeTooLarge, Text: fmt.Sprintf("%s takes %d bytes, not %d", e.Name, e.RequestMax, d.size)}
	case c.s.stopping.Load():
		probe.Hit(probe.RPCStopping)
		return nil, &Status{Code: CodeStopping, Text: fmt.Sprintf("node %d stops", c.s.cfg.Node)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owed >= c.s.cfg.InFlight {
		probe.Hit(probe.RPCInFlightFull)
		return nil, &Status{Code: CodeBusy, Text: fmt.Sprintf("%d requests of this connection are not answered", c.owed)}
	}
	return e, nil
}

// budget is the memory that the connection's requests and answers are counted against.
func (c *conn) budget() *budget { return &c.s.budgets[c.w.class] }

// reserve takes a request's memory. The wait for it holds the connection up, so it is short.
func (c *conn) reserve(d *header, arrived host.Time) *Status {
	if c.budget().requests.TryAcquire(int64(d.size)) {
		return nil
	}
	probe.Hit(probe.RPCMemoryWaited)
	sc, cancel := c.sc.Child(arrived.Add(memoryWait))
	defer cancel()
	if err := c.budget().requests.Acquire(sc, int64(d.size)); err != nil {
		probe.Hit(probe.RPCMemoryFull)
		return &Status{Code: CodeBusy, Text: "no memory for the request"}
	}
	return nil
}

// begin starts the handler of a request that was read.
func (c *conn) begin(e *endpoint, d *header, req []byte, arrived host.Time) error {
	var until host.Time
	if d.within != 0 {
		until = arrived.Add(time.Duration(d.within) * time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.inFlight[d.id]; twice {
		return fmt.Errorf("%w: request %d comes twice", ErrProtocol, d.id)
	}
	sc, cancel := c.sc.Child(until)
	c.inFlight[d.id] = cancel
	c.owed++
	c.tasks++
	id := d.id
	c.s.h.Go(sc, e.Name, func(sc *host.Scope) { c.handle(sc, e, id, req) })
	return nil
}

// handle is the task of one request.
func (c *conn) handle(sc *host.Scope, e *endpoint, id uint64, req []byte) {
	size := int64(len(req))
	o, answers := c.serve(sc, e, id, req)
	if answers {
		// The answer may be a part of the request, so the memory of both is counted until here.
		answers = c.budget().answers.Acquire(sc, int64(len(o.payload))) == nil
	}
	c.budget().requests.Release(size)
	c.mu.Lock()
	cancel := c.inFlight[id]
	if !invariant.Holds(cancel != nil, invariant.AnsweredOnce) {
		invariant.Fail(invariant.AnsweredOnce, "request %d of %s ends again", id, e.Name)
	}
	delete(c.inFlight, id)
	if answers {
		o.held, o.counted = int64(len(o.payload)), true
		c.enqueue(o)
	} else {
		probe.Hit(probe.RPCAnswerUnheard)
		c.owed--
	}
	c.mu.Unlock()
	cancel()
	c.endIfQuiet()
	c.leave()
}

// serve runs the handler when it is its turn. false means that nobody waits for the answer.
func (c *conn) serve(sc *host.Scope, e *endpoint, id uint64, req []byte) (outgoing, bool) {
	d := header{id: id, method: e.Method}
	if !e.turns.TryAcquire(1) {
		probe.Hit(probe.RPCTurnWaited)
		err := e.turns.Acquire(sc, 1)
		if err == nil {
			if err = sc.Err(); err != nil {
				e.turns.Release(1) // the turn came with the end
			}
		}
		if err != nil {
			return c.refusal(&d, &Status{Code: CodeBusy, Text: e.Name + " had no turn in time"}), err == host.ErrTimeout
		}
	}
	defer e.turns.Release(1)
	c.s.stats.requests.Add(1)
	answer, err := e.Handler(sc, &c.peer, req)
	no, limit := statusOf(err), c.w.class.PayloadMax()
	switch {
	case errors.Is(sc.Err(), host.ErrCancelled), no != nil && no.Code == CodeFailed && sc.Err() != nil:
		return outgoing{}, false
	case no != nil:
		return c.refusal(&d, no), true
	case len(answer) > limit:
		probe.Hit(probe.RPCAnswerTooLarge)
		return c.refusal(&d, &Status{Code: CodeFailed, Text: fmt.Sprintf("the answer of %s has %d bytes, at most %d fit",
			e.Name, len(answer), limit)}), true
	}
	d.kind = kindAnswer
	return outgoing{header: d, payload: answer}, true
}

// statusOf is how a handler's error is answered; nil if it has none. Codes of this package are not for handlers: they
// would promise that none ran.
func statusOf(err error) *Status {
	if err == nil {
		return nil
	}
	var s *Status
	if errors.As(err, &s) && s.Code >= CodeFirst {
		return s
	}
	return &Status{Code: CodeFailed, Text: err.Error()}
}

func (c *conn) refusal(d *header, s *Status) outgoing {
	return outgoing{
		header:  header{kind: kindRefusal, method: d.method, id: d.id},
		payload: s.append(nil, c.w.class),
	}
}

// cancelled ends the scope of a request's handler, if it runs.
func (c *conn) cancelled(id uint64) {
	c.mu.Lock()
	cancel := c.inFlight[id]
	c.mu.Unlock()
	if cancel != nil {
		probe.Hit(probe.RPCCancelled)
		cancel()
	}
}

// say queues what the reader itself has to say. It waits while too much of that has not left.
func (c *conn) say(o outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) >= controlMax+c.owed && !c.shuts {
		probe.Hit(probe.RPCSayWaited)
		if err := c.room.Wait(c.sc, 0); err != nil {
			return err
		}
	}
	c.enqueue(o)
	return nil
}

// enqueue queues a frame for the writer, or drops it if the connection is shut.
func (c *conn) enqueue(o outgoing) {
	if c.shuts {
		c.dropped(&o)
		return
	}
	c.queue = append(c.queue, o)
	c.work.Signal()
}

// dropped settles a frame that has left or never will.
func (c *conn) dropped(o *outgoing) {
	if o.held > 0 {
		c.budget().answers.Release(o.held)
	}
	if o.counted {
		c.owed--
		if !invariant.Holds(c.owed >= 0, invariant.AnsweredOnce) {
			invariant.Fail(invariant.AnsweredOnce, "connection %d owes %d answers", c.id, c.owed)
		}
	}
}

// write is the writer's task.
func (c *conn) write() {
	var err error
	for err == nil && c.take() {
		if host.Buggify(c.s.h, "rpc.answer.cut") {
			err = fmt.Errorf("cut on request: %w", host.ErrReset)
		} else {
			err = c.w.write(c.batch)
		}
		c.mu.Lock()
		for i := range c.batch {
			c.dropped(&c.batch[i])
		}
		c.writing = false
		c.mu.Unlock()
		c.endIfQuiet()
	}
	if errors.Is(err, host.ErrTimeout) && !c.s.stopping.Load() {
		c.s.h.Log().Warn("connection of a node closed", "peer", c.peer.Addr, "node", c.peer.Node,
			"why", "it leaves its answers unread")
	}
	c.shut()
	c.leave()
}

// take waits for frames and moves them to the batch; false means that the connection ends.
func (c *conn) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.shuts {
		if err := c.work.Wait(c.sc, 0); err != nil {
			return false
		}
	}
	if c.shuts {
		return false
	}
	c.writing = true
	clear(c.batch)
	c.batch = c.batch[:0]
	size, n := 0, 0
	for ; n < len(c.queue) && n < batchFrames; n++ {
		if size += c.queue[n].bytes(); n > 0 && size > batchBytes {
			break
		}
	}
	c.batch = append(c.batch, c.queue[:n]...)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	c.room.Broadcast()
	return true
}

// endIfQuiet shuts a connection that nothing is owed to, when the server stops.
func (c *conn) endIfQuiet() {
	if !c.s.stopping.Load() {
		return
	}
	c.mu.Lock()
	quiet := c.owed == 0 && len(c.queue) == 0 && !c.writing
	c.mu.Unlock()
	if quiet {
		c.shut()
	}
}

// shut ends the connection: its handlers' scopes end, what was not written is dropped, its tasks wake.
func (c *conn) shut() {
	c.mu.Lock()
	already := c.shuts
	c.shuts = true
	for i := range c.queue {
		c.dropped(&c.queue[i])
	}
	clear(c.queue)
	c.queue = c.queue[:0]
	c.work.Broadcast()
	c.room.Broadcast()
	c.mu.Unlock()
	if !already {
		c.cancel()
		_ = c.nc.Close() // wakes who reads or writes
	}
}

// leave ends a task's part in the connection; the last one takes it off the server.
func (c *conn) leave() {
	c.mu.Lock()
	c.tasks--
	last := c.tasks == 0
	c.mu.Unlock()
	if last {
		c.s.forget(c)
	}
}
