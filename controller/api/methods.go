package api

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/rpc"
)

// The methods. Those with the bulk bit may be large.
const (
	Raft      rpc.Method = 1  // one-way: a Raft message
	Propose   rpc.Method = 2  // ProposeRequest; the command's result
	ReadIndex rpc.Method = 3  // nothing; ReadAnswer
	Heartbeat rpc.Method = 5  // HeartbeatRequest; HeartbeatAnswer
	Join      rpc.Method = 6  // Member; StatusAnswer
	Leave     rpc.Method = 7  // the member's id; StatusAnswer
	Status    rpc.Method = 8  // StatusRequest; StatusAnswer. For strangers, too
	Transfer  rpc.Method = 9  // the member's id; StatusAnswer
	Suspect   rpc.Method = 11 // SuspectRequest; nothing

	Append   = rpc.BulkMethod | 1  // one-way: a Raft message that is large
	Follow   = rpc.BulkMethod | 4  // FollowRequest; FollowAnswer
	Snapshot = rpc.BulkMethod | 10 // a Raft message with a snapshot; nothing
)

// The refusals.
const (
	CodeNotLeader = rpc.CodeFirst + iota // not carried out; the detail is a Hint
	CodeUnknown                          // it may be carried out later, or not at all
	CodeTooLarge                         // not carried out: one log record cannot hold the command
	CodeGone                             // not carried out: this member is dead or about to leave
	CodeInvalid                          // not carried out: the request makes no sense
)

// Hint tells who leads, as far as a member that does not knows it.
type Hint struct {
	Term   uint64
	Member uint64 // 0: nobody, as far as is known
	Node   int32
	Addr   string // "" if it is not known
}

// NotLeader is the refusal of a member that does not lead.
func NotLeader(h Hint) *rpc.Status {
	return &rpc.Status{Code: CodeNotLeader, Text: fmt.Sprintf("not the leader of term %d", h.Term), Detail: h.Encode()}
}

// HintOf returns the hint of a refusal by a member that does not lead.
func HintOf(err error) (Hint, bool) {
	var s *rpc.Status
	if !errors.As(err, &s) || s.Code != CodeNotLeader {
		return Hint{}, false
	}
	h, e := DecodeHint(s.Detail)
	return h, e == nil
}

// Definite reports whether err, of a call of one of the methods, says that nothing was carried out, nor will be.
func Definite(err error) bool {
	if errors.Is(err, rpc.ErrUnreachable) {
		return true
	}
	var s *rpc.Status
	if !errors.As(err, &s) {
		return false
	}
	switch s.Code {
	case CodeNotLeader, CodeTooLarge, CodeGone, CodeInvalid:
		return true
	}
	return s.NeverRan()
}
