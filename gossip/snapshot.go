package gossip

import (
	"cmp"
	"slices"
)

// Members is [Membership].Members.
func (v *View) Members() Snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	local := Member{Report: v.self, State: Alive, Since: v.since, Local: true}
	if v.self.Leaving {
		local.State = Gone
	}
	all := []Member{local}
	for _, l := range v.sorted() {
		all = append(all, Member{Report: l.Report, State: l.State, Since: l.Since})
	}
	slices.SortStableFunc(all, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance))
	})
	s := Snapshot{Version: v.version}
	for from := 0; from < len(all); {
		upto := from
		for upto < len(all) && all[upto].Node == all[from].Node {
			upto++
		}
		s.Members = append(s.Members, shown(all[from:upto])...)
		from = upto
	}
	return s
}

// shown returns those of the lives of one node id that are to be seen, and marks conflicts among them.
func shown(lives []Member) []Member {
	var out []Member
	for i := range lives {
		replaced := slices.ContainsFunc(lives, func(by Member) bool { return replaces(&by, &lives[i]) })
		if !replaced || lives[i].Local {
			out = append(out, lives[i])
		}
	}
	for i := range out {
		m := &out[i]
		m.Conflict = m.State == Alive && slices.ContainsFunc(out, func(o Member) bool {
			return o.State == Alive && o.Instance != m.Instance && o.Cluster != m.Cluster
		})
	}
	return out
}

// replaces tells whether by, a life of the same node, takes the place of old.
func replaces(by, old *Member) bool {
	switch {
	case by.Instance == old.Instance || by.State == Gone:
		return false
	case by.Epoch > old.Epoch && old.Epoch > 0: // G5
		return true
	case old.State == Gone:
		return true
	}
	// At one address there is one process: the one that is heard of.
	return by.State == Alive && old.State == Suspect && by.Cluster == old.Cluster && by.Cluster != ""
}
