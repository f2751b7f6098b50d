package gossip

import (
	"strings"

	"github.com/weirmq/weir/host"
)

// Membership is who seems to be there. It is a hint, never a proof (G1).
type Membership interface {
	// Join has the addresses ("host:port", of the gossip listeners of other nodes) asked in the background until one
	// answers, and again whenever nobody of them is seen alive: nodes cut off from each other find together again.
	// It does not block. An address of this node itself is no harm. A later call adds to an earlier one.
	Join(addresses []string)

	// Members is what this node sees now, itself included, by node id and then instance. The caller may keep it.
	Members() Snapshot

	// Wait returns the version once it is above after, or ErrTimeout when until (0: never) comes first, sc.Err(),
	// or ErrClosed after Leave.
	Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error)

	// SetLoad says how loaded this node is from now on. It is cheap: others hear of the last one, later.
	SetLoad(load Load)

	// SetEpoch says which broker epoch this node has from now on; others hear of it soon. 0 = none.
	SetEpoch(epoch int64)

	// Leave tells the others, as far as they can be reached soon, and ends this member. Without it, ending the scope
	// that the member was started in leaves the others to find out. A second call does nothing.
	Leave(sc *host.Scope) error

	// Addr is the address others reach this member's gossip at.
	Addr() string
}

// Self is what a node says of itself for all of its life. Empty strings are allowed.
type Self struct {
	Node    int32 // broker id
	Roles   Roles
	Name    string // for people; at most TextMax bytes
	Rack    string // at most TextMax bytes
	Cluster string // "host:port" of its rpc server; at most AddressMax bytes
	Kafka   string // "host:port" that clients are told; at most AddressMax bytes
}

// The longest texts of a Self, in bytes: with them a report always fits ReportMax.
const (
	TextMax    = 64
	AddressMax = 128
)

// MembersMax is how many lives a View holds; others are not seen.
const MembersMax = 1024

// Roles says what a node does, one bit each. The bits are those of rpc.Roles.
type Roles uint8

// The roles of a node.
const (
	RoleBroker Roles = 1 << iota
	RoleController
)

// String names the roles, "broker,controller".
func (r Roles) String() string {
	var names []string
	for _, of := range []struct {
		bit  Roles
		name string
	}{{RoleBroker, "broker"}, {RoleController, "controller"}} {
		if r&of.bit != 0 {
			names = append(names, of.name)
		}
	}
	return strings.Join(names, ",")
}

// Load is how much a node has to do: averages of the last seconds, by its own measure.
type Load struct {
	BytesIn       uint64 // a second, of produced records
	BytesOut      uint64 // a second, of fetched records
	Requests      uint64 // a second
	AppendMicros  uint64 // latency of an append at the 99th percentile, in microseconds
	PartitionsLed uint32
}

// State is what a node thinks of a member.
type State uint8

// The states of a member; see the package comment.
const (
	Alive State = iota + 1
	Suspect
	Gone
)

// String is the state as people see it.
func (s State) String() string {
	switch s {
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	case Gone:
		return "gone"
	}
	return "unknown"
}

// Member is one life of a node as this node sees it.
type Member struct {
	Report
	State    State
	Since    host.Time // when it came to be in State, on this machine's clock
	Local    bool      // it is this node
	Conflict bool      // another member that is alive has the same node id and another cluster address
}

// Snapshot is what a node saw at one moment.
type Snapshot struct {
	Version uint64
	Members []Member
}
