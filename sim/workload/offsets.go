package workload

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// commit commits an offset of the run's group outside group management, a value that was never committed before.
func (a *actor) commit(sc *host.Scope, o *Op) {
	if !a.coordinated && !a.findCoordinator(sc) || a.c.sealed {
		return
	}
	op := a.begin(check.Commit, o.Partition)
	op.Group = groupName
	a.seq++
	op.Offset = int64(a.id)<<32 | int64(a.seq)
	a.open = &op
	code, err := a.sendCommit(sc, &op)
	a.open = nil
	if err != nil || code != 0 {
		a.record(op, check.Unknown)
		return
	}
	a.record(op, check.OK)
}

// sendCommit sends a commit and returns the answer's error code.
func (a *actor) sendCommit(sc *host.Scope, op *check.Op) (int16, error) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(6 + int16(a.id%3))
	req.Group, req.Generation, req.MemberID = op.Group, -1, op.Member
	if op.Generation > 0 {
		req.Generation = op.Generation
	}
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = op.Topic
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset = op.Index, op.Offset
	rp.LeaderEpoch, rp.Metadata = besides(op.Offset)
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.OffsetCommitResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, errNoAnswer
	}
	return topics[0].Partitions[0].ErrorCode, nil
}

// findCoordinator makes the broker create the offsets topic.
func (a *actor) findCoordinator(sc *host.Scope) bool {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(3)
	req.CoordinatorKey = groupName
	resp, err := a.wire.do(sc, req)
	a.coordinated = err == nil && resp.(*kmsg.FindCoordinatorResponse).ErrorCode == 0
	return a.coordinated
}

// fetchCommitted reads a group's committed offset, which must be linearizable.
func (a *actor) fetchCommitted(sc *host.Scope, o *Op) {
	op := a.begin(check.FetchCommitted, o.Partition)
	op.Group = groupName
	if a.role == RoleMember {
		op.Group = memberGroup
	}
	offset, err := a.sendFetchCommitted(sc, op.Group, op.Partition)
	if err != nil {
		return // a read that was not answered says nothing
	}
	op.Offset = offset
	a.c.told(&op)
	a.record(op, check.OK)
}

// sendFetchCommitted returns the offset that a group has committed in a partition, -1 for none.
func (a *actor) sendFetchCommitted(sc *host.Scope, group string, p check.Partition) (int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(5 + int16(a.id%3))
	req.Group = group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = p.Topic, []int32{p.Index}
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return 0, err
	}
	r := resp.(*kmsg.OffsetFetchResponse)
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("committed offsets of group %s: code %d", group, r.ErrorCode)
	}
	got := &r.Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		return 0, fmt.Errorf("committed offset of group %s: code %d", group, got.ErrorCode)
	}
	epoch, note := besides(got.Offset)
	if got.Offset < 0 {
		epoch, note = -1, kmsg.StringPtr("")
	}
	if got.LeaderEpoch != epoch || got.Metadata == nil || *got.Metadata != *note {
		a.c.fail(oracleAnswer, "offset %d is committed by group %s with leader epoch %d and metadata %q; the answer has "+
			"%d, %v", got.Offset, group, epoch, *note, got.LeaderEpoch, got.Metadata)
	}
	return got.Offset, nil
}

// besides is what a client commits together with an offset.
func besides(offset int64) (leaderEpoch int32, metadata *string) {
	return int32(offset % 5), kmsg.StringPtr(strconv.FormatInt(offset, 36))
}
