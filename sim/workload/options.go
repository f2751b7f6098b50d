package workload

import (
	"io"
	"time"

	"github.com/weirmq/weir/sim"
)

// NodeMachine is the name of the machine that runs weir.
const NodeMachine = nodeMachine

// Options shape a run. What is zero takes what the seed draws.
type Options struct {
	Seed     uint64        // of Run; a replay takes the plan's
	Settings *Settings     // instead of what the seed draws; not changed
	Duration time.Duration // of the clients' work, virtual, instead of what the settings say
	CrashAt  Crash         // one crash at this I/O call instead of those chosen on the way; zero = none
	Record   bool          // fill Result.Plan
	StopAt   uint64        // event at which the run ends, undecided; 0 = it ends by itself

	// Nothing below changes the run.
	Log     io.Writer // the node's log; nil = nowhere
	Sites   bool      // record where each I/O call comes from
	Watch   func(*sim.Pulse) (stop func())
	OnEvent func(sim.Event) // every event that enters the hash; for traces
	Dump    io.Writer       // what the world is like when the run fails or stops, for people; nil = nowhere
}

// Crash is a kill of the node's machine at its N-th I/O call after the start.
type Crash struct {
	N    uint64
	When sim.When
}
