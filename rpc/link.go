package rpc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

const (
	backoffMin    = 20 * time.Millisecond // after the first dial that failed; doubled for each further one
	backoffMax    = time.Second
	backoffConfig = 10 * time.Second // after one that fails until somebody changes a setting
	youngConn     = time.Second      // a connection that was lost before counts as a dial that failed
	idleMax       = 2 * time.Minute  // without anything to send or to wait for, a link ends
)

// errIdle ends the connection of a link that has had nothing to do.
var errIdle = errors.New("rpc: idle")

// link is what a Pool has with one address and class. Its task connects when there is something to send, and is
// the connection's writer; a second task reads.
//
//	idle ─▶ dialling ─▶ connected ─▶ idle …      enqueue fails at once only in the pause after a failure
type link struct {
	p   *Pool
	h   host.Host
	key linkKey
	rng *rand.Rand // the task's own

	mu      host.Mutex // guards the fields below
	work    host.Cond  // signalled when the task has something to look at
	queue   []outgoing // what waits to be written
	calls   int        // queued and sent, not ended
	sends   int        // one-way messages in queue
	bytes   int64      // of those
	pending map[uint64]*call
	lastID  uint64 // ids are never used again, on no connection of the link
	wire    *wire
	readErr error // why the reader of wire ended
	retryAt host.Time
	lastErr error     // why retryAt is set
	fails   int       // dials that failed in a row
	used    host.Time // when there was something to do
	retired bool      // no longer in the pool

	batch []outgoing // the task's own
}

func newLink(p *Pool, key linkKey) *link {
	l := &link{p: p, h: p.h, key: key, pending: map[uint64]*call{}}
	l.rng = p.h.Rand("rpc." + key.class.String() + "." + key.addr)
	l.mu.Init(p.h)
	l.work.Init(p.h, &l.mu)
	l.used = p.h.Now()
	return l
}

// enqueue puts o in the queue. false without an error means that the link has left the pool.
func (l *link) enqueue(o *outgoing) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired {
		return false, nil
	}
	if l.retryAt != 0 && l.h.Now() < l.retryAt {
		probe.Hit(probe.RPCFailedFast)
		return false, l.lastErr
	}
	if c := o.call; c != nil {
		if l.calls >= l.p.cfg.Calls {
			probe.Hit(probe.RPCCallsFull)
			return false, ErrFull
		}
		l.calls++
		l.lastID++
		c.id, o.id = l.lastID, l.lastID
	} else {
		if l.sends >= l.p.cfg.Sends || l.sends > 0 && l.bytes+int64(o.bytes()) > l.sendBytes() {
			return false, ErrFull
		}
		l.sends++
		l.bytes += int64(o.bytes())
	}
	l.used = l.h.Now()
	l.queue = append(l.queue, *o)
	l.work.Signal()
	return true, nil
}

func (l *link) sendBytes() int64 {
	switch {
	case l.p.cfg.SendBytes != 0:
		return l.p.cfg.SendBytes
	case l.key.class == Bulk:
		return 64 << 20
	}
	return 4 << 20
}

// leave ends a call whose caller waits no longer with why, unless it has ended meanwhile.
func (l *link) leave(c *call, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch c.stage {
	case queued:
		probe.Hit(probe.RPCLeftQueued)
		i := slices.IndexFunc(l.queue, func(o outgoing) bool { return o.call == c })
		l.queue = slices.Delete(l.queue, i, i+1)
		l.finish(c, outcome{err: why, class: ErrUnreachable})
	case sent:
		delete(l.pending, c.id)
		if !errors.Is(why, host.ErrTimeout) { // the other end knows the deadline
			probe.Hit(probe.RPCCancelSent)
			l.queue = append(l.queue, outgoing{header: header{kind: kindCancel, id: c.id}})
			l.work.Signal()
		}
		l.finish(c, outcome{err: why, class: ErrUnknown})
	}
}

// finish ends a call.
func (l *link) finish(c *call, o outcome) {
	l.calls--
	l.used = l.h.Now()
	c.end(o)
}

// run is the link's task.
func (l *link) run(sc *host.Scope) {
	for {
		if l.await(sc) {
			w, err := l.connect(sc)
			begun := l.h.Now()
			if err == nil {
				err = l.serve(sc, w)
			}
			l.lost(sc, err, l.h.Now().Sub(begun) >= youngConn)
		}
		if l.p.forget(l, sc.Err() != nil) {
			return
		}
	}
}

// await waits for something to send. false means that there was nothing for long, or the pool ends.
func (l *link) await(sc *host.Scope) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		err := l.work.Wait(sc, l.used.Add(idleMax))
		if err != nil && len(l.queue) == 0 {
			return false
		}
	}
	return sc.Err() == nil
}

// retire takes the link out of use: because it must, or if nothing was to do for long.
func (l *link) retire(must bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !must && (len(l.queue) > 0 || l.h.Now() < l.used.Add(idleMax)) {
		return false
	}
	if !must {
		probe.Hit(probe.RPCLinkIdle)
	}
	l.retired = true
	l.drop(ErrClosed)
	return true
}

// connect dials and exchanges hellos.
func (l *link) connect(sc *host.Scope) (*wire, error) {
	l.p.stats.dials.Add(1)
	until := l.h.Now().Add(helloWithin)
	dial, cancel := sc.Child(until)
	nc, err := l.h.Network().Dial(dial, l.key.addr)
	cancel()
	if err != nil {
		return nil, err
	}
	w := newWire(l.h, nc)
	w.class = l.key.class
	l.mu.Lock()
	l.wire, l.readErr = w, nil
	l.mu.Unlock()
	mine := hello{low: versionLow, high: versionHigh, Identity: l.p.cfg.Identity, class: l.key.class}
	var theirs hello
	if err = sc.Err(); err == nil { // who ends the scope from now on finds the wire to cut
		err = w.sendHello(&mine, until)
	}
	if err == nil {
		theirs, err = w.takeHello(until)
	}
	if err == nil {
		err = mine.accept(&theirs)
	}
	if err != nil {
		_ = nc.Close() // err tells more
		return nil, fmt.Errorf("say hello: %w", err)
	}
	w.boundReads(0)
	return w, nil
}

// cut closes the connection, if there is one.
func (l *link) cut() {
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	if w != nil {
		_ = w.nc.Close() // may be closed already
	}
}

// serve writes to a connection until it ends, and returns why.
func (l *link) serve(sc *host.Scope, w *wire) error {
	var reader host.Future[struct{}]
	reader.Init(l.h)
	l.h.Go(sc, "rpc.receive", func(*host.Scope) {
		err := l.receive(w)
		_ = w.nc.Close() // the writer may be in the middle of a write
		l.mu.Lock()
		l.readErr = err
		l.work.Signal()
		l.mu.Unlock()
		reader.Complete(struct{}{}, nil)
	})
	err := l.transmit(sc, w)
	_ = w.nc.Close()           // wakes the reader
	_, _ = reader.Wait(nil, 0) // fails only on a dead machine
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readErr != nil && errors.Is(err, host.ErrClosed) {
		err = l.readErr // the reader closed it
	}
	return err
}

// transmit writes what is queued.
func (l *link) transmit(sc *host.Scope, w *wire) error {
	pinged := host.Time(0)
	for {
		batch, err := l.take(sc, w, &pinged)
		if err != nil {
			return err
		}
		if err := w.write(batch); err != nil {
			return err
		}
		if host.Buggify(l.h, "rpc.call.cut") {
			return fmt.Errorf("cut on request: %w", host.ErrReset)
		}
	}
}

// take waits for something to write. pinged is when a ping was written that nothing was heard after.
func (l *link) take(sc *host.Scope, w *wire, pinged *host.Time) ([]outgoing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.batch)
	l.batch = l.batch[:0]
	for {
		if l.readErr != nil {
			return nil, l.readErr
		}
		if err := sc.Err(); err != nil {
			return nil, err
		}
		now, heard := l.h.Now(), w.lastHeard()
		if *pinged != 0 && heard >= *pinged {
			*pinged = 0
		}
		wake := heard.Add(pingEvery)
		switch {
		case *pinged != 0:
			if wake = pinged.Add(l.patience()); now >= wake {
				probe.Hit(probe.RPCSilentPeer)
				return nil, fmt.Errorf("%w for %v", ErrSilent, now.Sub(heard))
			}
		case now >= wake:
			*pinged = now
			l.batch = append(l.batch, outgoing{header: header{kind: kindPing}})
			wake = now.Add(l.patience())
		}
		l.fill(now)
		if len(l.batch) > 0 {
			return l.batch, nil
		}
		if l.calls == 0 && now >= l.used.Add(idleMax) {
			return nil, errIdle
		}
		// An outcome other than nil shows in what the loop looks at.
		_ = l.work.Wait(sc, wake)
	}
}

func (l *link) patience() time.Duration {
	if l.key.class == Bulk {
		return silenceBulk
	}
	return silence
}

// fill moves queued frames to the batch: from here on their calls are sent.
func (l *link) fill(now host.Time) {
	size, n := 0, 0
	for ; n < len(l.queue) && n < batchFrames; n++ {
		o := &l.queue[n]
		if size += o.bytes(); n > 0 && size > batchBytes {
			break
		}
		switch {
		case o.kind == kindOneWay:
			l.sends--
			l.bytes -= int64(o.bytes())
			l.p.stats.sent.Add(1)
		case o.call != nil:
			o.within = within(o.until.Sub(now))
			o.call.stage = sent
			l.pending[o.id] = o.call
		}
		l.batch = append(l.batch, *o)
	}
	if n > 0 {
		l.used = now
		l.queue = slices.Delete(l.queue, 0, n)
	}
}

// within returns what is left of a call's time for the wire: at least a millisecond.
func within(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(max(1, min(ms, 1<<32-1)))
}

// receive reads frames until the connection ends, and returns why it did.
func (l *link) receive(w *wire) error {
	for {
		d, err := w.next()
		if err != nil {
			return err
		}
		switch d.kind {
		case kindPong:
			err = w.skip(&d)
		case kindAnswer, kindRefusal:
			err = l.answered(w, &d)
		default:
			err = fmt.Errorf("%w: a frame of kind %d from the end that was dialled", ErrProtocol, d.kind)
		}
		if err != nil {
			return err
		}
	}
}

// answered reads an answer and gives it to its call. R2: a call ends with the answer of its id and method.
func (l *link) answered(w *wire, d *header) error {
	l.mu.Lock()
	c, issued := l.pending[d.id], d.id <= l.lastID
	l.mu.Unlock()
	switch {
	case !issued, c != nil && c.method != d.method:
		return fmt.Errorf("%w: answer %d of method %d was never asked for", ErrProtocol, d.id, d.method)
	case c == nil:
		probe.Hit(probe.RPCAnswerLate)
		return w.skip(d)
	}
	p, err := w.payload(d, nil)
	if err != nil {
		return err
	}
	o := outcome{answer: p}
	if d.kind == kindRefusal {
		s, err := decodeStatus(p)
		if err != nil {
			return err
		}
		o = outcome{err: s}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[d.id] == c {
		delete(l.pending, d.id)
		l.finish(c, o)
	}
	return nil
}

// lost ends what a connection, or the attempt to make one, leaves behind. steady says that it lived for a while.
func (l *link) lost(sc *host.Scope, why error, steady bool) {
	if sc.Err() != nil {
		why = ErrClosed
	}
	fails := l.settle(why, steady)
	if why == errIdle || why == ErrClosed {
		return
	}
	l.p.stats.lost.Add(1)
	if fails <= 1 && !quiet(why) {
		l.h.Log().WarnContext(sc, "no connection to a node", "address", l.key.addr, "class", l.key.class.String(),
			"why", why)
	}
	if l.p.cfg.Down != nil {
		l.p.cfg.Down(l.key.addr, l.key.class, why)
	}
}

// settle ends the calls of a lost connection: those that were sent are unknown. Those that were not go on the next
// connection, unless there is a pause before it; then they are unreachable. It returns the failures in a row.
func (l *link) settle(why error, steady bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wire = nil
	ids := make([]uint64, 0, len(l.pending))
	for id := range l.pending {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		l.finish(l.pending[id], outcome{err: why, class: ErrUnknown})
	}
	clear(l.pending)
	if len(ids) > 0 {
		probe.Hit(probe.RPCLostPending)
	}
	l.queue = slices.DeleteFunc(l.queue, func(o outgoing) bool { return o.kind == kindCancel })
	if steady || why == errIdle {
		l.fails = 0
		if len(l.queue) > 0 && why != errIdle {
			probe.Hit(probe.RPCKeptQueued)
		}
		return 0
	}
	l.fails++
	l.lastErr = why
	l.retryAt = l.h.Now().Add(l.pause(why))
	l.drop(why)
	return l.fails
}

// pause is how long nothing is dialled after a failure.
func (l *link) pause(why error) time.Duration {
	if permanent(why) {
		return backoffConfig
	}
	d := min(backoffMax, backoffMin<<min(l.fails-1, 10))
	return d/2 + time.Duration(l.rng.Int64N(int64(d/2)))
}

// drop empties the queue.
func (l *link) drop(why error) {
	for i := range l.queue {
		switch o := &l.queue[i]; {
		case o.call != nil:
			l.finish(o.call, outcome{err: why, class: ErrUnreachable})
		case o.kind == kindOneWay:
			l.p.stats.dropped.Add(1)
		}
	}
	clear(l.queue)
	l.queue, l.sends, l.bytes = l.queue[:0], 0, 0
}
