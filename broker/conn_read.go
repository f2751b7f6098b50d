package broker

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

const (
	// connReadBytes is what one quiet connection keeps for reading: 10,000 of them are 2.5 MB.
	connReadBytes = 256
	// quietReads is after how many reads that the small buffer would have held the larger one goes back.
	quietReads = 16
	// readStallMax is how long a client may pause in the middle of a request before it is cut off: the
	// memory of a large one is taken from everybody.
	readStallMax = host.Time(10e9)
	// readStallSlack is how much earlier than that it may be: the deadline is not moved by less.
	readStallSlack = host.Time(1e9)
)

// intake is what a connection reads through: a small buffer of its own while it is quiet, a larger one lent
// by the broker while it sends more than fits, so that a small request costs one read or less.
type intake struct {
	h      host.Host
	nc     host.Conn
	arm    func() // bounds the next read; called in the middle of a request
	disarm func() // lifts the bound; called between two requests
	from   *buffers
	buf    []byte // small, or the lent one
	lo, hi int    // what was read and not yet taken
	quiet  int    // reads in a row that the small buffer would have held
	lent   *lent
	small  [connReadBytes]byte
}

func (r *intake) init(h host.Host, nc host.Conn, from *buffers, arm, disarm func()) {
	r.h, r.nc, r.from, r.arm, r.disarm = h, nc, from, arm, disarm
	r.buf = r.small[:]
}

// close gives the lent buffer back.
func (r *intake) close() { r.giveBack() }

// peek returns the next n bytes, at most as many as the buffer holds. They stay until the next call.
func (r *intake) peek(n int) ([]byte, error) {
	for r.hi-r.lo < n {
		if err := r.more(); err != nil {
			return nil, err
		}
	}
	return r.buf[r.lo : r.lo+n], nil
}

// await waits until n bytes have come, or as many of them as the buffer holds.
func (r *intake) await(n int) error {
	for r.hi-r.lo < min(n, len(r.buf)) {
		if err := r.more(); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether n bytes fit in the buffer.
func (r *intake) holds(n int) bool { return n <= len(r.buf) }

// skip takes n bytes that peek returned.
func (r *intake) skip(n int) { r.lo += n }

// read fills p from the buffer and then from the wire.
func (r *intake) read(p []byte) error {
	n := copy(p, r.buf[r.lo:r.hi])
	r.lo += n
	for p = p[n:]; len(p) > 0; p = p[n:] {
		r.arm()
		var err error
		if n, err = r.nc.Read(p); n == 0 && err != nil {
			return err
		}
	}
	r.quiet = 0
	return nil
}

// more reads once, behind what is there.
func (r *intake) more() error {
	if r.lo < r.hi {
		r.arm()
	} else {
		r.disarm() // only now: while requests follow each other the bound stays where it is
		if r.quiet >= quietReads {
			r.giveBack() // it may be quiet from now on
		}
	}
	r.hi = copy(r.buf, r.buf[r.lo:r.hi])
	r.lo = 0
	room := r.buf[r.hi:]
	if host.Buggify(r.h, "broker.conn.short-read") {
		room = room[:1]
	}
	n, err := r.nc.Read(room)
	if n == 0 && err != nil {
		return err
	}
	r.hi += n
	if r.quiet++; n >= connReadBytes {
		r.quiet = 0
	}
	if r.hi == len(r.buf) && r.lent == nil {
		r.borrow()
	}
	return nil
}

// borrow moves to a larger buffer, unless all are lent.
func (r *intake) borrow() {
	if r.lent = r.from.lend(); r.lent != nil {
		r.hi = copy(r.lent[:], r.buf[r.lo:r.hi])
		r.lo, r.buf = 0, r.lent[:]
	}
}

// giveBack moves an empty intake to its own buffer.
func (r *intake) giveBack() {
	if r.lent != nil {
		r.from.giveBack(r.lent)
		r.lent, r.buf, r.lo, r.hi = nil, r.small[:], 0, 0
	}
}

// read takes requests off the wire until the connection or its scope ends.
func (c *conn) read() error {
	for {
		if c.in.lo == c.in.hi && host.Buggify(c.b.h, "broker.conn.idle") {
			return nil // as if it had been idle for too long
		}
		head, err := c.in.peek(4 + requestBytesMin)
		if err != nil {
			return err
		}
		size := int64(int32(binary.BigEndian.Uint32(head)))
		key := int16(binary.BigEndian.Uint16(head[4:]))
		limit := int64(requestBytesMax)
		if key == 0 {
			limit = produceRequestBytesMax
		}
		if size < requestBytesMin || size > limit {
			return hangUp("request of %d bytes with key %d; the limit is %d: "+
				"is this a Kafka client?", size, key, limit)
		}
		// Memory is not held for what is only promised: it is taken when the request is in the buffer, or
		// has filled it.
		if err := c.in.await(4 + int(size)); err != nil {
			return halfRead(err, size)
		}
		c.b.dawdle(c.sc, "broker.conn.admission")
		if err := c.b.admit(c.sc, size); err != nil {
			return err
		}
		if err := c.take(key, int(size)); err != nil {
			c.b.requestMemory.Release(size)
			return err
		}
	}
}

// admit takes a request's memory.
func (b *Broker) admit(sc *host.Scope, size int64) error {
	if b.requestMemory.TryAcquire(size) {
		return nil
	}
	probe.Hit(probe.BrokerMemoryWaited)
	return b.requestMemory.Acquire(sc, size)
}

// halfRead explains a connection that ended in the middle of a request of size bytes.
func halfRead(err error, size int64) error {
	switch {
	case errors.Is(err, host.ErrTimeout):
		return hangUp("the client paused for 10 s in the middle of a request of %d bytes", size)
	case errors.Is(err, io.EOF):
		probe.Hit(probe.BrokerHalfRequest)
		return hangUp("the client left in the middle of a request of %d bytes", size)
	}
	return err
}

// take reads one request and begins it. A Produce request is used up by then, so its bytes stay in the
// buffer they were read into; the others keep theirs.
func (c *conn) take(key int16, size int) error {
	var call *call
	if key == 0 {
		call = c.b.buffers.produceCall()
	} else {
		call = newCall()
	}
	call.conn, call.bytes, call.received = c, int64(size), c.b.h.Now()
	var frame []byte
	switch {
	case key != 0:
		frame = make([]byte, size)
	case c.in.holds(4 + size):
		p, err := c.in.peek(4 + size)
		if err != nil {
			return err
		}
		defer c.in.skip(4 + size)
		return c.begin(call, p[4:])
	default:
		frame = c.b.buffers.get(size)
		defer c.b.buffers.put(frame)
	}
	c.in.skip(4)
	if err := c.in.read(frame); err != nil {
		return halfRead(err, int64(size))
	}
	return c.begin(call, frame)
}

// begin decodes a request, starts it and puts it in the line of those to answer.
func (c *conn) begin(call *call, frame []byte) error {
	body, err := c.b.decodeHeader(frame, call)
	if err == nil && !call.done {
		err = call.decode(body)
	}
	if err == nil && !call.done && call.api.begin != nil {
		err = call.api.begin(c.b, c.sc, call)
	}
	if err != nil {
		return err
	}
	return c.enqueue(call)
}
