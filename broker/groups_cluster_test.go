package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

const offsets = "__consumer_offsets"

// coordinatorFrom asks a broker who coordinates a group, until it knows.
func (c *wire) coordinatorFrom(group string) int32 {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(4)
	req.CoordinatorKeys = []string{group}
	for range 100 {
		got := ask[*kmsg.FindCoordinatorResponse](c, req).Coordinators[0]
		if got.ErrorCode == 0 {
			c.expect(got.Host == fmt.Sprint("b", got.NodeID) && got.Port == 9092, "%+v", got)
			return got.NodeID
		}
		c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
	}
	c.expect(false, "group %s has a coordinator", group)
	return -1
}

// coordinator waits until every broker names the same coordinator of a group, and that is ready.
func (r *cluster) coordinator(group string) *member {
	r.t.Helper()
	var id int32
	for _, m := range r.members {
		r.do(m, func(c *wire) {
			at := c.coordinatorFrom(group)
			c.expect(id == 0 || at == id, "all name the same: %d and %d", at, id)
			id = at
		})
	}
	m := r.broker(id)
	r.do(m, func(c *wire) {
		for range 100 {
			if _, _, code := c.offsetOf(7, group, [16]byte{}); code == 0 {
				return
			}
			c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
		}
		c.expect(false, "the coordinator is ready")
	})
	return m
}

// giveGroup moves the coordinator partition of a group, once all of it is committed.
func (r *cluster) giveGroup(group string, to *member) {
	r.t.Helper()
	var v metadata.Partition
	r.state(func(s *metadata.State) {
		t, _ := s.TopicByName(offsets)
		for i := range t.Streams {
			p, _ := s.Partition(t.ID, int32(i))
			if st, _ := s.Stream(p.Stream); st.Ranges[len(st.Ranges)-1].Committed > 0 {
				v = p
			}
		}
	})
	require.NotZero(r.t, v.Stream, "its offsets are committed")
	var end int64
	r.state(func(s *metadata.State) {
		st, _ := s.Stream(v.Stream)
		end = st.Ranges[len(st.Ranges)-1].Committed
	})
	cmd := &metadatapb.SealAndOpen{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, End: end, To: &to.id}
	res := r.propose(to, cmd)
	require.Zero(r.t, res.GetRefusal(), res.GetDetail())
}

func TestAGroupIsCoordinatedByOneBrokerAndMovesWithItsPartition(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	home := r.coordinator("g")
	r.do(home, func(c *wire) {
		c.expect(c.committed(commitOf(8, "g", "", -1, 7, "")) == 0, "committed")
		c.must(c.h.Sleep(c.sc, 15*time.Second)) // uploaded
	})
	for _, m := range r.members {
		r.do(m, func(c *wire) {
			at, _, code := c.offsetOf(7, "g", [16]byte{})
			c.expect(m == home && code == 0 && at == 7 || m != home && code == 16, "broker %d: %d, code %d", m.id, at, code)
			list := ask[*kmsg.ListGroupsResponse](c, kmsg.NewPtrListGroupsRequest())
			c.expect(list.ErrorCode == 0 && (len(list.Groups) == 1) == (m == home), "broker %d lists %+v", m.id, list)
		})
	}
	next := r.broker(home.id%3 + 1)
	r.giveGroup("g", next)
	r.until(time.Minute, "it moves", func() bool { return r.newest() == next.id })
	require.Same(t, next, r.coordinator("g"))
	r.do(next, func(c *wire) {
		at, _, code := c.offsetOf(7, "g", [16]byte{})
		c.expect(code == 0 && at == 7, "the offset came along: %d, code %d", at, code)
		c.expect(c.committed(commitOf(8, "g", "", -1, 9, "")) == 0, "it goes on")
	})
	r.do(home, func(c *wire) {
		c.expect(c.committed(commitOf(8, "g", "", -1, 8, "")) == 16, "the last one is none any more")
	})
}

// newest is the broker that owns the partition of the offsets topic whose epoch is the highest.
func (r *cluster) newest() (id int32) {
	r.state(func(s *metadata.State) {
		t, _ := s.TopicByName(offsets)
		best := metadata.Partition{LeaderEpoch: -1}
		for i := range t.Streams {
			if p, _ := s.Partition(t.ID, int32(i)); p.LeaderEpoch > best.LeaderEpoch {
				best = p
			}
		}
		id = best.Owner
	})
	return id
}

func TestOffsetsOfADeletedTopicAreForgottenWhereverTheyAre(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	owner := r.partition(wireTopic, 0).Owner
	group := "" // that is coordinated by a broker that has nothing else of the topic
	for i := 0; group == ""; i++ {
		if name := fmt.Sprint("g", i); r.coordinator(name).id != owner {
			group = name
		}
	}
	home := r.coordinator(group)
	r.do(home, func(c *wire) {
		c.expect(c.committed(commitOf(8, group, "", -1, 7, "")) == 0, "committed")
	})
	r.do(r.broker(owner), func(c *wire) {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.SetVersion(5)
		req.TopicNames = []string{wireTopic}
		got := ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0]
		c.expect(got.ErrorCode == 0, "deleted: %+v", got)
		c.topic(wireTopic, 1)
		there := c.to(home)
		defer there.close()
		at, _, code := there.offsetOf(7, group, [16]byte{})
		c.expect(code == 0 && at == -1, "its name begins anew: %d, code %d", at, code)
	})
}

// TestAnOffsetOfTheNextTopicOfANameIsKept: its coordinator has not heard yet that there is another topic of that name,
// and that what it keeps for the one before is to be forgotten.
func TestAnOffsetOfTheNextTopicOfANameIsKept(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	owner, home := r.broker(r.partition(wireTopic, 0).Owner), r.broker(3)
	require.NotSame(t, owner, home)
	group := ""
	for i := 0; group == ""; i++ {
		if name := fmt.Sprint("g", i); r.coordinator(name) == home {
			group = name
		}
	}
	r.w.Block("b3", "c0")
	r.w.Block("c0", "b3")
	r.do(owner, func(c *wire) {
		c.expect(c.deleted() == 0, "deleted")
		c.topic(wireTopic, 1)
		c.h.Go(nil, "heal", func(sc *host.Scope) {
			_ = c.h.Sleep(sc, clusterLease/3)
			r.w.Heal()
		})
		there := c.to(home)
		defer there.close()
		for there.committed(commitOf(8, group, "", -1, 42, "")) != 0 {
			c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
		}
		at, code := int64(-1), int16(14)
		for code == 14 {
			at, _, code = there.offsetOf(7, group, [16]byte{})
		}
		c.expect(code == 0 && at == 42, "offset %d, code %d, after 42 was kept", at, code)
	})
}

func TestABrokerWithoutItsLeaseVouchesForNothing(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 2) })
	leader := r.broker(r.partition(wireTopic, 0).Owner)
	r.leads(leader, 0)
	home := r.coordinator("g")
	r.control.Kill()
	r.do(leader, func(c *wire) {
		c.must(c.h.Sleep(c.sc, 2*clusterLease))
		c.expect(c.endOf(0, -1).ErrorCode == 6, "it tells no end")
		c.expect(c.endOf(0, -2).ErrorCode == 0, "what is in the log stays true")
		read := c.fetched(fetchOf(0))
		c.expect(read.ErrorCode == 6 && read.HighWatermark == -1, "others may have moved the mark on: %+v", read)
		req := produceOf(batchOf(batch.Plain(), "late"))
		req.TimeoutMillis = 1000
		got := c.produced(req)
		c.expect(got.ErrorCode == 7, "nothing is acknowledged: %+v", got)
		there := c.to(home)
		defer there.close()
		_, _, code := there.offsetOf(7, "g", [16]byte{})
		c.expect(code == 14 || code == 16, "no offset is told: %d", code)
	})
	r.bootControl()
	r.do(leader, func(c *wire) {
		for range 200 {
			if c.endOf(0, -1).ErrorCode == 0 {
				c.expect(c.endOf(0, -1).Offset == 1, "what was in the log is acknowledged with the lease")
				return
			}
			c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
		}
		c.expect(false, "it serves again")
	})
}
