package check

import (
	"cmp"
	"slices"
	"strings"
)

// Registers judges what is no log: committed offsets and keys of metadata (Offsets),
// generations and leaders of groups, topics, and producer ids.
func Registers(h *History) *Verdict {
	v := &Verdict{}
	groups(h, v)
	v.merge(Offsets(h))
	topics(h, v)
	producers(h, v)
	tally(h, v)
	return v
}

// tally counts what no checker has to look at one by one.
func tally(h *History, v *Verdict) {
	type session struct {
		client int32
		number int
	}
	sessions, txns := map[session]bool{}, map[int64]bool{}
	for i := range h.Ops {
		op := &h.Ops[i]
		switch {
		case op.Kind == Commit && op.Outcome == Failed && op.Generation > 0:
			v.Counts.Fenced++
		case op.Kind == Assign && op.Outcome == OK:
			v.Counts.Assigned++
		case op.Kind == Join && op.Outcome == OK:
			v.Counts.Joins++
		case op.Kind == Fetch && op.Outcome == OK && op.Session != 0:
			sessions[session{op.Client, op.Session}] = true
		case op.Kind == TxnEnd && op.Outcome == OK:
			txns[op.Txn] = true
		}
	}
	v.Counts.Sessions, v.Counts.Transactions, v.Counts.Recoveries = len(sessions), len(txns), len(h.Recoveries)
}

// groupOps are one group's operations that name a generation.
type groupOps struct {
	name        string
	established []int // syncs and commits: the generation is theirs alone from then on
	all         []int // and joins
}

// groups judges generations: once one was established, nothing of an older one is answered, and it has one leader.
func groups(h *History, v *Verdict) {
	byName := map[string]*groupOps{}
	var order []*groupOps
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Outcome != OK || op.Generation < 1 || op.Kind != Join && op.Kind != Sync && op.Kind != Commit {
			continue
		}
		g := byName[op.Group]
		if g == nil {
			g = &groupOps{name: op.Group}
			byName[op.Group] = g
			order = append(order, g)
		}
		g.all = append(g.all, i)
		if op.Kind != Join {
			g.established = append(g.established, i)
		}
	}
	slices.SortFunc(order, func(a, b *groupOps) int { return strings.Compare(a.name, b.name) })
	for _, g := range order {
		g.generations(h, v)
		g.leaders(h, v)
	}
}

func (g *groupOps) generations(h *History, v *Verdict) {
	slices.SortStableFunc(g.established, func(a, b int) int { return cmp.Compare(h.Ops[a].Return, h.Ops[b].Return) })
	slices.SortStableFunc(g.all, func(a, b int) int { return cmp.Compare(h.Ops[a].Call, h.Ops[b].Call) })
	newest, returned := -1, 0
	seen := map[int32]bool{}
	for _, i := range g.all {
		op := &h.Ops[i]
		for ; returned < len(g.established) && h.Ops[g.established[returned]].Return < op.Call; returned++ {
			if e := g.established[returned]; newest < 0 || h.Ops[e].Generation > h.Ops[newest].Generation {
				newest = e
			}
		}
		if op.Kind != Join {
			seen[op.Generation] = true
		}
		if newest >= 0 && h.Ops[newest].Generation > op.Generation {
			v.add(StaleGeneration, Partition{}, []int{newest, i},
				"group %s: %s of generation %d at %d, generation %d was established by %d",
				g.name, op.Kind, op.Generation, op.Call, h.Ops[newest].Generation, h.Ops[newest].Return)
		}
	}
	v.Counts.Generations += len(seen)
}

// leaders: the members that took part in an established generation were told the same leader. A join counts
// once its member's sync or commit shows that its generation is the one that was established, and no other of
// the same number that a crash undid.
func (g *groupOps) leaders(h *History, v *Verdict) {
	type part struct {
		generation int32
		member     string
	}
	joined := map[part]int{}
	leader := map[int32]int{}
	for _, i := range g.all {
		op := &h.Ops[i]
		as := part{op.Generation, op.Member}
		if op.Kind == Join {
			joined[as] = i
			continue
		}
		join, known := joined[as]
		if !known || h.Ops[join].Leader == "" || h.Ops[join].Return > op.Call {
			continue
		}
		other, told := leader[op.Generation]
		if told && h.Ops[other].Leader != h.Ops[join].Leader {
			v.add(TwoLeaders, Partition{}, []int{other, join}, "group %s, generation %d: led by %s and by %s", g.name,
				op.Generation,
				h.Ops[other].Leader, h.Ops[join].Leader)
			return
		}
		leader[op.Generation] = join
	}
}

// producers: no producer id and epoch is given out twice.
func producers(h *History, v *Verdict) {
	type identity struct {
		id    int64
		epoch int16
	}
	given := map[identity]int{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind != InitProducer || op.Outcome != OK {
			continue
		}
		v.Counts.Producers++
		as := identity{op.ProducerID, op.ProducerEpoch}
		if other, twice := given[as]; twice {
			v.add(ReusedProducerID, Partition{}, []int{other, i}, "producer id %d of epoch %d was given to clients %d and %d",
				as.id, as.epoch, h.Ops[other].Client, op.Client)
			continue
		}
		given[as] = i
	}
}
