package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

const (
	operatorMachine = "operator"
	operatorID      = 103
)

// Reassign asks, as an operator's tool does, for a partition of the judged topic to be moved to a broker, and calls
// done if that was accepted.
func (c *Crowd) Reassign(p, to int32, done func()) {
	m := c.w.Machine(operatorMachine)
	if !m.Alive() {
		m.Boot(nil)
	}
	h := m.Host()
	h.Go(nil, "client.operator", func(sc *host.Scope) {
		a := c.newActor(h, operatorID)
		defer a.wire.drop()
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		req.SetVersion(0)
		req.TimeoutMillis = 2000
		t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		t.Topic = topicName
		rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		rp.Partition, rp.Replicas = p, []int32{to}
		t.Partitions = append(t.Partitions, rp)
		req.Topics = append(req.Topics, t)
		resp, err := a.wire.do(sc, req)
		if err != nil {
			return
		}
		r := resp.(*kmsg.AlterPartitionAssignmentsResponse)
		if r.ErrorCode == 0 && len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 &&
			r.Topics[0].Partitions[0].ErrorCode == 0 {
			done()
		}
	})
}
