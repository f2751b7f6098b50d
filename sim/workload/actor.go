package workload

import (
	"fmt"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
)

const (
	topicName = "orders"
	groupName = "billing"
)

// actor is one client of a run: its connection, what it knows, and what it has done. It decides nothing: its
// operations are in the plan.
type actor struct {
	c    *Crowd
	id   int32
	role Role
	far  bool // it may be in trouble for ever
	h    host.Host
	wire wireClient
	ops  []Op   // still to do
	seq  uint32 // of its values

	batches []sending     // of the last produce
	builder batch.Builder // its buffers are used again, and so are the next two
	records []batch.Record
	values  []byte
	open    *check.Op // a commit under way

	coordinated bool // the offsets topic is there
	member      membership
	session     map[int32]int // of its reading, by partition
	topicID     [16]byte      // of the admin's topic before the last
	currentID   [16]byte      // of the admin's topic as it is now; zero = not known
	byID        bool          // it names topics by their ids
	filled      []check.Value // acknowledged in the admin's topic as it is now
	deleted     map[check.Value]bool
	lingers     bool // a commit in the admin's topic was not answered

	producerID int64 // -1: none yet, or not idempotent
	epoch      int16
	sequence   map[int32]int64 // next sequence by partition, as if it did not wrap; absent: nothing was acknowledged
	first      int64           // sequence of each partition
	positions  map[int32]int64 // next offset to fetch by partition
}

// loop does the client's operations, each at its time or as soon as the one before is over.
func (a *actor) loop(sc *host.Scope) {
	for i := range a.ops {
		op := &a.ops[i]
		if wait := a.c.began + op.At - a.c.w.Now(); wait > 0 && a.h.Sleep(sc, wait.Sub(0)) != nil {
			break
		}
		if a.c.over || sc.Err() != nil {
			break
		}
		a.wire.timeout, a.wire.slow = op.Patience, op.Slow
		a.do(sc, op)
		a.c.ops++
		if pause := a.astrayPause(); pause > 0 && a.h.Sleep(sc, pause) != nil {
			break
		}
	}
	a.wire.drop()
	if !a.far {
		a.c.running--
	}
}

func (a *actor) do(sc *host.Scope, op *Op) {
	switch op.Kind {
	case OpProduce:
		a.produce(sc, op)
	case OpFetch:
		a.fetch(sc, op)
	case OpListEnd:
		a.listEnd(sc, op)
	case OpCommit:
		a.commit(sc, op)
	case OpFetchCommitted:
		a.fetchCommitted(sc, op)
	case OpJoin, OpHeartbeat, OpLeave, OpMemberCommit:
		a.team(sc, op)
	case OpInitAgain:
		a.initAgain(sc)
	case OpEpochBump:
		a.initProducer(sc, a.producerID >= 0)
	case OpCreateTopic, OpFillTopic, OpDeleteTopic, OpDescribeTopic, OpOldTopic, OpReadTopic, OpGrowTopic:
		a.admin(sc, op)
	default:
		a.c.w.Fail(fmt.Errorf("the plan has an operation %q", op.Kind))
	}
}

func (a *actor) team(sc *host.Scope, op *Op) {
	switch op.Kind {
	case OpJoin:
		a.join(sc)
	case OpHeartbeat:
		a.heartbeat(sc)
	case OpLeave:
		a.leave(sc)
	case OpMemberCommit:
		a.memberCommit(sc, op)
	}
}

// now is the time that all clients of a history share.
func (a *actor) now() int64 { return int64(a.c.w.Now()) }

func (a *actor) begin(kind check.Kind, partition int32) check.Op {
	return check.Op{Kind: kind, Client: a.id, Call: a.now(),
		Partition: check.Partition{Topic: topicName, Index: partition}}
}

// record ends an operation and keeps it.
func (a *actor) record(op check.Op, outcome check.Outcome) {
	if a.c.sealed || mutant.On(mutant.VacuousChecker) {
		return
	}
	op.Outcome, op.Return = outcome, a.now()
	if outcome == check.Unknown {
		op.Return = check.NoReturn
	}
	a.c.history.Ops = append(a.c.history.Ops, op)
}

// Error codes that a run meets.
const (
	codeOutOfRange        = 1
	codeCorrupt           = 2
	codeUnknownTopic      = 3
	codeLeaderNotAvail    = 5
	codeNotLeader         = 6
	codeTimedOut          = 7
	codeNoCoordinator     = 15
	codeNotCoordinator    = 16
	codeIllegalGeneration = 22
	codeUnknownMember     = 25
	codeRebalancing       = 27
	codeTopicExists       = 36
	codeInvalidPartitions = 37
	codeOutOfOrder        = 45
	codeStorage           = 56
	codeFencedEpoch       = 74
	codeUnknownLeader     = 75
	codeMemberIDRequired  = 79
	codeUnknownTopicID    = 100
)
