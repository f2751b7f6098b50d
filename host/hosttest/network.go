package hosttest

import (
	"bytes"
	"io"
	"time"

	"github.com/weirmq/weir/host"
)

// loopback is the address scenarios listen at: every machine reaches itself by it.
const loopback = "127.0.0.1:0"

var networkScenarios = []scenario{
	{"bytes arrive in order both ways", func(t *T, h host.Host, sc *host.Scope) {
		a, b := connect(t, h, sc)
		exchange(t, h, sc, a, b)
		exchange(t, h, sc, b, a)
		hangUp(t, a, b)
	}},
	{"writev writes all buffers in order", func(t *T, h host.Host, sc *host.Scope) {
		a, b := connect(t, h, sc)
		var bufs [][]byte
		var want []byte
		for i := range 1500 { // more than one system call takes
			bufs = append(bufs, pattern(i%90, byte(i)))
			want = append(want, bufs[i]...)
		}
		tasks(h, sc,
			func(*host.Scope) {
				n, err := a.Writev(bufs)
				t.Check(err == nil && n == int64(len(want)), "Writev: %d, %v, want %d", n, err, len(want))
			},
			func(*host.Scope) { t.receives(b, want) },
		)
		n, err := a.Writev(nil)
		t.Check(n == 0 && err == nil, "Writev of nothing: %d, %v", n, err)
		hangUp(t, a, b)
	}},
	{"closing in order gives the peer EOF after the last byte", func(t *T, h host.Host, sc *host.Scope) {
		a, b := connect(t, h, sc)
		_, err := a.Write([]byte("last"))
		t.Is(err, nil, "Write")
		t.Is(a.Close(), nil, "Close")
		t.receives(b, []byte("last"))
		n, err := b.Read(make([]byte, 8))
		t.Check(n == 0, "read %d bytes after the end", n)
		t.Is(err, io.EOF, "Read")
		t.Is(b.Close(), nil, "Close")
	}},
	{"closing wakes reader and writer", func(t *T, h host.Host, sc *host.Scope) {
		a, b := connect(t, h, sc)
		tasks(h, sc,
			func(*host.Scope) { _, err := a.Read(make([]byte, 8)); t.Is(err, host.ErrClosed, "Read") },
			func(*host.Scope) { t.Is(writeUntilError(a), host.ErrClosed, "Write") },
			func(sc *host.Scope) { settle(h, sc); settle(h, sc); t.Is(a.Close(), nil, "Close") },
		)
		_, err := a.Read(make([]byte, 8))
		t.Is(err, host.ErrClosed, "Read on a closed connection")
		_, err = a.Write([]byte("x"))
		t.Is(err, host.ErrClosed, "Write on a closed connection")
		_, err = a.Writev([][]byte{[]byte("x")})
		t.Is(err, host.ErrClosed, "Writev on a closed connection")
		_ = b.Close() // may have been reset: bytes were under way
	}},
	{"writing to a peer that left ends in reset", func(t *T, h host.Host, sc *host.Scope) {
		a, b := connect(t, h, sc)
		t.Is(b.Close(), nil, "Close")
		t.Is(writeUntilError(a), host.ErrReset, "Write")
		_ = a.Close() // broken already
	}},
	{"deadlines bound reads and writes, one way each", deadlines},
	{"nobody listens", func(t *T, h host.Host, sc *host.Scope) {
		l := t.listen(h, loopback)
		addr := l.Addr()
		t.Is(l.Close(), nil, "Close")
		_, err := h.Network().Dial(sc, addr)
		t.Is(err, host.ErrRefused, "Dial")
	}},
	{"an address is taken once", func(t *T, h host.Host, _ *host.Scope) {
		a, b := t.listen(h, loopback), t.listen(h, loopback)
		t.Check(a.Addr() != b.Addr(), "two listeners at %s", a.Addr())
		_, err := h.Network().Listen(a.Addr())
		t.Is(err, host.ErrInUse, "Listen at a taken address")
		t.Is(a.Close(), nil, "Close")
		t.Is(b.Close(), nil, "Close")
		again := t.listen(h, a.Addr())
		t.Check(again.Addr() == a.Addr(), "listens at %s, want %s", again.Addr(), a.Addr())
		t.Is(again.Close(), nil, "Close")
	}},
	{"accept ends with close", func(t *T, h host.Host, sc *host.Scope) {
		l := t.listen(h, loopback)
		tasks(h, sc,
			func(sc *host.Scope) { _, err := l.Accept(sc); t.Is(err, host.ErrClosed, "Accept") },
			func(sc *host.Scope) { settle(h, sc); t.Is(l.Close(), nil, "Close") },
		)
		_, err := l.Accept(sc)
		t.Is(err, host.ErrClosed, "Accept on a closed listener")
	}},
	{"accept ends with its scope and its deadline, and goes on", acceptEnds},
	{"dial does nothing in an ended scope", func(t *T, h host.Host, sc *host.Scope) {
		l := t.listen(h, loopback)
		child, cancel := sc.Child(0)
		cancel()
		_, err := h.Network().Dial(child, l.Addr())
		t.Is(err, host.ErrCancelled, "Dial")
		t.Is(l.Close(), nil, "Close")
	}},
	{"many connections at once", manyConns},
}

func (t *T) listen(h host.Host, addr string) host.Listener {
	l, err := h.Network().Listen(addr)
	if !t.Is(err, nil, "Listen at "+addr) {
		panic("hosttest: no listener, so nothing to test: " + err.Error())
	}
	return l
}

// connect returns the two ends of a connection of the machine with itself.
func connect(t *T, h host.Host, sc *host.Scope) (dialled, accepted host.Conn) {
	l := t.listen(h, loopback)
	var derr, aerr error
	tasks(h, sc,
		func(sc *host.Scope) { dialled, derr = h.Network().Dial(sc, l.Addr()) },
		func(sc *host.Scope) { accepted, aerr = l.Accept(sc) },
	)
	if !t.Is(derr, nil, "Dial") || !t.Is(aerr, nil, "Accept") {
		panic("hosttest: no connection, so nothing to test")
	}
	t.Check(dialled.Peer().Addr == l.Addr(), "dialled %s, but the peer is %s", l.Addr(), dialled.Peer().Addr)
	t.Check(accepted.Peer().Addr != "", "the accepted connection has no peer address")
	t.Is(l.Close(), nil, "Close of the listener")
	return dialled, accepted
}

func hangUp(t *T, conns ...host.Conn) {
	for _, c := range conns {
		t.Is(c.Close(), nil, "Close")
	}
}

// pattern returns n bytes that depend on their place.
func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = seed + byte(i*7) + byte(i>>8)
	}
	return p
}

// exchange sends more than any buffer on the way holds, so that both sides wait for one another.
func exchange(t *T, h host.Host, sc *host.Scope, from, to host.Conn) {
	want := pattern(3<<20, 1)
	tasks(h, sc,
		func(*host.Scope) {
			for p := want; len(p) > 0; {
				n, err := from.Write(p[:min(len(p), 300_000)])
				if !t.Is(err, nil, "Write") {
					return
				}
				p = p[n:]
			}
		},
		func(*host.Scope) { t.receives(to, want) },
	)
}

func (t *T) receives(c host.Conn, want []byte) {
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	t.Is(err, nil, "Read")
	t.Check(bytes.Equal(got, want), "%d other bytes arrived than were sent", len(want))
}

// writeUntilError writes until the connection refuses. Buffers on the way take some first.
func writeUntilError(c host.Conn) error {
	p := make([]byte, 64<<10)
	for {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
}

func deadlines(t *T, h host.Host, sc *host.Scope) {
	a, b := connect(t, h, sc)
	a.SetDeadlines(h.Now().Add(2*time.Millisecond), 0)
	_, err := a.Read(make([]byte, 8))
	t.Is(err, host.ErrTimeout, "Read past its deadline")
	_, err = a.Write([]byte("still"))
	t.Is(err, nil, "Write while only reads are late")
	t.receives(b, []byte("still"))

	a.SetDeadlines(0, h.Now().Add(2*time.Millisecond))
	t.Is(writeUntilError(a), host.ErrTimeout, "Write past its deadline")
	_, err = b.Write([]byte("back"))
	t.Is(err, nil, "Write of the peer")
	t.receives(a, []byte("back"))

	a.SetDeadlines(1, 0)
	_, err = a.Read(make([]byte, 8))
	t.Is(err, host.ErrTimeout, "Read with a deadline of long ago")
	a.SetDeadlines(0, 0)
	tasks(h, sc,
		func(*host.Scope) { _, err := a.Read(make([]byte, 8)); t.Is(err, host.ErrTimeout, "Read") },
		func(sc *host.Scope) { settle(h, sc); a.SetDeadlines(h.Now().Add(time.Millisecond), 0) },
	)
	_ = a.Close() // bytes are under way, so either end may be reset
	_ = b.Close()
}

func acceptEnds(t *T, h host.Host, sc *host.Scope) {
	l := t.listen(h, loopback)
	child, cancel := sc.Child(0)
	tasks(h, sc,
		func(*host.Scope) { _, err := l.Accept(child); t.Is(err, host.ErrCancelled, "Accept") },
		func(sc *host.Scope) { settle(h, sc); cancel() },
	)
	late, cancelLate := sc.Child(h.Now().Add(time.Millisecond))
	defer cancelLate()
	_, err := l.Accept(late)
	t.Is(err, host.ErrTimeout, "Accept until a deadline")
	tasks(h, sc,
		func(sc *host.Scope) {
			if c, err := l.Accept(sc); t.Is(err, nil, "Accept afterwards") {
				t.Is(c.Close(), nil, "Close")
			}
		},
		func(sc *host.Scope) {
			if c, err := h.Network().Dial(sc, l.Addr()); t.Is(err, nil, "Dial") {
				t.Is(c.Close(), nil, "Close")
			}
		},
	)
	t.Is(l.Close(), nil, "Close")
}

func manyConns(t *T, h host.Host, sc *host.Scope) {
	const clients = 20
	l := t.listen(h, loopback)
	g := host.NewGroup(h, sc)
	g.Go("hosttest.server", func(sc *host.Scope) error {
		for range clients {
			c, err := l.Accept(sc)
			if err != nil {
				return err
			}
			g.Go("hosttest.echo", func(*host.Scope) error {
				p := make([]byte, 4)
				if _, err := io.ReadFull(c, p); err != nil {
					return err
				}
				if _, err := c.Write(p); err != nil {
					return err
				}
				if _, err := c.Read(p); err != io.EOF {
					return err
				}
				return c.Close()
			})
		}
		return nil
	})
	for i := range clients {
		g.Go("hosttest.client", func(sc *host.Scope) error {
			c, err := h.Network().Dial(sc, l.Addr())
			if err != nil {
				return err
			}
			if _, err := c.Write(pattern(4, byte(i))); err != nil {
				return err
			}
			t.receives(c, pattern(4, byte(i)))
			return c.Close()
		})
	}
	t.Is(g.Wait(), nil, "the group of clients and servers")
	t.Is(l.Close(), nil, "Close")
}
