package check

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// tighten narrows every interval to what the order of the positions leaves of it, and excludes no order that
// the log allows: an append, and a read of the exact end, comes after all that lies below it and before all
// that lies above it. An append that waited out a crash is open for seconds; porcupine would try it first
// and take it back after hundreds of reads, with every subset of them.
//
// It leaves those intervals alone if no order is possible: the search says so. A stale read is put at its
// return in any case.
func tighten(ops []positioned) {
	calls, returns := make([]int64, len(ops)), make([]int64, len(ops))
	ordered := func(op *porcupine.Operation) bool {
		in := op.Input.(*logOp)
		return in.append || in.exact
	}
	latest := int64(math.MinInt64)
	for i := 0; i < len(ops); {
		j, here := i, latest
		for ; j < len(ops) && ops[j].lo == ops[i].lo; j++ {
			calls[j] = max(ops[j].op.Call, latest)
			if ordered(&ops[j].op) {
				here = max(here, calls[j])
			}
		}
		i, latest = j, here
	}
	earliest := int64(math.MaxInt64)
	for j := len(ops); j > 0; {
		i, here := j, earliest
		for ; i > 0 && ops[i-1].lo == ops[j-1].lo; i-- {
			op := &ops[i-1].op
			returns[i-1] = op.Return
			if ordered(op) {
				returns[i-1] = min(op.Return, earliest)
			}
			here = min(here, returns[i-1])
		}
		j, earliest = i, here
	}
	possible := true
	for i := range ops {
		possible = possible && calls[i] <= returns[i]
	}
	for i := range ops {
		op := &ops[i].op
		switch {
		case !ordered(op):
			// What a stale read saw is there from some moment on and for ever, and it changes nothing: if any
			// moment fits, its last one does. Left open they would be tried in every subset.
			op.Call = op.Return
		case possible:
			op.Call, op.Return = calls[i], returns[i]
		}
	}
}
