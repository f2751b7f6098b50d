package fault

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/host"
)

// clientsSide names whoever connects to the machine, in the targets of links.
const clientsSide = "clients"

type network struct {
	host.Network
	i *Injector
}

// Dial implements host.Network. The other side's name in targets is its address.
func (n network) Dial(sc *host.Scope, addr string) (host.Conn, error) {
	out := n.i.machine + ">" + addr
	if _, ok := n.i.strikes(out, DialRefused, "dial"); ok {
		return nil, fmt.Errorf("fault: dial %s: injected %s: %w", addr, DialRefused, host.ErrRefused)
	}
	if d := n.i.cut(out); d > 0 {
		if err := n.i.h.Sleep(sc, d); err != nil {
			return nil, err
		}
	}
	c, err := n.Network.Dial(sc, addr)
	if err != nil {
		return nil, err
	}
	return n.i.conn(c, addr), nil
}

// Listen implements host.Network.
func (n network) Listen(addr string) (host.Listener, error) {
	l, err := n.Network.Listen(addr)
	if err != nil {
		return nil, err
	}
	out := &listener{Listener: l, i: n.i}
	out.mu.Init(n.i.h)
	return out, nil
}

// cut returns how long the link carries nothing any more, 0 if it is open. A partition names either direction.
func (i *Injector) cut(link string) (longest time.Duration) {
	for _, k := range [...]Kind{Partition, CutOneWay, Clog} {
		if i.absent[k] {
			continue
		}
		_, left, ok := i.open(link, k)
		if from, to, _ := strings.Cut(link, ">"); !ok && k == Partition {
			_, left, ok = i.open(to+">"+from, k)
		}
		if ok {
			longest = max(longest, left)
		}
	}
	return longest
}

type listener struct {
	host.Listener
	i *Injector

	mu     host.Mutex // guards hung
	hung   []host.Conn
	closed bool
}

// Accept implements host.Listener. A connection that hangs is kept open and never handed out.
func (l *listener) Accept(sc *host.Scope) (host.Conn, error) {
	for {
		c, err := l.Listener.Accept(sc)
		if err != nil {
			return nil, err
		}
		in := clientsSide + ">" + l.i.machine
		if _, ok := l.i.strikes(in, DialRefused, "accept"); ok {
			_ = c.Close() // the nearest to a refusal that this side can do
			continue
		}
		if _, ok := l.i.strikes(in, AcceptHang, "accept "+c.Peer().Addr); ok {
			l.hang(c)
			continue
		}
		return l.i.conn(c, clientsSide), nil
	}
}

func (l *listener) hang(c host.Conn) {
	if l.keep(c) {
		return
	}
	_ = c.Close() // nobody waits for it
}

func (l *listener) keep(c host.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.hung = append(l.hung, c)
	}
	return !l.closed
}

// Close implements host.Listener.
func (l *listener) Close() error {
	for _, c := range l.end() {
		_ = c.Close() // it never carried anything
	}
	return l.Listener.Close()
}

func (l *listener) end() []host.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	hung := l.hung
	l.hung, l.closed = nil, true
	return hung
}
