package group

import (
	"time"

	"github.com/weirmq/weir/host"
)

// Token names a request that waits for a reply. The caller chooses it.
type Token uint64

// Now is the time of an event.
type Now struct {
	Time host.Time // for timeouts
	Wall int64     // Unix milliseconds, for what is stored
}

// Event is something that happens to a group: Join, Sync, Heartbeat, Leave, Commit, DropOffsets, Delete,
// Persisted or Tick.
type Event interface{ event() }

// Protocol is one way of assigning that a member supports, and its subscription under it.
type Protocol struct {
	Name     string
	Metadata []byte
}

// Join is a JoinGroup request.
type Join struct {
	Token            Token
	MemberID         string // "" for a new member
	FreshID          string // the id to use if a new one is needed; random, unused
	InstanceID       string // "" for a dynamic member
	ClientID         string
	ClientHost       string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration // clients before v1 have one timeout for both
	ProtocolType     string
	Protocols        []Protocol // in order of preference
	RequireKnownID   bool       // v4+: a new dynamic member gets an id first and joins with it
	SkipAssignment   bool       // v9+: a returning leader can be told not to assign
}

// Assignment is what the leader gives a member.
type Assignment struct {
	MemberID string
	Data     []byte
}

// Sync is a SyncGroup request.
type Sync struct {
	Token        Token
	MemberID     string
	InstanceID   string
	Generation   int32
	ProtocolType string // "" if not given (before v5)
	Protocol     string // "" if not given
	Assignments  []Assignment
}

// Heartbeat is a Heartbeat request.
type Heartbeat struct {
	Token      Token
	MemberID   string
	InstanceID string
	Generation int32
}

// Leaver names a member to remove. A static one may be named by instance id alone.
type Leaver struct{ MemberID, InstanceID string }

// Leave is a LeaveGroup request.
type Leave struct {
	Token   Token
	Members []Leaver
}

// Offset is one committed offset.
type Offset struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32 // of the last record consumed; -1 unknown
	Metadata    string
	Committed   int64 // Unix milliseconds; set by the group
}

// Commit is an OffsetCommit request. A client outside group management has generation -1 and no ids.
type Commit struct {
	Token      Token
	MemberID   string
	InstanceID string
	Generation int32
	Offsets    []Offset
}

// DropOffsets forgets committed offsets: of one topic that was deleted, or those named.
type DropOffsets struct {
	Token Token
	Parts []Part
}

// Part names a partition.
type Part struct {
	Topic     string
	Partition int32
}

// Delete is a DeleteGroups request for this group.
type Delete struct{ Token Token }

// Persisted says that the record of the Persist with this ID is durable. They come in order.
type Persisted struct{ ID uint64 }

// Tick says that time has passed.
type Tick struct{}

func (Join) event()        {}
func (Sync) event()        {}
func (Heartbeat) event()   {}
func (Leave) event()       {}
func (Commit) event()      {}
func (DropOffsets) event() {}
func (Delete) event()      {}
func (Persisted) event()   {}
func (Tick) event()        {}

// Effect is what the caller must do: Reply, Persist or SetTimer.
type Effect interface{ effect() }

// Reply answers a request.
type Reply struct {
	Token  Token
	Result Result
}

// Persist asks for Record to be appended to the coordinator partition's log.
type Persist struct {
	Group  string
	ID     uint64 // for Persisted
	Record []byte
}

// SetTimer asks for a Tick of the group at At. Timers set before stay set.
type SetTimer struct {
	Group string
	At    host.Time
}

func (Reply) effect()    {}
func (Persist) effect()  {}
func (SetTimer) effect() {}

// Result is the content of a Reply; its type goes with the request's.
type Result interface{ result() }

// JoinResult answers Join.
type JoinResult struct {
	Kind           Kind
	Generation     int32 // -1 unless OK
	ProtocolType   string
	Protocol       string
	Leader         string // member id
	MemberID       string
	SkipAssignment bool
	Members        []JoinMember // only for the leader, in the order they joined
}

// JoinMember is what the leader learns of a member.
type JoinMember struct {
	MemberID   string
	InstanceID string
	Metadata   []byte
}

// SyncResult answers Sync.
type SyncResult struct {
	Kind         Kind
	ProtocolType string
	Protocol     string
	Assignment   []byte
}

// HeartbeatResult answers Heartbeat.
type HeartbeatResult struct{ Kind Kind }

// LeaveResult answers Leave; Members goes with the request's.
type LeaveResult struct {
	Kind    Kind
	Members []Kind
}

// CommitResult answers Commit and DropOffsets; Kinds goes with the request's offsets.
type CommitResult struct{ Kinds []Kind }

// DeleteResult answers Delete.
type DeleteResult struct{ Kind Kind }

func (JoinResult) result()      {}
func (SyncResult) result()      {}
func (HeartbeatResult) result() {}
func (LeaveResult) result()     {}
func (CommitResult) result()    {}
func (DeleteResult) result()    {}
