package simgossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
)

// Silence and retries, in paces.
const (
	suspectPaces  = 6
	gonePaces     = 20
	forgetPaces   = 120
	exchangePaces = 6 // an exchange's deadline
)

const (
	fanout     = 2 // live members asked in a round
	answersMax = 16
)

// Config is what a member is told.
type Config struct {
	Self      gossip.Self
	Listen    string        // "host:port"
	Advertise string        // how others reach it; "" = what the listener says
	Pace      time.Duration // between two rounds; 0 = 500 ms
}

// Gossip is a member. It implements gossip.Membership.
type Gossip struct {
	h      host.Host
	pace   time.Duration
	addr   string
	view   *gossip.View
	sc     *host.Scope
	cancel func()
	slots  host.Semaphore

	mu    host.Mutex // guards the fields below
	seeds []string
	asked map[string]bool // addresses with an exchange under way
	left  bool
}

var _ gossip.Membership = (*Gossip)(nil)

// Start listens and begins to gossip, in tasks that end with sc.
func Start(sc *host.Scope, h host.Host, cfg Config) (*Gossip, error) {
	if err := cfg.Self.Validate(); err != nil {
		return nil, err
	}
	if cfg.Pace == 0 {
		cfg.Pace = 500 * time.Millisecond
	}
	ln, err := h.Network().Listen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for gossip at %s: %w", cfg.Listen, err)
	}
	g := &Gossip{h: h, pace: cfg.Pace, addr: cfg.Advertise, asked: map[string]bool{}}
	if g.addr == "" {
		g.addr = ln.Addr()
	}
	g.view = gossip.NewView(h, cfg.Self, gossip.Patience{
		Suspect: suspectPaces * g.pace, Gone: gonePaces * g.pace, Forget: forgetPaces * g.pace,
	})
	g.mu.Init(h)
	g.slots.Init(h, answersMax)
	g.sc, g.cancel = sc.Child(0)
	h.Go(g.sc, "gossip.accept", func(sc *host.Scope) { g.accept(sc, ln) })
	h.Go(g.sc, "gossip.round", g.rounds)
	return g, nil
}

// Join implements gossip.Membership.
func (g *Gossip) Join(addresses []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range addresses {
		if a != g.addr && !slices.Contains(g.seeds, a) {
			g.seeds = append(g.seeds, a)
		}
	}
}

// Members implements gossip.Membership.
func (g *Gossip) Members() gossip.Snapshot { return g.view.Members() }

// Wait implements gossip.Membership.
func (g *Gossip) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	return g.view.Wait(sc, after, until)
}

// SetLoad implements gossip.Membership: the next round carries it.
func (g *Gossip) SetLoad(load gossip.Load) { g.view.SetLoad(load) }

// SetEpoch implements gossip.Membership: the next round carries it.
func (g *Gossip) SetEpoch(epoch int64) { g.view.SetEpoch(epoch) }

// Addr implements gossip.Membership.
func (g *Gossip) Addr() string { return g.addr }

// Stats returns what was refused so far.
func (g *Gossip) Stats() gossip.Stats { return g.view.Stats() }

// Leave implements gossip.Membership: it tells everybody that it sees alive, for as long as one exchange may take.
func (g *Gossip) Leave(sc *host.Scope) error {
	g.mu.Lock()
	again := g.left
	g.left = true
	g.mu.Unlock()
	if again {
		return nil
	}
	defer g.view.Close()
	defer g.cancel()
	g.view.Report(true)
	group := host.NewGroup(g.h, sc)
	for _, l := range g.view.Lives() {
		if l.State == gossip.Alive && l.Addr != "" {
			group.Go("gossip.ask", func(sc *host.Scope) error {
				_ = g.exchange(sc, l.Addr) // who does not hear it finds out
				return nil
			})
		}
	}
	return group.Wait()
}

// rounds is the task that keeps the view up to date and tells others.
func (g *Gossip) rounds(sc *host.Scope) {
	defer g.view.Close()
	rng := g.h.Rand("gossip")
	for {
		jitter := time.Duration(rng.Int64N(int64(g.pace)/5 + 1))
		if g.h.Sleep(sc, g.pace-g.pace/10+jitter) != nil {
			return
		}
		g.view.Tick()
		lives := g.view.Lives()
		if len(lives) > 0 && host.Buggify(g.h, "gossip.doubt") {
			g.view.Doubt(lives[rng.IntN(len(lives))].Instance)
		}
		if host.Buggify(g.h, "gossip.mute") {
			continue
		}
		g.view.Report(false)
		for _, addr := range g.targets(lives, rng.Perm(len(lives)), rng.IntN) {
			g.h.Go(sc, "gossip.ask", func(sc *host.Scope) {
				defer g.release(addr)
				_ = g.exchange(sc, addr) // silence is what the view judges
			})
		}
	}
}

// targets chooses whom to ask, in the random order perm, and marks them as asked: a few that are there, and now and
// then, or if nobody is, one that was there or that Join named.
func (g *Gossip) targets(lives []gossip.Life, perm []int, draw func(n int) int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var there, lost []string
	for _, i := range perm {
		switch l := &lives[i]; {
		case l.Left || l.Addr == "" || l.Addr == g.addr:
		case l.State == gossip.Gone:
			lost = append(lost, l.Addr)
		default:
			there = append(there, l.Addr)
		}
	}
	chosen := there[:min(fanout, len(there))]
	if lost = append(lost, g.seeds...); len(lost) > 0 && (len(there) == 0 || draw(4) == 0) {
		chosen = append(slices.Clone(chosen), lost[draw(len(lost))])
	}
	return slices.DeleteFunc(chosen, func(addr string) bool {
		busy := g.asked[addr]
		g.asked[addr] = true
		return busy
	})
}

func (g *Gossip) release(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.asked, addr)
}

// exchange tells the member at addr what is known here and hears what is known there.
func (g *Gossip) exchange(sc *host.Scope, addr string) error {
	until := g.h.Now().Add(exchangePaces * g.pace)
	sc, cancel := sc.Child(until)
	defer cancel()
	conn, err := g.h.Network().Dial(sc, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadlines(until, until)
	if _, err := conn.Write(g.frame()); err != nil {
		return err
	}
	return g.hear(conn)
}

// hear reads a frame and takes what is news.
func (g *Gossip) hear(conn host.Conn) error {
	entries, err := readFrame(conn)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		g.view.Hear(&e.report, e.addr, e.age)
	}
	return nil
}

// frame is what is known here. Who is gone is not told of: each node finds out for itself; who left is.
func (g *Gossip) frame() []byte {
	entries := []entry{{report: g.view.Self(), addr: g.addr}}
	now := g.h.Now()
	for _, l := range g.view.Lives() {
		if l.Left || l.State != gossip.Gone {
			entries = append(entries, entry{report: l.Report, addr: l.Addr, age: now.Sub(l.Heard)})
		}
	}
	return appendFrame(nil, entries[:min(len(entries), gossip.MembersMax)])
}

// accept is the task that answers other members.
func (g *Gossip) accept(sc *host.Scope, ln host.Listener) {
	defer ln.Close()
	for g.slots.Acquire(sc, 1) == nil {
		conn, err := ln.Accept(sc)
		if err != nil {
			return
		}
		g.h.Go(sc, "gossip.answer", func(*host.Scope) {
			defer g.slots.Release(1)
			defer conn.Close()
			until := g.h.Now().Add(exchangePaces * g.pace)
			conn.SetDeadlines(until, until)
			if err := g.hear(conn); err != nil {
				g.h.Log().DebugContext(sc, "gossip was not understood", "from", conn.Peer().Addr, "error", err.Error())
				return
			}
			_, _ = conn.Write(g.frame()) // who does not get it asks again
		})
	}
}
