package group

import (
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

func (g *machine) after(d time.Duration) host.Time { return g.now.Time + host.Time(d) }

// arm asks for a tick at t unless one is coming before that.
func (g *machine) arm(t host.Time) {
	if t != 0 && (g.armed == 0 || t < g.armed) {
		g.armed = t
		g.out = append(g.out, SetTimer{g.id, t})
	}
}

// heard starts m's session anew. The tick for it comes at the old end and is set again then, so a
// heartbeat costs no timer. A first join that is parked keeps its own, longer limit.
func (g *machine) heard(m *member) {
	if m.fresh {
		return
	}
	m.expires = g.after(m.session)
	g.arm(m.expires)
}

func (g *machine) onTick() {
	if g.armed != 0 && g.armed <= g.now.Time {
		g.armed = 0
	}
	g.expirePromises()
	g.expireMembers()
	if g.due(g.joinEnds) && g.state == PreparingRebalance {
		g.joinPhaseOver()
	}
	if g.due(g.syncEnds) {
		g.syncPhaseOver()
	}
	g.rearm()
}

func (g *machine) due(t host.Time) bool { return t != 0 && t <= g.now.Time }

func (g *machine) expirePromises() {
	n := len(g.promised)
	g.promised = slices.DeleteFunc(g.promised, func(p promise) bool { return g.due(p.expires) })
	if len(g.promised) < n {
		probe.Hit(probe.GroupPromiseExpired)
	}
	if len(g.promised) < n && g.state == PreparingRebalance {
		g.completeIfAllJoined()
	}
}

func (g *machine) expireMembers() {
	var gone []*member
	for _, m := range g.members {
		switch {
		case !g.due(m.expires):
		case !m.fresh && (m.join.on || m.sync.on):
			m.expires = 0 // it waits for us; counted again from the answer on
		default:
			gone = append(gone, m)
		}
	}
	for _, m := range gone {
		probe.Hit(probe.GroupSessionEnded)
		g.remove(m)
	}
	if len(gone) > 0 {
		g.afterRemoval()
	}
}

// syncPhaseOver removes members that joined the generation and never synced.
func (g *machine) syncPhaseOver() {
	g.syncEnds = 0
	var gone []*member
	for _, m := range g.members {
		if m.mustSync {
			gone = append(gone, m)
		}
	}
	for _, m := range gone {
		probe.Hit(probe.GroupNeverSynced)
		g.remove(m)
	}
	if len(gone) > 0 {
		g.afterRemoval()
	}
}

// rearm sets the timer for whatever ends next.
func (g *machine) rearm() {
	g.arm(g.joinEnds)
	g.arm(g.syncEnds)
	for _, m := range g.members {
		g.arm(m.expires)
	}
	for _, p := range g.promised {
		g.arm(p.expires)
	}
}
