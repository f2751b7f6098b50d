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

// Offsets judges the committed offset of each group and partition, and each key of
// metadata, as a register: a read returns what the last acknowledged write before it
// wrote, or what a write that overlaps it, or one whose outcome is unknown, may have
// written. A group's generation is a part of each of its registers: once one was
// established, no commit of an older one is accepted.
func Offsets(h *History) *Verdict {
	v := &Verdict{}
	for _, r := range registersOf(h) {
		switch {
		case len(r.commits)+len(r.reads)+len(r.syncs) > windowOpsMax:
			v.add(Undecided, r.Partition, nil, "%s: %d writes and reads are more than can be searched",
				r.name(), len(r.commits)+len(r.reads)+len(r.syncs))
		case r.regular(v):
			r.linear(v)
		}
	}
	return v
}

// register is the committed offset of one group for one partition, or, without a
// group, a key of metadata.
type register struct {
	Partition
	group   string
	commits []access // acknowledged or unknown
	reads   []access
	syncs   []access // of the group: a generation was established
}

type access struct {
	op         int
	call, ret  int64
	offset     int64
	generation int32
}

func (r *register) name() string {
	if r.group == "" {
		return "key " + r.Topic
	}
	return "group " + r.group
}

// stale is the violation of a read that no write explains.
func (r *register) stale() ViolationKind {
	if r.group == "" {
		return StaleMetadata
	}
	return StaleOffset
}

func registersOf(h *History) []*register {
	type key struct {
		group string
		Partition
	}
	known := map[key]*register{}
	syncs := map[string][]access{}
	var all []*register
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Kind == Sync && op.Outcome == OK && op.Generation > 0 {
			syncs[op.Group] = append(syncs[op.Group], accessOf(i, op))
		}
		if op.Kind != Commit && op.Kind != FetchCommitted && op.Kind != WriteKey && op.Kind != ReadKey {
			continue
		}
		k := key{op.Group, op.Partition}
		if op.Kind == WriteKey || op.Kind == ReadKey {
			k = key{"", Partition{Topic: op.Topic}}
		}
		if known[k] == nil {
			known[k] = &register{Partition: k.Partition, group: k.group}
			all = append(all, known[k])
		}
		known[k].addOp(i, op)
	}
	for _, r := range all {
		r.syncs = syncs[r.group]
	}
	slices.SortFunc(all, func(a, b *register) int {
		return cmp.Or(strings.Compare(a.group, b.group), comparePartitions(a.Partition, b.Partition))
	})
	return all
}

func accessOf(i int, op *Op) access {
	return access{i, op.Call, op.Return, op.Offset, max(op.Generation, 0)}
}

func (r *register) addOp(i int, op *Op) {
	a := accessOf(i, op)
	write := op.Kind == Commit || op.Kind == WriteKey
	switch {
	case !write && op.Outcome == OK:
		r.reads = append(r.reads, a)
	case write && op.Outcome == Unknown:
		a.ret = NoReturn
		r.commits = append(r.commits, a)
	case write && op.Outcome == OK:
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
			if r.group != "" {
				v.Counts.Commits++
			}
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
		if r.group != "" {
			v.Counts.CommitsRead++
		}
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
			v.add(r.stale(), r.Partition, ops, "%s: read %d at [%d, %d], the last write acknowledged before was %d",
				r.name(), read.offset, read.call, read.ret, last.offset)
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
		ops = append(ops, c.operation(registerOp{write: true, offset: c.offset, generation: c.generation}))
	}
	for _, read := range r.reads {
		ops = append(ops, read.operation(registerOp{offset: read.offset}))
	}
	for _, sync := range r.syncs {
		ops = append(ops, sync.operation(registerOp{sync: true, generation: sync.generation}))
	}
	if r.group == "" {
		v.Counts.MetadataOps += len(ops)
	} else {
		v.Counts.OffsetsChecked += len(ops) - len(r.syncs)
	}
	model := porcupine.Model{
		Init: func() any { return registerState{noOffset, 0} },
		Step: func(state, input, _ any) (bool, any) { return input.(registerOp).step(state.(registerState)) },
	}
	switch search(model, ops) {
	case porcupine.Illegal:
		v.add(NotLinear, r.Partition, nil, "%s: no order explains its %d writes and reads", r.name(), len(ops))
	case porcupine.Unknown:
		v.add(Undecided, r.Partition, nil, "%s: %d writes and reads: %s", r.name(), len(ops), tooMany)
	}
}

func (a access) operation(in registerOp) porcupine.Operation {
	return porcupine.Operation{ClientId: a.op, Input: in, Call: a.call, Return: a.ret}
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

// registerState is the state of the model. It is compared with ==.
type registerState struct {
	offset     int64
	generation int32
}

type registerOp struct {
	write, sync bool // otherwise a read
	offset      int64
	generation  int32 // 0: none
}

// step is the register as a state machine. It is pure.
func (op registerOp) step(s registerState) (bool, registerState) {
	if op.generation > 0 {
		if op.generation < s.generation {
			return false, s
		}
		s.generation = op.generation
	}
	switch {
	case op.sync:
		return true, s
	case op.write:
		return true, registerState{op.offset, s.generation}
	}
	return op.offset == s.offset, s
}
