package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/host"
)

// StoreNode is the name of the object store on the network, for Block and Partition.
const StoreNode = "store"

// firstFreePort is where port 0 begins to look.
const firstFreePort = 32768

// maxBacklog is how many connections wait to be accepted before a dial is refused.
const maxBacklog = 128

// fabric is the network between machines: who listens, who is cut off from whom, and what waits for a
// cut to heal.
type fabric struct {
	listeners map[string]*listener // by "machine:port"
	blocked   map[link]bool
	held      []*message  // what waits for a cut to heal, in the order it would have arrived
	stuck     []*endpoint // whose data waits for a cut to heal
	stalls    uint64      // how often data got stuck
	conns     uint64
}

// link is one direction between two machines.
type link struct{ from, to string }

func (f *fabric) init() {
	f.listeners = map[string]*listener{}
	f.blocked = map[link]bool{}
}

// Block cuts the direction from one machine to another: what is sent waits, and connections break after
// NetConfig.Stall. StoreNode is the object store.
func (w *World) Block(from, to string) {
	w.network.blocked[link{from, to}] = true
	w.note(KindNet, hashString(from), hashString(to), 1)
}

// Unblock heals one direction.
func (w *World) Unblock(from, to string) {
	delete(w.network.blocked, link{from, to})
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

// Heal ends all cuts.
func (w *World) Heal() {
	clear(w.network.blocked)
	w.note(KindNet, 0, 0, 3)
	w.release()
}

// Blocked reports whether the direction is cut.
func (w *World) Blocked(from, to string) bool { return w.network.blocked[link{from, to}] }

// release sends what waited for a cut that is gone.
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
// lost.
type message struct {
	link  link
	waits bool
	fire  func()
}

// deliver hands m over, holds it or loses it.
func (w *World) deliver(m *message) {
	switch {
	case !w.network.blocked[m.link]:
		m.fire()
	case m.waits:
		w.network.held = append(w.network.held, m)
	}
}

// trip draws the time one message takes from one machine to another.
func (w *World) trip(from, to string) host.Time {
	if from == to {
		return draw(w.net, w.cfg.Net.Local)
	}
	d := draw(w.net, w.cfg.Net.Latency)
	if w.hit(w.byName[from], FaultNetStall) {
		d += between(w.net, time.Millisecond, w.cfg.Net.Stall/2)
	}
	return d
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
	k, err := n.inc.begin(OpDial, addr, 0, 0)
	if err != nil {
		return nil, err
	}
	to, port, err := n.place(addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	w := n.inc.w
	d := &dialing{inc: n.inc, to: to, addr: fmt.Sprintf("%s:%d", to, port)}
	d.ready.init(n.inc)
	w.note(KindNet, n.inc.m.id, hashString(d.addr), 5)
	from := n.inc.m.name
	w.After(w.trip(from, to), func() { w.deliver(&message{link: link{from, to}, fire: d.arrive}) })
	err = d.ready.park(sc, n.inc.now().Add(w.cfg.Net.DialWait), "dial "+d.addr)
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
	inc   *incarnation
	to    string
	addr  string
	ready parker
	conn  *endpoint
	err   error
	over  bool // the dialer has stopped waiting
}

// arrive handles the attempt at the other machine; the answer takes another trip.
func (d *dialing) arrive() {
	w, from := d.inc.w, d.inc.m.name
	m := w.byName[d.to]
	if m == nil || m.paused {
		return // nobody answers
	}
	l := w.network.listeners[d.addr]
	if l == nil && !m.Alive() && w.net.IntN(2) == 0 {
		return // the machine is off, not only the process
	}
	if l == nil || len(l.backlog) >= maxBacklog || w.hit(d.inc.m, FaultDialRefused) {
		d.err = host.ErrRefused
		d.answer(d.to, from)
		return
	}
	if d.inc.dead || d.over {
		return
	}
	near, far := w.connect(d.inc, l)
	d.conn = near
	l.backlog = append(l.backlog, far)
	l.ready.Unpark()
	d.answer(d.to, from)
}

func (d *dialing) answer(from, to string) {
	w := d.inc.w
	w.After(w.trip(from, to), func() {
		w.deliver(&message{link: link{from, to}, fire: func() {
			if !d.over && !d.inc.dead {
				d.ready.Unpark()
			}
		}})
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
		e.die(!w.hit(inc.m, FaultHalfOpen))
	}
}
