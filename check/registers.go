package check

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
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

// Kafka's error codes by which a refusal tells whether the topic is there.
const (
	codeUnknownTopic = 3
	codeTopicExists  = 36
)

// topicState is a topic's register: its count of partitions, 0 if there is none. While a
// deletion is carried out nobody sees the topic any more, and its name is not free yet.
type topicState struct {
	partitions int32
	deleting   bool
}

// topicOp is an operation on a topic's register.
type topicOp struct {
	create, remove bool // otherwise a read
	grow           bool // likewise
	partitions     int32
	unknown        bool // it may have been refused, or never have come
	taken          bool // of a read: the name is not free
}

func (op topicOp) step(s topicState) (bool, topicState) {
	switch {
	case op.create && s.partitions == 0:
		return true, topicState{partitions: op.partitions}
	case op.create:
		return op.unknown, s
	case op.remove && s.partitions > 0:
		return true, topicState{deleting: true}
	case op.remove:
		return op.unknown, s
	case op.grow && s.partitions > 0 && s.partitions < op.partitions:
		return true, topicState{partitions: op.partitions}
	case op.grow:
		return op.unknown, s
	case op.taken:
		return s.partitions > 0 || s.deleting, s
	}
	return s.partitions == op.partitions, s
}

// topicOpOf returns false for what says nothing.
func topicOpOf(op *Op) (in topicOp, ok bool) {
	switch {
	case op.Kind == DescribeTopic:
		return topicOp{partitions: op.Partitions}, op.Outcome == OK
	case op.Outcome == Failed && op.Code == codeTopicExists:
		return topicOp{taken: true}, true
	case op.Outcome == Failed && op.Code == codeUnknownTopic:
		return topicOp{}, true
	case op.Outcome == Failed:
		return in, false
	}
	unknown := op.Outcome == Unknown
	return topicOp{create: op.Kind == CreateTopic, remove: op.Kind == DeleteTopic, grow: op.Kind == CreatePartitions,
		partitions: op.Partitions, unknown: unknown}, true
}

// topics judges each topic's existence and count of partitions as a register.
func topics(h *History, v *Verdict) {
	byName := map[string][]porcupine.Operation{}
	var names []string
	for i := range h.Ops {
		op := &h.Ops[i]
		switch op.Kind {
		case CreateTopic, DeleteTopic, DescribeTopic, CreatePartitions:
		default:
			continue
		}
		in, says := topicOpOf(op)
		if !says {
			continue
		}
		if byName[op.Topic] == nil {
			names = append(names, op.Topic)
		}
		ret := op.Return
		if op.Outcome == Unknown {
			ret = math.MaxInt64
		}
		byName[op.Topic] = append(byName[op.Topic],
			porcupine.Operation{ClientId: i, Input: in, Call: op.Call, Return: ret})
	}
	slices.Sort(names)
	model := porcupine.Model{
		Init: func() any { return topicState{} },
		Step: func(state, input, _ any) (bool, any) { return input.(topicOp).step(state.(topicState)) },
	}
	for _, name := range names {
		ops := byName[name]
		v.Counts.Topics++
		v.Counts.MetadataOps += len(ops)
		switch porcupine.CheckOperationsTimeout(model, ops, windowTimeMax) {
		case porcupine.Illegal:
			v.add(StaleMetadata, Partition{Topic: name}, nil, "no order explains its %d creations, deletions and descriptions",
				len(ops))
		case porcupine.Unknown:
			v.add(Undecided, Partition{Topic: name}, nil, "no answer within %v", windowTimeMax)
		}
	}
}
