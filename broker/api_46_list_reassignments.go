package broker

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
)

// ListPartitionReassignments (key 46), v0.
//
// Behavior: the moves that have begun and are not over, of the partitions asked for or, with null, of all. While a
// partition moves it counts as one replica at its owner, which is being removed, and one at its next, which is being
// added.
func handleListReassignments(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.ListPartitionReassignmentsRequest)
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	sc, cancel := b.within(sc, req.TimeoutMillis)
	defer cancel()
	if b.catchUp(sc) != nil { // whoever began a move through another broker must find it
		resp.ErrorCode = int16(codeRequestTimedOut)
		return encode(c, resp), nil
	}
	for _, m := range b.moves() {
		if !asksFor(req.Topics, m.topic, m.Partition) {
			continue
		}
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != m.topic {
			t := kmsg.NewListPartitionReassignmentsResponseTopic()
			t.Topic = m.topic
			resp.Topics = append(resp.Topics, t)
		}
		t := &resp.Topics[len(resp.Topics)-1]
		p := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		p.Partition, p.Replicas, p.RemovingReplicas = m.Partition, []int32{m.From}, []int32{m.From}
		p.AddingReplicas = []int32{}
		if !m.Nobody {
			p.Replicas, p.AddingReplicas = []int32{m.From, m.To}, []int32{m.To}
		}
		t.Partitions = append(t.Partitions, p)
	}
	return encode(c, resp), nil
}

// namedMove is a move with the name of its topic.
type namedMove struct {
	metadata.Move
	topic string
}

// moves returns the moves that have begun, by topic and partition.
func (b *Broker) moves() (list []namedMove) {
	b.meta.Read(func(s *metadata.State) {
		for _, m := range s.Moves() {
			list = append(list, namedMove{m, s.TopicName(m.Topic)})
		}
	})
	slices.SortFunc(list, func(x, y namedMove) int {
		if x.topic != y.topic {
			return strings.Compare(x.topic, y.topic)
		}
		return int(x.Partition - y.Partition)
	})
	return list
}

// asksFor reports whether a partition is among those asked for; null asks for all.
func asksFor(topics []kmsg.ListPartitionReassignmentsRequestTopic, name string, n int32) bool {
	if topics == nil {
		return true
	}
	return slices.ContainsFunc(topics, func(t kmsg.ListPartitionReassignmentsRequestTopic) bool {
		return t.Topic == name && slices.Contains(t.Partitions, n)
	})
}
