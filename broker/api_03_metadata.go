package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// Metadata (key 3), v0–13.
//
// Behavior: the live brokers, the cluster id, and the topics asked for. null means all topics (v1+), an empty
// list none; in v0 an empty list means all. An unknown topic is created when the broker's setting and the
// request (v4+) allow it; an invalid name is INVALID_TOPIC_EXCEPTION and never a new topic. One that
// cannot be created yet, as while a topic of its name is being deleted, is LEADER_NOT_AVAILABLE at once. Each
// partition has one replica: the object store holds the data. A partition whose leader is not live is
// LEADER_NOT_AVAILABLE, and its replica offline. The controller is the live broker of the lowest id: all answer alike.
//
// Version notes: v1 controller id, internal flag; v2 cluster id; v5 offline replicas; v7 leader epoch;
// v8–10 authorized operations (not computed); v10 topic ids; v13 top-level error code.
func handleMetadata(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.MetadataRequest)
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.ClusterID = kmsg.StringPtr(b.cluster.Base64())
	live := b.neighbours()
	resp.ControllerID = spokesman(live)
	for _, n := range live {
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port, broker.Rack = n.id, n.host, n.port, n.rack
		resp.Brokers = append(resp.Brokers, broker)
	}

	if req.Topics == nil || c.version == 0 && len(req.Topics) == 0 {
		for _, t := range b.allTopics() {
			if !t.deleting { // nobody asked for it, and it is as good as gone
				resp.Topics = append(resp.Topics, describeTopic(live, t))
			}
		}
		return encode(c, resp), nil
	}
	create := b.cfg.AutoCreate && (c.version < 4 || req.AllowAutoTopicCreation)
	sc, cancel := b.within(sc, 0)
	defer cancel()
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, b.metadataTopic(sc, live, &req.Topics[i], create))
	}
	return encode(c, resp), nil
}

// metadataTopic answers for one requested topic, creating it if allowed.
func (b *Broker) metadataTopic(
	sc *host.Scope, live []neighbour, want *kmsg.MetadataRequestTopic, create bool,
) kmsg.MetadataResponseTopic {
	byID := want.Topic == nil
	var name string
	if !byID {
		name = *want.Topic
	}
	t, code := b.find(name, want.TopicID, byID)
	if code == codeUnknownTopicOrPartition && create {
		if t, code = b.autoCreate(sc, name); code == codeNone {
			return describeTopic(live, t)
		}
	}
	if t != nil {
		return describeTopic(live, t)
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

func describeTopic(live []neighbour, t *topic) kmsg.MetadataResponseTopic {
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
		if _, there := neighbourOf(live, ref.leader); t.remains(int32(i)) != nil {
			p.Leader, replica = spokesman(live), spokesman(live) // to be read from
		} else if !there || ref.offline != "" {
			p.Leader, p.ErrorCode = -1, int16(codeLeaderNotAvailable)
			replica = ref.home
			p.OfflineReplicas = []int32{replica}
		}
		p.Replicas, p.ISR = []int32{replica}, []int32{replica}
		resp.Partitions[i] = p
	}
	return resp
}
