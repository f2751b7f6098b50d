package broker_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
)

func TestAFetchInsideABatchReturnsTheWholeBatch(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b", "c")
		c.values("d")
		b := batch.Batch(c.fetched(fetchOf(2)).RecordBatches)
		c.expect(b.BaseOffset() == 0 && b.Count() == 3, "offset 2 comes with its batch: %d, %d", b.BaseOffset(), b.Count())
		req := fetchOf(0)
		req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1
		got := c.fetched(req)
		c.expect(len(got.RecordBatches) == batch.Batch(got.RecordBatches).Size(), "one batch, though larger than the limits")
	})
}

func TestOnlyTheFirstPartitionMayExceedTheLimits(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 3)
		for _, n := range []int32{1, 2} {
			p := produceOf(batchOf(batch.Plain(), "a"))
			p.Topics[0].Partitions[0].Partition = n
			c.expect(c.produced(p).ErrorCode == 0, "appended")
		}
		req := fetchOf(0)
		req.MaxBytes = 1
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchFrom(1, 0), fetchFrom(2, 0))
		got := ask[*kmsg.FetchResponse](c, req).Topics[0].Partitions
		c.expect(len(got[0].RecordBatches) == 0 && len(got[1].RecordBatches) > 0 && len(got[2].RecordBatches) == 0,
			"%d, %d and %d bytes", len(got[0].RecordBatches), len(got[1].RecordBatches), len(got[2].RecordBatches))
	})
}

func TestAFetchOutOfRangeSaysWhereTheLogIs(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b")
		for offset, code := range map[int64]int16{-1: 1, 0: 0, 2: 0, 3: 1} {
			got := c.fetched(fetchOf(offset))
			c.expect(got.ErrorCode == code && got.HighWatermark == 2 && got.LogStartOffset == 0, "offset %d: %+v", offset, got)
		}
	})
}

// fetchWaiting is fetchOf that waits for data.
func fetchWaiting(offset int64, wait time.Duration) *kmsg.FetchRequest {
	req := fetchOf(offset)
	req.MaxWaitMillis = int32(wait.Milliseconds())
	return req
}

func TestAWaitingFetchEndsWithDataTimeErrorOrTheNextRequest(t *testing.T) {
	const soon = host.Time(200 * time.Millisecond)
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		took := func(what string, do func()) host.Time {
			start := c.h.Now()
			do()
			return c.h.Now() - start
		}
		wait := took("nothing", func() { c.fetched(fetchWaiting(0, 5*time.Second)) })
		c.expect(wait >= host.Time(5*time.Second) && wait < host.Time(5*time.Second)+soon,
			"max wait: %s", time.Duration(wait))

		other := c.another()
		defer other.close()
		c.send(fetchWaiting(0, time.Minute))
		c.must(c.h.Sleep(c.sc, time.Second))
		wait = took("data", func() {
			other.values("a")
			resp, err := c.receive()
			c.must(err)
			c.expect(len(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches) > 0, "the fetch has the record")
		})
		c.expect(wait < soon, "an append ends the wait: %s", time.Duration(wait))

		wait = took("another request", func() {
			c.send(fetchWaiting(1, time.Minute))
			c.must(c.h.Sleep(c.sc, 10*time.Millisecond))
			c.send(fetchOf(0))
			for range 2 {
				_, err := c.receive()
				c.must(err)
			}
		})
		c.expect(wait < soon, "a request behind it ends the wait: %s", time.Duration(wait))

		wait = took("an error", func() {
			req := fetchWaiting(1, time.Minute)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchFrom(7, 0))
			got := ask[*kmsg.FetchResponse](c, req).Topics[0].Partitions
			c.expect(got[0].ErrorCode == 0 && got[1].ErrorCode == 3, "codes %d and %d", got[0].ErrorCode, got[1].ErrorCode)
		})
		c.expect(wait < soon, "a partition's error ends the wait: %s", time.Duration(wait))

		c.send(fetchWaiting(1, time.Minute))
		c.must(c.h.Sleep(c.sc, time.Second))
		wait = took("deletion", func() {
			other.delete(wireTopic)
			resp, err := c.receive()
			c.must(err)
			c.expect(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode == 3, "the topic is unknown now")
		})
		c.expect(wait < soon, "the topic's deletion ends the wait: %s", time.Duration(wait))
	})
}

// TestAWaitingFetchHoldsNothing: one that has found too little keeps no slab while it waits for more.
func TestAWaitingFetchHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a")
		other := c.another()
		defer other.close()
		req := fetchWaiting(0, time.Minute)
		req.MinBytes = 1 << 20
		other.send(req)
		for range 3 {
			c.must(c.h.Sleep(c.sc, time.Second))
			c.expect(w.node.Broker().AnswerMemory().Slabs == 0, "it holds %+v", w.node.Broker().AnswerMemory())
			c.values("b") // it looks again
		}
		c.must(c.h.Sleep(c.sc, time.Minute))
		resp, err := other.receive()
		c.must(err)
		got := batch.Batch(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches)
		c.expect(len(got) > got.Size(), "in the end it has what there is")
	})
}

func TestFetchSessionsAreDeclined(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a")
		req := fetchOf(0)
		req.SessionEpoch = 0 // asks for a session
		got := ask[*kmsg.FetchResponse](c, req)
		c.expect(got.ErrorCode == 0 && got.SessionID == 0 && len(got.Topics) == 1,
			"a full answer without a session: %+v", got)
		req.SessionID, req.SessionEpoch = 77, 3 // goes on with one that some other broker gave
		got = ask[*kmsg.FetchResponse](c, req)
		c.expect(got.ErrorCode == 70 && len(got.Topics) == 0, "FETCH_SESSION_ID_NOT_FOUND: %+v", got)
	})
}

func TestLeaderEpochsFenceAndLeaveAHistory(t *testing.T) {
	w := newWorld(t)
	epochOf := func(c *wire) int32 {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(9)
		mt := kmsg.NewMetadataRequestTopic()
		mt.Topic = kmsg.StringPtr(wireTopic)
		req.Topics = append(req.Topics, mt)
		return ask[*kmsg.MetadataResponse](c, req).Topics[0].Partitions[0].LeaderEpoch
	}
	var first int32
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b")
		first = epochOf(c)
	})
	w.kill()
	w.do(func(c *wire) {
		c.values("c")
		second := epochOf(c)
		c.expect(second > first, "a restart begins an epoch: %d after %d", second, first)
		for epoch, code := range map[int32]int16{-1: 0, first: 74, second: 0, second + 1: 75} {
			req := fetchOf(0)
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
			got := c.fetched(req)
			c.expect(got.ErrorCode == code, "fetch at epoch %d: %+v", epoch, got)
		}
		raw := batch.Batch(c.fetched(fetchOf(0)).RecordBatches)
		c.expect(raw.LeaderEpoch() == first, "the first batch has the first epoch: %d", raw.LeaderEpoch())
		raw = raw[raw.Size():]
		c.expect(raw.LeaderEpoch() == second, "the second batch has the second epoch: %d", raw.LeaderEpoch())
		for asked, want := range map[int32][2]int64{
			first: {int64(first), 2}, second: {int64(second), 3}, second + 1: {-1, -1},
		} {
			epoch, end := c.epochEnd(asked)
			c.expect(int64(epoch) == want[0] && end == want[1], "epoch %d ends at %d (%d), want %v", asked, end, epoch, want)
		}
	})
}

func (c *wire) epochEnd(epoch int32) (int32, int64) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(4)
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rt.Topic = wireTopic
	p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	p.CurrentLeaderEpoch, p.LeaderEpoch = -1, epoch
	rt.Partitions = append(rt.Partitions, p)
	req.Topics = append(req.Topics, rt)
	got := ask[*kmsg.OffsetForLeaderEpochResponse](c, req).Topics[0].Partitions[0]
	c.expect(got.ErrorCode == 0, "the epoch is answered: %+v", got)
	return got.LeaderEpoch, got.EndOffset
}

// delete deletes a topic by name.
func (c *wire) delete(name string) {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TopicNames = []string{name}
	got := ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0]
	c.expect(got.ErrorCode == 0, "topic %s is deleted: %+v", name, got)
}
