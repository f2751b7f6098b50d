package oshost

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/weirmq/weir/host"
)

// longAgo is a deadline that wakes a blocked call at once.
var longAgo = time.Unix(1, 0)

type network struct{ h *Host }

// Network implements host.Host with TCP.
func (h *Host) Network() host.Network { return network{h} }

// Dial implements host.Network.
func (n network) Dial(sc *host.Scope, addr string) (host.Conn, error) {
	if err := n.h.alive(sc); err != nil {
		return nil, err
	}
	var ctx context.Context = n.h.root
	if sc != nil {
		ctx = sc
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		return n.h.newConn(c.(*net.TCPConn))
	}
	if ended := sc.Err(); ended != nil {
		return nil, ended
	}
	return nil, n.h.fail(err)
}

// alive returns why nothing can be started any more in sc, or nil.
func (h *Host) alive(sc *host.Scope) error {
	if h.dead.Load() {
		return host.ErrKilled
	}
	return sc.Err()
}

// Listen implements host.Network.
func (n network) Listen(addr string) (host.Listener, error) {
	if n.h.dead.Load() {
		return nil, host.ErrKilled
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, n.h.fail(err)
	}
	ln := &listener{h: n.h, l: l.(*net.TCPListener), addr: l.Addr().String()}
	ln.turn.Init(n.h, 1)
	if err := n.h.adopt(&n.h.handles, ln); err != nil {
		return nil, err
	}
	return ln, nil
}

// listener accepts for one task at a time, because the scope's end reaches a blocked accept through the
// one deadline a socket has.
type listener struct {
	h    *Host
	l    *net.TCPListener
	addr string
	turn host.Semaphore
}

func (l *listener) Accept(sc *host.Scope) (host.Conn, error) {
	if err := l.turn.Acquire(sc, 1); err != nil {
		return nil, err
	}
	defer l.turn.Release(1)
	if err := l.l.SetDeadline(l.h.wallAt(sc.Until())); err != nil {
		return nil, l.h.fail(err)
	}
	w := host.Waiter{Wake: func() { _ = l.l.SetDeadline(longAgo) }} // fails only when closed
	if err := sc.Enlist(&w); err != nil {
		return nil, err
	}
	defer sc.Delist(&w)
	for {
		c, err := l.l.AcceptTCP()
		if err == nil {
			return l.h.newConn(c)
		}
		if ended := l.h.alive(sc); ended != nil {
			return nil, ended
		}
		if err := l.retry(sc, err); err != nil {
			return nil, err
		}
	}
}

// retry returns nil when accepting may go on after err: a client that left before it was accepted is not
// our caller's affair, and a machine out of descriptors has some again when a connection closes.
func (l *listener) retry(sc *host.Scope, err error) error {
	const pause = 10 * time.Millisecond
	failed := l.h.fail(err)
	if errors.Is(failed, host.ErrReset) {
		return nil
	}
	for _, short := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, short) {
			l.h.log.WarnContext(sc, "no connection can be accepted: raise the limit of open files",
				"address", l.addr, "error", err.Error())
			return l.h.Sleep(sc, pause)
		}
	}
	return failed
}

func (l *listener) Addr() string { return l.addr }

func (l *listener) Close() error {
	l.h.disown(&l.h.handles, l)
	return l.h.fail(l.l.Close())
}

// conn is a TCP connection without delay (TCP_NODELAY is Go's default).
type conn struct {
	h    *Host
	c    *net.TCPConn
	peer host.Peer
	vec  net.Buffers // of the writer task's Writev: kept here to save an allocation

	mu          sync.Mutex // guards the deadlines last set
	read, write host.Time
}

func (h *Host) newConn(c *net.TCPConn) (host.Conn, error) {
	out := &conn{h: h, c: c, peer: host.Peer{Addr: c.RemoteAddr().String()}}
	if err := h.adopt(&h.handles, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.c.Read(p)
	return n, c.h.fail(err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.c.Write(p)
	return n, c.h.fail(err)
}

// Writev implements host.Conn; net.Buffers makes it writev(2), 1024 buffers a call.
func (c *conn) Writev(bufs [][]byte) (int64, error) {
	c.vec = bufs
	n, err := c.vec.WriteTo(c.c)
	c.vec = nil
	return n, c.h.fail(err)
}

func (c *conn) SetDeadlines(read, write host.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// An error means that the connection is closed, which the next call on it tells.
	if read != c.read {
		c.read = read
		_ = c.c.SetReadDeadline(c.h.wallAt(read))
	}
	if write != c.write {
		c.write = write
		_ = c.c.SetWriteDeadline(c.h.wallAt(write))
	}
}

func (c *conn) Peer() host.Peer { return c.peer }

func (c *conn) Close() error {
	c.h.disown(&c.h.handles, c)
	return c.h.fail(c.c.Close())
}
