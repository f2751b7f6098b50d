package run

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// Hash is a rolling hash; as text it is 16 hex digits.
type Hash uint64

// String returns the 16 hex digits.
func (h Hash) String() string { return fmt.Sprintf("%016x", uint64(h)) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(p []byte) error {
	n, err := strconv.ParseUint(string(p), 16, 64)
	if err != nil || len(p) != 16 {
		return fmt.Errorf("hash %q is not 16 hex digits", p)
	}
	*h = Hash(n)
	return nil
}

// Fired is how often one fault was injected.
type Fired struct {
	Fault string `json:"fault"`
	Count uint64 `json:"count"`
}

// Result is what one seed came to, as it travels from a child to its sweep.
type Result struct {
	Seed     uint64        `json:"seed"`
	Hash     Hash          `json:"hash"`
	Events   uint64        `json:"events"`
	Virtual  time.Duration `json:"virtual_ns"` // of the judged run
	Wall     time.Duration `json:"wall_ns"`    // of everything: crash points, run, verdict
	Ops      int           `json:"ops"`        // of clients
	Counts   check.Counts  `json:"counts"`
	Fired    []Fired       `json:"fired"`   // faults, those that never fired included
	Crashes  []string      `json:"crashes"` // the call site of each crash
	Objects  int           `json:"objects"` // put
	Restarts int           `json:"restarts"`
	Probes   []probe.Count `json:"probes"`  // those that were hit
	Between  []Fired       `json:"between"` // faults that struck between an effect and its acknowledgement
	History  int           `json:"history"` // operations in it
	Beyond   bool          `json:"beyond"`  // more damage was done than weir promises to survive
	Fenced   int           `json:"fenced"`  // commits refused because their generation was over
	Audits   int           `json:"audits"`  // looks at the disks by fsck

	Cluster  *workload.ClusterCounts `json:"cluster,omitempty"`  // of a world of several nodes
	Settings *workload.Settings      `json:"settings,omitempty"` // what the seed drew
	Judged   bool                    `json:"judged"`             // the checkers came to a verdict

	// Oracle names what found the failure, such as "history:Lost"; "" = it passed. At is when, virtual.
	Oracle string        `json:"oracle,omitempty"`
	At     time.Duration `json:"at_ns,omitempty"`
	// Failure says why the seed failed, the cause in its first line; "" = it passed.
	Failure string `json:"failure,omitempty"`
	// Parted: two processes with this seed went different ways. Then a run in one process may well pass.
	Parted bool `json:"parted,omitempty"`
	// Stopped: the run was asked to end at an event, and nobody knows what it would have come to.
	Stopped bool `json:"stopped,omitempty"`
	// Incomplete: the run did not end by itself. It was stuck, late or crashed, and has no hash.
	Incomplete bool `json:"incomplete,omitempty"`
	// Checkpoints are the hashes after every 1,024 events.
	Checkpoints []Hash `json:"checkpoints,omitempty"`
}

// The oracles of this package: they judge a process, not a run.
const (
	OracleParted = "determinism"      // two processes with one seed went different ways
	OracleStuck  = "liveness:Stuck"   // no event for a while of wall time, or no end
	OracleDead   = "process:NoResult" // the process ended without a result
)

// OK tells whether the seed passed.
func (r *Result) OK() bool { return r.Failure == "" }

// causeMax bounds a cause, in bytes: it is to be read in a list of many.
const causeMax = 300

// Cause is the first line of the failure, cut where it is too long for a list.
func (r *Result) Cause() string {
	line, _, _ := strings.Cut(r.Failure, "\n")
	if len(line) > causeMax {
		return strings.ToValidUTF8(line[:causeMax], "") + " …"
	}
	return line
}

// Replay is the command that runs the seed again.
func (r *Result) Replay() string {
	world := ""
	if r.Settings != nil && r.Settings.Cluster != nil {
		world = " --cluster"
	}
	if r.Parted {
		return fmt.Sprintf("weir sim sweep%s --seeds %d..%d", world, r.Seed, r.Seed)
	}
	return fmt.Sprintf("weir sim run%s --seed %d", world, r.Seed)
}

// fill takes over what a run came to.
func (r *Result) fill(from *workload.Result) {
	r.Hash, r.Events, r.Virtual, r.Ops = Hash(from.Hash), from.Events, from.Virtual, from.Ops
	r.Crashes, r.Objects, r.Restarts = from.Crashes, from.Objects, from.Restarts
	for _, f := range from.Fired {
		r.Fired = append(r.Fired, Fired{f.Fault.String(), f.Count})
	}
	for _, f := range from.Faults {
		if f.Between > 0 {
			r.Between = append(r.Between, Fired{f.Kind.String(), f.Between})
		}
	}
	r.Beyond, r.Fenced, r.Audits = from.Beyond, from.Fenced, from.Audits
	r.Settings, r.Cluster = &from.Settings, from.Cluster
	r.Oracle, r.At = from.Oracle, from.At.Sub(0)
	if from.History != nil {
		r.History = len(from.History.Ops)
	}
	if from.Verdict != nil {
		r.Counts = from.Verdict.Counts
		r.Judged = from.Verdict.OK() || len(from.Verdict.Violations) > 0 &&
			from.Verdict.Violations[0].Kind != check.Undecided
	}
	if r.Stopped = errors.Is(from.Err, sim.ErrStopped); r.Stopped {
		return
	}
	if from.Err != nil {
		r.Failure = from.Err.Error()
		if v := from.Verdict; v != nil && len(v.Violations) > 0 {
			r.Failure = v.Violations[0].String() + "\n" + r.Failure
		}
	}
}
