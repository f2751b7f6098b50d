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

// beginAt has a move of partition 0 begun at the controller itself: no broker needs to reach it.
func (r *cluster) beginAt(to *member) {
	r.t.Helper()
	v := r.partition(wireTopic, 0)
	require.NoError(r.t, r.w.Do(r.control, func(_ host.Host, sc *host.Scope) error {
		res, err := r.up.Propose(sc, metadata.NewCommand(&metadatapb.BeginMove{
			Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &to.id}))
		require.Zero(r.t, res.GetRefusal(), res.GetDetail())
		return err
	}))
}

// TestAppendsAfterTheSealWaitForTheNextOwner: they are never in the log here, so the answer is definite; what is a
// duplicate is answered as one.
func TestAppendsAfterTheSealWaitForTheNextOwner(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	to := r.other(from)
	send := func(c *wire, seq int32, timeout int32) *kmsg.ProduceRequest {
		o := batch.Plain()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = 7, 0, seq
		req := produceOf(batchOf(o, fmt.Sprint(seq)))
		req.TimeoutMillis = timeout
		return req
	}
	r.do(from, func(c *wire) {
		c.expect(c.produced(send(c, 0, 1000)).ErrorCode == 0, "appended")
		c.expect(c.produced(send(c, 1, 1000)).ErrorCode == 0, "appended")
	})
	out := fmt.Sprint("b", from.id)
	r.w.Block(out, "c0") // it hears of the move and cannot end it
	r.beginAt(to)
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(50*time.Millisecond)))
	r.do(from, func(c *wire) {
		began := c.h.Now()
		got := c.produced(send(c, 1, 1000))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 1, "a duplicate: %+v", got)
		c.expect(c.h.Now()-began < host.Time(20*time.Millisecond), "which waits for nobody")
		got = c.produced(send(c, 2, 200))
		c.expect(got.ErrorCode == 7, "REQUEST_TIMED_OUT: %+v", got)
		took := c.h.Now().Sub(began)
		c.expect(took > 200*time.Millisecond && took < 300*time.Millisecond, "it took %v", took)
		list := c.listed(7, -1, false)
		c.expect(list.ErrorCode == 6, "its end may be elsewhere by now: %+v", list)
		c.send(send(c, 3, 5000)) // and one that waits for the name
		c.must(c.h.Sleep(c.sc, 50*time.Millisecond))
		r.w.Unblock(out, "c0")
		resp, err := c.receive()
		c.must(err)
		got = resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		c.expect(got.ErrorCode == 6, "NOT_LEADER_OR_FOLLOWER: %+v", got)
	})
	r.leads(to, 0)
	r.do(to, func(c *wire) {
		got := c.produced(send(c, 2, 1000))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 2, "it was not appended before: %+v", got)
		got = c.produced(send(c, 1, 1000))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 1, "a duplicate is one here too: %+v", got)
		c.expect(fmt.Sprint(c.reads()) == "[0 1 2]", "all of it, once")
	})
}

// TestAFetchThatWaitsIsToldOfTheMove: at once, and the next owner goes on where it was.
func TestAFetchThatWaitsIsToldOfTheMove(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	to := r.other(from)
	var told kmsg.FetchResponseTopicPartition
	var took time.Duration
	done := false
	r.w.Machine("poller").Boot(func(h host.Host, sc *host.Scope) {
		c := &wire{t: t, h: h, sc: sc, addr: from.kafka()}
		defer c.close()
		began := h.Now()
		req := fetchOf(0)
		req.MaxWaitMillis = 60_000
		told = c.fetched(req)
		took, done = h.Now().Sub(began), true
	})
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Second)))
	require.False(t, done)
	r.beginMove(to)
	r.until(time.Minute, "the fetch is answered", func() bool { return done })
	require.Equal(t, int16(6), told.ErrorCode)
	require.Less(t, took, 1200*time.Millisecond)
	r.leads(to, 0)
	r.do(to, func(c *wire) {
		c.values("a")
		got := c.fetched(fetchOf(0))
		c.expect(got.ErrorCode == 0 && len(recordsOf(got.RecordBatches)) == 1, "it goes on: %+v", got)
	})
}

// TestARequestThatComesBeforeTheOpeningWaitsForIt: the next owner has heard of the range, and its disk is slow.
func TestARequestThatComesBeforeTheOpeningWaitsForIt(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	to := r.other(from)
	r.do(from, func(c *wire) { c.values("a") })
	r.w.Block(fmt.Sprint("b", from.id), "c0")
	r.beginAt(to)
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(50*time.Millisecond)))
	r.do(to, func(c *wire) {
		c.send(produceOf(batchOf(batch.Plain(), "b")))
		c.must(c.h.Sleep(c.sc, 100*time.Millisecond))
		r.w.Unblock(fmt.Sprint("b", from.id), "c0")
		resp, err := c.receive()
		c.must(err)
		got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 1, "it waited: %+v", got)
		c.expect(fmt.Sprint(c.reads()) == "[a b]", "all of it")
	})
}

// TestTheEpochsOfAMovedPartitionAreKnown: clients that validate what they have read find it where it was.
func TestTheEpochsOfAMovedPartitionAreKnown(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	for i := range 3 {
		r.do(r.owner(), func(c *wire) { c.values(fmt.Sprint(2*i), fmt.Sprint(2*i+1)) })
		r.moveTo(r.other(r.owner()))
	}
	r.do(r.owner(), func(c *wire) {
		for epoch := range int32(5) {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.SetVersion(4)
			topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
			topic.Topic = wireTopic
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.LeaderEpoch, p.CurrentLeaderEpoch = epoch, -1
			topic.Partitions = append(topic.Partitions, p)
			req.Topics = append(req.Topics, topic)
			got := ask[*kmsg.OffsetForLeaderEpochResponse](c, req).Topics[0].Partitions[0]
			want := int64(2 * (epoch + 1))
			if epoch == 3 { // its own, without records yet
				want = 6
			}
			if epoch == 4 {
				want = -1
			}
			c.expect(got.ErrorCode == 0 && got.EndOffset == want, "epoch %d ends at %d: %+v", epoch, want, got)
		}
	})
}
