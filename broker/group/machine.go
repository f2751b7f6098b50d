package group

import (
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// machine is the live state of one group.
type machine struct {
	id  string
	cfg *Config

	state        State
	since        int64 // Unix milliseconds of the last change to Empty or Stable
	generation   int32
	protocolType string
	protocol     string // chosen for the generation; "" while Empty
	leader       string // member id; "" if there are no members
	members      []*member
	byID         map[string]*member
	statics      map[string]string // instance id → member id
	promised     []promise         // ids handed out with MemberIDRequired

	assigning bool          // the generation's assignment is on its way to the log
	joinEnds  host.Time     // end of the join phase; 0 = none
	syncEnds  host.Time     // by then every member must have synced; 0 = none
	initial   bool          // the join phase of a group that was empty: it waits even if all have joined
	grew      bool          // a member joined since the initial phase was last extended
	extension time.Duration // how much longer the initial phase may get
	armed     host.Time     // earliest timer set; 0 = none

	ids     *uint64   // last id given to a record, of the whole coordinator
	pending []pending // records asked for and not durable yet, oldest first
	out     []Effect  // of the Step under way
	now     Now
}

// promise is a member id that a client may join with until it expires.
type promise struct {
	id      string
	expires host.Time
}

// pending is what happens once a record is durable.
type pending struct {
	id    uint64
	then  func() // may be nil
	abort func() // answers instead when the coordinator stops; may be nil
}

func newMachine(id string, cfg *Config, ids *uint64) *machine {
	return &machine{id: id, cfg: cfg, byID: map[string]*member{}, statics: map[string]string{}, ids: ids}
}

// step lets ev happen and appends what must be done to out. Persisted and creation are the Coordinator's.
func (g *machine) step(now Now, ev Event, out []Effect) []Effect {
	g.now, g.out = now, out
	switch e := ev.(type) {
	case Join:
		g.onJoin(e)
	case Sync:
		g.onSync(e)
	case Heartbeat:
		g.onHeartbeat(e)
	case Leave:
		g.onLeave(e)
	case Commit:
		g.onCommit(e)
	case DropOffsets:
		g.onDropOffsets(e)
	case Delete:
		g.onDelete(e)
	case Persisted:
		g.onPersisted(e)
	case expired:
		g.onExpired(e)
	case Tick:
		g.onTick()
	}
	g.checkShape()
	out, g.out = g.out, nil
	return out
}

// checkShape holds the invariants that every step must leave behind.
func (g *machine) checkShape() {
	ok := len(g.members) == len(g.byID)
	switch g.state {
	case Empty, Dead:
		ok = ok && len(g.members) == 0
	case CompletingRebalance, Stable:
		ok = ok && g.byID[g.leader] != nil && g.protocol != ""
	}
	if !invariant.Holds(ok, invariant.GroupState) {
		invariant.Fail(invariant.GroupState, "group %q: %v with %d members, leader %q", g.id, g.state,
			len(g.members), g.leader)
	}
}

func (g *machine) reply(t Token, r Result) { g.out = append(g.out, Reply{t, r}) }

// persist asks for record; then runs when it is durable, abort if it never will be.
func (g *machine) persist(record []byte, then, abort func()) {
	*g.ids++
	g.out = append(g.out, Persist{g.id, *g.ids, record})
	g.pending = append(g.pending, pending{*g.ids, then, abort})
}

func (g *machine) onPersisted(e Persisted) {
	if (len(g.pending) == 0 || g.pending[0].id != e.ID) && !mutant.On(mutant.AckOutOfOrder) {
		invariant.Fail(invariant.AckOrder, "group %q: record %d is durable out of order", g.id, e.ID)
	}
	p := g.pending[0]
	g.pending = slices.Delete(g.pending, 0, 1)
	if p.then != nil {
		p.then()
	}
}

// stop answers everything that waits: the coordinator is leaving.
func (g *machine) stop(out []Effect) []Effect {
	g.out = out
	for _, p := range g.pending {
		if p.abort != nil {
			p.abort()
		}
	}
	g.pending = nil
	for _, m := range g.members {
		g.endJoin(m, JoinResult{Kind: NotCoordinator, Generation: -1, MemberID: m.id})
		g.endSync(m, SyncResult{Kind: NotCoordinator})
	}
	g.members, g.state = nil, Dead
	clear(g.byID)
	out, g.out = g.out, nil
	return out
}

// add makes m a member. The first one leads.
func (g *machine) add(m *member, protocolType string) {
	if len(g.members) == 0 {
		g.protocolType = protocolType
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.instance != "" {
		g.statics[m.instance] = m.id
	}
}

// remove ends m's membership and answers what it still waits for.
func (g *machine) remove(m *member) {
	g.endJoin(m, failedJoin(UnknownMember, m.id))
	g.endSync(m, SyncResult{Kind: UnknownMember})
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
	delete(g.byID, m.id)
	if m.instance != "" {
		delete(g.statics, m.instance)
	}
	if g.leader == m.id {
		g.leader = ""
		if len(g.members) > 0 {
			probe.Hit(probe.GroupLeaderGone)
			g.leader = g.members[0].id
		}
	}
}

// find looks a member up and fences instance ids, in Kafka's order.
func (g *machine) find(id, instance string) (*member, Kind) {
	if instance != "" {
		switch owner, ok := g.statics[instance]; {
		case !ok:
			return nil, UnknownMember
		case owner != id:
			return nil, FencedInstance
		}
	}
	if m := g.byID[id]; m != nil {
		return m, OK
	}
	return nil, UnknownMember
}

// endJoin answers m's parked join, if any.
func (g *machine) endJoin(m *member, r JoinResult) {
	if m.join.on {
		g.reply(m.join.token, r)
		m.join = parked{}
	}
}

// endSync answers m's parked sync, if any.
func (g *machine) endSync(m *member, r SyncResult) {
	if m.sync.on {
		g.reply(m.sync.token, r)
		m.sync = parked{}
	}
}

// idle reports whether nothing of the group would be missed if only its stored state were kept.
func (g *machine) idle() bool {
	return (g.state == Empty || g.state == Dead) && len(g.promised) == 0 && len(g.pending) == 0
}
