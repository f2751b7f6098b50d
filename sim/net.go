package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// StoreNode is the name of the object store on the network, for Block and Partition.
const StoreNode = "store"

// firstFreePort is where port 0 begins to look.
const firstFreePort = 32768

// maxBacklog is how many connections wait to be accepted before a dial is refused.
const maxBacklog = 128

// fabric is the network between machines: who listens, the links, and what waits for one to carry it.
type fabric struct {
	listeners map[string]*listener // by "machine:port"
	byEnds    map[ends]*link
	links     []*link     // in the order of their creation
	held      []*message  // what waits for a link, in the order it would have arrived
	stuck     []*endpoint // whose data waits for a link
	stalls    uint64      // how often data got stuck
	conns     uint64
}

type ends struct{ from, to string }

// link is one direction between two machines.
type link struct {
	target          // "from>to"
	ends            //
	blocked bool    // by World.Block
	cuts    int     // Partition and CutOneWay that last
	clogs   int     // Clog that last
	slow    []int64 // bytes a second of each SlowLink that lasts
	rates   *rates  // of the machine it leads from
	sender  *Machine
}

// cut reports whether nothing passes, and connections break if that lasts.
func (l *link) cut() bool { return l.blocked || l.cuts > 0 }

// shut reports whether nothing passes now.
func (l *link) shut() bool { return l.clogs > 0 || l.blocked || l.cuts > 0 }

// bandwidth returns the bytes a second of one connection over the link.
func (l *link) bandwidth(most int64) int64 {
	for _, rate := range l.slow {
		most = min(most, rate)
	}
	return most
}

func (f *fabric) init() {
	f.listeners = map[string]*listener{}
	f.byEnds = map[ends]*link{}
}

// link returns the direction from one machine to another.
func (w *World) link(from, to string) *link {
	f := &w.network
	l := f.byEnds[ends{from, to}]
	if l == nil {
		l = &link{ends: ends{from, to}}
		l.target.init(from + ">" + to)
		f.byEnds[l.ends] = l
		f.links = append(f.links, l)
	}
	return l
}

// faults returns the rates of what is sent over the link: those of the sender.
func (w *World) faultsOn(l *link) *rates {
	if l.sender == nil {
		if l.sender = w.byName[l.from]; l.sender == nil {
			return &w.rates
		}
	}
	return l.sender.rates
}

// Block cuts the direction from one machine to another: what is sent waits, and connections break after
// NetConfig.Stall. StoreNode is the object store.
func (w *World) Block(from, to string) {
	w.link(from, to).blocked = true
	w.note(KindNet, hashString(from), hashString(to), 1)
}

// Unblock heals one direction.
func (w *World) Unblock(from, to string) {
	w.link(from, to).blocked = false
	w.note(KindNet, hashString(from), hashString(to), 2)
	w.release()
}

// Partition cuts both directions between every machine of a and every machine of b.
func (w *World) Partition(a, b []string) {
	for _, x := range a {
		for _, y := range b {
			w.Block(x, y)
			w.Block(y, x)
		}
	}
}

// Heal ends all cuts that Block and Partition made.
func (w *World) Heal() {
	for _, l := range w.network.links {
		l.blocked = false
	}
	w.note(KindNet, 0, 0, 3)
	w.release()
}

// Blocked reports whether the direction is cut, by whatever.
func (w *World) Blocked(from, to string) bool { return w.link(from, to).cut() }

// release sends what waited for a link that carries again.
func (w *World) release() {
	held, stuck := w.network.held, w.network.stuck
	w.network.held, w.network.stuck = nil, nil
	for _, m := range held {
		w.deliver(m)
	}
	for _, e := range stuck {
		e.stuck = 0
		e.flush()
	}
}

// message is something on its way along a link. If the link is cut when it would arrive it waits or is
// lost; if the link is clogged it waits.
type message struct {
	link  *link
	waits bool
	fire  func() // what it does, or
	to    *endpoint
	room  int // to is told that so many bytes of what it wrote were read
}

// arrive carries the message out.
func (m *message) arrive() {
	if m.to == nil {
		m.fire()
		return
	}
	m.to.unread -= m.room
	m.to.wr.Unpark()
}

// deliver hands m over, holds it or loses it.
func (w *World) deliver(m *message) {
	switch {
	case !m.link.shut():
		m.arrive()
	case m.waits || !m.link.cut():
		w.network.held = append(w.network.held, m)
	}
}

// trip draws the time one message takes over a link.
func (w *World) trip(l *link) host.Time {
	if l.from == l.to {
		return draw(w.net, w.cfg.Net.Local)
	}
	d := draw(w.net, w.cfg.Net.Latency)
	if s := w.strike(&l.target, w.faultsOn(l), fault.PacketDelay); s != nil {
		d += lasts(s, time.Millisecond, w.cfg.Net.Stall/2)
		w.fire(&l.target, s)
	}
	return d
}

// after has fn called when a message sent over l now arrives.
func (w *World) after(l *link, waits bool, fn func()) {
	w.post(&message{link: l, waits: waits, fire: fn})
}

// post sends m now.
func (w *World) post(m *message) {
	d := w.trip(m.link)
	t := w.timer()
	t.mail = m
	w.arm(t, w.now+d)
}

// netHandle is the host.Network of one incarnation.
type netHandle struct{ inc *incarnation }

// place splits "host:port" and maps the names of the machine itself to its name.
func (n netHandle) place(addr string) (machine string, port int, err error) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", 0, fmt.Errorf("address %q: must be host:port", addr)
	}
	port, err = strconv.Atoi(addr[i+1:])
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %q: bad port", addr)
	}
	switch machine = addr[:i]; machine {
	case "", "localhost", "127.0.0.1", "0.0.0.0", "[::]", "[::1]":
		machine = n.inc.m.name
	}
	return machine, port, nil
}

// Listen implements host.Network.
func (n netHandle) Listen(addr string) (host.Listener, error) {
	if err := n.inc.gate(); err != nil {
		return nil, err
	}
	machine, port, err := n.place(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if machine != n.inc.m.name {
		return nil, fmt.Errorf("listen %s: not an address of machine %s: %w", addr, n.inc.m.name, host.ErrInUse)
	}
	w := n.inc.w
	name := fmt.Sprintf("%s:%d", machine, port)
	if port == 0 {
		for port = firstFreePort; ; port++ {
			name = fmt.Sprintf("%s:%d", machine, port)
			if w.network.listeners[name] == nil {
				break
			}
		}
	}
	if w.network.listeners[name] != nil {
		return nil, fmt.Errorf("listen %s: %w", name, host.ErrInUse)
	}
	l := &listener{inc: n.inc, addr: name}
	l.ready.init(n.inc)
	w.network.listeners[name] = l
	n.inc.listeners = append(n.inc.listeners, l)
	w.note(KindNet, n.inc.m.id, hashString(name), 4)
	return l, nil
}

// Dial implements host.Network. Its deadline is the scope's or NetConfig.DialWait.
func (n netHandle) Dial(sc *host.Scope, addr string) (host.Conn, error) {
	k, err := n.inc.begin(OpDial, "", addr, 0, 0)
	if err != nil {
		return nil, err
	}
	to, port, err := n.place(addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	w := n.inc.w
	d := &dialing{inc: n.inc, addr: fmt.Sprintf("%s:%d", to, port)}
	d.there, d.back = w.link(n.inc.m.name, to), w.link(to, n.inc.m.name)
	d.ready.init(n.inc)
	w.note(KindNet, n.inc.m.id, hashString(d.addr), 5)
	w.after(d.there, false, d.arrive)
	err = d.ready.park(sc, n.inc.now().Add(w.cfg.Net.DialWait), "dial", d.addr)
	d.over = true
	if err == nil {
		err = d.err
	}
	if err != nil {
		if d.conn != nil {
			d.conn.reset()
		}
		return nil, fmt.Errorf("dial %s: %w", d.addr, err)
	}
	n.inc.finish(k)
	return d.conn, nil
}

// dialing is a connection attempt under way.
type dialing struct {
	inc         *incarnation
	there, back *link
	addr        string
	ready       parker
	conn        *endpoint
	err         error
	over        bool // the dialer has stopped waiting
}

// arrive handles the attempt at the other machine; the answer takes another trip.
func (d *dialing) arrive() {
	w, t := d.inc.w, &d.there.target
	m := w.byName[d.there.to]
	if m == nil || m.paused {
		return // nobody answers
	}
	l := w.network.listeners[d.addr]
	if l == nil && !m.Alive() && w.net.IntN(2) == 0 {
		return // the machine is off, not only the process
	}
	if l == nil || len(l.backlog) >= maxBacklog || w.hit(t, d.inc.m.rates, fault.DialRefused) != nil {
		d.err = host.ErrRefused
		d.answer()
		return
	}
	if d.inc.dead || d.over {
		return
	}
	near, far := w.connect(d.inc, l)
	d.conn = near
	if w.hit(t, d.inc.m.rates, fault.AcceptHang) != nil {
		far.hangs = true
	} else {
		l.backlog = append(l.backlog, far)
		l.ready.Unpark()
	}
	d.answer()
}

func (d *dialing) answer() {
	d.inc.w.after(d.back, false, func() {
		if !d.over && !d.inc.dead {
			d.ready.Unpark()
		}
	})
}

// crashNetwork ends what a dead incarnation had open: its peers hear of it, or not, a trip later.
func (inc *incarnation) crashNetwork() {
	w := inc.w
	for _, l := range inc.listeners {
		delete(w.network.listeners, l.addr)
		for _, e := range l.backlog {
			e.die(true)
		}
	}
	inc.listeners = nil
	for len(inc.ends) > 0 {
		e := inc.ends[len(inc.ends)-1]
		e.die(w.hit(&e.out.target, inc.m.rates, fault.HalfOpen) == nil)
	}
}
