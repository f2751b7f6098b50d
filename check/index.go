package check

import "slices"

// place is where a value stands in the final logs.
type place struct {
	part   int // index into index.parts
	offset int64
}

// index holds a history by partition and by value. It is read-only once built.
type index struct {
	h     *History
	parts []part

	number   map[Partition]int // into parts
	producer map[Value]int     // the operation that produced it
	first    map[Value]place   // its lowest place
	more     map[Value][]place // further places of a value that stands there again

	marked  bool           // some fetch tells a mark
	aborted map[int64]bool // transactions
}

// part is one partition: its final log and what was done to it, in the history's order.
type part struct {
	Partition
	log *Log
	ops []int // produces, fetches and listed ends
}

// buildIndex sorts the history by partition and value, and reports in v what
// contradicts itself: nothing else can be judged where it is Malformed.
func buildIndex(h *History, v *Verdict) *index {
	x := &index{
		h:        h,
		number:   map[Partition]int{},
		producer: map[Value]int{},
		first:    map[Value]place{},
		more:     map[Value][]place{},
		aborted:  map[int64]bool{},
	}
	for i := range h.Logs {
		log := &h.Logs[i]
		if _, twice := x.number[log.Partition]; twice {
			v.add(Malformed, log.Partition, nil, "two final logs")
			continue
		}
		if err := log.validate(); err != nil {
			v.add(Malformed, log.Partition, nil, "final log: %v", err)
			continue
		}
		x.number[log.Partition] = len(x.parts)
		x.parts = append(x.parts, part{Partition: log.Partition, log: log})
	}
	slices.SortFunc(x.parts, func(a, b part) int { return comparePartitions(a.Partition, b.Partition) })
	for n := range x.parts {
		x.number[x.parts[n].Partition] = n
	}
	for i := range h.Ops {
		x.addOp(i, v)
	}
	for n := range x.parts {
		x.addLog(n, v)
	}
	return x
}

func (x *index) addOp(i int, v *Verdict) {
	op := &x.h.Ops[i]
	if err := op.validate(); err != nil {
		v.add(Malformed, op.Partition, []int{i}, "operation %d: %v", i, err)
		return
	}
	x.marked = x.marked || op.Kind == Fetch && max(op.HighWatermark, op.LogStart, op.LastStable) > 0
	if op.Kind == TxnEnd && op.Abort && op.Outcome != Failed {
		x.aborted[op.Txn] = true
	}
	if op.Kind.nature() != ofLog {
		return // registers and sessions; they have no log
	}
	n, known := x.number[op.Partition]
	if !known {
		v.add(Malformed, op.Partition, []int{i}, "operation %d has no final log to be judged by", i)
		return
	}
	x.parts[n].ops = append(x.parts[n].ops, i)
	if op.Kind != Produce {
		return
	}
	for _, value := range op.Values {
		if other, twice := x.producer[value]; twice || value == 0 {
			v.add(Malformed, op.Partition, []int{other, i}, "value %s names no single record: operations %d and %d",
				value, other, i)
			continue
		}
		x.producer[value] = i
	}
}

func (x *index) addLog(n int, v *Verdict) {
	log := x.parts[n].log
	for i, value := range log.Values {
		if value == 0 {
			continue
		}
		v.Counts.FinalRecords++
		at := place{n, log.Start + int64(i)}
		if _, again := x.first[value]; again {
			x.more[value] = append(x.more[value], at)
		} else {
			x.first[value] = at
		}
		op, known := x.producer[value]
		switch {
		case !known:
			v.add(Phantom, log.Partition, nil, "offset %d holds %s, which nobody produced", at.offset, value)
		case x.h.Ops[op].Partition != log.Partition:
			v.add(Misplaced, log.Partition, []int{op}, "offset %d holds %s, produced to %s", at.offset, value,
				x.h.Ops[op].Partition)
		}
	}
}

// times is how often a value stands in the final logs.
func (x *index) times(value Value) int {
	if _, ok := x.first[value]; !ok {
		return 0
	}
	return 1 + len(x.more[value])
}

// hidden: a consumer of committed records does not see those of an aborted transaction.
func (x *index) hidden(fetch *Op, value Value) bool {
	if !fetch.ReadCommitted || len(x.aborted) == 0 {
		return false
	}
	op, known := x.producer[value]
	return known && x.h.Ops[op].Txn != 0 && x.aborted[x.h.Ops[op].Txn]
}
