package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// OffsetCommit (key 8), v2–10.
//
// Behavior: one record for all partitions of the request; answered when it is durable (rule 29). A member
// of an older generation is refused; generation -1 is a commit outside group management. A topic that does not
// exist is UNKNOWN_TOPIC_OR_PARTITION: what was kept for it would be found by the next topic of that name. In a cluster
// a request that names topics (below v10) waits until the broker knows which topic has the name now.
//
// Version notes: v2–4 retention time (ignored, as Kafka does since KIP-211); v6 leader epoch; v7 static
// members; v10 topic ids.
func handleOffsetCommit(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.OffsetCommitRequest)
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	byID := c.version >= 10
	ev := group.Commit{MemberID: req.MemberID, InstanceID: deref(req.InstanceID), Generation: req.Generation}
	// In a cluster a name may be another topic's by now, and what is kept for the one before is forgotten with it.
	stale := !byID && b.catchUp(sc) != nil
	late := !byID
	var asked []*kmsg.OffsetCommitResponseTopicPartition // that the group answers for, in its order
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := &resp.Topics[i]
		*out = kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = rt.Topic, rt.TopicID
		name, code := b.commitsTo(rt, byID)
		if !late && b.cfg.Cluster != nil && (code == codeUnknownTopicOrPartition || code == codeUnknownTopicID) {
			late = true // another broker may have said that it is there
			if b.catchUp(sc) == nil {
				name, code = b.commitsTo(rt, byID)
			}
		}
		if stale {
			code = codeCoordinatorLoadInProgress
		}
		if code != codeNone && code != codeCoordinatorLoadInProgress {
			probe.Hit(probe.BrokerCommitOfDeleted)
		}
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(rt.Partitions))
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			out.Partitions[j] = kmsg.NewOffsetCommitResponseTopicPartition()
			out.Partitions[j].Partition, out.Partitions[j].ErrorCode = rp.Partition, int16(code)
			if code == codeNone {
				asked = append(asked, &out.Partitions[j])
				epoch := int32(-1)
				if c.version >= 6 {
					epoch = rp.LeaderEpoch
				}
				ev.Offsets = append(ev.Offsets, group.Offset{Topic: name, Partition: rp.Partition, Offset: rp.Offset,
					LeaderEpoch: epoch, Metadata: deref(rp.Metadata)})
			}
		}
	}
	if len(asked) > 0 {
		b.commitOffsets(sc, req.Group, ev, asked)
	}
	return encode(c, resp), nil
}

// commitsTo is the name of a topic that a request commits offsets of, and whether it is there.
func (b *Broker) commitsTo(rt *kmsg.OffsetCommitRequestTopic, byID bool) (string, Code) {
	name, code := b.committedName(rt.Topic, rt.TopicID, byID)
	if code == codeNone && !byID {
		_, code = b.find(name, [16]byte{}, false)
	}
	if code == codeNone && b.isForgetting(name) {
		code = codeCoordinatorLoadInProgress // what was committed for the last topic of that name
	}
	return name, code
}

// committedName is the topic's name, which is what offsets are kept under.
func (b *Broker) committedName(name string, id [16]byte, byID bool) (string, Code) {
	if !byID {
		if name == "" {
			return "", codeInvalidTopic
		}
		return name, codeNone
	}
	t, code := b.find("", id, true)
	if code != codeNone {
		return "", code
	}
	return t.name, codeNone
}

func (b *Broker) commitOffsets(
	sc *host.Scope, id string, ev group.Commit, asked []*kmsg.OffsetCommitResponseTopicPartition,
) {
	g, code := b.coordinatorOf(id)
	if code == codeNone {
		res, err := g.ask(sc, id, func(t group.Token) group.Event { ev.Token = t; return ev })
		if r, ok := res.(group.CommitResult); ok && err == nil && len(r.Kinds) == len(asked) {
			for i, k := range r.Kinds {
				asked[i].ErrorCode = int16(groupCode(k))
			}
			return
		}
		code = codeNotCoordinator
	}
	for _, p := range asked {
		p.ErrorCode = int16(code)
	}
}
