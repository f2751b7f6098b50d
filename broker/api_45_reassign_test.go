package broker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
)

// reassigned asks for partition n of a topic to go to brokers; nil cancels.
func (c *wire) reassigned(version int16, topic string, n int32, to []int32) (int16, string) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.SetVersion(version)
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = topic
	p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	p.Partition, p.Replicas = n, to
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	got := ask[*kmsg.AlterPartitionAssignmentsResponse](c, req)
	c.expect(got.ErrorCode == 0 && got.Topics[0].Topic == topic, "v%d: %+v", version, got)
	q := got.Topics[0].Partitions[0]
	if q.ErrorMessage == nil {
		return q.ErrorCode, ""
	}
	return q.ErrorCode, *q.ErrorMessage
}

// reassignments lists what moves of wireTopic's partition 0, or of everything.
func (c *wire) reassignments(all bool) []kmsg.ListPartitionReassignmentsResponseTopic {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	if !all {
		t := kmsg.NewListPartitionReassignmentsRequestTopic()
		t.Topic, t.Partitions = wireTopic, []int32{0}
		req.Topics = append(req.Topics, t)
	}
	got := ask[*kmsg.ListPartitionReassignmentsResponse](c, req)
	c.expect(got.ErrorCode == 0, "listed: %+v", got)
	return got.Topics
}

func TestAReassignmentIsAMoveToTheOneBrokerNamed(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 2) })
	v := r.partition(wireTopic, 0)
	home, next, third := r.broker(v.Owner), r.broker(v.Owner%3+1), r.broker((v.Owner+1)%3+1)
	r.leads(home, 0)
	r.do(home, func(c *wire) {
		c.values("a", "b")
		for _, k := range []struct {
			topic string
			n     int32
			to    []int32
			code  int16
		}{
			{"nothing", 0, []int32{next.id}, 3},
			{wireTopic, 7, []int32{next.id}, 3},
			{wireTopic, 0, []int32{}, 39},
			{wireTopic, 0, []int32{next.id, third.id}, 39},
			{wireTopic, 0, []int32{9}, 39},
			{wireTopic, 0, nil, 85},
			{wireTopic, 0, []int32{home.id}, 0},
		} {
			code, text := c.reassigned(1, k.topic, k.n, k.to)
			c.expect(code == k.code && (code != 39 || text != ""), "%+v: code %d, %q", k, code, text)
		}
		c.expect(len(c.reassignments(true)) == 0, "nothing moves")
	})
	home.m.Pause(time.Second) // so that the move is seen on its way
	r.do(third, func(c *wire) {
		code, text := c.reassigned(0, wireTopic, 0, []int32{next.id})
		c.expect(code == 0, "begun: %d %s", code, text)
		for _, all := range []bool{false, true} {
			got := c.reassignments(all)
			c.expect(len(got) == 1 && got[0].Topic == wireTopic && len(got[0].Partitions) == 1, "it moves: %+v", got)
			p := got[0].Partitions[0]
			c.expect(slices.Equal(p.Replicas, []int32{home.id, next.id}) && slices.Equal(p.AddingReplicas, []int32{next.id}) &&
				slices.Equal(p.RemovingReplicas, []int32{home.id}), "%+v", p)
		}
		code, _ = c.reassigned(1, wireTopic, 0, []int32{next.id})
		c.expect(code == 0, "asked again: %d", code)
		code, _ = c.reassigned(1, wireTopic, 0, []int32{third.id})
		c.expect(code == 60, "elsewhere: %d", code)
		code, _ = c.reassigned(1, wireTopic, 0, nil)
		c.expect(code == 60, "cancelled: %d", code)
		c.must(c.h.Sleep(c.sc, time.Second))
	})
	r.leads(next, 0)
	r.do(next, func(c *wire) {
		c.expect(len(c.reassignments(true)) == 0, "it is over")
		got := c.produced(produceOf(batchOf(batch.Plain(), "c")))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 2, "it goes on: %+v", got)
	})
}

// elected asks for an election, of partitions of wireTopic or of everything.
func (c *wire) elected(version int16, kind int8, partitions ...int32) *kmsg.ElectLeadersResponse {
	req := kmsg.NewPtrElectLeadersRequest()
	req.SetVersion(version)
	req.ElectionType = kind
	if len(partitions) > 0 {
		t := kmsg.NewElectLeadersRequestTopic()
		t.Topic, t.Partitions = wireTopic, partitions
		req.Topics = append(req.Topics, t)
	}
	return ask[*kmsg.ElectLeadersResponse](c, req)
}

func TestAnElectionIsNeededOnlyWithoutALeader(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 2) })
	v := r.partition(wireTopic, 0)
	gone, stays := r.broker(v.Owner), r.broker(3-v.Owner)
	r.leads(gone, 0)
	r.do(stays, func(c *wire) {
		for version := int16(0); version <= 2; version++ {
			got := c.elected(version, 0, 0, 9).Topics[0].Partitions
			c.expect(got[0].ErrorCode == 84 && got[1].ErrorCode == 3, "v%d: %+v", version, got)
		}
		c.expect(len(c.elected(2, 0).Topics) == 0, "of all, none needs one")
		c.expect(c.elected(2, 7).ErrorCode == 42, "there is no such election")
	})
	r.kill(gone)
	r.do(stays, func(c *wire) {
		for c.metadataOf(wireTopic).Topics[0].Partitions[0].Leader == gone.id {
			c.must(c.h.Sleep(c.sc, 100*time.Millisecond))
		}
		c.expect(c.elected(2, 0, 0).Topics[0].Partitions[0].ErrorCode == 80, "nobody leads it")
		c.expect(c.elected(2, 1, 0).Topics[0].Partitions[0].ErrorCode == 83, "nor may anybody")
		all := c.elected(2, 0).Topics
		c.expect(len(all) == 1 && len(all[0].Partitions) == 1, "of all, that one: %+v", all)
	})
}
