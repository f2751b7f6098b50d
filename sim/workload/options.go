package workload

import (
	"io"
	"time"

	"github.com/weirmq/weir/sim"
)

// Options shape a run. The zero value of a field takes the default in brackets.
type Options struct {
	Seed     uint64
	Duration time.Duration // of the clients' work, virtual [20 s]
	Crashes  int           // planned [2]; -1 for none
	Quiet    bool          // no faults but the crashes
	CrashAt  Crash         // one crash at this I/O call instead of planned ones; zero = none
	Log      io.Writer     // the node's log; nil = nowhere
	Sites    bool          // record where each I/O call comes from
	Watch    func(*sim.Pulse) (stop func())
	OnEvent  func(sim.Event) // every event that enters the hash; for traces
}

// Crash is a kill of the node's machine at its N-th I/O call after the start.
type Crash struct {
	N    uint64
	When sim.When
}

func (o Options) withDefaults() Options {
	if o.Duration == 0 {
		o.Duration = 20 * time.Second
	}
	switch {
	case o.CrashAt.N > 0:
		o.Crashes = 0
	case o.Crashes == 0:
		o.Crashes = 2
	case o.Crashes < 0:
		o.Crashes = 0
	}
	return o
}

// faults are the rates of a run: enough that each fires in most seeds, few enough that work gets done.
func faults() sim.Faults {
	return sim.Faults{
		ConnReset: 800, DialRefused: 5_000, NetStall: 500, TornSector: 100_000,
		StoreError: 30_000, StoreAppliedError: 20_000, StoreLate: 10_000, StoreStorm: 1_000, StoreTruncated: 5_000,
	}
}
