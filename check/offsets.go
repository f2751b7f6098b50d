package check

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// noOffset is what a group's committed offset is before the first commit.
const noOffset = -1

// Offsets judges the committed offset of each group and partition as a register:
// a fetch returns what the last acknowledged commit before it wrote, or what a
// commit that overlaps it, or one whose outcome is unknown, may have written.
func Offsets(h *History) *Verdict {
	v := &Verdict{}
	for _, r := range registersOf(h) {
		switch {
		case len(r.commits)+len(r.reads) > windowOpsMax:
			v.add(Undecided, r.Partition, nil, "group %s: %d commits and reads are more than can be searched",
				r.group, len(r.commits)+len(r.reads))
		case r.regular(v):
			r.linear(v)
		}
	}
	return v
}

// register is the committed offset of one group for one partition.
type register struct {
	Partition
	group   string
	commits []access // acknowledged or unknown
	reads   []access
}

type access struct {
	op        int
	call, ret int64
	offset    int64
}

func registersOf(h *History) []*register {
	type key struct {
		group string
		Partition
	}
	known := map[key]*register{}
	var all []*register
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind != Commit && op.Kind != FetchCommitted {
			continue
		}
		k := key{op.Group, op.Partition}
		if known[k] == nil {
			known[k] = &register{Partition: op.Partition, group: op.Group}
			all = append(all, known[k])
		}
		known[k].addOp(i, op)
	}
	slices.SortFunc(all, func(a, b *register) int {
		return cmp.Or(strings.Compare(a.group, b.group), comparePartitions(a.Partition, b.Partition))
	})
	return all
}

func (r *register) addOp(i int, op *Op) {
	a := access{i, op.Call, op.Return, op.Offset}
	switch {
	case op.Kind == FetchCommitted && op.Outcome == OK:
		r.reads = append(r.reads, a)
	case op.Kind == Commit && op.Outcome == Unknown:
		a.ret = NoReturn
		r.commits = append(r.commits, a)
	case op.Kind == Commit && op.Outcome == OK:
		r.commits = append(r.commits, a)
	}
}

// regular finds, for each read, a commit that may have written what it returned.
// It says which read is wrong, and against which commit; linear only says that
// something is. It returns whether everything was explained.
func (r *register) regular(v *Verdict) bool {
	byValue := map[int64][]access{noOffset: {{op: -1, call: always, ret: always, offset: noOffset}}}
	var acked []access
	for _, c := range r.commits {
		byValue[c.offset] = append(byValue[c.offset], c)
		if c.ret != NoReturn {
			acked = append(acked, c)
			v.Counts.Commits++
		}
	}
	slices.SortFunc(acked, func(a, b access) int { return cmp.Compare(a.ret, b.ret) })
	latest := make([]access, len(acked)) // by call, of acked[:i+1]
	for i, c := range acked {
		latest[i] = c
		if i > 0 && latest[i-1].call > c.call {
			latest[i] = latest[i-1]
		}
	}
	good := true
	for _, read := range r.reads {
		v.Counts.CommitsRead++
		before, _ := slices.BinarySearchFunc(acked, read.call, func(c access, call int64) int {
			return cmp.Compare(c.ret, call)
		})
		last := access{op: -1, call: always, ret: always, offset: noOffset}
		if before > 0 {
			last = latest[before-1]
		}
		explains := func(c access) bool { return c.call <= read.ret && c.ret >= last.call }
		if !slices.ContainsFunc(byValue[read.offset], explains) {
			good = false
			ops := []int{read.op}
			if last.op >= 0 {
				ops = append(ops, last.op)
			}
			v.add(StaleOffset, r.Partition, ops, "group %s: fetched %d at [%d, %d], the last commit acknowledged before was %d",
				r.group, read.offset, read.call, read.ret, last.offset)
		}
	}
	return good
}

// linear searches an order of all commits and reads. A commit of unknown outcome
// that no read shows need not have happened; one that a read shows had happened
// when that read returned.
func (r *register) linear(v *Verdict) {
	writers := map[int64]int{}
	for _, c := range r.commits {
		writers[c.offset]++
	}
	var ops []porcupine.Operation
	for _, c := range r.commits {
		if c.ret == NoReturn {
			shown := r.firstRead(c)
			if shown == NoReturn {
				continue
			}
			if writers[c.offset] == 1 {
				c.ret = shown
			}
		}
		ops = append(ops, porcupine.Operation{ClientId: c.op, Input: registerOp{true, c.offset}, Call: c.call, Return: c.ret})
	}
	for _, read := range r.reads {
		ops = append(ops, porcupine.Operation{ClientId: read.op, Input: registerOp{false, read.offset},
			Call: read.call, Return: read.ret})
	}
	v.Counts.OffsetsChecked += len(ops)
	model := porcupine.Model{
		Init: func() any { return int64(noOffset) },
		Step: func(state, input, _ any) (bool, any) {
			op := input.(registerOp)
			return op.write || state.(int64) == op.offset, op.offset
		},
	}
	switch porcupine.CheckOperationsTimeout(model, ops, windowTimeMax) {
	case porcupine.Illegal:
		v.add(NotLinear, r.Partition, nil, "group %s: no order explains its %d commits and reads", r.group, len(ops))
	case porcupine.Unknown:
		v.add(Undecided, r.Partition, nil, "group %s: no answer within %v", r.group, windowTimeMax)
	}
}

// firstRead is the earliest return of a read that may have seen the commit.
func (r *register) firstRead(c access) int64 {
	first := int64(math.MaxInt64)
	for _, read := range r.reads {
		if read.offset == c.offset && read.ret >= c.call {
			first = min(first, read.ret)
		}
	}
	return first
}

type registerOp struct {
	write  bool
	offset int64
}
