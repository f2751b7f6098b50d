package check

import (
	"cmp"
	"math"
	"slices"
)

// always is the Call of an operation that may have taken effect at any time
// before it returned: a fetch may be stale.
const always = math.MinInt64

// span is an operation with its place in the log's order. Positions interleave
// appends and reads: a record at offset o is at 2o+1, a read that saw the log end
// at e is at 2e. An append covers its batch, from lo to hi.
type span struct {
	op        int
	call, ret int64
	lo, hi    int64
}

func appendSpan(a Append) span {
	return span{op: a.Op, call: a.Call, ret: a.Return, lo: 2*a.Base + 1, hi: 2*(a.Base+int64(a.Count)) - 1}
}

// readSpan of an answered Fetch or ListEnd.
func readSpan(i int, op *Op) span {
	if op.Kind == ListEnd {
		return span{op: i, call: op.Call, ret: op.Return, lo: 2 * op.Offset, hi: 2 * op.Offset}
	}
	return span{op: i, call: always, ret: op.Return, lo: 2 * op.end(), hi: 2 * op.end()}
}

// realTime: an operation that had returned before another was called stands
// before it in the log's order. Both directions follow: what was produced after a
// fetch returned cannot be in that fetch.
func (s *sweeper) realTime(appends []Append) {
	var spans []span
	for _, a := range appends {
		if !s.bad[a.Op] {
			spans = append(spans, appendSpan(a))
		}
	}
	for _, i := range s.p.ops {
		if op := &s.x.h.Ops[i]; op.isRead() && !s.bad[i] {
			spans = append(spans, readSpan(i, op))
		}
	}
	s.disorder(spans, RealTime, "")
}

// disorder reports each operation that stands below one that had returned before it was called.
func (s *sweeper) disorder(spans []span, kind ViolationKind, how string) {
	byCall := slices.Clone(spans)
	slices.SortStableFunc(byCall, func(a, b span) int { return cmp.Compare(a.call, b.call) })
	byReturn := spans
	slices.SortStableFunc(byReturn, func(a, b span) int { return cmp.Compare(a.ret, b.ret) })
	highest, returned := span{hi: math.MinInt64}, 0
	for _, b := range byCall {
		for returned < len(byReturn) && byReturn[returned].ret < b.call {
			if byReturn[returned].hi > highest.hi {
				highest = byReturn[returned]
			}
			returned++
		}
		if highest.hi > b.lo {
			s.v.add(kind, s.p.Partition, []int{highest.op, b.op},
				how+"%s had returned at %d and is at position %d; %s was called at %d and is at %d",
				s.x.h.Ops[highest.op].Kind, highest.ret, highest.hi, s.x.h.Ops[b.op].Kind, b.call, b.lo)
		}
	}
}
