package check

import (
	"cmp"
	"math"
	"slices"
)

// Append is a produce whose place in the final log is settled.
type Append struct {
	Op    int   // index into History.Ops
	Base  int64 // offset of its first record
	Count int
	Call  int64
	// Return is when it had taken effect: the answer, or, of an unknown outcome, the
	// return of the first operation that saw it (NoReturn if nobody did).
	Return int64
}

// Resolved is one partition without unknown outcomes.
type Resolved struct {
	Partition
	Appends []Append // in the order of their offsets
}

// Resolve settles every unknown outcome from the final logs: a batch that stands
// there was appended at that offset, one that does not never will be. That holds
// only above the log start offset and after every client has stopped.
func Resolve(h *History) []Resolved {
	x := buildIndex(h, &Verdict{})
	out := make([]Resolved, len(x.parts))
	for n := range x.parts {
		out[n] = Resolved{x.parts[n].Partition, x.resolve(n)}
	}
	return out
}

func (x *index) resolve(n int) []Append {
	p := &x.parts[n]
	var out []Append
	for _, i := range p.ops {
		op := &x.h.Ops[i]
		if op.Kind != Produce {
			continue
		}
		switch op.Outcome {
		case OK:
			out = append(out, Append{i, op.Offset, len(op.Values), op.Call, op.Return})
		case Unknown:
			if at, stands := x.first[op.Values[0]]; stands && at.part == n {
				out = append(out, Append{i, at.offset, len(op.Values), op.Call, NoReturn})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Append) int { return cmp.Compare(a.Base, b.Base) })
	x.clamp(p, out)
	return out
}

// clamp gives each unknown append the return of the first operation that stands
// above it in the log and so must come after it. Fewer open intervals keep the
// search of Linear small, and exclude no order that the log allows.
func (x *index) clamp(p *part, appends []Append) {
	type witness struct{ above, ret int64 } // has seen every position below above
	var seen []witness
	for _, a := range appends {
		if a.Return != NoReturn {
			seen = append(seen, witness{2*a.Base + 1, a.Return})
		}
	}
	for _, i := range p.ops {
		if op := &x.h.Ops[i]; op.isRead() {
			seen = append(seen, witness{readSpan(i, op).lo, op.Return})
		}
	}
	slices.SortFunc(seen, func(a, b witness) int { return cmp.Compare(a.above, b.above) })
	earliest := make([]int64, len(seen)+1) // of seen[i:]
	earliest[len(seen)] = math.MaxInt64
	for i := len(seen) - 1; i >= 0; i-- {
		earliest[i] = min(earliest[i+1], seen[i].ret)
	}
	for i := range appends {
		a := &appends[i]
		if a.Return != NoReturn {
			continue
		}
		first, _ := slices.BinarySearchFunc(seen, 2*a.Base+2, func(w witness, above int64) int {
			return cmp.Compare(w.above, above)
		})
		a.Return = max(a.Call, earliest[first])
	}
}
