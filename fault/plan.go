package fault

import (
	"time"

	"github.com/weirmq/weir/host"
)

// Step is one fault of a plan. It strikes at the Nth opportunity of its target at or after At; what an opportunity
// is depends on the kind: a read for a read error, any I/O call for a crash. A window opens at At and lasts For.
type Step struct {
	At     host.Time     // ns since the world or the process began
	Nth    int           // opportunity at or after At, from 1; windows ignore it
	Target string        // machine "weir"; link "clients>weir"; volume "weir:wal"; "store"
	Kind   Kind          //
	For    time.Duration // how long a window lasts, or a delay takes; 0 = drawn from Arg
	Arg    uint64        // what the kind still has to choose: which bit, how many bytes, which moment
}

// Plan is a list of steps in the order of their times.
type Plan []Step
