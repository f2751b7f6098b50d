package listgossip

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
)

// Silence, in refreshes, and retries, in paces.
const (
	suspectRefreshes = 4
	forgetPaces      = 120
	refreshMembers   = 8 // so many members are refreshed once a pace; more, in proportion slower
	retryMaxPaces    = 10
	aloneNotPaces    = 10 // between two looks for lost members when others are there
)

// Gossip is a member. It implements gossip.Membership.
type Gossip struct {
	h      host.Host
	pace   time.Duration
	addr   string
	view   *gossip.View
	list   *memberlist.Memberlist
	sc     *host.Scope
	cancel func()
	lines  *lines
	ending host.Semaphore // of one: held by who ends the library (L3)
	ended  bool           // guarded by ending

	mu    host.Mutex // guards the fields below
	kick  host.Cond  // something to send at once, or somebody to join
	seeds []string
	hurry bool
}

var _ gossip.Membership = (*Gossip)(nil)

// Start listens and begins to gossip. It ends with sc, without a word to the others, or with Leave.
func Start(sc *host.Scope, h host.Host, cfg Config) (*Gossip, error) {
	if err := cfg.Self.Validate(); err != nil {
		return nil, err
	}
	if cfg.Pace == 0 {
		cfg.Pace = time.Second
	}
	g := &Gossip{h: h, pace: cfg.Pace, lines: &lines{h: h}}
	g.mu.Init(h)
	g.kick.Init(h, &g.mu)
	g.ending.Init(h, 1)
	g.view = gossip.NewView(h, cfg.Self, g.patience(1))
	self := g.view.Self()
	c, err := cfg.library(nameOf(&self), g.lines)
	if err != nil {
		return nil, err
	}
	d := delegate{g.view}
	c.Delegate, c.Events, c.Ping, c.Alive = d, d, d, d
	if err := cfg.listen(c); err != nil {
		return nil, err
	}
	if g.list, err = memberlist.Create(c); err != nil {
		_ = c.Transport.Shutdown() // the failure is the larger news
		return nil, fmt.Errorf("begin to gossip at %s: %w", cfg.Listen, err)
	}
	g.addr = g.list.LocalNode().Address() // nobody else has heard of it yet: later the library writes to it
	g.sc, g.cancel = sc.Child(0)
	h.Go(g.sc, "gossip.refresh", g.refresh)
	h.Go(g.sc, "gossip.join", g.join)
	h.Go(g.sc, "gossip.end", g.end)
	return g, nil
}

// Join implements gossip.Membership. A name is resolved at each try.
func (g *Gossip) Join(addresses []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range addresses {
		if !slices.Contains(g.seeds, a) {
			g.seeds = append(g.seeds, a)
		}
	}
	g.kick.Broadcast()
}

// Members implements gossip.Membership.
func (g *Gossip) Members() gossip.Snapshot { return g.view.Members() }

// Wait implements gossip.Membership.
func (g *Gossip) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	return g.view.Wait(sc, after, until)
}

// SetLoad implements gossip.Membership: the next refresh carries it.
func (g *Gossip) SetLoad(load gossip.Load) { g.view.SetLoad(load) }

// SetEpoch implements gossip.Membership: it is sent at once.
func (g *Gossip) SetEpoch(epoch int64) {
	if !g.view.SetEpoch(epoch) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hurry = true
	g.kick.Broadcast()
}

// Addr implements gossip.Membership.
func (g *Gossip) Addr() string { return g.addr }

// Stats returns what was refused so far.
func (g *Gossip) Stats() gossip.Stats { return g.view.Stats() }

// Leave implements gossip.Membership.
func (g *Gossip) Leave(sc *host.Scope) error {
	if err := g.ending.Acquire(sc, 1); err != nil {
		return err
	}
	defer g.ending.Release(1)
	if g.ended {
		return nil
	}
	g.view.Report(true)
	// Who does not hear it finds out: a time-out here is no failure.
	_ = g.list.UpdateNode(g.pace)
	_ = g.list.Leave(g.pace)
	return g.shut()
}

// end is the task that ends the library when the scope ends.
func (g *Gossip) end(sc *host.Scope) {
	p := g.h.Parker()
	for sc.Err() == nil {
		_ = p.Park(sc, 0)
	}
	p.Release()
	_ = g.ending.Acquire(nil, 1) // cannot fail: nil never ends
	defer g.ending.Release(1)
	if !g.ended {
		_ = g.shut()
	}
}

// shut ends everything; ending is held.
func (g *Gossip) shut() error {
	g.ended = true
	g.cancel()
	defer g.view.Close()
	if err := g.list.Shutdown(); err != nil {
		return fmt.Errorf("end gossip: %w", err)
	}
	return nil
}

// patience is how long silence is borne among so many members.
func (g *Gossip) patience(members int) gossip.Patience {
	return gossip.Patience{Suspect: suspectRefreshes * g.every(members), Forget: forgetPaces * g.pace}
}

// every is the time between two refreshes of one of so many members.
func (g *Gossip) every(members int) time.Duration {
	return g.pace * time.Duration(max(members, refreshMembers)) / refreshMembers
}

// refresh is the task that tells the others of this node and judges their silence.
func (g *Gossip) refresh(sc *host.Scope) {
	var next host.Time
	for sc.Err() == nil {
		members := g.list.NumMembers()
		g.view.SetPatience(g.patience(members))
		g.view.Tick()
		now := g.h.Now()
		if g.takeHurry() || now >= next {
			next = now.Add(g.every(members))
			g.view.Report(false)
			_ = g.list.UpdateNode(time.Millisecond) // it goes out whether we wait for it or not
		}
		g.pause(sc, g.pace/4, true)
	}
}

func (g *Gossip) takeHurry() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	hurry := g.hurry
	g.hurry = false
	return hurry
}

// pause waits for d, or less if somebody kicks.
func (g *Gossip) pause(sc *host.Scope, d time.Duration, hurry bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !hurry || !g.hurry {
		_ = g.kick.Wait(sc, g.h.Now().Add(d)) // early or late, the caller looks again
	}
}

// join is the task that looks for members that are not there: all the time while alone, now and then otherwise.
func (g *Gossip) join(sc *host.Scope) {
	pause := g.pace / 2
	for sc.Err() == nil {
		alone := g.list.NumMembers() <= 1
		if missing := g.missing(); len(missing) > 0 {
			if n, err := g.list.Join(missing); n == 0 && alone {
				g.h.Log().DebugContext(sc, "gossip: nobody answers yet", "addresses", missing, "error", err)
				if aboutKey(err.Error()) {
					g.lines.key(err.Error())
				}
			}
		}
		if alone {
			pause = min(2*pause, retryMaxPaces*g.pace)
		} else {
			pause = aloneNotPaces * g.pace
		}
		jitter := time.Duration(rand.Int64N(int64(pause)/4 + 1))
		g.pause(sc, pause+jitter, false)
	}
}

// missing returns the addresses, given to Join or of members that are gone without a word, that no member has now.
func (g *Gossip) missing() []string {
	g.mu.Lock()
	seeds := slices.Clone(g.seeds)
	g.mu.Unlock()
	there := map[string]bool{g.addr: true}
	for _, l := range g.view.Lives() {
		if l.State != gossip.Gone {
			there[l.Addr] = true
		} else if !l.Left {
			seeds = append(seeds, l.Addr)
		}
	}
	var missing []string
	for _, seed := range seeds {
		for _, addr := range g.resolve(seed) {
			if !there[addr] {
				there[addr] = true
				missing = append(missing, addr)
			}
		}
	}
	return missing
}

// resolve returns the addresses of "host:port"; port DefaultPort if there is none.
func (g *Gossip) resolve(address string) []string {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		name, port = address, fmt.Sprint(DefaultPort)
	}
	if net.ParseIP(name) != nil {
		return []string{net.JoinHostPort(name, port)}
	}
	ips, err := net.DefaultResolver.LookupHost(g.sc, name)
	if err != nil {
		g.h.Log().DebugContext(g.sc, "gossip: a name to join cannot be resolved", "name", name, "error", err.Error())
		return nil
	}
	for i := range ips {
		ips[i] = net.JoinHostPort(ips[i], port)
	}
	return ips
}
