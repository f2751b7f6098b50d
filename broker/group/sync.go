package group

import (
	"slices"

	"github.com/weirmq/weir/internal/probe"
)

func (g *machine) onSync(e Sync) {
	m, k := g.validateSync(e)
	if k != OK {
		g.reply(e.Token, SyncResult{Kind: k})
		return
	}
	m.mustSync = false
	switch g.state {
	case PreparingRebalance:
		g.reply(e.Token, SyncResult{Kind: RebalanceInProgress})
	case Stable:
		g.heard(m)
		g.reply(e.Token, g.synced(m))
	case CompletingRebalance:
		g.endSync(m, SyncResult{Kind: RebalanceInProgress}) // given up by its client
		m.sync = parked{true, e.Token}
		if m.id == g.leader && !g.assigning {
			g.assign(e.Assignments)
		}
	}
}

func (g *machine) validateSync(e Sync) (*member, Kind) {
	if g.state == Dead {
		return nil, NotAvailable
	}
	m, k := g.find(e.MemberID, e.InstanceID)
	switch {
	case k != OK:
		return nil, k
	case e.Generation != g.generation:
		return nil, IllegalGeneration
	case e.ProtocolType != "" && e.ProtocolType != g.protocolType,
		e.Protocol != "" && e.Protocol != g.protocol:
		return nil, InconsistentProtocol
	}
	return m, OK
}

func (g *machine) synced(m *member) SyncResult {
	return SyncResult{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.assignment}
}

// assign stores the leader's assignment; it takes effect once durable, if nothing came between.
func (g *machine) assign(as []Assignment) {
	generation := g.generation
	given := make(map[string][]byte, len(as))
	for _, a := range as {
		if g.byID[a.MemberID] != nil { // only members hold assignments
			given[a.MemberID] = slices.Clone(a.Data)
		}
	}
	g.since = g.now.Wall
	record := g.record(given)
	if len(record) > g.cfg.MaxRecordBytes {
		for _, m := range g.members {
			g.endSync(m, SyncResult{Kind: RecordTooLarge})
		}
		g.prepare()
		return
	}
	g.assigning = true
	g.persist(record, func() {
		if g.state != CompletingRebalance || g.generation != generation {
			probe.Hit(probe.GroupAssignmentStale)
			return
		}
		g.state, g.assigning = Stable, false
		for _, m := range g.members {
			m.assignment = given[m.id]
			if m.sync.on {
				g.endSync(m, g.synced(m))
				g.heard(m)
			}
		}
	}, nil)
}

func (g *machine) onHeartbeat(e Heartbeat) {
	k := NotAvailable
	if g.state != Dead {
		var m *member
		if m, k = g.find(e.MemberID, e.InstanceID); k == OK {
			k = g.beat(m, e.Generation)
		}
	}
	g.reply(e.Token, HeartbeatResult{k})
}

func (g *machine) beat(m *member, generation int32) Kind {
	if generation != g.generation {
		return IllegalGeneration
	}
	g.heard(m)
	if g.state == PreparingRebalance {
		return RebalanceInProgress
	}
	return OK // also while the assignment is awaited: clients begin to beat after the join
}
