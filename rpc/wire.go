package rpc

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// What a connection is given. docs/format/rpc.md tells those that the other end relies on.
const (
	helloWithin = 3 * time.Second  // from dial or accept until the peer's hello
	pingEvery   = time.Second      // a dialler that heard nothing for so long asks
	silence     = 4 * time.Second  // … and on an urgent connection waits so long for anything to come
	silenceBulk = 16 * time.Second // … on a bulk connection
	listenerEnd = 16 * time.Second // a listener that hears nothing for so long hangs up
	writeStall  = 10 * time.Second // a write that the peer does not take, and
	writeRate   = 4 << 20          // … a second more for so many bytes

	readBytes   = 32 << 10  // of each connection's read buffer
	inlineBytes = 4 << 10   // up to this size a payload is copied behind its header
	batchBytes  = 256 << 10 // written at once, or one frame
	batchFrames = 256
	promised    = 1 << 20 // up to this size memory is taken for what has not come yet
)

// outgoing is a frame that waits for its connection's writer.
type outgoing struct {
	header
	payload []byte
	call    *call     // the client's: of a request
	until   host.Time // the client's: of a request
	held    int64     // the server's: what goes back to its budget when the frame has left
	counted bool      // the server's: it answers a request
}

// bytes is what the frame takes on the wire.
func (o *outgoing) bytes() int { return headerSize + len(o.payload) }

// wire is a connection of either end: one task reads frames from it, one writes frames to it.
type wire struct {
	h     host.Host
	nc    host.Conn
	class Class
	heard atomic.Int64 // host.Time of the latest bytes

	mu        host.Mutex // guards the deadlines
	readBy    host.Time
	writtenBy host.Time

	// The reader's.
	patience time.Duration // how long nothing may come, 0 for ever
	buf      []byte
	lo, hi   int    // what was read and not yet taken
	sum      uint32 // of the frame being read

	// The writer's.
	text []byte   // headers and small payloads of a batch
	vec  [][]byte // what a batch consists of
}

func newWire(h host.Host, nc host.Conn) *wire {
	w := &wire{h: h, nc: nc, buf: make([]byte, readBytes)}
	w.mu.Init(h)
	w.heard.Store(int64(h.Now()))
	return w
}

// boundReads bounds reads from now on, 0 for not at all. A bound is moved only if that matters.
func (w *wire) boundReads(t host.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t == 0 && w.readBy == 0 || t != 0 && w.readBy != 0 && t >= w.readBy && t.Sub(w.readBy) < time.Second {
		return
	}
	w.readBy = t
	w.nc.SetDeadlines(w.readBy, w.writtenBy)
}

func (w *wire) boundWrites(t host.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t >= w.writtenBy && t.Sub(w.writtenBy) < time.Second {
		return
	}
	w.writtenBy = t
	w.nc.SetDeadlines(w.readBy, w.writtenBy)
}

// lastHeard is when the latest bytes came.
func (w *wire) lastHeard() host.Time { return host.Time(w.heard.Load()) }

// sendHello sends what a connection begins with.
func (w *wire) sendHello(o *hello, until host.Time) error {
	w.boundWrites(until)
	_, err := w.nc.Write(o.append(make([]byte, 0, helloSize)))
	return err
}

// takeHello reads what a connection begins with.
func (w *wire) takeHello(until host.Time) (hello, error) {
	w.boundReads(until)
	for w.hi < helloSize {
		if w.hi >= len(magic) && string(w.buf[:len(magic)]) != magic {
			return hello{}, errNoHello
		}
		if err := w.more(); err != nil {
			return hello{}, err
		}
	}
	w.lo = helloSize
	return decodeHello(w.buf[:helloSize])
}

// more reads into the buffer, which has room.
func (w *wire) more() error {
	if w.lo > 0 {
		w.hi = copy(w.buf, w.buf[w.lo:w.hi])
		w.lo = 0
	}
	n, err := w.read(w.buf[w.hi:])
	w.hi += n
	return err
}

// read reads some bytes; no error comes with bytes.
func (w *wire) read(p []byte) (int, error) {
	if host.Buggify(w.h, "rpc.read.short") {
		p = p[:1]
	}
	if w.patience > 0 {
		w.boundReads(w.h.Now().Add(w.patience))
	}
	n, err := w.nc.Read(p)
	switch {
	case n > 0:
		w.heard.Store(int64(w.h.Now()))
		return n, nil
	case err == nil:
		return 0, io.ErrNoProgress
	case w.patience > 0 && errors.Is(err, host.ErrTimeout):
		probe.Hit(probe.RPCSilentDialler)
		return 0, fmt.Errorf("%w for %v", ErrSilent, w.patience)
	}
	return 0, err
}

// next reads the header of the next frame. io.EOF means that the peer left between two frames. The payload
// must be read, by payload or skip, before the next one.
func (w *wire) next() (header, error) {
	for w.hi-w.lo < headerSize {
		if err := w.more(); err != nil {
			if err == io.EOF && w.hi > w.lo {
				err = io.ErrUnexpectedEOF
			}
			return header{}, err
		}
	}
	p := w.buf[w.lo : w.lo+headerSize]
	w.lo += headerSize
	d, err := decodeHeader(p, w.class)
	w.sum = crc32.Checksum(p[4:], castagnoli)
	return d, err
}

// payload reads what follows the header d, into dst if it has room, and checks the frame. For what has not
// come yet it takes little memory.
func (w *wire) payload(d *header, dst []byte) ([]byte, error) {
	dst = dst[:0]
	for len(dst) < d.size {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(d.size, max(promised, 2*len(dst)))-len(dst))
		}
		part := dst[len(dst):min(cap(dst), d.size)]
		n, err := w.take(part)
		if err != nil {
			return nil, err
		}
		dst = dst[:len(dst)+n]
	}
	return dst, w.check(d)
}

// skip reads what follows the header d and drops it.
func (w *wire) skip(d *header) error {
	var drop [1 << 10]byte
	for left := d.size; left > 0; {
		n, err := w.take(drop[:min(left, len(drop))])
		if err != nil {
			return err
		}
		left -= n
	}
	return w.check(d)
}

// take reads some bytes of a payload.
func (w *wire) take(p []byte) (int, error) {
	n := copy(p, w.buf[w.lo:w.hi])
	if w.lo += n; n == 0 {
		var err error
		if n, err = w.read(p); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	w.sum = crc32.Update(w.sum, castagnoli, p[:n])
	return n, nil
}

func (w *wire) check(d *header) error {
	if w.sum == d.sum {
		return nil
	}
	probe.Hit(probe.RPCBadFrame)
	return fmt.Errorf("%w: a frame of kind %d and %d bytes has another checksum", ErrProtocol, d.kind, d.size)
}

// write writes the frames of a batch in order. After an error nobody knows which of them arrive.
func (w *wire) write(batch []outgoing) error {
	if len(batch) > 1 && host.Buggify(w.h, "rpc.write.single") {
		for i := range batch {
			if err := w.write(batch[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	text, vec, size, from := w.text[:0], w.vec[:0], 0, 0
	for i := range batch {
		o := &batch[i]
		text = o.header.append(text, o.payload)
		size += o.bytes()
		if len(o.payload) <= inlineBytes {
			text = append(text, o.payload...)
			continue
		}
		// A slice of text stays good when text grows into other memory: its bytes are not changed any more.
		vec = append(vec, text[from:], o.payload)
		from = len(text)
	}
	if from < len(text) {
		vec = append(vec, text[from:])
	}
	w.boundWrites(w.h.Now().Add(writeStall + time.Duration(size)*time.Second/writeRate))
	var err error
	if len(vec) == 1 {
		_, err = w.nc.Write(vec[0])
	} else {
		_, err = w.nc.Writev(vec)
	}
	clear(vec)
	w.text, w.vec = text[:0], vec[:0]
	return err
}

// quiet reports whether err is an ordinary end of a connection, of which the log says nothing.
func quiet(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, host.ErrReset) || errors.Is(err, host.ErrClosed) ||
		errors.Is(err, ErrClosed) || errors.Is(err, host.ErrCancelled) || errors.Is(err, host.ErrKilled)
}
