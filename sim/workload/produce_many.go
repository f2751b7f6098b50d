package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// absentPartition is one that the topic does not have: its refusal is known before anything is appended.
const absentPartition = 99

// produceMany sends one request with a batch for each of several partitions, often with one that does not
// exist among them: every partition has an outcome of its own.
func (a *actor) produceMany(sc *host.Scope) {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topicName
	ops := map[int32]check.Op{}
	add := func(p int32) {
		op := a.begin(check.Produce, p)
		op.Attempts = 1
		data, err := batch.Build(batch.Plain(), a.values(&op)...)
		if err != nil {
			a.r.w.Fail(fmt.Errorf("build a batch: %w", err))
			return
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p, data
		t.Partitions = append(t.Partitions, rp)
		if p != absentPartition {
			ops[p] = op
		}
	}
	if a.rng.IntN(2) == 0 {
		add(absentPartition)
	}
	first := a.partition()
	for i := range int32(2 + a.rng.IntN(topicParts-1)) {
		add((first + i) % topicParts)
	}
	req.Topics = append(req.Topics, t)
	a.wire.timeout = a.patience()
	resp, err := a.wire.do(sc, req)
	if err != nil {
		a.lose(ops)
		return
	}
	for _, rt := range resp.(*kmsg.ProduceResponse).Topics {
		for i := range rt.Partitions {
			p := &rt.Partitions[i]
			op, mine := ops[p.Partition]
			delete(ops, p.Partition)
			switch {
			case !mine && p.ErrorCode != codeUnknownTopic:
				a.r.w.Fail(fmt.Errorf("produce to a partition that does not exist was answered with code %d", p.ErrorCode))
			case mine && !a.judgeProduce(&op, p, p.Partition):
				a.record(op, check.Unknown)
			}
		}
	}
	a.lose(ops)
}

// lose records operations that were not answered.
func (a *actor) lose(ops map[int32]check.Op) {
	for p := range int32(topicParts) {
		if op, ok := ops[p]; ok {
			a.record(op, check.Unknown)
		}
	}
}
