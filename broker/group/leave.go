package group

import "slices"

func (g *machine) onLeave(e Leave) {
	r := LeaveResult{Members: make([]Kind, len(e.Members))}
	if g.state == Dead {
		r.Kind = NotAvailable
		g.reply(e.Token, r)
		return
	}
	removed, left := false, false
	for i, l := range e.Members {
		var member bool
		r.Members[i], member = g.leave(l)
		removed = removed || member
		left = left || r.Members[i] == OK
	}
	g.reply(e.Token, r)
	if removed {
		g.afterRemoval()
	} else if left && g.state == PreparingRebalance {
		g.completeIfAllJoined() // nobody waits for the promised id any more
	}
}

// leave removes one member, or gives its promised id up.
func (g *machine) leave(l Leaver) (k Kind, member bool) {
	if l.InstanceID != "" && l.MemberID == "" {
		l.MemberID = g.statics[l.InstanceID]
	}
	if g.breakPromise(l.MemberID) {
		return OK, false
	}
	m, k := g.find(l.MemberID, l.InstanceID)
	if k == OK {
		g.remove(m)
	}
	return k, k == OK
}

// breakPromise forgets an id that was handed out and reports whether there was one.
func (g *machine) breakPromise(id string) bool {
	n := len(g.promised)
	g.promised = slices.DeleteFunc(g.promised, func(p promise) bool { return p.id == id })
	return len(g.promised) < n
}

// afterRemoval rebalances among those who are left, or goes on without those who are gone.
func (g *machine) afterRemoval() {
	switch g.state {
	case PreparingRebalance:
		g.completeIfAllJoined()
	case CompletingRebalance, Stable:
		g.prepare()
	}
}
