package broker

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/weirmq/weir/host"
)

const (
	// connReadBytes is what one idle connection keeps for reading: 10,000 of them are 5 MB.
	connReadBytes = 512
	// answersMax bounds the requests of one connection that wait for their answers; past it the
	// connection is not read further.
	answersMax = 128
	// writeStallMax is how long a client may leave its answers unread before it is cut off.
	writeStallMax = host.Time(60e9)
)

// conn is one client connection: a reader task that decodes requests and begins them, and a responder
// task, started with the first request, that answers them in order (DESIGN §3).
//
//	reader:    header ─ body ─ decode ─ begin (Produce appends) ─▶ answers ─▶ next request
//	responder:                                          answers ─▶ finish (waits) ─ writev
type conn struct {
	id      uint64 // in the order of arrival
	b       *Broker
	nc      host.Conn
	sc      *host.Scope
	cancel  func()
	answers host.Queue[*call]
	started bool // responder; reader task only

	in         [connReadBytes]byte // reader task only
	inLo, inHi int

	mu      host.Mutex  // guards waiting
	waiting host.Parker // the responder's, while a Fetch long-polls
}

// serve runs a connection until it ends and closes it.
func (b *Broker) serve(sc *host.Scope, nc host.Conn) {
	c := &conn{b: b, nc: nc}
	c.mu.Init(b.h)
	c.answers.Init(b.h, answersMax)
	c.sc, c.cancel = sc.Child(0)
	b.addConn(c)
	defer func() {
		c.answers.Close()
		if !c.started {
			c.shut()
		}
	}()
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

// read takes requests off the wire until the connection or its scope ends.
func (c *conn) read() error {
	var head [4 + requestBytesMin]byte
	for {
		if err := c.readFull(head[:]); err != nil {
			return err
		}
		call, buf, err := c.readRequest(head[:])
		if err != nil {
			return err
		}
		if call.api != nil && call.api.begin != nil && !call.done {
			err = call.api.begin(c.b, c.sc, call)
			c.b.buffers.put(buf)
			if err != nil {
				c.b.requestMemory.Release(call.bytes)
				return err
			}
		}
		if err := c.enqueue(call); err != nil {
			c.b.requestMemory.Release(call.bytes)
			return err
		}
	}
}

// readRequest reads the rest of the frame that begins with head. The returned buffer is the frame's; it
// belongs to the pool once begin has used it, or to the garbage collector where there is no begin.
func (c *conn) readRequest(head []byte) (*call, []byte, error) {
	size := int64(int32(binary.BigEndian.Uint32(head)))
	key := int16(binary.BigEndian.Uint16(head[4:]))
	limit := int64(requestBytesMax)
	if key == 0 {
		limit = produceRequestBytesMax
	}
	if size < requestBytesMin || size > limit {
		return nil, nil, hangUp("request of %d bytes with key %d; the limit is %d: "+
			"is this a Kafka client?", size, key, limit)
	}
	if err := c.b.requestMemory.Acquire(c.sc, size); err != nil {
		return nil, nil, err
	}
	call := &call{conn: c, bytes: size, received: c.b.h.Now()}
	var buf []byte
	if key == 0 {
		buf = c.b.buffers.get(int(size))
	} else {
		buf = make([]byte, size)
	}
	copy(buf, head[4:])
	err := c.readFull(buf[requestBytesMin:])
	var body []byte
	if err == nil {
		body, err = c.b.decodeHeader(buf, call)
	}
	if err == nil && !call.done {
		err = call.decode(body)
	}
	if err != nil {
		c.b.requestMemory.Release(size)
		return nil, nil, err
	}
	return call, buf, nil
}

// readFull fills p from the connection's small buffer and then from the wire.
func (c *conn) readFull(p []byte) error {
	for len(p) > 0 {
		if c.inLo < c.inHi {
			n := copy(p, c.in[c.inLo:c.inHi])
			c.inLo += n
			p = p[n:]
			continue
		}
		into := c.in[:]
		if len(p) >= connReadBytes {
			into = p
		}
		n, err := c.nc.Read(into)
		if n == 0 && err != nil {
			return err
		}
		if len(p) >= connReadBytes {
			p = p[n:]
		} else {
			c.inLo, c.inHi = 0, n
		}
	}
	return nil
}

// enqueue hands the call to the responder and tells a Fetch that long-polls there to answer at once.
func (c *conn) enqueue(call *call) error {
	if !c.started {
		c.started = true
		c.b.h.Go(c.b.root, "broker.respond", func(sc *host.Scope) { c.respond() })
	}
	if err := c.answers.Push(c.sc, call); err != nil {
		return err
	}
	c.wake()
	return nil
}

// wake makes a Fetch that long-polls look again.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		c.waiting.Unpark()
	}
}

// respond answers the calls in order until the queue is closed and empty.
func (c *conn) respond() {
	defer c.shut()
	var failed bool
	for {
		call, err := c.answers.Pop(nil)
		if err != nil {
			return
		}
		if !failed {
			failed = !c.answer(call)
			if failed {
				c.cancel()
				c.nc.Close() // the reader wakes and closes the queue
			}
		}
		c.b.requestMemory.Release(call.bytes)
	}
}

// answer finishes one call and writes its reply; false means that the connection is lost.
func (c *conn) answer(call *call) bool {
	r := call.refused
	if !call.done {
		var err error
		if r, err = call.api.finish(c.b, c.sc, call); err != nil {
			if errors.Is(err, errHangUp) {
				c.b.h.Log().Warn("client connection closed", "client", c.nc.Peer().Addr, "why", err)
			}
			return false
		}
	}
	if r.release != nil {
		defer r.release()
	}
	if len(r.bufs) == 0 {
		return true
	}
	c.nc.SetDeadlines(0, c.b.h.Now()+writeStallMax)
	_, err := c.nc.Writev(r.bufs)
	if errors.Is(err, host.ErrTimeout) {
		c.b.h.Log().Warn("client connection closed", "client", c.nc.Peer().Addr,
			"why", "it left its answers unread for a minute")
	}
	c.b.counters.answered(call, c.b.h.Now())
	return err == nil
}

// behind reports whether another request waits behind the one being answered.
func (c *conn) behind() bool { return c.answers.Len() > 0 }

// setWaiting names the parker to wake when another request arrives; nil for none.
func (c *conn) setWaiting(p host.Parker) {
	c.mu.Lock()
	c.waiting = p
	c.mu.Unlock()
}
