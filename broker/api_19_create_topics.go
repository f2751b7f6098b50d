package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
)

// CreateTopics (key 19), v2–7.
//
// Behavior: one result a topic. -1 partitions means the default; a replication factor of -1 or from 1 on is
// taken, because the object store and not a number of brokers keeps the data; replica assignments are refused.
// An unknown setting is INVALID_CONFIG. After success Metadata shows the topic at once. validate_only
// checks everything and creates nothing. The request is worked on for timeout_ms, ten seconds at most: what
// is not done by then is REQUEST_TIMED_OUT.
//
// Version notes: v4 defaults by -1; v5 the answer echoes settings; v7 topic id.
func handleCreateTopics(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.CreateTopicsRequest)
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	sc, cancel := b.within(sc, req.TimeoutMillis)
	defer cancel()
	count := map[string]int{}
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		want := &req.Topics[i]
		if n := count[want.Topic]; n > 1 {
			if n < 1<<20 { // answer a repeated name once
				count[want.Topic] = 1 << 20
				resp.Topics = append(resp.Topics, createdTopic(want.Topic, codeInvalidRequest, "the topic is named more than once"))
			}
			continue
		}
		resp.Topics = append(resp.Topics, b.createRequested(sc, want, req.ValidateOnly))
	}
	return encode(c, resp), nil
}

func createdTopic(name string, code Code, text string) kmsg.CreateTopicsResponseTopic {
	r := kmsg.NewCreateTopicsResponseTopic()
	r.Topic, r.ErrorCode = name, int16(code)
	r.NumPartitions, r.ReplicationFactor = -1, -1
	if text != "" {
		r.ErrorMessage = kmsg.StringPtr(text)
	}
	return r
}

// createRequested checks one topic of the request and creates it.
func (b *Broker) createRequested(
	sc *host.Scope, want *kmsg.CreateTopicsRequestTopic, validateOnly bool,
) kmsg.CreateTopicsResponseTopic {
	partitions, set, code, text := b.checkCreate(want)
	if code != codeNone {
		return createdTopic(want.Topic, code, text)
	}
	r := createdTopic(want.Topic, codeNone, "")
	if !validateOnly {
		wish := topicWish{name: want.Topic, partitions: partitions, set: set, patient: true}
		t, code, text := b.createTopic(sc, &wish)
		if code != codeNone {
			return createdTopic(want.Topic, code, text)
		}
		r.TopicID = t.id
	}
	r.NumPartitions, r.ReplicationFactor = partitions, 1
	for _, e := range topicConfigEntries(set) {
		rc := kmsg.NewCreateTopicsResponseTopicConfig()
		rc.Name, rc.Value, rc.Source = e.def.name, kmsg.StringPtr(e.value), e.source
		r.Configs = append(r.Configs, rc)
	}
	return r
}

// checkCreate validates a requested topic; the text says why when the code is not codeNone.
func (b *Broker) checkCreate(want *kmsg.CreateTopicsRequestTopic) (int32, []metadata.Config, Code, string) {
	if err := checkTopicName(want.Topic); err != nil {
		return 0, nil, codeInvalidTopic, err.Error()
	}
	if t := b.topicByName(want.Topic); t != nil && !t.deleting {
		return 0, nil, codeTopicAlreadyExists, fmt.Sprintf("topic %s exists", want.Topic)
	}
	if len(want.ReplicaAssignment) > 0 {
		return 0, nil, codeInvalidReplicaAssignment, "replica assignments are not served: the controller places partitions"
	}
	partitions := want.NumPartitions
	if partitions == -1 {
		partitions = b.cfg.Partitions
	}
	if partitions < 1 || partitions > metadata.MaxPartitions {
		return 0, nil, codeInvalidPartitions, fmt.Sprintf("give 1 to %d partitions, or -1", metadata.MaxPartitions)
	}
	if f := want.ReplicationFactor; f != -1 && f < 1 {
		return 0, nil, codeInvalidReplicationFactor, "give a replication factor of -1, or 1 and more"
	}
	var set []metadata.Config
	for i := range want.Configs {
		cfg := &want.Configs[i]
		if cfg.Value == nil {
			continue // null: the default
		}
		if err := checkTopicConfig(cfg.Name, *cfg.Value); err != nil {
			return 0, nil, codeInvalidConfig, err.Error()
		}
		set = append(set, metadata.Config{Key: cfg.Name, Value: *cfg.Value})
	}
	return partitions, set, codeNone, ""
}
