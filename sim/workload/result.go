package workload

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/sim"
)

// Result is what a run came to.
type Result struct {
	Seed     uint64
	Hash     uint64
	Events   uint64
	Virtual  time.Duration
	Ops      int // operations that clients carried out, answered or not
	Verdict  *check.Verdict
	Fired    []sim.FaultCount
	Faults   []FaultCount
	Probes   []probe.Count // of this run, those that were not hit included
	Fenced   int           // commits refused because their generation was over
	Audits   int           // looks at the disks
	Beyond   bool          // more damage was done than weir promises to survive
	Said     []string      // … and this is what was damaged, and what weir said
	Crashes  []string      // "place when" of each crash at an I/O call
	Ends     []string      // why the node ended by itself, each time a fault made it
	Objects  int           // objects put
	Restarts int
	Settings Settings
	Cluster  *ClusterCounts // of a world of several nodes
	Plan     *Plan          // with Options.Record: the run as a plan that Replay takes
	History  *check.History

	Err    error     // why the run failed, sim.ErrStopped if it was stopped; nil if it passed
	Oracle string    // what found the first failure, such as "history:Lost" or "online:AckedDurable"; "" if it passed
	At     host.Time // when it was found
}

// OracleError is a failure with the name of what found it.
type OracleError struct {
	Oracle string
	Err    error
}

func (e *OracleError) Error() string { return e.Oracle + ": " + e.Err.Error() }

// Unwrap returns the failure without the name.
func (e *OracleError) Unwrap() error { return e.Err }

// The oracles that are not named by their findings.
const (
	oracleAcked    = "online:AckedDurable"
	oracleUploaded = "online:UploadedDurable"
	oracleAnswer   = "online:Answer" // an answer that no client may ever get
	oracleAudit    = "disk:Audit"
	oracleLiveness = "liveness"
	oracleReadBack = "readback"
	oracleOrphans  = "store:Orphans"
	oracleEnded    = "online:NodeEnded" // the node ended by itself without a fault that ends it
	oracleStorm    = "online:RetryStorm"
	oracleFenced   = "online:AckedFenced" // what became durable after the WAL was taken over
	oraclePanic    = "panic"
	oracleWorld    = "world" // a deadlock, a livelock, the limit of virtual time
)

// blame returns err as the finding of an oracle.
func blame(oracle, format string, args ...any) error {
	return &OracleError{Oracle: oracle, Err: fmt.Errorf(format, args...)}
}

// oracleOf names what found err.
func oracleOf(err error) string {
	var named *OracleError
	var panicked *sim.PanicError
	switch {
	case err == nil, errors.Is(err, sim.ErrStopped):
		return ""
	case errors.As(err, &named):
		return named.Oracle
	case errors.As(err, &panicked):
		text := fmt.Sprint(panicked.Value)
		if rest, ok := strings.CutPrefix(text, "invariant "); ok {
			name, _, _ := strings.Cut(rest, ":")
			return "invariant:" + name
		}
		return oraclePanic
	}
	return oracleWorld
}
