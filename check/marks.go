package check

import (
	"cmp"
	"math"
	"slices"
)

// marks judges what fetches tell of a partition besides records: high watermark, log start offset and last
// stable offset. The high watermark stands for itself in the log's order, as a listed end does; the others
// never go back in real time.
func (s *sweeper) marks(appends []Append) {
	var highs []span
	var starts, stables []mark
	for _, i := range s.p.ops {
		op := &s.x.h.Ops[i]
		if op.Outcome != OK || s.bad[i] {
			continue
		}
		switch op.Kind {
		case DeleteRecords:
			starts = append(starts, mark{i, op.Call, op.Return, op.Offset, false})
			s.undeleted(i, op.Offset, "a DeleteRecords was answered with")
		case ListEnd:
			highs = append(highs, readSpan(i, op))
		case Fetch:
			highs = append(highs, readSpan(i, op))
			if !s.x.marked {
				continue
			}
			s.v.Counts.Marks++
			s.within(i, op)
			if op.HighWatermark != NoMark {
				highs = append(highs, span{i, op.Call, op.Return, 2 * op.HighWatermark, 2 * op.HighWatermark})
			}
			if op.LogStart != NoMark {
				starts = append(starts, mark{i, op.Call, op.Return, op.LogStart, true})
				s.undeleted(i, op.LogStart, "a fetch showed")
			}
			if op.LastStable != NoMark {
				stables = append(stables, mark{i, op.Call, op.Return, op.LastStable, true})
			}
		}
	}
	s.monotone("log start offset", starts)
	s.monotone("last stable offset", stables)
	if !s.x.marked {
		return
	}
	for _, a := range appends {
		if !s.bad[a.Op] {
			highs = append(highs, appendSpan(a))
		}
	}
	s.disorder(highs, MarkRegressed, "with a high watermark of a fetch, ")
}

type mark struct {
	op        int
	call, ret int64
	at        int64
	shown     bool // rather than raised to at least at
}

// within: the marks of one answer fit each other and its records.
func (s *sweeper) within(i int, op *Op) {
	bound, name := op.HighWatermark, "high watermark"
	if op.ReadCommitted && op.LastStable != NoMark {
		bound, name = op.LastStable, "last stable offset"
	}
	switch {
	case bound != NoMark && len(op.Records) > 0 && op.end() > bound:
		s.v.add(BeyondMark, s.p.Partition, []int{i}, "records up to offset %d with %s %d", op.end()-1, name, bound)
	case op.HighWatermark != NoMark && op.LastStable > op.HighWatermark:
		s.v.add(BeyondMark, s.p.Partition, []int{i}, "last stable offset %d with high watermark %d", op.LastStable,
			op.HighWatermark)
	case op.HighWatermark != NoMark && op.LogStart > op.HighWatermark:
		s.v.add(BeyondMark, s.p.Partition, []int{i}, "log start offset %d with high watermark %d", op.LogStart,
			op.HighWatermark)
	case op.HighWatermark > s.p.log.End() && !s.x.offline(s.p.log, s.p.log.End(), op.HighWatermark):
		s.v.add(Lost, s.p.Partition, []int{i}, "high watermark was %d, the final log ends at %d", op.HighWatermark,
			s.p.log.End())
	}
}

func (s *sweeper) undeleted(i int, start int64, how string) {
	if s.p.log.Start < start {
		s.v.add(Undeleted, s.p.Partition, []int{i}, "%s log start offset %d, the final log starts at %d", how, start,
			s.p.log.Start)
	}
}

// monotone: what is shown is not below what an operation that had returned before told. A record below a log
// start offset that was told is not shown either.
func (s *sweeper) monotone(name string, marks []mark) {
	byReturn := slices.Clone(marks)
	slices.SortStableFunc(byReturn, func(a, b mark) int { return cmp.Compare(a.ret, b.ret) })
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.call, b.call) })
	highest, returned := mark{at: math.MinInt64}, 0
	for _, m := range marks {
		for returned < len(byReturn) && byReturn[returned].ret < m.call {
			if byReturn[returned].at > highest.at {
				highest = byReturn[returned]
			}
			returned++
		}
		if !m.shown {
			continue
		}
		if highest.at > m.at {
			s.v.add(MarkRegressed, s.p.Partition, []int{highest.op, m.op}, "%s was %d at %d, and %d at %d",
				name, highest.at, highest.ret, m.at, m.call)
		}
	}
}

// deletedRecords: no fetch shows a record that was deleted before it was called.
func (s *sweeper) deletedRecords() {
	var deletes []mark
	for _, i := range s.p.ops {
		if op := &s.x.h.Ops[i]; op.Kind == DeleteRecords && op.Outcome == OK {
			s.v.Counts.Deletes++
			deletes = append(deletes, mark{i, op.Call, op.Return, op.Offset, false})
		}
	}
	if len(deletes) == 0 {
		return
	}
	slices.SortStableFunc(deletes, func(a, b mark) int { return cmp.Compare(a.ret, b.ret) })
	for i := 1; i < len(deletes); i++ {
		if deletes[i-1].at > deletes[i].at {
			at := deletes[i].ret
			deletes[i] = deletes[i-1]
			deletes[i].ret = at
		}
	}
	for _, i := range s.p.ops {
		op := &s.x.h.Ops[i]
		if op.Kind != Fetch || op.Outcome != OK || len(op.Records) == 0 {
			continue
		}
		n, _ := slices.BinarySearchFunc(deletes, op.Call, func(m mark, call int64) int { return cmp.Compare(m.ret, call) })
		if n > 0 && op.Records[0].Offset < deletes[n-1].at {
			s.v.add(Undeleted, s.p.Partition, []int{i, deletes[n-1].op}, "offset %d was read, deleted up to %d before",
				op.Records[0].Offset, deletes[n-1].at)
		}
	}
}
