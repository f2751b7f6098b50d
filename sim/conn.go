package sim

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/weirmq/weir/host"
)

// endpoint is one end of a connection: the host.Conn of its incarnation. Bytes, the orderly end and the
// flow control of each direction travel in order; a reset overtakes them.
type endpoint struct {
	id     uint64
	inc    *incarnation
	peer   *endpoint
	out    *link // from here to the peer
	remote string

	in       []byte // arrived and not read
	eof      bool   // the peer's orderly end has arrived
	err      error  // why the connection is over on this side: ErrClosed or ErrReset
	unread   int    // bytes written here that the peer has not read
	last     host.Time
	busy     host.Time // when the last byte written leaves this machine
	outbox   []parcel  // on the way, in order
	stuck    uint64    // which stall of the fabric holds the outbox; 0 = none
	hangs    bool      // nobody will ever accept it: fault.AcceptHang
	dialed   bool      // this end did
	flushes  func()    // flush, bound once
	repeats  bool      // nobody owns it: what arrives is dropped (fault.PacketRepeat)
	rd, wr   parker
	readers  int
	writers  int
	readEnd  host.Time // deadlines on the machine's clock
	writeEnd host.Time
}

var _ host.Conn = (*endpoint)(nil)

// connect makes both ends of a connection from inc to the listener's incarnation.
func (w *World) connect(inc *incarnation, l *listener) (near, far *endpoint) {
	w.network.conns++
	id := w.network.conns
	near = &endpoint{id: 2 * id, inc: inc, remote: l.addr}
	far = &endpoint{id: 2*id + 1, inc: l.inc}
	far.remote = fmt.Sprintf("%s:%d", inc.m.name, firstFreePort+id%(65536-firstFreePort))
	near.peer, far.peer = far, near
	near.dialed = true
	near.out, far.out = w.link(inc.m.name, l.inc.m.name), w.link(l.inc.m.name, inc.m.name)
	for _, e := range [...]*endpoint{near, far} {
		e.rd.init(e.inc)
		e.wr.init(e.inc)
		e.flushes = e.flush
		e.inc.ends = append(e.inc.ends, e)
	}
	w.note(KindNet, id, inc.m.id, l.inc.m.id)
	return near, far
}

// parcel is bytes or an orderly end on their way.
type parcel struct {
	arrives host.Time
	bytes   []byte // of the peer from then on, or
	fire    func()
}

// send puts something on the way to the peer, behind everything sent before.
func (e *endpoint) send(p parcel) {
	w := e.inc.w
	e.busy = max(e.busy, w.now) + host.Time(int64(len(p.bytes))*1_000_000_000/e.out.bandwidth(w.cfg.Net.Bandwidth))
	e.last = max(e.busy+w.trip(e.out), e.last)
	p.arrives = e.last
	e.outbox = append(e.outbox, p)
	w.After(e.last-w.now, e.flushes)
}

// flush delivers what has arrived by now, in the order it was sent. Over a cut link it waits, and breaks
// this side of the connection if that takes too long.
func (e *endpoint) flush() {
	w := e.inc.w
	for len(e.outbox) > 0 && e.outbox[0].arrives <= w.now && e.stuck == 0 {
		if e.out.shut() {
			e.stick()
			return
		}
		p := e.outbox[0]
		e.outbox = e.outbox[1:]
		if p.fire != nil {
			p.fire()
		} else {
			e.peer.receive(e, p.bytes)
		}
	}
}

func (e *endpoint) stick() {
	w := e.inc.w
	w.network.stalls++
	stall := w.network.stalls
	e.stuck = stall
	w.network.stuck = append(w.network.stuck, e)
	w.After(host.Time(w.cfg.Net.Stall), func() {
		if e.stuck == stall && e.err == nil && e.out.cut() {
			e.reset()
		}
	})
}

// hurry delivers at once what a slow link has not delivered yet: the link is slow no more.
func (w *World) hurry(l *link) {
	for _, m := range w.machines {
		if m.name != l.from || !m.Alive() {
			continue
		}
		for _, e := range m.inc.ends {
			if e.out != l || len(e.outbox) == 0 {
				continue
			}
			e.busy, e.last = min(e.busy, w.now), w.now
			for i := range e.outbox {
				e.outbox[i].arrives = min(e.outbox[i].arrives, w.now)
			}
			e.flush()
		}
	}
}

// Read implements io.Reader.
func (e *endpoint) Read(p []byte) (int, error) {
	if err := e.inc.gate(); err != nil {
		return 0, err
	}
	e.inc.w.self("conn read").checkHeld("conn read")
	e.readers++
	defer func() { e.readers-- }()
	if e.readers > 1 {
		panic("sim: two tasks read one Conn")
	}
	for {
		switch {
		case e.err == host.ErrClosed:
			return 0, e.fault("read")
		case e.late(e.readEnd):
			return 0, fmt.Errorf("read from %s: %w", e.remote, host.ErrTimeout)
		case len(e.in) > 0 || len(p) == 0:
			return e.take(p), nil
		case e.err != nil:
			return 0, e.fault("read")
		case e.eof:
			return 0, io.EOF
		}
		// The outcome does not matter: the deadline may have been moved meanwhile.
		_ = e.rd.park(nil, e.readEnd, "conn read", e.remote)
	}
}

// late reports whether a deadline has passed.
func (e *endpoint) late(end host.Time) bool { return end != 0 && e.inc.now() >= end }

// take moves arrived bytes to p and tells the peer of the room.
func (e *endpoint) take(p []byte) int {
	n := copy(p, e.in)
	if e.in = e.in[n:]; len(e.in) == 0 {
		e.in = nil
	}
	if n == 0 {
		return 0
	}
	e.inc.w.note(KindNet, e.id, uint64(n)<<8|1, 0) // which bytes: see post
	e.room(n)
	return n
}

// room tells the peer that n bytes less are unread.
func (e *endpoint) room(n int) {
	e.inc.w.post(&message{link: e.out, waits: true, to: e.peer, room: n})
}

// Write implements io.Writer. It blocks while the peer has too much to read.
func (e *endpoint) Write(p []byte) (int, error) { return e.write(p, false) }

// write is Write; own tells that nobody writes to p any more, so that it need not be copied.
func (e *endpoint) write(p []byte, own bool) (int, error) {
	k, err := e.inc.begin(OpSend, "", e.remote, 0, int64(len(p)))
	if err != nil {
		return 0, err
	}
	e.writers++
	defer func() { e.writers-- }()
	if e.writers > 1 {
		panic("sim: two tasks write one Conn")
	}
	n, err := e.push(p, own)
	if err != nil {
		return n, err
	}
	e.inc.finish(k)
	return n, nil
}

func (e *endpoint) push(p []byte, own bool) (int, error) {
	w := e.inc.w
	if e.err == nil {
		p = e.strikeSend(p)
	}
	done := 0
	for done < len(p) {
		if e.err != nil {
			return done, e.fault("write")
		}
		if e.late(e.writeEnd) {
			return done, fmt.Errorf("write to %s: %w", e.remote, host.ErrTimeout)
		}
		n := min(len(p)-done, w.cfg.Net.Buffer-e.unread)
		if n <= 0 {
			_ = e.wr.park(nil, e.writeEnd, "conn write", e.remote)
			continue
		}
		if part := p[done : done+n : done+n]; own {
			e.post(part)
		} else {
			e.post(append([]byte(nil), part...))
		}
		done += n
	}
	if e.err != nil {
		return done, e.fault("write")
	}
	return done, nil
}

// post sends p, which nobody writes to any more.
func (e *endpoint) post(p []byte) {
	e.unread += len(p)
	e.inc.w.note(KindNet, e.id, uint64(len(p))<<8|2, uint64(crc32.Checksum(p, castagnoli)))
	e.send(parcel{bytes: p})
}

// receive is the arrival of bytes that from has sent. They belong to e.
func (e *endpoint) receive(from *endpoint, bytes []byte) {
	switch {
	case e.repeats && e.err == nil:
		e.room(len(bytes))
	case e.err == nil:
		if len(e.in) == 0 {
			e.in = bytes
		} else {
			e.in = append(e.in, bytes...)
		}
		e.rd.Unpark()
	case e.inc.m.Alive():
		e.tellReset() // data for a connection that is over there
	default:
		w := e.inc.w
		w.After(host.Time(w.cfg.Net.Stall), func() { from.over(host.ErrReset) })
	}
}

// Writev implements host.Conn.
func (e *endpoint) Writev(bufs [][]byte) (int64, error) {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	all := make([]byte, 0, size)
	for _, b := range bufs {
		all = append(all, b...)
	}
	n, err := e.write(all, true)
	return int64(n), err
}

// SetDeadlines implements host.Conn.
func (e *endpoint) SetDeadlines(read, write host.Time) {
	if e.inc.dead {
		return
	}
	e.readEnd, e.writeEnd = read, write
	e.rd.Unpark()
	e.wr.Unpark()
}

// Peer implements host.Conn.
func (e *endpoint) Peer() host.Peer { return host.Peer{Addr: e.remote} }

// Close implements io.Closer: an orderly end after everything written, or a reset if bytes that arrived
// were not read.
func (e *endpoint) Close() error {
	if err := e.inc.gate(); err != nil {
		return err
	}
	if e.err != nil {
		already := e.err
		e.err = host.ErrClosed
		if already == host.ErrClosed {
			return e.fault("close")
		}
		return nil
	}
	unread := len(e.in) > 0
	e.over(host.ErrClosed)
	if unread {
		e.tellReset()
		return nil
	}
	e.sendEnd()
	return nil
}

// sendEnd sends the orderly end.
func (e *endpoint) sendEnd() {
	peer := e.peer
	e.inc.w.note(KindNet, e.id, 3, 0)
	e.send(parcel{fire: func() {
		peer.eof = true
		peer.rd.Unpark()
		if peer.hangs {
			peer.over(host.ErrClosed)
		}
	}})
}

// fault is the error of a call on an endpoint that is over.
func (e *endpoint) fault(op string) error { return fmt.Errorf("%s %s: %w", op, e.remote, e.err) }

// over ends this side and wakes its tasks.
func (e *endpoint) over(err error) {
	if e.err != nil {
		return
	}
	e.err = err
	switch {
	case err == host.ErrClosed:
		e.in = nil
	case e.stuck != 0:
		e.outbox = nil // nobody sends it again when the cut heals
	}
	e.rd.Unpark()
	e.wr.Unpark()
	for i, x := range e.inc.ends {
		if x == e {
			e.inc.ends = append(e.inc.ends[:i], e.inc.ends[i+1:]...)
			break
		}
	}
}

// reset breaks the connection on this side and tells the peer.
func (e *endpoint) reset() {
	e.over(host.ErrReset)
	e.tellReset()
}

// tellReset sends a reset: it overtakes data and is lost on a cut link.
func (e *endpoint) tellReset() {
	w, peer := e.inc.w, e.peer
	w.note(KindNet, e.id, 4, 0)
	w.after(e.out, false, func() { peer.over(host.ErrReset) })
}

// die ends this side because its incarnation did; tell says whether the peer hears of it.
func (e *endpoint) die(tell bool) {
	e.over(host.ErrReset)
	if tell {
		e.tellReset()
	}
}
