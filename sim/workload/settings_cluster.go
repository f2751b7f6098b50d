package workload

import "time"

// ClusterSettings are what a run of several nodes has besides.
type ClusterSettings struct {
	Nodes   []ClusterNode `json:"nodes"`
	Lease   time.Duration `json:"lease_ns"`
	Gossip  bool          `json:"gossip,omitempty"`
	Hints   bool          `json:"hints,omitempty"` // clients go where an answer says that the leader is
	Strikes []Strike      `json:"strikes,omitempty"`
	Frozen  []Frozen      `json:"frozen,omitempty"`
}

// ClusterNode is a machine that runs weir.
type ClusterNode struct {
	Name       string        `json:"name"` // of the machine
	ID         int32         `json:"id"`
	Broker     bool          `json:"broker"`
	Controller bool          `json:"controller"`
	Rack       string        `json:"rack,omitempty"`
	Late       time.Duration `json:"late_ns,omitempty"` // it is started so long after the clients
}

// ClusterCounts say what a run of several nodes went through.
type ClusterCounts struct {
	Moves     int `json:"moves"`     // begun by an operator
	Takeovers int `json:"takeovers"` // WALs that another broker than their own took over
	Zombies   int `json:"zombies"`   // pauses in the middle of a commit
	Notices   int `json:"notices"`
	Drains    int `json:"drains"` // that an operator asked for
	Gone      int `json:"gone"`   // nodes that never came back
	Frozen    int `json:"frozen"` // nodes in trouble for ever
	Fenced    int `json:"fenced"` // nodes that ended because their epoch was over
}

// Frozen is a node that stays in trouble for ever when everything else is healed.
type Frozen struct {
	Node string `json:"node"` // the name of its machine
	How  Freeze `json:"how"`
}

// StrikeKind says what befalls nodes. The words stand in plans; never change them.
type StrikeKind string

// The strikes.
const (
	StrikeKill   StrikeKind = "kill"   // the machine dies at an I/O call
	StrikeStop   StrikeKind = "stop"   // the node is stopped in order
	StrikeNotice StrikeKind = "notice" // the node is told that its machine goes; after Grace it is gone
	StrikeMove   StrikeKind = "move"   // somebody asks for the partition to be moved to the node
	StrikeDrain  StrikeKind = "drain"  // somebody asks for the node to be drained
	StrikeZombie StrikeKind = "zombie" // the machine is paused for Grace in the middle of its next commit to its WAL
)

// StrikeWhere says before what a broker is paused. The words stand in plans; never change them.
type StrikeWhere string

// The points of a commit.
const (
	BeforeWrite  StrikeWhere = "write"  // a request is on the way to it, and not in the ring
	BeforeSync   StrikeWhere = "sync"   // it is, and is not durable
	BeforeFence  StrikeWhere = "fence"  // it is durable, and the fence word is not read yet
	BeforeAnswer StrikeWhere = "answer" // all was well, and the client does not know
)

// Strike is what is done to nodes at a time, in a replay as in the run that drew it.
type Strike struct {
	At    time.Duration `json:"at_ns"` // since the clients began
	Kind  StrikeKind    `json:"strike"`
	Nodes []string      `json:"nodes"`             // by the names of their machines
	Back  time.Duration `json:"back_ns,omitempty"` // after which a supervisor starts it again; 0 = never
	Calls uint64        `json:"calls,omitempty"`   // of a kill: so many I/O calls later
	// After is, of a kill: after the effect of that call; of a zombie: when the fence is read, not before the sync; of a
	// move: by the request of Kafka for it.
	After bool          `json:"after,omitempty"`
	Grace time.Duration `json:"grace_ns,omitempty"`
	Slow  bool          `json:"slow,omitempty"` // of a zombie: its clock runs at about half its speed meanwhile

	// Partition is, in the judged topic: of a move, the one that moves; of a zombie without nodes, the one whose owner it
	// is to be.
	Partition int32 `json:"partition,omitempty"`
	// Where is, of a zombie, before what of a commit; "" leaves that to After.
	Where StrikeWhere `json:"where,omitempty"`
}
