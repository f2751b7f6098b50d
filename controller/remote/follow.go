package remote

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// follower is what the follower's task knows.
type follower struct {
	c     *Client
	at    string // whom it follows; "": whoever is next
	wait  time.Duration
	load  loading
	fresh host.Time // the members were asked for; 0: they may have changed
}

// loading is a snapshot of which some is here.
type loading struct {
	from         string
	index, total uint64
	data         []byte
}

// membersEvery is how often the members are asked for without a reason: their addresses may change.
const membersEvery = 30 * time.Second

// glance is what the follower's call is seen as by those who wait for a result.
type glance struct {
	cancel func()
	began  host.Time
	lag    time.Duration // how long they bear with it: more each time, until something is applied
	left   bool
}

// follow keeps the replica up with the controllers.
func (c *Client) follow(sc *host.Scope) error {
	f := &follower{c: c, wait: pauseLow}
	for sc.Err() == nil && c.ended() == nil {
		if f.at == "" {
			f.at = c.source()
		}
		err := f.step(sc)
		switch {
		case err == nil:
			f.wait = pauseLow
			continue
		case errors.Is(err, metadata.ErrNewer):
			c.h.Log().Error("the cluster's metadata takes a newer program", "controller", f.at, "error", err)
			c.end(fmt.Errorf("remote: follow %s: %w", f.at, err))
			continue
		case errors.Is(err, errSource), errors.Is(err, metadata.ErrCorrupt), errors.Is(err, api.ErrMalformed),
			errors.Is(err, ErrForeign):
			probe.Hit(probe.RemoteSourceRefused)
			c.stats.refused.Add(1)
			c.h.Log().Warn("refused what a controller says", "controller", f.at, "error", err)
		}
		f.load = loading{}
		f.at = ""
		if c.left() {
			continue
		}
		if c.pause(sc, f.wait) != nil {
			break
		}
		f.wait = min(2*f.wait, pauseHigh)
	}
	return nil
}

// source is whom to follow next.
func (c *Client) source() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.who
	if c.watch.left && w.leader != "" {
		return w.leader // a result is there for certain
	}
	list := w.all()
	w.source++
	return list[w.source%len(list)]
}

// elsewhere has the follower ask another member if the one it asks has been silent for long.
func (c *Client) elsewhere() {
	now := c.h.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &c.watch
	if g.cancel == nil || now < g.began.Add(g.lag) {
		return
	}
	probe.Hit(probe.RemoteSourceLeft)
	g.cancel()
	g.cancel, g.left = nil, true
	g.lag = min(2*g.lag, callWait)
}

// left reports whether elsewhere ended the follower's call.
func (c *Client) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watch.left
}

// step asks once and takes the answer.
func (f *follower) step(sc *host.Scope) error {
	c := f.c
	if now := c.h.Now(); f.fresh == 0 || now > f.fresh.Add(membersEvery) {
		if err := c.refresh(sc, f.at); err != nil {
			return err
		}
		f.fresh = now
	}
	q := api.FollowRequest{Wait: c.cfg.Poll, MaxBytes: c.cfg.MaxBytes}
	c.Read(func(s *metadata.State) { q.After, _ = s.Index() })
	if len(f.load.data) > 0 {
		q.Wait, q.Snapshot, q.Offset = 0, f.load.index, uint64(len(f.load.data))
	}
	p, err := f.call(sc, q)
	if err != nil {
		return err
	}
	a, err := api.DecodeFollowed(p)
	switch {
	case err != nil:
		return err
	case a.Part.Total > 0:
		return f.part(a.Part)
	case q.Snapshot != 0:
		return fmt.Errorf("%w: no part of snapshot %d, which was asked for", errSource, q.Snapshot)
	case len(a.Entries) == 0:
		f.at = "" // it may be cut off: the next one may know more
		return nil
	}
	return f.entries(a.Entries)
}

// call is a Follow that those who wait for a result may end.
func (f *follower) call(sc *host.Scope, q api.FollowRequest) ([]byte, error) {
	c := f.c
	child, cancel := sc.Child(0)
	defer cancel()
	c.mu.Lock()
	c.watch.left = false
	if q.Wait > 0 {
		c.watch.cancel, c.watch.began = cancel, c.h.Now()
	}
	c.mu.Unlock()
	p, err := c.cfg.Pool.Call(child, f.at, api.Follow, q.Encode(), q.Wait+callWait/2)
	c.mu.Lock()
	c.watch.cancel = nil
	c.mu.Unlock()
	return p, err
}

// part takes a part of a snapshot, and all of it with the last one.
func (f *follower) part(p api.Part) error {
	l := &f.load
	if p.Offset == 0 { // the first, or the one that was begun is gone
		if len(l.data) > 0 {
			probe.Hit(probe.RemoteSnapshotAnew)
		}
		*l = loading{from: f.at, index: p.Index, total: p.Total}
	}
	have := uint64(len(l.data))
	if p.Index != l.index || p.Total != l.total || p.Offset != have || l.from != f.at {
		return fmt.Errorf("%w: part at %d of snapshot %d from %s, where %d of %d from %s is due",
			errSource, p.Offset, p.Index, f.at, have, l.index, l.from)
	}
	if len(p.Data) == 0 || uint64(len(p.Data)) > l.total-have {
		return fmt.Errorf("%w: %d bytes at %d of a snapshot of %d", errSource, len(p.Data), have, l.total)
	}
	l.data = append(l.data, p.Data...)
	f.c.stats.parts.Add(1)
	if uint64(len(l.data)) < l.total {
		return nil
	}
	data := l.data
	*l = loading{}
	s, err := metadata.Restore(data)
	if err != nil {
		return err
	}
	return f.install(s, p.Index)
}

// install has a snapshot take the replica's place.
func (f *follower) install(s *metadata.State, at uint64) error {
	c := f.c
	index, term := s.Index()
	cluster, _ := s.Cluster()
	var known metadata.UUID // zero while the cluster has no name
	c.Read(func(s *metadata.State) { known, _ = s.Cluster() })
	if cluster != known && cluster != c.cfg.Cluster {
		return fmt.Errorf("%w: a snapshot of %s, not of %s", ErrForeign, cluster, c.cfg.Cluster)
	}
	c.mu.Lock()
	have, had := c.state.Index()
	if index != at || index <= have || term < had {
		c.mu.Unlock()
		return fmt.Errorf("%w: a snapshot said to be of %d, of %d in term %d, after %d in term %d",
			errSource, at, index, term, have, had)
	}
	c.state = s
	c.mu.Unlock()
	probe.Hit(probe.RemoteSnapshot)
	c.stats.snapshots.Add(1)
	f.fresh = 0
	c.advanced()
	return nil
}

// entries applies a list, all of it or nothing.
func (f *follower) entries(list []api.Entry) error {
	c := f.c
	var index, term uint64
	c.Read(func(s *metadata.State) { index, term = s.Index() })
	cmds := make([]*metadatapb.Command, len(list))
	for i, e := range list {
		if e.Index != index+1 || e.Term < term {
			return fmt.Errorf("%w: entry %d of term %d after %d of term %d", errSource, e.Index, e.Term, index, term)
		}
		index, term = e.Index, e.Term
		switch e.Kind {
		case api.EntryCommand:
			cmd, err := metadata.DecodeCommand(e.Command)
			if err != nil {
				return fmt.Errorf("remote: read entry %d: %w", e.Index, err)
			}
			if id := cmd.GetInitCluster().GetClusterId(); id != nil && string(id) != string(c.cfg.Cluster[:]) {
				return fmt.Errorf("%w: %x, not %s", ErrForeign, id, c.cfg.Cluster)
			}
			cmds[i] = cmd
		case api.EntryMembers:
			f.fresh = 0
		}
	}
	for i, e := range list {
		c.apply(e, cmds[i])
	}
	c.advanced()
	return nil
}

func (c *Client) apply(e api.Entry, cmd *metadatapb.Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd == nil {
		c.state.Skip(e.Index, e.Term)
	} else {
		c.state.Apply(e.Index, e.Term, cmd)
	}
	c.stats.applied.Add(1)
}

// advanced wakes those who wait for the replica, and ends sessions whose epochs are not live in it.
func (c *Client) advanced() {
	c.mu.Lock()
	c.watch.lag = lag
	c.moved.Broadcast()
	var over []*Session
	for _, s := range c.sessions {
		b, known := c.state.Broker(s.epoch.Broker)
		if known && b.Epoch >= s.epoch.Epoch && !c.state.Live(s.epoch.Broker, s.epoch.Epoch) {
			over = append(over, s)
		}
	}
	c.mu.Unlock()
	for _, s := range over {
		s.gone()
	}
}
