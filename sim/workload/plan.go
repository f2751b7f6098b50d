package workload

import (
	"encoding/json"
	"fmt"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// planFormat is the version of Plan's JSON.
const planFormat = 1

// Plan is a run as a value: who does what when, and what goes wrong. With the same seed it gives the same run on the
// same commit; on any commit it gives a run of the same operations under the same faults.
type Plan struct {
	Format   int        `json:"format"`
	Seed     uint64     `json:"seed"` // of the noise: latencies, the scheduler's choices
	Settings Settings   `json:"settings"`
	Ops      []Op       `json:"ops"` // in the order of their times
	Faults   fault.Plan `json:"faults"`
	Note     string     `json:"note,omitempty"` // for people: where it comes from
}

// OpKind is what a client does in one operation of a plan.
type OpKind string

// The operations. The words stand in plans; never change them.
const (
	OpProduce        OpKind = "produce"
	OpFetch          OpKind = "fetch"
	OpListEnd        OpKind = "list-end"
	OpCommit         OpKind = "commit"
	OpFetchCommitted OpKind = "fetch-committed"
	OpCreateTopic    OpKind = "create-topic"
	OpDeleteTopic    OpKind = "delete-topic"
	OpFillTopic      OpKind = "fill-topic"
	OpReadTopic      OpKind = "read-topic" // fetches from the admin's own topic
	OpDescribeTopic  OpKind = "describe-topic"
	OpOldTopic       OpKind = "old-topic"  // fetches from a deleted topic by its id, and produces to it
	OpGrowTopic      OpKind = "grow-topic" // asks for more partitions of the admin's own topic
	OpJoin           OpKind = "join"
	OpHeartbeat      OpKind = "heartbeat"
	OpLeave          OpKind = "leave"
	OpMemberCommit   OpKind = "member-commit"
	OpInitAgain      OpKind = "init-again"
	OpEpochBump      OpKind = "epoch-bump"
)

// Op is one operation of one client, with everything that its client decides. What is left to draw is noise.
type Op struct {
	Client    int32     `json:"client"`
	At        host.Time `json:"at_ns"` // not before, since the clients' work began
	Kind      OpKind    `json:"op"`
	Partition int32     `json:"partition"`         // of a grow-topic: how many there are to be
	Batches   []Batch   `json:"batches,omitempty"` // of a produce; one request has them all

	Idempotent bool      `json:"idempotent,omitempty"`
	Patience   host.Time `json:"patience_ns,omitempty"` // for the first answer; twice as long at each retry
	Pause      host.Time `json:"pause_ns,omitempty"`    // before a retry
	Retries    int       `json:"retries,omitempty"`     // the most

	// Again sends an acknowledged batch once more, with the same sequence: the answer must be the same.
	Again bool `json:"again,omitempty"`
	// Unheard asks for no answer, and gets none.
	Unheard bool `json:"unheard,omitempty"`
	// Broken spoils a byte of the batch on its way: it must be refused.
	Broken bool `json:"broken,omitempty"`

	Rewind   bool      `json:"rewind,omitempty"`    // a fetch begins at the log's start
	MaxBytes int32     `json:"max_bytes,omitempty"` // of a fetch
	Wait     host.Time `json:"wait_ns,omitempty"`   // of a fetch: how long the broker may wait for records
	Slow     host.Time `json:"slow_ns,omitempty"`   // how long the client takes to read the answer
}

// Batch is one batch of a produce: how many bytes of padding each record has.
type Batch struct {
	Partition int32 `json:"partition"`
	Records   []int `json:"records"`
	Codec     int8  `json:"codec,omitempty"` // Kafka's number; 0 = none
}

// ParsePlan reads a plan's JSON.
func ParsePlan(p []byte) (Plan, error) {
	var plan Plan
	if err := json.Unmarshal(p, &plan); err != nil {
		return Plan{}, fmt.Errorf("read a plan: %w", err)
	}
	if plan.Format != planFormat {
		return Plan{}, fmt.Errorf("read a plan: its format is %d, this weir knows %d", plan.Format, planFormat)
	}
	return plan, nil
}

// Marshal returns the plan's JSON, one operation a line.
func (p *Plan) Marshal() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write a plan: %w", err)
	}
	return append(b, '\n'), nil
}
