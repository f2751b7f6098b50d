package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// AlterPartitionReassignments (key 45), v0–1.
//
// Behavior: a partition has one replica, its owner, because the object store keeps the data: to reassign it is to move
// it to the broker named. More than one is INVALID_REPLICA_ASSIGNMENT, as is a broker that cannot take it. A move that
// has begun is not turned around: another target is REASSIGNMENT_IN_PROGRESS, and so is null, which would cancel it;
// null without one is NO_REASSIGNMENT_IN_PROGRESS. The owner itself is no move. The answer leaves when the move has
// begun; ListPartitionReassignments tells when it is over.
//
// Version notes: v1 whether the number of replicas may change (KIP-860); it never does.
func handleAlterReassignments(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.AlterPartitionAssignmentsRequest)
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	sc, cancel := b.within(sc, req.TimeoutMillis)
	defer cancel()
	// What is asked for may have been made through another broker a moment ago.
	late := b.catchUp(sc) != nil
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = rt.Topic
		for j := range rt.Partitions {
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = rt.Partitions[j].Partition
			code, text := codeRequestTimedOut, "the controllers did not answer; nothing is moved"
			if !late {
				code, text = b.reassign(sc, rt.Topic, &rt.Partitions[j])
			}
			if p.ErrorCode = int16(code); text != "" {
				p.ErrorMessage = kmsg.StringPtr(text)
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return encode(c, resp), nil
}

// reassignTries is how often a move is begun anew when the partition has got another owner meanwhile.
const reassignTries = 5

// reassign moves one partition; the text says why not when the code is not codeNone.
func (b *Broker) reassign(
	sc *host.Scope, topic string, want *kmsg.AlterPartitionAssignmentsRequestTopicPartition,
) (Code, string) {
	var res *metadatapb.Result
	for range reassignTries {
		v, move, moving, known := b.reassigned(topic, want.Partition)
		switch {
		case !known:
			return codeUnknownTopicOrPartition, ""
		case want.Replicas == nil && moving:
			return codeReassignmentInProgress, "a move that has begun is not turned around"
		case want.Replicas == nil:
			return codeNoReassignmentInProgress, "the partition is not moving"
		case len(want.Replicas) != 1:
			return codeInvalidReplicaAssignment, fmt.Sprintf(
				"name one broker, not %d: the object store keeps the data, and one broker owns the partition", len(want.Replicas))
		case moving && !move.Nobody && move.To == want.Replicas[0]:
			return codeNone, ""
		case moving:
			return codeReassignmentInProgress, "the partition is on its way to another broker"
		case v.Owned && v.Owner == want.Replicas[0]:
			return codeNone, ""
		}
		cmd := &metadatapb.BeginMove{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &want.Replicas[0]}
		var err error
		if res, err = b.meta.Propose(sc, metadata.NewCommand(cmd)); err != nil {
			return codeRequestTimedOut, "the controllers did not answer; the move may or may not have begun"
		}
		switch res.GetRefusal() {
		case metadatapb.Refusal_REFUSAL_LEADER_EPOCH, metadatapb.Refusal_REFUSAL_SEALED, metadatapb.Refusal_REFUSAL_MOVING:
			continue // seen too early
		case metadatapb.Refusal_REFUSAL_NO_TARGET:
			return codeInvalidReplicaAssignment, res.GetDetail()
		case metadatapb.Refusal_REFUSAL_HOLE, metadatapb.Refusal_REFUSAL_NOT_OWNED:
			return codeLeaderNotAvailable, res.GetDetail()
		}
		return refusalCode(res.GetRefusal()), res.GetDetail()
	}
	return codeLeaderNotAvailable, res.GetDetail()
}

// reassigned is what metadata says of a partition and of its move.
func (b *Broker) reassigned(topic string, n int32) (v metadata.Partition, m metadata.Move, moving, known bool) {
	b.meta.Read(func(s *metadata.State) {
		t, there := s.TopicByName(topic)
		if !there || t.Deleting {
			return
		}
		if v, known = s.Partition(t.ID, n); known {
			m, moving = s.Move(v.Stream)
		}
	})
	return v, m, moving, known
}
