package group

import (
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

// Coordinator is all groups of one coordinator partition.
type Coordinator struct {
	cfg     Config
	store   *Store
	groups  map[string]*machine // live ones; a group that is only stored is empty
	records map[string][][]byte // in flight, by group, oldest first
	lastID  uint64              // of a Persist
}

// NewCoordinator takes the partition's groups over, with the store at the end of its log, which it then
// owns. Members that were stable are members again, with a whole session to be heard of.
func NewCoordinator(now Now, cfg Config, store *Store, out []Effect) (*Coordinator, []Effect) {
	c := &Coordinator{cfg: cfg, store: store, groups: map[string]*machine{}, records: map[string][][]byte{}}
	for _, id := range store.Groups() {
		if m := store.groups[id].membership; m != nil && len(m.Members) > 0 {
			probe.Hit(probe.GroupRevived)
			g := c.live(id)
			g.now, g.out = now, out
			for _, x := range g.members {
				g.heard(x)
			}
			out, g.out = g.out, nil
		}
	}
	return c, out
}

// live returns the live group, made from what is stored of it if need be.
func (c *Coordinator) live(id string) *machine {
	if g := c.groups[id]; g != nil {
		return g
	}
	g := newMachine(id, &c.cfg, &c.lastID)
	c.groups[id] = g
	if s := c.store.groups[id]; s != nil && s.membership != nil {
		g.load(s.membership)
	}
	return g
}

// load brings stored members back.
func (g *machine) load(m *Membership) {
	g.since, g.generation, g.protocolType = m.Since, m.Generation, m.ProtocolType
	if len(m.Members) == 0 {
		return
	}
	g.state, g.protocol, g.leader = Stable, m.Protocol, m.Leader
	for _, x := range m.Members {
		g.add(&member{
			id: x.ID, instance: x.InstanceID, clientID: x.ClientID, clientHost: x.ClientHost,
			session: x.Session, rebalance: x.Rebalance, assignment: x.Assignment,
			protocols: []Protocol{{m.Protocol, x.Metadata}},
		}, m.ProtocolType)
	}
}

// Step lets ev happen to the group called id and appends what must be done to out.
func (c *Coordinator) Step(now Now, id string, ev Event, out []Effect) []Effect {
	if c.groups[id] == nil && c.store.groups[id] == nil {
		if r, refused := refuseUnknown(id, ev, len(c.groups) >= c.cfg.MaxGroups); refused {
			return append(out, r...)
		}
	}
	g := c.live(id)
	if _, ok := ev.(Persisted); ok {
		c.persisted(id)
	}
	at := len(out)
	out = g.step(now, ev, out)
	for _, e := range out[at:] {
		if p, ok := e.(Persist); ok {
			c.records[id] = append(c.records[id], p.Record)
		}
	}
	if g.idle() {
		delete(c.groups, id) // what matters of it is stored
	}
	return out
}

// persisted applies the group's oldest record in flight.
func (c *Coordinator) persisted(id string) {
	q := c.records[id]
	if len(q) == 0 {
		invariant.Fail(invariant.AckOrder, "group %q: a record is durable that nobody asked for", id)
	}
	if err := c.store.Apply(q[0]); err != nil {
		invariant.Fail(invariant.StateMatchesLog, "group %q: our own record: %v", id, err)
	}
	if q = q[1:]; len(q) == 0 {
		delete(c.records, id)
	} else {
		c.records[id] = q
	}
}

// refuseUnknown answers requests for a group that does not exist and that they do not found.
func refuseUnknown(id string, ev Event, full bool) ([]Effect, bool) {
	switch e := ev.(type) {
	case Join:
		k := OK
		switch {
		case id == "":
			k = InvalidGroupID
		case e.MemberID != "":
			k = UnknownMember
		case full:
			k = NotAvailable
		}
		return []Effect{Reply{e.Token, failedJoin(k, e.MemberID)}}, k != OK
	case Sync:
		return []Effect{Reply{e.Token, SyncResult{Kind: UnknownMember}}}, true
	case Heartbeat:
		return []Effect{Reply{e.Token, HeartbeatResult{UnknownMember}}}, true
	case Leave:
		r := LeaveResult{Members: fill(make([]Kind, len(e.Members)), UnknownMember)}
		return []Effect{Reply{e.Token, r}}, true
	case Commit:
		k := OK
		switch {
		case e.Generation >= 0:
			k = IllegalGeneration // the group forgot all its members
		case full:
			k = NotAvailable
		}
		return []Effect{Reply{e.Token, CommitResult{fill(make([]Kind, len(e.Offsets)), k)}}}, k != OK
	case DropOffsets:
		return []Effect{Reply{e.Token, CommitResult{make([]Kind, len(e.Parts))}}}, true
	case Delete:
		return []Effect{Reply{e.Token, DeleteResult{NotFound}}}, true
	case Tick:
		return nil, true // it is gone
	}
	return nil, false
}

// Stop answers all that waits with NotCoordinator. The coordinator is done; the next one loads the log.
func (c *Coordinator) Stop(out []Effect) []Effect {
	for _, id := range c.liveIDs() {
		out = c.groups[id].stop(out)
	}
	clear(c.groups)
	return out
}

func (c *Coordinator) liveIDs() []string {
	ids := make([]string, 0, len(c.groups))
	for id := range c.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Store is the durable state. It belongs to the coordinator; callers read it under the same lock.
func (c *Coordinator) Store() *Store { return c.store }
