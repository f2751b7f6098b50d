package localcluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"
)

const (
	dialMax  = 3 * time.Second  // to reach a process of this machine
	helloMax = 5 * time.Second  // until a connection between nodes says whose it is
	heldMax  = 60 * time.Second // a new connection along a cut link; by then its dialler has left
	piece    = 64 << 10         // bytes that are carried at a time
)

// proxy listens in front of one server.
type proxy struct {
	net      *Net
	listener net.Listener
	to       string // address of the server
	// who tells which link a connection is of, from the dialler to the server, and what it has read of it.
	who func(net.Conn) (Link, []byte, error)
}

// Proxy listens on listen and carries each connection to the server at address to. All of them are of one link.
func (n *Net) Proxy(listen, to string, l Link) error {
	return n.listen(listen, to, func(net.Conn) (Link, []byte, error) { return l, nil, nil })
}

// NodeProxy is Proxy in front of a node's cluster address: the link is read from each dialler's hello.
func (n *Net) NodeProxy(listen, to string, node int) error {
	return n.listen(listen, to, func(c net.Conn) (Link, []byte, error) {
		from, hello, err := readHello(c)
		return Link{NodeEnd(from), NodeEnd(node)}, hello, err
	})
}

func (n *Net) listen(listen, to string, who func(net.Conn) (Link, []byte, error)) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen for a proxy: %w", err)
	}
	p := &proxy{net: n, listener: l, to: to, who: who}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		_ = l.Close() // nobody has used it
		return errors.New("the net is closed")
	}
	n.proxies = append(n.proxies, p)
	n.busy.Go(p.accept)
	return nil
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.net.busy.Go(func() { p.carry(c) })
		}
	}
}

// carry brings one connection to the server and ends when both are closed.
func (p *proxy) carry(front net.Conn) {
	q := &pair{net: p.net, front: front, done: make(chan struct{})}
	if !p.net.add(q) {
		q.reset()
		return
	}
	defer p.net.remove(q)
	defer q.end(true)
	link, hello, err := p.who(front)
	if err != nil {
		return
	}
	p.net.mu.Lock()
	q.link = link
	p.net.mu.Unlock()
	held := time.After(heldMax)
	if !q.passes(link, held) || !q.passes(link.Back(), held) { // a handshake needs both directions
		return
	}
	back, err := net.DialTimeout("tcp", p.to, dialMax)
	if err != nil || !q.reaches(back) {
		return
	}
	if _, err := back.Write(hello); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { q.pump(back, front, link) })
	both.Go(func() { q.pump(front, back, link.Back()) })
	both.Wait()
	q.end(false)
}

// pair is one connection with its two halves.
type pair struct {
	net  *Net
	link Link // guarded by net.mu

	mu          sync.Mutex
	front, back net.Conn
	ended       bool
	done        chan struct{} // closed with it
}

// reaches notes the half to the server; false means that the pair was reset meanwhile.
func (q *pair) reaches(back net.Conn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		abort(back)
		return false
	}
	q.back = back
	return true
}

// reset ends both halves at once. What was under way is lost.
func (q *pair) reset() { q.end(true) }

// end closes both halves, with a reset if it is abrupt.
func (q *pair) end(abrupt bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	q.ended = true
	close(q.done)
	for _, c := range []net.Conn{q.front, q.back} {
		if c != nil && abrupt {
			abort(c)
		} else if c != nil {
			_ = c.Close() // both ends have closed their halves
		}
	}
}

// abort closes a connection so that the other end gets a reset.
func abort(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // without it the close is in order, which is no less an end
	}
	_ = c.Close() // it may be closed already
}

// passes waits until the link is not cut; false means that the pair has ended, or that giveUp came first.
func (q *pair) passes(l Link, giveUp <-chan time.Time) bool {
	for {
		rule, changed := q.net.rule(l)
		if !rule.Cut {
			return true
		}
		select {
		case <-changed:
		case <-q.done:
			return false
		case <-giveUp:
			return false
		}
	}
}

// pump carries one direction to its end. An end in order is passed on alone, anything else ends both.
func (q *pair) pump(to, from net.Conn, l Link) {
	buf := make([]byte, piece)
	for {
		if !q.passes(l, nil) {
			return
		}
		n, err := from.Read(buf)
		if n > 0 && !q.bring(to, buf[:n], l) {
			return
		}
		if err == nil {
			continue
		}
		if !q.passes(l, nil) {
			return
		}
		t, ok := to.(*net.TCPConn)
		if !errors.Is(err, io.EOF) || !ok || t.CloseWrite() != nil {
			q.reset()
		}
		return
	}
}

// bring carries a piece that was read; false means that the pair has ended.
func (q *pair) bring(to net.Conn, p []byte, l Link) bool {
	rule, _ := q.net.rule(l)
	wait := rule.Delay
	if rule.Rate > 0 {
		wait += time.Duration(float64(len(p)) / float64(rule.Rate) * float64(time.Second))
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-q.done:
			return false
		}
	}
	if !q.passes(l, nil) { // it was cut while this was read or delayed
		return false
	}
	if _, err := to.Write(p); err != nil {
		q.reset()
		return false
	}
	return true
}

// The hello that each connection between nodes begins with: docs/format/rpc.md.
const (
	helloMagic = "weir-rpc"
	helloSize  = 48
	helloNode  = 28
	helloSum   = 44
)

var errNoHello = errors.New("the connection does not begin with a node's hello")

// readHello reads a dialler's hello and returns its node id and the bytes.
func readHello(c net.Conn) (int, []byte, error) {
	if err := c.SetReadDeadline(time.Now().Add(helloMax)); err != nil {
		return 0, nil, err
	}
	hello := make([]byte, helloSize)
	if _, err := io.ReadFull(c, hello); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errNoHello, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return 0, nil, err
	}
	sum := crc32.Checksum(hello[:helloSum], crc32.MakeTable(crc32.Castagnoli))
	if string(hello[:len(helloMagic)]) != helloMagic || binary.LittleEndian.Uint32(hello[helloSum:]) != sum {
		return 0, nil, errNoHello
	}
	return int(int32(binary.LittleEndian.Uint32(hello[helloNode:]))), hello, nil
}
