package invariant

import (
	"fmt"
	"sync/atomic"
)

// counter is padded to a cache line of its own: two cores that check two
// invariants must not slow each other down.
type counter struct {
	n atomic.Uint64
	_ [56]byte
}

// counters holds one counter for each Name, for the life of the process.
var counters [nameCount]counter

// Check counts one evaluation of the invariant and panics with
// "invariant <name>: <text>" when ok is false.
//
// The arguments are boxed by the caller even when ok is true. Where that costs
// too much (once a record, once a request) use Holds and Fail:
//
//	if !invariant.Holds(next == base, invariant.LogOrder) {
//		invariant.Fail(invariant.LogOrder, "batch at %d after %d", base, next)
//	}
func Check(ok bool, name Name, format string, args ...any) {
	counters[name].n.Add(1)
	if !ok {
		Fail(name, format, args...)
	}
}

// Holds counts one evaluation of the invariant and returns ok. It allocates nothing.
func Holds(ok bool, name Name) bool {
	counters[name].n.Add(1)
	return ok
}

// Fail panics in the name of the invariant. It does not count an evaluation.
//
//go:noinline
func Fail(name Name, format string, args ...any) {
	panic("invariant " + name.String() + ": " + fmt.Sprintf(format, args...))
}

// Count is how often one invariant was evaluated in this process.
type Count struct {
	Name  Name
	Count uint64
}

// Counts returns the evaluations of every invariant so far, in the order of
// their declaration, those never evaluated included.
func Counts() []Count {
	out := make([]Count, nameCount)
	for i := range out {
		out[i] = Count{Name: Name(i), Count: counters[i].n.Load()}
	}
	return out
}
