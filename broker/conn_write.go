package broker

import (
	"errors"

	"github.com/weirmq/weir/host"
)

const (
	// writeStallMax is how long a client may leave its answers unread before it is cut off.
	writeStallMax = host.Time(60e9)
	// writeStallSlack is how much earlier than that it may be: the deadline is not moved by less.
	writeStallSlack = host.Time(5e9)
	// joinedMax is up to which size an answer waits for the next ones that are ready.
	joinedMax = 1 << 10
)

// outlet gathers answers that are ready one after the other, so that they leave in one write.
type outlet struct {
	buf    *outBuffer // nil while nothing is gathered and nobody is in line
	joined []byte     // the gathered answers, in buf
	calls  []*call    // whose answers they are
	line   []*call    // taken off the queue; those from at on are not answered
	at     int
	vec    [][]byte  // of the write
	cutoff host.Time // the connection's write deadline
}

// respond answers the calls in order until the queue is closed and empty. Answers that are ready when their
// turn comes leave together; nothing gathered is kept back while the next one waits.
func (c *conn) respond() {
	defer c.shut()
	lost := false
	for {
		if c.out.at == len(c.out.line) {
			if c.answers.Len() == 0 {
				lost = !c.flush(nil) || lost
				c.out.rest(c.b)
			}
			var err error
			c.out.at = 0
			if c.out.line, err = c.answers.Drain(nil, c.out.line[:0]); err != nil {
				return
			}
		}
		call := c.out.next()
		if !call.ready() {
			lost = !c.flush(nil) || lost
		}
		if lost {
			c.b.requestMemory.Release(call.bytes)
		} else {
			lost = !c.answer(call)
		}
		if lost {
			c.cancel()
			c.nc.Close() // the reader wakes and closes the queue
		}
	}
}

// next takes the oldest call of the line.
func (o *outlet) next() *call {
	call := o.line[o.at]
	o.line[o.at] = nil
	o.at++
	return call
}

// ready reports whether finish will not wait.
func (c *call) ready() bool {
	return c.done || c.produce != nil && (c.produce.acks == 0 || c.produce.done.Done())
}

// answer finishes one call and writes its reply, or keeps it for the next write; false means that the
// connection is lost.
func (c *conn) answer(call *call) bool {
	r := call.refused
	if !call.done {
		var err error
		if r, err = call.api.finish(c.b, c.sc, call); err != nil {
			if errors.Is(err, errHangUp) {
				c.b.h.Log().Warn("client connection closed", "client", c.nc.Peer().Addr, "why", err)
			}
			c.flush(nil) // what was ready before is owed
			c.b.requestMemory.Release(call.bytes)
			return false
		}
	}
	c.out.calls = append(c.out.calls, call)
	if r.release != nil {
		defer r.release()
	}
	if r.release != nil || !r.small() {
		return c.flush(r.bufs)
	}
	for _, p := range r.bufs {
		c.out.joined = append(c.out.gathered(c.b), p...)
	}
	full := len(c.out.joined) > outBytes-joinedMax || len(c.out.calls) >= answersMax
	if full || host.Buggify(c.b.h, "broker.conn.flush") {
		return c.flush(nil)
	}
	return true
}

// small reports whether the reply is nothing, or one short buffer.
func (r *reply) small() bool {
	return len(r.bufs) == 0 || len(r.bufs) == 1 && len(r.bufs[0]) <= joinedMax
}

// gathered returns the answers that wait to be written, in a buffer.
func (o *outlet) gathered(b *Broker) []byte {
	if o.buf == nil {
		o.buf = b.buffers.out()
		o.joined = o.buf[:0]
	}
	return o.joined
}

// room returns an empty slice of what is free behind the gathered answers: an answer that is encoded there
// is not copied.
func (o *outlet) room(b *Broker) []byte {
	p := o.gathered(b)
	return p[len(p):]
}

// rest gives the buffer back: the connection may be quiet for long.
func (o *outlet) rest(b *Broker) {
	if o.buf != nil {
		b.buffers.outBack(o.buf)
		o.buf, o.joined = nil, nil
	}
}

// flush writes what was gathered and bufs behind it, and reports whether the connection lives.
func (c *conn) flush(bufs [][]byte) bool {
	o := &c.out
	if len(o.calls) == 0 && len(bufs) == 0 {
		return true
	}
	ok, bytes := true, int64(0)
	now := c.b.h.Now()
	if len(o.joined) > 0 || len(bufs) > 0 {
		ok = c.write(now, bufs)
		now = c.b.h.Now()
	}
	for i, call := range o.calls {
		if ok {
			c.b.counters.answered(call, now)
		}
		bytes += call.bytes
		c.b.buffers.callBack(call)
		o.calls[i] = nil
	}
	if bytes > 0 {
		c.b.requestMemory.Release(bytes)
	}
	o.calls, o.joined = o.calls[:0], o.joined[:0]
	return ok
}

func (c *conn) write(now host.Time, bufs [][]byte) bool {
	o := &c.out
	if o.cutoff < now+writeStallMax-writeStallSlack {
		o.cutoff = now + writeStallMax
		c.cutOff(o.cutoff)
	}
	var err error
	if len(bufs) == 0 {
		_, err = c.nc.Write(o.joined)
	} else {
		if len(o.joined) > 0 {
			o.vec = append(append(o.vec[:0], o.joined), bufs...)
			bufs = o.vec
		}
		_, err = c.nc.Writev(bufs)
		clear(o.vec)
	}
	if errors.Is(err, host.ErrTimeout) {
		c.b.h.Log().Warn("client connection closed", "client", c.nc.Peer().Addr,
			"why", "it left its answers unread for a minute")
	}
	return err == nil
}
