package workload

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

const (
	memberGroup = "team" // the group of members; nobody else commits to it
	sessionTime = 6 * time.Second
	// rebalanceTime is how long the others of a group wait for a member to join again. It is short: who sleeps
	// longer is out and still believes in its generation.
	rebalanceTime = 400 * time.Millisecond
)

// membership is what a member of a group knows of it.
type membership struct {
	id         string
	generation int32 // 0 = not a member
}

// join joins the member group and takes part in establishing the generation.
func (a *actor) join(sc *host.Scope) {
	if !a.coordinated && !a.findCoordinator(sc) {
		return
	}
	op := a.begin(check.Join, 0)
	op.Partition, op.Group = check.Partition{}, memberGroup
	resp := a.sendJoin(sc)
	if resp != nil && resp.ErrorCode == codeMemberIDRequired {
		a.member.id = resp.MemberID
		op.Call = a.now()
		resp = a.sendJoin(sc)
	}
	switch {
	case resp == nil:
		return
	case resp.ErrorCode == codeUnknownMember:
		a.member = membership{}
		return
	case resp.ErrorCode != 0:
		return
	}
	a.member = membership{id: resp.MemberID, generation: resp.Generation}
	op.Member, op.Generation, op.Leader = resp.MemberID, resp.Generation, resp.LeaderID
	a.record(op, check.OK)
	a.syncGroup(sc, resp)
}

func (a *actor) sendJoin(sc *host.Scope) *kmsg.JoinGroupResponse {
	req := kmsg.NewPtrJoinGroupRequest()
	req.SetVersion(4 + int16(a.id%4))
	req.Group, req.MemberID, req.ProtocolType = memberGroup, a.member.id, "consumer"
	req.SessionTimeoutMillis = int32(sessionTime.Milliseconds())
	req.RebalanceTimeoutMillis = int32(rebalanceTime.Milliseconds())
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{1}
	req.Protocols = append(req.Protocols, p)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil
	}
	return resp.(*kmsg.JoinGroupResponse)
}

func (a *actor) syncGroup(sc *host.Scope, joined *kmsg.JoinGroupResponse) {
	op := a.begin(check.Sync, 0)
	op.Partition, op.Group = check.Partition{}, memberGroup
	op.Member, op.Generation = a.member.id, a.member.generation
	req := kmsg.NewPtrSyncGroupRequest()
	req.SetVersion(3)
	req.Group, req.MemberID, req.Generation = memberGroup, a.member.id, a.member.generation
	for _, m := range joined.Members { // only the leader is told of them
		as := kmsg.NewSyncGroupRequestGroupAssignment()
		as.MemberID, as.MemberAssignment = m.MemberID, []byte(m.MemberID)
		req.GroupAssignment = append(req.GroupAssignment, as)
	}
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return
	}
	r := resp.(*kmsg.SyncGroupResponse)
	a.outdated(r.ErrorCode)
	if r.ErrorCode != 0 {
		return
	}
	if got := string(r.MemberAssignment); got != "" && got != a.member.id {
		a.c.fail(oracleAnswer, "member %s of generation %d got the assignment of %s", a.member.id, a.member.generation, got)
	}
	a.record(op, check.OK)
}

// outdated forgets what an error code says is no longer so.
func (a *actor) outdated(code int16) {
	switch code {
	case codeUnknownMember:
		a.member = membership{}
	case codeIllegalGeneration, codeRebalancing:
		a.member.generation = 0
	}
}

// heartbeat tells the group that the member lives; the member joins again when the group rebalances.
func (a *actor) heartbeat(sc *host.Scope) {
	if a.member.generation == 0 {
		a.join(sc)
		return
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.SetVersion(3)
	req.Group, req.MemberID, req.Generation = memberGroup, a.member.id, a.member.generation
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return
	}
	code := resp.(*kmsg.HeartbeatResponse).ErrorCode
	a.outdated(code)
	if code == codeRebalancing || code == codeUnknownMember || code == codeIllegalGeneration {
		a.join(sc)
	}
}

// leave leaves the group.
func (a *actor) leave(sc *host.Scope) {
	if a.member.id == "" {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.SetVersion(2)
	req.Group, req.MemberID = memberGroup, a.member.id
	if _, err := a.wire.do(sc, req); err == nil {
		a.member = membership{}
	}
}

// memberCommit commits an offset as a member of the generation that the client last heard of, which may be over.
func (a *actor) memberCommit(sc *host.Scope, o *Op) {
	if a.member.generation == 0 {
		a.join(sc)
		return
	}
	op := a.begin(check.Commit, o.Partition)
	op.Group, op.Member, op.Generation = memberGroup, a.member.id, a.member.generation
	a.seq++
	op.Offset = int64(a.id)<<32 | int64(a.seq)
	a.open = &op
	code, err := a.sendCommit(sc, &op)
	a.open = nil
	switch {
	case err != nil:
		a.record(op, check.Unknown)
	case code == 0:
		a.record(op, check.OK)
	case code == codeIllegalGeneration, code == codeUnknownMember, code == codeRebalancing:
		op.Code = code
		a.c.staleCommits++
		a.record(op, check.Failed)
		a.outdated(code)
	default:
		a.record(op, check.Unknown)
	}
}
