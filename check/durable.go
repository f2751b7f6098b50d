package check

import (
	"math"
	"strconv"
)

// never is when a value was durable that never was.
const never = math.MaxInt64

// durability holds when each value of the history was on a synced medium.
type durability struct {
	at map[Value]int64
}

func (x *index) durability() *durability {
	if len(x.h.DurableAt) == 0 {
		return nil
	}
	d := &durability{make(map[Value]int64, len(x.h.DurableAt))}
	for _, e := range x.h.DurableAt {
		if at, known := d.at[e.Value]; !known || e.At < at {
			d.at[e.Value] = e.At
		}
	}
	return d
}

func (d *durability) of(value Value) int64 {
	if at, known := d.at[value]; known {
		return at
	}
	return never
}

// durable: nothing is shown before it is on a synced medium – no acknowledgement, no record, and no high
// watermark or listed end above it.
func (s *sweeper) durable(d *durability) {
	if d == nil {
		return
	}
	log := s.p.log
	single := make([]int64, len(log.Values)) // of each offset
	all := make([]int64, len(log.Values)+1)  // of everything below an offset
	all[0] = math.MinInt64
	for i, value := range log.Values {
		single[i] = math.MinInt64
		if value != 0 {
			single[i] = d.of(value)
		}
		all[i+1] = max(all[i], single[i])
	}
	for _, i := range s.p.ops {
		op := &s.x.h.Ops[i]
		if op.Outcome != OK || s.bad[i] {
			continue
		}
		s.v.Counts.DurableChecked++
		shown := func(offset int64, value Value) bool {
			at := int64(0)
			if log.at(offset) == value && value != 0 {
				at = single[offset-log.Start]
			} else {
				at = d.of(value)
			}
			if at > op.Return {
				s.v.add(ShownEarly, s.p.Partition, []int{i}, "%s told of %s at offset %d by %d, it was durable %s", op.Kind,
					value, offset, op.Return, when(at))
			}
			return at > op.Return
		}
		s.early(i, op, shown, all)
	}
}

func (s *sweeper) early(i int, op *Op, shown func(int64, Value) bool, all []int64) {
	end := int64(NoMark)
	switch op.Kind {
	case Produce:
		for k, value := range op.Values {
			if shown(op.Offset+int64(k), value) {
				return
			}
		}
	case ListEnd:
		end = op.Offset
	case Fetch:
		for _, r := range op.Records {
			if shown(r.Offset, r.Value) {
				return
			}
		}
		if s.x.marked {
			end = op.HighWatermark
		}
	}
	k := min(end-s.p.log.Start, int64(len(all)-1))
	if end != NoMark && k > 0 && all[k] > op.Return {
		s.v.add(ShownEarly, s.p.Partition, []int{i}, "%s told of the end %d by %d, something below was durable %s", op.Kind,
			end,
			op.Return, when(all[k]))
	}
}

func when(at int64) string {
	if at == never {
		return "never"
	}
	return "at " + strconv.FormatInt(at, 10)
}
