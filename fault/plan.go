package fault

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/host"
)

// Step is one fault of a plan. It strikes at the Nth opportunity of its target at or after At; what an opportunity
// is depends on the kind: a read for a read error, any I/O call for a crash. A window opens at At and lasts For.
type Step struct {
	At     host.Time     // ns since the world or the process began
	Nth    int           // opportunity at or after At, from 1; 0 is read as 1; windows ignore it
	Target string        // machine "weir"; link "clients>weir"; volume "weir:wal"; "store"; Any
	Kind   Kind          //
	For    time.Duration // how long a window lasts, or a delay takes; 0 = drawn from Arg
	Arg    uint64        // what the kind still has to choose: which bit, how many bytes, which moment
}

// Any is the target of a step that strikes whichever target has the opportunity.
const Any = "*"

// Plan is a list of steps in the order of their times.
type Plan []Step

// Rand returns the generator of everything that the step still has to choose: which bit, how many bytes, how long.
// The same step chooses the same, wherever it is carried out.
func (s Step) Rand() *rand.Rand { return rand.New(rand.NewPCG(s.Arg, 0x66617563657473)) }

// Lasts returns For, or what Arg draws from the kind's own span when For is 0. It is 0 for kinds that take no time.
func (s Step) Lasts() time.Duration {
	info := s.Kind.Info()
	if s.For > 0 || info.Longest == 0 {
		return s.For
	}
	return info.Shortest + time.Duration(s.Rand().Int64N(int64(info.Longest-info.Shortest)+1))
}

// Ends returns when the step's window closes: At for a step that is no window.
func (s Step) Ends() host.Time {
	if !s.Kind.Info().Window {
		return s.At
	}
	return host.Time(saturate(int64(s.At), int64(s.Lasts())))
}

// saturate adds two numbers that are not negative.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
