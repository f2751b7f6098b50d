package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
)

func TestAWrongBrokerTellsWhoLeads(t *testing.T) {
	r := newCluster(t, 2)
	var id [16]byte
	r.do(r.broker(1), func(c *wire) { id = c.topic(wireTopic, 1) })
	v := r.partition(wireTopic, 0)
	leader, other := r.broker(v.Owner), r.broker(3-v.Owner)
	r.leads(leader, 0)
	r.do(other, func(c *wire) {
		for version := int16(9); version <= 13; version++ {
			req := produceOf(batchOf(batch.Plain(), "a"))
			req.SetVersion(version)
			req.Topics[0].TopicID = id
			got := ask[*kmsg.ProduceResponse](c, req)
			p := got.Topics[0].Partitions[0]
			c.expect(p.ErrorCode == 6, "v%d: %+v", version, p)
			if version < 10 {
				c.expect(p.CurrentLeader.LeaderID == -1 && got.Brokers == nil, "v%d hints: %+v", version, got)
				continue
			}
			c.expect(p.CurrentLeader.LeaderID == leader.id && p.CurrentLeader.LeaderEpoch == v.LeaderEpoch,
				"v%d: %+v", version, p)
			c.expect(len(got.Brokers) == 1 && got.Brokers[0].NodeID == leader.id && got.Brokers[0].Port == 9092,
				"v%d: %+v", version, got.Brokers)
		}
		for version := int16(11); version <= 18; version++ {
			req := fetchOf(0)
			req.SetVersion(version)
			req.Topics[0].TopicID = id
			got := ask[*kmsg.FetchResponse](c, req)
			p := got.Topics[0].Partitions[0]
			c.expect(p.ErrorCode == 6, "fetch v%d: %+v", version, p)
			if version < 12 {
				c.expect(p.CurrentLeader.LeaderID == -1, "fetch v%d hints: %+v", version, p)
				continue
			}
			c.expect(p.CurrentLeader.LeaderID == leader.id && p.CurrentLeader.LeaderEpoch == v.LeaderEpoch,
				"fetch v%d: %+v", version, p)
			c.expect(len(got.Brokers) == 1 == (version >= 16), "fetch v%d: %+v", version, got.Brokers)
		}
	})
}

func TestAnOldLeaderEpochIsToldTheNewOne(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	v := r.partition(wireTopic, 0)
	r.leads(r.broker(v.Owner), 0)
	next := r.broker(3 - v.Owner)
	r.do(r.broker(v.Owner), func(c *wire) { c.values("a") })
	r.give(0, next)
	r.do(next, func(c *wire) {
		req := fetchOf(0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = v.LeaderEpoch
		p := c.fetched(req)
		c.expect(p.ErrorCode == 74 && p.CurrentLeader.LeaderID == next.id && p.CurrentLeader.LeaderEpoch > v.LeaderEpoch,
			"%+v", p)
	})
}
