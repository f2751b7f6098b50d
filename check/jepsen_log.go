package check

import "slices"

// inconsistent: one offset with two values.
func (j *jepsen) inconsistent(n int) {
	vs, log := j.vs[n], j.x.parts[n].log
	for i := 0; i < len(vs.extra); {
		end := i + 1
		for end < len(vs.extra) && vs.extra[end].offset == vs.extra[i].offset {
			end++
		}
		seen, ops := []Value{}, []int{}
		if there := log.at(vs.extra[i].offset); there != 0 {
			seen = append(seen, there)
		}
		for _, s := range vs.extra[i:end] {
			if !slices.Contains(seen, s.value) {
				seen = append(seen, s.value)
			}
			if len(ops) < examplesMax {
				ops = append(ops, s.op)
			}
		}
		if len(seen) > 1 {
			j.add(InconsistentOffsets, n, int64(len(seen)), ops, "offset %d has the values %v", vs.extra[i].offset, seen)
		}
		i = end
	}
}

// duplicates: one value at two offsets. A producer without idempotence that sent it
// again may have caused it itself.
func (j *jepsen) duplicates(n int) {
	again := map[Value][]int64{}
	var order []Value
	add := func(value Value, offset int64) {
		if again[value] == nil {
			order = append(order, value)
			if at, stands := j.x.first[value]; stands && at.part == n {
				again[value] = []int64{at.offset}
			}
		}
		if !slices.Contains(again[value], offset) {
			again[value] = append(again[value], offset)
		}
	}
	for i, value := range j.x.parts[n].log.Values {
		if len(j.x.more) == 0 {
			break
		}
		if value != 0 && j.x.more[value] != nil {
			add(value, j.x.parts[n].log.Start+int64(i))
		}
	}
	for _, s := range j.vs[n].extra {
		add(s.value, s.offset)
	}
	for _, value := range order {
		offsets := again[value]
		if len(offsets) < 2 {
			continue
		}
		e := j.add(Duplicate, n, int64(len(offsets)), nil, "%s stands at the offsets %v", value, offsets)
		if op, known := j.x.producer[value]; known {
			e.Ops = []int{op}
			p := &j.x.h.Ops[op]
			e.allowed = !p.Idempotent && len(offsets) <= p.Attempts
		}
	}
}

// losses: lost-write by Jepsen's bound – something later was read, this never – and
// unseen: acknowledged and never shown to anybody, the final read included.
func (j *jepsen) losses(n int) {
	vs, log := j.vs[n], j.x.parts[n].log
	candidates := map[Value]shown{}
	var order []Value
	for _, s := range vs.extra {
		if _, twice := candidates[s.value]; s.read || twice || j.x.excused(n, s.offset) {
			continue
		}
		if _, stands := j.x.first[s.value]; stands {
			continue
		}
		candidates[s.value] = s
		order = append(order, s.value)
	}
	if len(order) == 0 {
		return
	}
	bound := int64(-1) // the highest offset that was read
	for i := len(log.Values) - 1; i >= 0 && bound < 0; i-- {
		if log.Values[i] != 0 {
			bound = log.Start + int64(i)
		}
	}
	for _, s := range vs.extra {
		if s.read {
			bound = max(bound, s.offset)
			delete(candidates, s.value)
		}
	}
	for _, value := range order {
		s, unread := candidates[value]
		if !unread {
			continue
		}
		if s.offset <= bound {
			j.add(LostWrite, n, bound-s.offset, []int{s.op}, "%s was acknowledged at offset %d and never read, offset %d was",
				value, s.offset, bound)
		}
		j.add(Unseen, n, -s.offset, []int{s.op}, "%s was acknowledged at offset %d and never seen", value, s.offset)
	}
}

// reads: aborted-read (G1a) and precommitted-read.
func (j *jepsen) reads(n int) {
	failed := j.neverCommitted()
	for _, i := range j.x.parts[n].ops {
		op := &j.x.h.Ops[i]
		if op.Kind != Fetch || op.Outcome != OK || len(failed) == 0 && op.Txn == 0 {
			continue
		}
		for _, r := range op.Records {
			producer, aborted := failed[r.Value]
			if aborted && (op.ReadCommitted || j.x.h.Ops[producer].Outcome == Failed) {
				j.add(AbortedRead, n, 0, []int{i, producer}, "%s was read at offset %d, and failed or was aborted", r.Value,
					r.Offset)
			}
			if op.Txn == 0 {
				continue
			}
			if own, known := j.x.producer[r.Value]; known && j.x.h.Ops[own].Txn == op.Txn {
				j.add(PrecommittedRead, n, 0, []int{i, own}, "transaction %d read its own %s", op.Txn, r.Value)
			}
		}
	}
}

// neverCommitted are the values of definite failures and aborted transactions, and who produced them.
func (j *jepsen) neverCommitted() map[Value]int {
	if j.failed != nil {
		return j.failed
	}
	j.failed = map[Value]int{}
	for i := range j.x.h.Ops {
		op := &j.x.h.Ops[i]
		if op.Kind == Produce && (op.Outcome == Failed || op.Txn != 0 && j.x.aborted[op.Txn]) {
			for _, value := range op.Values {
				j.failed[value] = i
			}
		}
	}
	return j.failed
}
