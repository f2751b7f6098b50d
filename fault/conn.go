package fault

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
)

// conn is a host.Conn under the plan. A message is what one call of Read, Write or Writev carries.
type conn struct {
	host.Conn
	i       *Injector
	in, out string // the link's two directions

	closed      atomic.Bool
	broken      atomic.Bool  // reset by a step
	read, write atomic.Int64 // deadlines, host.Time
	held        []byte       // read from the connection and not handed out; the reader's own
	space       []byte       // that held lies in
}

func (i *Injector) conn(c host.Conn, peer string) host.Conn {
	return &conn{Conn: c, i: i, in: peer + ">" + i.machine, out: i.machine + ">" + peer}
}

// slice is the longest sleep of a call that must see a Close or a new deadline soon.
const slice = 5 * time.Millisecond

// hold waits until the link is open again and d has passed.
func (c *conn) hold(link string, d time.Duration, deadline *atomic.Int64) error {
	until := c.i.h.Now().Add(d)
	for {
		now := c.i.h.Now()
		left := max(until.Sub(now), c.i.cut(link))
		if left <= 0 {
			return nil
		}
		switch at := host.Time(deadline.Load()); {
		case c.closed.Load():
			return host.ErrClosed
		case at != 0 && now >= at:
			return host.ErrTimeout
		}
		if err := c.i.pause(min(left, slice)); err != nil {
			return err
		}
	}
}

// state is why the connection is of no use any more, nil while it is.
func (c *conn) state() error {
	switch {
	case c.closed.Load():
		return host.ErrClosed
	case c.broken.Load():
		return host.ErrReset
	}
	return nil
}

// plain reports whether no step concerns messages: then calls go straight through.
func (c *conn) plain() bool {
	for _, k := range [...]Kind{PacketDelay, PacketDrop, ResetMidway, Partition, CutOneWay, Clog, SlowLink} {
		if !c.i.absent[k] {
			return false
		}
	}
	return true
}

// message is what a message may meet on its way: it is late, or the connection breaks.
func (c *conn) message(link, what string, n int, deadline *atomic.Int64) (Step, error) {
	for _, k := range [...]Kind{PacketDrop, ResetMidway} {
		if s, ok := c.i.strikes(link, k, what); ok {
			c.broken.Store(true)
			return s, fmt.Errorf("fault: %s: injected %s: %w", what, k, host.ErrReset)
		}
	}
	var d time.Duration
	if s, ok := c.i.strikes(link, PacketDelay, what); ok {
		d = s.Lasts()
	}
	if s, _, ok := c.i.open(link, SlowLink); ok {
		d += time.Duration(n) * time.Second / time.Duration(s.BytesPerSecond())
	}
	return Step{}, c.hold(link, d, deadline)
}

// BytesPerSecond is how much a slow link carries: between 1 and 64 KiB.
func (s Step) BytesPerSecond() int64 {
	r := s.Rand()
	r.Uint64() // Lasts draws first
	return 1024 + r.Int64N(63*1024+1)
}

// Read implements host.Conn. What came in while the link is cut is handed out when it is open again.
func (c *conn) Read(p []byte) (int, error) {
	if c.plain() {
		return c.Conn.Read(p)
	}
	if err := c.state(); err != nil {
		return 0, err
	}
	if len(c.held) == 0 && len(p) > 0 {
		if cap(c.space) == 0 {
			c.space = make([]byte, 64<<10)
		}
		n, err := c.Conn.Read(c.space[:min(len(p), cap(c.space))])
		if n == 0 {
			return 0, c.ended(err)
		}
		c.held = c.space[:n] // an error beside bytes comes again at the next call
	}
	if _, err := c.message(c.in, "read from "+c.in, len(c.held), &c.read); err != nil {
		if c.broken.Load() {
			_ = c.Conn.Close() // the peer is to see it too
		}
		return 0, err
	}
	n := copy(p, c.held)
	c.held = c.held[n:]
	return n, nil
}

// ended gives an error of the connection the reason that we know better.
func (c *conn) ended(err error) error {
	if why := c.state(); why != nil {
		return why
	}
	return err
}

// Write implements host.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if c.plain() {
		return c.Conn.Write(p)
	}
	if err := c.state(); err != nil {
		return 0, err
	}
	if s, err := c.message(c.out, "write to "+c.out, len(p), &c.write); err != nil {
		return c.cutShort(s, p, err)
	}
	n, err := c.Conn.Write(p)
	if err != nil {
		err = c.ended(err)
	}
	return n, err
}

// cutShort fails a write; one that is reset in the middle has sent a part.
func (c *conn) cutShort(s Step, p []byte, err error) (int, error) {
	n := 0
	if c.broken.Load() {
		if s.Kind == ResetMidway && len(p) > 1 {
			n, _ = c.Conn.Write(p[:1+s.Rand().IntN(len(p)-1)]) // it fails either way
		}
		_ = c.Conn.Close()
	}
	return n, err
}

// Writev implements host.Conn.
func (c *conn) Writev(bufs [][]byte) (int64, error) {
	if c.plain() {
		return c.Conn.Writev(bufs)
	}
	var total int64
	for _, b := range bufs {
		total += int64(len(b))
	}
	if err := c.state(); err != nil || total == 0 {
		return 0, err
	}
	if s, err := c.message(c.out, "write to "+c.out, int(total), &c.write); err != nil {
		n, err := c.cutShort(s, first(bufs), err)
		return int64(n), err
	}
	n, err := c.Conn.Writev(bufs)
	if err != nil {
		err = c.ended(err)
	}
	return n, err
}

// first returns the first buffer that holds something: where a message that is reset in the middle ends.
func first(bufs [][]byte) []byte {
	for _, b := range bufs {
		if len(b) > 0 {
			return b
		}
	}
	return nil
}

// SetDeadlines implements host.Conn.
func (c *conn) SetDeadlines(read, write host.Time) {
	c.read.Store(int64(read))
	c.write.Store(int64(write))
	c.Conn.SetDeadlines(read, write)
}

// Close implements host.Conn.
func (c *conn) Close() error {
	c.closed.Store(true)
	err := c.Conn.Close()
	if c.broken.Load() {
		return nil // it was closed when it broke
	}
	return err
}
