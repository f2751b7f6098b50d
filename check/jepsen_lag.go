package check

import (
	"cmp"
	"math"
	"slices"
)

// lags finds the fetch of a partition that had fallen behind for longest.
func (j *jepsen) lags(n int) {
	type known struct{ end, at int64 }
	var ends []known
	for _, i := range j.x.parts[n].ops {
		op := &j.x.h.Ops[i]
		switch {
		case op.Outcome != OK:
		case op.Kind == Produce:
			ends = append(ends, known{op.Offset + int64(len(op.Values)), op.Return})
		case op.Kind == ListEnd:
			ends = append(ends, known{op.Offset, op.Return})
		case op.Kind == Fetch && len(op.Records) > 0:
			ends = append(ends, known{op.end(), op.Return})
		}
	}
	slices.SortFunc(ends, func(a, b known) int { return cmp.Compare(a.end, b.end) })
	for i := len(ends) - 2; i >= 0; i-- {
		ends[i].at = min(ends[i].at, ends[i+1].at) // an end tells that every lower one was passed
	}
	worst := Lag{Partition: j.x.parts[n].Partition, Op: -1}
	for _, i := range j.x.parts[n].ops {
		op := &j.x.h.Ops[i]
		if op.Kind != Fetch || op.Outcome != OK {
			continue
		}
		next, _ := slices.BinarySearchFunc(ends, op.end()+1, func(e known, end int64) int { return cmp.Compare(e.end, end) })
		passed := int64(math.MaxInt64)
		if next < len(ends) {
			passed = ends[next].at
		}
		if passed < op.Call && op.Call-passed > worst.Nanos {
			worst.Op, worst.Nanos = i, op.Call-passed
		}
	}
	if worst.Op >= 0 {
		j.out.Lags = append(j.out.Lags, worst)
	}
}

// consumed counts how often the members of each group got each value.
func (j *jepsen) consumed() {
	type delivery struct {
		group string
		value Value
	}
	times := map[delivery]int{}
	for i := range j.x.h.Ops {
		op := &j.x.h.Ops[i]
		if op.Kind != Fetch || op.Outcome != OK || op.Group == "" {
			continue
		}
		for _, r := range op.Records {
			d := delivery{op.Group, r.Value}
			if times[d]++; times[d] > len(j.out.Consumed) {
				j.out.Consumed = append(j.out.Consumed, 0)
			}
			j.out.Consumed[times[d]-1]++
			if times[d] > 1 {
				j.out.Consumed[times[d]-2]--
			}
		}
	}
}
