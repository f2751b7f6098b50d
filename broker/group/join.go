package group

import (
	"slices"
	"time"

	"github.com/weirmq/weir/internal/probe"
)

func failedJoin(k Kind, memberID string) JoinResult {
	return JoinResult{Kind: k, Generation: -1, MemberID: memberID}
}

func (g *machine) onJoin(e Join) {
	if k := g.admits(e); k != OK {
		g.reply(e.Token, failedJoin(k, e.MemberID))
		return
	}
	if e.MemberID != "" {
		g.joinKnown(e)
		return
	}
	if old, ok := g.statics[e.InstanceID]; ok && e.InstanceID != "" {
		g.replaceStatic(g.byID[old], e)
		return
	}
	if e.InstanceID == "" && e.RequireKnownID {
		// The client may have gone already; its id is kept only as long as a session.
		probe.Hit(probe.GroupMemberIDRequired)
		g.promised = append(g.promised, promise{e.FreshID, g.after(e.SessionTimeout)})
		g.arm(g.after(e.SessionTimeout))
		g.reply(e.Token, failedJoin(MemberIDRequired, e.FreshID))
		return
	}
	g.joinNew(e, e.FreshID)
}

// admits checks what does not depend on the member.
func (g *machine) admits(e Join) Kind {
	switch {
	case g.state == Dead:
		return NotAvailable
	case e.SessionTimeout < g.cfg.SessionMin || e.SessionTimeout > g.cfg.SessionMax:
		return InvalidSessionTimeout
	case !g.hasRoom(e):
		return GroupFull
	case !g.compatible(e):
		return InconsistentProtocol
	}
	return OK
}

// hasRoom: members who are there may come back into a full group; ids handed out count.
func (g *machine) hasRoom(e Join) bool {
	if g.byID[e.MemberID] != nil || g.isPromised(e.MemberID) {
		return true
	}
	if e.MemberID == "" && e.InstanceID != "" && g.statics[e.InstanceID] != "" {
		return true
	}
	return len(g.members)+len(g.promised) < g.cfg.MaxMembers
}

func (g *machine) isPromised(id string) bool {
	return slices.ContainsFunc(g.promised, func(p promise) bool { return p.id == id })
}

// compatible: same protocol type, and at least one protocol that every member supports.
func (g *machine) compatible(e Join) bool {
	unnamed := slices.ContainsFunc(e.Protocols, func(p Protocol) bool { return p.Name == "" })
	if e.ProtocolType == "" || len(e.Protocols) == 0 || unnamed {
		return false
	}
	if len(g.members) == 0 {
		return true
	}
	if e.ProtocolType != g.protocolType {
		return false
	}
	for _, p := range e.Protocols {
		if g.allSupport(p.Name) {
			return true
		}
	}
	return false
}

func (g *machine) allSupport(protocol string) bool {
	for _, m := range g.members {
		if !m.supports(protocol) {
			return false
		}
	}
	return true
}

func (g *machine) joinNew(e Join, id string) {
	m := &member{id: id, instance: e.InstanceID, fresh: true}
	m.update(e)
	m.join = parked{true, e.Token}
	// It has no id to send heartbeats with until the join is answered, and a client that gives up
	// comes back as somebody else: only time removes the one it left behind.
	m.expires = g.after(g.cfg.NewMemberJoin)
	g.arm(m.expires)
	g.add(m, e.ProtocolType)
	g.grew = true
	g.rebalanceOrComplete()
}

func (g *machine) joinKnown(e Join) {
	if e.InstanceID == "" && g.breakPromise(e.MemberID) { // ids are promised to dynamic members only
		g.joinNew(e, e.MemberID)
		return
	}
	m, k := g.find(e.MemberID, e.InstanceID)
	if k != OK {
		g.reply(e.Token, failedJoin(k, e.MemberID))
		return
	}
	unchanged := m.matches(e.Protocols)
	switch {
	case g.state == CompletingRebalance && unchanged:
		// It lost the answer of this generation.
		g.rejoinUnchanged(m, e)
	case g.state == Stable && unchanged && m.id != g.leader:
		g.rejoinUnchanged(m, e)
	default:
		// A leader that joins again wants a new assignment.
		g.park(m, e)
		g.rebalanceOrComplete()
	}
}

func (g *machine) rejoinUnchanged(m *member, e Join) {
	probe.Hit(probe.GroupRejoined)
	m.update(e)
	g.heard(m)
	g.reply(e.Token, g.joined(m))
}

// park makes e the join that m waits with. One it waited with before is answered: the client has given
// it up.
func (g *machine) park(m *member, e Join) {
	g.endJoin(m, failedJoin(RebalanceInProgress, m.id))
	m.update(e)
	m.join = parked{true, e.Token}
}

// joined is the answer to a member of the current generation.
func (g *machine) joined(m *member) JoinResult {
	r := JoinResult{
		Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol,
		Leader: g.leader, MemberID: m.id,
	}
	if m.id == g.leader {
		r.Members = g.roster()
	}
	return r
}

func (g *machine) roster() []JoinMember {
	out := make([]JoinMember, 0, len(g.members))
	for _, m := range g.members {
		out = append(out, JoinMember{m.id, m.instance, m.metadata(g.protocol)})
	}
	return out
}

// replaceStatic lets a restarted static member take its old self's place under a new id, without a
// rebalance where the group is stable and nothing changed for it.
func (g *machine) replaceStatic(m *member, e Join) {
	probe.Hit(probe.GroupStaticReplaced)
	oldID := m.id
	g.endJoin(m, failedJoin(FencedInstance, oldID))
	g.endSync(m, SyncResult{Kind: FencedInstance})
	delete(g.byID, oldID)
	m.id = e.FreshID
	g.byID[m.id] = m
	g.statics[m.instance] = m.id
	wasLeader := g.leader == oldID
	if wasLeader {
		g.leader = m.id
	}
	m.update(e)
	g.heard(m)
	if g.state == Stable && g.choose() == g.protocol {
		g.answerReplaced(m, e, oldID, wasLeader)
		return
	}
	m.join = parked{true, e.Token}
	g.rebalanceOrComplete()
}

// answerReplaced hands out the running generation under the new id, once the new id is durable.
func (g *machine) answerReplaced(m *member, e Join, oldID string, wasLeader bool) {
	r := g.joined(m)
	if wasLeader {
		// It must not assign again: the others would never hear of it.
		r.SkipAssignment = e.SkipAssignment
		if !e.SkipAssignment {
			r.Leader, r.Members = oldID, nil // an older client believes it follows
		}
	}
	g.persist(g.record(nil), func() { g.reply(e.Token, r) },
		func() { g.reply(e.Token, failedJoin(NotCoordinator, e.MemberID)) })
}

// choose picks the generation's protocol: supported by all, most first votes; a tie goes to the one the
// longest-standing member names first.
func (g *machine) choose() string {
	if len(g.members) == 0 {
		return ""
	}
	var candidates []string
	for _, p := range g.members[0].protocols {
		if g.allSupport(p.Name) && !slices.Contains(candidates, p.Name) {
			candidates = append(candidates, p.Name)
		}
	}
	votes := make([]int, len(candidates))
	for _, m := range g.members {
		if i := slices.Index(candidates, m.vote(candidates)); i >= 0 {
			votes[i]++
		}
	}
	best := ""
	for i, c := range candidates {
		if best == "" || votes[i] > votes[slices.Index(candidates, best)] {
			best = c
		}
	}
	return best
}

// rebalanceTimeout is how long the slowest member may take.
func (g *machine) rebalanceTimeout() time.Duration {
	d := time.Duration(0)
	for _, m := range g.members {
		d = max(d, m.rebalance)
	}
	return d
}
