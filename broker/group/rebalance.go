package group

import "github.com/weirmq/weir/internal/probe"

// rebalanceOrComplete starts a join phase, or ends the one under way if nobody is missing.
func (g *machine) rebalanceOrComplete() {
	switch g.state {
	case PreparingRebalance:
		g.completeIfAllJoined()
	case Empty, CompletingRebalance, Stable:
		g.prepare()
	}
}

// prepare begins a join phase.
func (g *machine) prepare() {
	for _, m := range g.members {
		if g.state == CompletingRebalance {
			m.assignment = nil
			if m.sync.on {
				g.endSync(m, SyncResult{Kind: RebalanceInProgress})
				g.heard(m)
			}
		}
		m.mustSync = false
	}
	g.syncEnds, g.assigning = 0, false
	g.initial = g.state == Empty
	g.state = PreparingRebalance
	if !g.initial {
		g.joinEnds = g.after(g.rebalanceTimeout())
		g.arm(g.joinEnds)
		g.completeIfAllJoined()
		return
	}
	// An empty group waits a moment, so that members that start together join one generation.
	g.grew = false
	g.extension = max(0, g.rebalanceTimeout()-g.cfg.InitialDelay)
	g.joinEnds = g.after(g.cfg.InitialDelay)
	if g.cfg.InitialDelay <= 0 {
		g.complete()
		return
	}
	g.arm(g.joinEnds)
}

func (g *machine) completeIfAllJoined() {
	if g.initial || len(g.promised) > 0 && len(g.members) > 0 {
		return // more will come
	}
	for _, m := range g.members {
		if !m.join.on {
			return
		}
	}
	g.complete()
}

// joinPhaseOver is the end of the join phase's time.
func (g *machine) joinPhaseOver() {
	if g.initial && g.grew && g.extension > 0 {
		d := min(g.cfg.InitialDelay, g.extension)
		probe.Hit(probe.GroupExtended)
		g.extension -= d
		g.grew = false
		g.joinEnds = g.after(d)
		return
	}
	g.complete()
}

// complete ends the join phase: whoever has not joined is out, but static members, who have their session
// to come back; the rest are the next generation.
func (g *machine) complete() {
	g.joinEnds, g.initial = 0, false
	for i := 0; i < len(g.members); {
		if m := g.members[i]; !m.join.on && m.instance == "" {
			probe.Hit(probe.GroupMissingMember)
			g.remove(m)
			continue
		}
		i++
	}
	if !g.electJoined() {
		// Only absent static members are left: wait until they come or their sessions end.
		g.joinEnds = g.after(g.rebalanceTimeout())
		g.arm(g.joinEnds)
		return
	}
	g.generation++
	g.protocol = g.choose()
	if len(g.members) == 0 {
		g.becomeEmpty()
		return
	}
	g.state = CompletingRebalance
	g.syncEnds = g.after(g.rebalanceTimeout())
	g.arm(g.syncEnds)
	for _, m := range g.members {
		g.endJoin(m, g.joined(m))
		m.fresh, m.mustSync = false, true
		g.heard(m)
	}
}

// electJoined makes sure that the leader is somebody who joined. It reports false if there are members
// and none joined.
func (g *machine) electJoined() bool {
	if len(g.members) == 0 {
		return true
	}
	if l := g.byID[g.leader]; l != nil && l.join.on {
		return true
	}
	for _, m := range g.members {
		if m.join.on {
			g.leader = m.id
			return true
		}
	}
	return false
}

// becomeEmpty stores the generation, so that it is not used again after a restart.
func (g *machine) becomeEmpty() {
	g.state, g.leader, g.syncEnds = Empty, "", 0
	g.since = g.now.Wall
	g.persist(g.record(nil), nil, nil)
}
