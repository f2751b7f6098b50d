package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// metadataOf asks for one topic, which is not created.
func (c *wire) metadataOf(name string) *kmsg.MetadataResponse {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.MetadataResponse](c, req)
}

// leads waits until every broker tells clients that a broker leads a partition, and that one serves it.
func (r *cluster) leads(m *member, partition int32) {
	r.t.Helper()
	for _, other := range r.members {
		if other.b == nil {
			continue
		}
		r.do(other, func(c *wire) {
			for range 200 {
				t := c.metadataOf(wireTopic).Topics[0]
				if t.ErrorCode == 0 && t.Partitions[partition].Leader == m.id {
					return
				}
				c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
			}
			c.expect(false, "broker %d tells that broker %d leads", other.id, m.id)
		})
	}
	r.do(m, func(c *wire) {
		for range 200 {
			if got := c.endOf(partition, -1); got.ErrorCode == 0 {
				return
			}
			c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
		}
		c.expect(false, "broker %d serves partition %d", m.id, partition)
	})
}

// endOf asks where partition n of wireTopic is at a timestamp.
func (c *wire) endOf(n int32, ts int64) kmsg.ListOffsetsResponseTopicPartition {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(7)
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = wireTopic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = n, ts, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions[0]
}

func TestPartitionsOfATopicAreSpreadAndEveryBrokerNamesTheirLeaders(t *testing.T) {
	r := newCluster(t, 3)
	var first *kmsg.MetadataResponse
	r.do(r.broker(2), func(c *wire) {
		c.topic(wireTopic, 6)
		first = c.metadataOf(wireTopic)
		var ids []int32
		for i, b := range first.Brokers {
			ids = append(ids, b.NodeID)
			c.expect(b.Host == fmt.Sprint("b", b.NodeID) && b.Port == 9092, "broker %d is at %s:%d", b.NodeID, b.Host, b.Port)
			c.expect(b.Rack != nil && *b.Rack == fmt.Sprint("rack", i+1), "broker %d has its rack", b.NodeID)
		}
		c.expect(slices.Equal(ids, []int32{1, 2, 3}) && first.ControllerID == 1,
			"brokers %v, controller %d", ids, first.ControllerID)
		led := map[int32]int{}
		for _, p := range first.Topics[0].Partitions {
			c.expect(p.ErrorCode == 0 && slices.Equal(p.Replicas, []int32{p.Leader}) && len(p.OfflineReplicas) == 0, "%+v", p)
			led[p.Leader]++
		}
		c.expect(led[1] == 2 && led[2] == 2 && led[3] == 2, "led: %v", led)
	})
	for _, p := range first.Topics[0].Partitions {
		r.leads(r.broker(p.Leader), p.Partition)
	}
	r.do(r.broker(1), func(c *wire) {
		for _, p := range first.Topics[0].Partitions {
			to := c.to(r.broker(p.Leader))
			req := produceOf(batchOf(batch.Plain(), "a"))
			req.Topics[0].Partitions[0].Partition = p.Partition
			got := to.produced(req)
			c.expect(got.ErrorCode == 0, "partition %d at its leader: %+v", p.Partition, got)
			to.close()
			elsewhere := c.to(r.broker(p.Leader%3 + 1))
			got = elsewhere.produced(req)
			c.expect(got.ErrorCode == 6, "partition %d elsewhere: %+v", p.Partition, got)
			listed := elsewhere.endOf(p.Partition, -1)
			c.expect(listed.ErrorCode == 6, "its end elsewhere: %+v", listed)
			elsewhere.close()
		}
	})
}

func TestALeaderThatIsGoneIsNotNamed(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 2) })
	v := r.partition(wireTopic, 0)
	gone, stays := r.broker(v.Owner), r.broker(3-v.Owner)
	r.kill(gone)
	r.until(time.Minute, "its epoch is fenced", func() (fenced bool) {
		r.state(func(s *metadata.State) { fenced = !s.Live(gone.id, v.OwnerEpoch) })
		return fenced
	})
	r.do(stays, func(c *wire) {
		c.must(c.h.Sleep(c.sc, time.Second))
		got := c.metadataOf(wireTopic)
		c.expect(len(got.Brokers) == 1 && got.ControllerID == stays.id, "brokers: %+v", got.Brokers)
		p := got.Topics[0].Partitions[0]
		if p.Leader != stays.id { // else it has been taken over
			c.expect(p.Leader == -1 && p.ErrorCode == 5 && slices.Equal(p.OfflineReplicas, []int32{gone.id}), "%+v", p)
		}
	})
}

// give moves a partition of wireTopic whose records are all committed, by a command and nothing else.
func (r *cluster) give(n int32, to *member) {
	r.t.Helper()
	v := r.partition(wireTopic, n)
	from := r.broker(v.Owner)
	var end int64
	r.do(from, func(c *wire) { end = c.endOf(n, -1).Offset })
	r.until(time.Minute, "all is committed", func() (done bool) {
		r.state(func(s *metadata.State) {
			st, _ := s.Stream(v.Stream)
			done = st.Ranges[len(st.Ranges)-1].Committed == end
		})
		return done
	})
	res := r.propose(from, &metadatapb.SealAndOpen{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, End: end, To: &to.id})
	require.Zero(r.t, res.GetRefusal(), res.GetDetail())
	r.leads(to, n)
}

func TestAPartitionGoesToAnotherBrokerAndComesBack(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	home := r.broker(r.partition(wireTopic, 0).Owner)
	away := r.broker(3 - home.id)
	r.leads(home, 0)
	r.do(home, func(c *wire) { c.values("a", "b") })
	for i, m := range []*member{away, home, away} {
		r.give(0, m)
		r.do(m, func(c *wire) {
			at := int64(2 + i)
			got := c.produced(produceOf(batchOf(batch.Plain(), "c")))
			c.expect(got.ErrorCode == 0 && got.BaseOffset == at, "at %d: %+v", at, got)
			c.expect(c.fetched(fetchOf(0)).HighWatermark == at+1, "all of it is there")
		})
		other := r.broker(3 - m.id)
		r.do(other, func(c *wire) {
			c.expect(c.produced(produceOf(batchOf(batch.Plain(), "x"))).ErrorCode == 6, "broker %d does not lead it", other.id)
		})
	}
}

func TestATopicOfManyOwnersIsDeletedAndItsNameIsFree(t *testing.T) {
	r := newCluster(t, 3)
	for range 3 {
		r.do(r.broker(2), func(c *wire) {
			c.topic(wireTopic, 6)
			c.values0(r)
			began := c.h.Now()
			c.expect(c.deleted() == 0, "deleted")
			c.expect(c.h.Now()-began < host.Time(time.Second), "it took %v", time.Duration(c.h.Now()-began))
		})
	}
}

// deleted deletes wireTopic.
func (c *wire) deleted() int16 {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TopicNames, req.TimeoutMillis = []string{wireTopic}, 9000
	return ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0].ErrorCode
}

func TestATopicWhoseOwnerIsDeadIsDeletedOnceThatIsFenced(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 3) })
	gone := r.broker(r.partition(wireTopic, 1).Owner)
	r.kill(gone)
	r.do(r.broker(gone.id%3+1), func(c *wire) {
		began := c.h.Now()
		c.expect(c.deleted() == 0, "deleted")
		c.expect(c.h.Now()-began > host.Time(clusterLease)/2, "after %v", time.Duration(c.h.Now()-began))
		c.topic(wireTopic, 1)
	})
}

func TestAnAdministratorMayAskAnyBroker(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) {
		for i := range 12 {
			grows, deletes := c.to(r.broker(int32(1+(i+1)%3))), c.to(r.broker(int32(1+(i+2)%3)))
			creates := c.to(r.broker(int32(1 + i%3)))
			creates.topic(wireTopic, 2)
			req := kmsg.NewPtrCreatePartitionsRequest()
			rt := kmsg.NewCreatePartitionsRequestTopic()
			rt.Topic, rt.Count = wireTopic, 4
			req.Topics, req.TimeoutMillis = append(req.Topics, rt), 9000
			got := ask[*kmsg.CreatePartitionsResponse](grows, req).Topics[0]
			c.expect(got.ErrorCode == 0, "grown: %+v", got)
			c.expect(deletes.deleted() == 0, "deleted")
			for _, x := range []*wire{grows, deletes, creates} {
				x.close()
			}
		}
	})
}

// values0 appends to every partition of wireTopic.
func (c *wire) values0(r *cluster) {
	for _, p := range c.metadataOf(wireTopic).Topics[0].Partitions {
		to := c.to(r.broker(p.Leader))
		req := produceOf(batchOf(batch.Plain(), "a"))
		req.Topics[0].Partitions[0].Partition = p.Partition
		got := to.produced(req)
		for range 20 {
			if got.ErrorCode != 6 && got.ErrorCode != 3 { // not yet
				break
			}
			c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
			got = to.produced(req)
		}
		c.expect(got.ErrorCode == 0, "partition %d: %+v", p.Partition, got)
		to.close()
	}
}

// TestATopicIsDeletedAlthoughTheFirstBrokerDoesNot: it is live, because it starts again and again, and never serves.
func TestATopicIsDeletedAlthoughTheFirstBrokerDoesNot(t *testing.T) {
	r := newCluster(t, 2)
	var id [16]byte
	r.do(r.broker(1), func(c *wire) { id = c.topic(wireTopic, 4) })
	for n := range byte(20) {
		nonce := metadata.UUID{0xee, n}
		res := r.propose(r.broker(1), &metadatapb.Register{Broker: 0, Nonce: nonce[:], Disk: id[:], Proof: true})
		require.Zero(t, res.GetRefusal(), res.GetDetail())
		if n == 0 {
			require.Zero(t, r.propose(r.broker(1), &metadatapb.MarkDeleting{Id: id[:]}).GetRefusal())
		}
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(500*time.Millisecond)))
	}
	r.state(func(s *metadata.State) {
		b, _ := s.Broker(0)
		require.True(t, b.Live)
		_, there := s.Topic(id)
		require.False(t, there)
	})
}
