package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// Metadata (key 3), v0–13.
//
// Behavior: the brokers, the cluster id, and the topics asked for. null means all topics (v1+), an empty
// list none; in v0 an empty list means all. An unknown topic is created when the broker's setting and the
// request (v4+) allow it; an invalid name is INVALID_TOPIC_EXCEPTION and never a new topic. One that
// cannot be created yet, as while a topic of its name is being deleted, is LEADER_NOT_AVAILABLE at once. Each
// partition has one replica: the object store holds the data.
//
// Version notes: v1 controller id, internal flag; v2 cluster id; v5 offline replicas; v7 leader epoch;
// v8–10 authorized operations (not computed); v10 topic ids; v13 top-level error code.
func handleMetadata(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.MetadataRequest)
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.ClusterID = kmsg.StringPtr(b.cluster.Base64())
	resp.ControllerID = b.cfg.NodeID
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = b.cfg.NodeID, b.advertised.Host, b.advertised.Port
	resp.Brokers = append(resp.Brokers, broker)

	if req.Topics == nil || c.version == 0 && len(req.Topics) == 0 {
		for _, t := range b.allTopics() {
			if !t.deleting { // nobody asked for it, and it is as good as gone
				resp.Topics = append(resp.Topics, describeTopic(b, t))
			}
		}
		return encode(c, resp), nil
	}
	create := b.cfg.AutoCreate && (c.version < 4 || req.AllowAutoTopicCreation)
	sc, cancel := b.within(sc, 0)
	defer cancel()
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, b.metadataTopic(sc, &req.Topics[i], create))
	}
	return encode(c, resp), nil
}

// metadataTopic answers for one requested topic, creating it if allowed.
func (b *Broker) metadataTopic(
	sc *host.Scope, want *kmsg.MetadataRequestTopic, create bool,
) kmsg.MetadataResponseTopic {
	byID := want.Topic == nil
	var name string
	if !byID {
		name = *want.Topic
	}
	t, code := b.find(name, want.TopicID, byID)
	if code == codeUnknownTopicOrPartition && create {
		if t, code = b.autoCreate(sc, name); code == codeNone {
			return describeTopic(b, t)
		}
	}
	if t != nil {
		return describeTopic(b, t)
	}
	if code == codeUnknownTopicOrPartition {
		if _, soon := b.onItsWay(name); soon {
			probe.Hit(probe.BrokerTopicOnItsWay)
			code = codeLeaderNotAvailable
		}
	}
	resp := kmsg.NewMetadataResponseTopic()
	resp.Topic, resp.TopicID = want.Topic, want.TopicID
	if !byID && code == codeUnknownTopicOrPartition && checkTopicName(name) != nil {
		code = codeInvalidTopic
	}
	resp.ErrorCode = int16(code)
	return resp
}

func describeTopic(b *Broker, t *topic) kmsg.MetadataResponseTopic {
	resp := kmsg.NewMetadataResponseTopic()
	resp.Topic, resp.TopicID, resp.IsInternal = kmsg.StringPtr(t.name), t.id, t.internal
	if t.deleting {
		resp.ErrorCode = int16(codeUnknownTopicOrPartition)
		return resp
	}
	resp.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.parts))
	for i := range t.parts {
		ref := &t.parts[i]
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), ref.leader, ref.leaderEpoch
		replica := ref.leader
		if t.remains(int32(i)) != nil {
			p.Leader, replica = b.cfg.NodeID, b.cfg.NodeID // to be read from
		} else if replica < 0 || ref.offline != "" {
			p.Leader, p.ErrorCode = -1, int16(codeLeaderNotAvailable)
			replica = b.cfg.NodeID
			p.OfflineReplicas = []int32{replica}
		}
		p.Replicas, p.ISR = []int32{replica}, []int32{replica}
		resp.Partitions[i] = p
	}
	return resp
}
