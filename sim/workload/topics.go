package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

const (
	adminTopic      = "scratch"
	adminPartitions = 2
)

// create creates a topic; true if it is there.
func (a *actor) create(sc *host.Scope, name string, partitions int32) bool {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 2000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return false
	}
	topics := resp.(*kmsg.CreateTopicsResponse).Topics
	return len(topics) == 1 && (topics[0].ErrorCode == 0 || topics[0].ErrorCode == codeTopicExists)
}

// fill produces to the admin's own topic, whose records nobody judges.
func (a *actor) fill(sc *host.Scope, op *Op) {
	batches := make([]sending, len(op.Batches))
	for i, b := range op.Batches {
		batches[i].Op = check.Op{Partition: check.Partition{Topic: adminTopic, Index: b.Partition}}
		batches[i].data = a.build(&batches[i].Op, b, false)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = adminTopic
	for i := range batches {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = batches[i].Index, batches[i].data
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	_, _ = a.wire.do(sc, req)
}

func (a *actor) deleteTopic(sc *host.Scope, name string) bool {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(4)
	req.TopicNames, req.TimeoutMillis = []string{name}, 2000
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return false
	}
	topics := resp.(*kmsg.DeleteTopicsResponse).Topics
	return len(topics) == 1 && topics[0].ErrorCode == 0
}
