package check

import (
	"cmp"
	"slices"
)

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
	byName := map[string]*topicSearch{}
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
		s := byName[op.Topic]
		if s == nil {
			s = &topicSearch{}
			byName[op.Topic] = s
			names = append(names, op.Topic)
		}
		s.add(in, op.Call, op.Return)
	}
	slices.Sort(names)
	for _, name := range names {
		s := byName[name]
		v.Counts.Topics++
		v.Counts.MetadataOps += len(s.ops)
		switch explained, decided := s.run(); {
		case !decided:
			v.add(Undecided, Partition{Topic: name}, nil, "more than %d histories of its %d creations, deletions and "+
				"descriptions are open at once", topicWorldsMax, len(s.ops))
		case !explained:
			v.add(StaleMetadata, Partition{Topic: name}, nil, "no order explains its %d creations, deletions and descriptions",
				len(s.ops))
		}
	}
}

// topicSearch looks for an order of one topic's operations. It goes through calls and returns as time did and keeps
// every way in which things may stand. An operation takes effect as late as it can: when it returns, or before one
// that needs it.
//
// Those without an answer may take effect at any time from their call on, or never. Ten of them are more orders than
// anybody can try one by one. But of two with the same request it does not matter which one it was, and whoever has
// used fewer of them can do all that one can who used more: so only their numbers count, and the least of them.
type topicSearch struct {
	ops    []topicOp // in the order of their times …
	times  []topicTime
	kinds  []topicOp // requests of those without an answer
	called []int     // how many of each were called so far
	open   []int     // operations under way, with an answer to come
	worlds []topicWorld
}

// topicWorld is a way in which things may stand.
type topicWorld struct {
	state topicState
	done  uint64 // of the open operations, by their place there: which took effect
	used  []int  // of each kind without an answer: how many took effect
}

type topicTime struct {
	at  int64
	op  int
	ret bool
}

// Bounds of a search: deterministic ones, no matter how fast the machine is.
const (
	topicWorldsMax = 1 << 16
	topicOpenMax   = 64
)

func (s *topicSearch) add(in topicOp, call, ret int64) {
	n := len(s.ops)
	s.ops = append(s.ops, in)
	s.times = append(s.times, topicTime{call, n, false})
	if !in.unknown {
		s.times = append(s.times, topicTime{ret, n, true})
	}
}

// run reports whether some order explains all operations, and whether that could be decided.
func (s *topicSearch) run() (explained, decided bool) {
	slices.SortStableFunc(s.times, func(a, b topicTime) int {
		if a.at == b.at && a.ret != b.ret && !a.ret {
			return -1 // what begins when another ends may come before it
		} else if a.at == b.at && a.ret != b.ret {
			return 1
		}
		return cmp.Compare(a.at, b.at)
	})
	s.worlds = []topicWorld{{}}
	for _, t := range s.times {
		switch in := s.ops[t.op]; {
		case in.unknown:
			s.call(in)
		case !t.ret:
			if !s.enter(t.op) {
				return false, false
			}
		default:
			if !s.leave(t.op) {
				return false, false
			}
		}
		if len(s.worlds) == 0 {
			return false, true
		}
	}
	return true, true
}

// call makes one more operation without an answer possible.
func (s *topicSearch) call(in topicOp) {
	i := slices.Index(s.kinds, in)
	if i < 0 {
		i = len(s.kinds)
		s.kinds, s.called = append(s.kinds, in), append(s.called, 0)
		for k := range s.worlds {
			s.worlds[k].used = append(slices.Clone(s.worlds[k].used), 0)
		}
	}
	s.called[i]++
}

// enter finds a place for an operation that is under way; false if too many are.
func (s *topicSearch) enter(op int) bool {
	i := slices.Index(s.open, -1)
	if i < 0 {
		i = len(s.open)
		s.open = append(s.open, -1)
	}
	s.open[i] = op
	return i < topicOpenMax
}

// leave keeps the worlds in which an operation that returns has taken effect; false if they are too many.
func (s *topicSearch) leave(op int) bool {
	slot := slices.Index(s.open, op)
	bit := uint64(1) << slot
	var found, reached topicWorlds
	for _, w := range s.worlds {
		reached.add(w)
	}
	for at := 0; at < len(reached.list); at++ {
		if len(reached.list) > topicWorldsMax {
			return false
		}
		w := reached.list[at]
		if reached.gone[at] {
			continue // another can do all that it can
		}
		if w.done&bit != 0 {
			w.done &^= bit
			found.add(w)
			continue
		}
		s.next(&w, reached.add)
	}
	s.open[slot] = -1
	s.worlds = found.alive()
	return true
}

// next gives fn what may come of w by one operation more.
func (s *topicSearch) next(w *topicWorld, fn func(topicWorld)) {
	for i, op := range s.open {
		if op < 0 || w.done&(1<<i) != 0 {
			continue
		}
		if ok, state := s.ops[op].step(w.state); ok {
			fn(topicWorld{state, w.done | 1<<i, w.used})
		}
	}
	for k, in := range s.kinds {
		if w.used[k] == s.called[k] {
			continue
		}
		if _, state := in.step(w.state); state != w.state {
			used := slices.Clone(w.used)
			used[k]++
			fn(topicWorld{state, w.done, used})
		}
	}
}

// topicWorlds is a list of worlds of which none can do all that another can, beside those marked as gone.
type topicWorlds struct {
	list []topicWorld
	gone []bool
	by   map[topicKey][]int
}

type topicKey struct {
	state topicState
	done  uint64
}

func (t *topicWorlds) add(w topicWorld) {
	key := topicKey{w.state, w.done}
	for _, i := range t.by[key] {
		if !t.gone[i] && usesNoMore(t.list[i].used, w.used) {
			return
		}
	}
	for _, i := range t.by[key] {
		if usesNoMore(w.used, t.list[i].used) {
			t.gone[i] = true
		}
	}
	if t.by == nil {
		t.by = map[topicKey][]int{}
	}
	t.by[key] = append(t.by[key], len(t.list))
	t.list, t.gone = append(t.list, w), append(t.gone, false)
}

func (t *topicWorlds) alive() []topicWorld {
	var list []topicWorld
	for i, w := range t.list {
		if !t.gone[i] {
			list = append(list, w)
		}
	}
	return list
}

// usesNoMore reports whether a took no more of any kind than b.
func usesNoMore(a, b []int) bool {
	for i := range a {
		if a[i] > b[i] {
			return false
		}
	}
	return true
}
