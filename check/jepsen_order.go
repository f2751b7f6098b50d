package check

import (
	"cmp"
	"slices"
)

// insideFetches: int-poll-skip and int-nonmonotonic-poll within one answer.
func (j *jepsen) insideFetches(n int) {
	for _, i := range j.x.parts[n].ops {
		op := &j.x.h.Ops[i]
		if op.Kind != Fetch || op.Outcome != OK {
			continue
		}
		for k := 1; k < len(op.Records); k++ {
			last, first := op.Records[k-1].Offset, op.Records[k].Offset
			if first == last+1 {
				continue
			}
			j.polled(n, last, first, []int{i}, IntPollSkip, IntNonmonotonicPoll)
		}
	}
}

// polled compares the last record of one poll with the first of the next.
func (j *jepsen) polled(n int, last, first int64, ops []int, skip, nonmonotonic ViolationKind) {
	vs := j.vs[n]
	from, to := vs.rank(last), vs.rank(first)
	later := &j.x.h.Ops[ops[len(ops)-1]]
	if to < from+1 {
		e := j.add(nonmonotonic, n, int64(from-to), ops, "offset %d after %d", first, last)
		e.allowed = nonmonotonic == NonmonotonicPoll && later.Group != ""
		return
	}
	var skipped []int64
	count := 0
	for k := from + 1; k < to; k++ {
		offset := vs.offsets[k]
		if j.x.excused(n, offset) || j.x.hidden(later, vs.values[k]) {
			continue
		}
		if count++; len(skipped) < examplesMax {
			skipped = append(skipped, offset)
		}
	}
	if count > 0 {
		e := j.add(skip, n, int64(count), ops, "offset %d after %d, without %v", first, last, skipped)
		e.allowed = skip == PollSkip && later.Group != ""
	}
}

// sessions: poll-skip and nonmonotonic-poll from one fetch of a session to the next.
func (j *jepsen) sessions() {
	type reader struct {
		client    int32
		session   int
		partition int
	}
	for n := range j.x.parts {
		last := map[reader]int{}
		for _, i := range j.byCall(n, Fetch) {
			op := &j.x.h.Ops[i]
			if op.Session == 0 || len(op.Records) == 0 || op.Outcome != OK {
				continue
			}
			who := reader{op.Client, op.Session, n}
			if before, known := last[who]; known {
				j.pairs++
				earlier := &j.x.h.Ops[before]
				from := earlier.Records[len(earlier.Records)-1].Offset
				if op.Txn != 0 && op.Txn == earlier.Txn {
					j.polled(n, from, op.Records[0].Offset, []int{before, i}, IntPollSkip, IntNonmonotonicPoll)
				} else {
					j.polled(n, from, op.Records[0].Offset, []int{before, i}, PollSkip, NonmonotonicPoll)
				}
			}
			last[who] = i
		}
	}
}

// byCall are a partition's operations of one kind in the order of their calls.
func (j *jepsen) byCall(n int, kind Kind) []int {
	var out []int
	sorted := true
	for _, i := range j.x.parts[n].ops {
		if j.x.h.Ops[i].Kind == kind {
			sorted = sorted && (len(out) == 0 || j.x.h.Ops[out[len(out)-1]].Call <= j.x.h.Ops[i].Call)
			out = append(out, i)
		}
	}
	if !sorted {
		slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(j.x.h.Ops[a].Call, j.x.h.Ops[b].Call) })
	}
	return out
}

// sends: nonmonotonic-send from one acknowledged send of a client to its next, and the int- variants between
// sends of one transaction.
func (j *jepsen) sends() {
	for n := range j.x.parts {
		last := map[int32]int{}
		for _, i := range j.byCall(n, Produce) {
			op := &j.x.h.Ops[i]
			at, placed := j.placeOf(n, op)
			if before, known := last[op.Client]; known && placed && j.x.h.Ops[before].Return < op.Call {
				j.sent(n, before, i, at)
			}
			if op.Outcome == OK {
				last[op.Client] = i
			}
		}
	}
}

func (j *jepsen) sent(n, before, i int, at int64) {
	earlier, op := &j.x.h.Ops[before], &j.x.h.Ops[i]
	start, _ := j.placeOf(n, earlier)
	end := start + int64(len(earlier.Values)) - 1
	skip, nonmonotonic := ViolationKind(""), NonmonotonicSend
	if op.Txn != 0 && op.Txn == earlier.Txn {
		skip, nonmonotonic = IntSendSkip, IntNonmonotonicSend
	}
	delta := j.vs[n].rank(at) - j.vs[n].rank(end)
	switch {
	case delta < 1:
		j.add(nonmonotonic, n, int64(-delta), []int{before, i}, "client %d sent to offset %d, then to %d", op.Client, end, at)
	case delta > 1 && skip != "":
		j.add(skip, n, int64(delta), []int{before, i}, "transaction %d sent to offset %d, then to %d", op.Txn, end, at).
			allowed = true
	}
}

// placeOf is where a send's first record stands: by the final log, or by its answer.
func (j *jepsen) placeOf(n int, op *Op) (int64, bool) {
	if op.Outcome == OK && j.x.parts[n].log.at(op.Offset) == op.Values[0] {
		return op.Offset, true
	}
	if at, stands := j.x.first[op.Values[0]]; stands && at.part == n {
		return at.offset, true
	}
	return op.Offset, op.Outcome == OK
}

// insideSends: int-send-skip and int-nonmonotonic-send within one batch.
func (j *jepsen) insideSends(n int) {
	log := j.x.parts[n].log
	for _, i := range j.x.parts[n].ops {
		op := &j.x.h.Ops[i]
		if op.Kind != Produce || op.Outcome == Failed || op.Outcome == OK && standsWhole(log, op) {
			continue
		}
		for k := 1; k < len(op.Values); k++ {
			one, stands := j.x.first[op.Values[k-1]]
			two, too := j.x.first[op.Values[k]]
			if !stands || !too || one.part != n || two.part != n || two.offset == one.offset+1 {
				continue
			}
			kind, delta := IntSendSkip, j.vs[n].rank(two.offset)-j.vs[n].rank(one.offset)
			if delta < 1 {
				kind = IntNonmonotonicSend
			} else if delta == 1 {
				continue
			}
			e := j.add(kind, n, int64(max(delta, -delta)), []int{i}, "%s at offset %d, then %s at %d",
				op.Values[k-1], one.offset, op.Values[k], two.offset)
			e.allowed = kind == IntSendSkip
		}
	}
}

func standsWhole(log *Log, op *Op) bool {
	for k, value := range op.Values {
		if log.at(op.Offset+int64(k)) != value {
			return false
		}
	}
	return true
}
