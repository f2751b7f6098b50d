package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// leaving is when the WAL's volume stops answering, for as long as its fault lasts: what a deletion has to forget
// cannot become durable.
const (
	leaving    = host.Time(time.Minute)
	leavingFor = 40 * time.Second
)

// whileLeaving runs fn while a topic is on its way out, "a.b".
func whileLeaving(t *testing.T, fn func(c *wire)) {
	t.Helper()
	w := newWorldUnder(t, fault.Plan{{At: leaving, Target: "weir:wal", Kind: fault.DiskStall, For: leavingFor}})
	w.do(func(c *wire) {
		c.topic("a.b", 1)
		c.topic("stays", 1)
		c.coordinated(2, "g")
		commit := commitOf(2, "g", "", -1, 7, "")
		commit.Topics[0].Topic = "a.b"
		c.expect(c.committed(commit) == 0, "an offset is committed")
	})
	require.NoError(t, w.w.RunUntil(leaving+1))
	w.do(func(c *wire) {
		c.took(time.Second, func() {
			got := ask[*kmsg.DeleteTopicsResponse](c, deleteOf(time.Second, "a.b", "none")).Topics
			c.expect(got[0].ErrorCode == 7, "the deletion is not over: %+v", got[0])
			c.expect(got[1].ErrorCode == 3, "and this one does not begin: %+v", got[1])
		})
		fn(c)
	})
}

// took runs fn and expects that it takes that long, to a tenth of a second.
func (c *wire) took(want time.Duration, fn func()) {
	c.t.Helper()
	from := c.h.Now()
	fn()
	d := c.h.Now().Sub(from)
	c.expect(d >= want-100*time.Millisecond && d <= want+100*time.Millisecond, "it took %v, want %v", d, want)
}

func deleteOf(timeout time.Duration, names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(5)
	req.TopicNames, req.TimeoutMillis = names, int32(timeout.Milliseconds())
	return req
}

func createOf(timeout time.Duration, names ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = int32(timeout.Milliseconds())
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, 1, -1
		req.Topics = append(req.Topics, t)
	}
	return req
}

// TestARequestHasOneDeadlineForAllItsTopics: however many of them are on their way out, it is answered when its time
// is over, and after ten seconds at the latest.
func TestARequestHasOneDeadlineForAllItsTopics(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		3 * time.Second: 3 * time.Second, time.Minute: 10 * time.Second, 0: 10 * time.Second,
	} {
		whileLeaving(t, func(c *wire) {
			c.took(want, func() {
				got := ask[*kmsg.CreateTopicsResponse](c, createOf(timeout, "a.b", "a_b", "later")).Topics
				for i := range got {
					c.expect(got[i].ErrorCode == 7, "%s: %+v", got[i].Topic, got[i])
				}
			})
			there := ask[*kmsg.MetadataResponse](c, metadataOf(9, false, "later", "stays")).Topics
			c.expect(there[0].ErrorCode == 3, "what the request did not come to is not created: %+v", there[0])
			c.expect(there[1].ErrorCode == 0, "others are there: %+v", there[1])
		})
	}
}

// TestNoTopicIsAutoCreatedInPlaceOfOneOnItsWayOut: clients ask for metadata often, and wait for the answer.
func TestNoTopicIsAutoCreatedInPlaceOfOneOnItsWayOut(t *testing.T) {
	whileLeaving(t, func(c *wire) {
		c.took(0, func() {
			got := ask[*kmsg.MetadataResponse](c, metadataOf(9, true, "a.b", "a_b", "stays")).Topics
			for i, want := range []int16{5, 5, 0} {
				c.expect(got[i].ErrorCode == want, "%s: %+v, want %d", *got[i].Topic, got[i], want)
			}
		})
	})
}

// TestANameThatCollidesWithATopicOnItsWayOutIsAsGoodAsItsOwn: it becomes free with it.
func TestANameThatCollidesWithATopicOnItsWayOutIsAsGoodAsItsOwn(t *testing.T) {
	whileLeaving(t, func(c *wire) {
		got := ask[*kmsg.CreateTopicsResponse](c, createOf(time.Second, "a_b")).Topics[0]
		c.expect(got.ErrorCode == 7, "not while it is being deleted: %+v", got)
		c.must(c.h.Sleep(c.sc, leavingFor-8*time.Second))
		got = ask[*kmsg.CreateTopicsResponse](c, createOf(10*time.Second, "a_b")).Topics[0]
		c.expect(got.ErrorCode == 0, "it is created once the other is gone: %+v", got)
		got = ask[*kmsg.CreateTopicsResponse](c, createOf(10*time.Second, "a.b")).Topics[0]
		c.expect(got.ErrorCode == 36, "and then it is what is in the way: %+v", got)
	})
}

// TestATopicThatRequestsDoNotSeeYetIsNotGoneForThat: one that still waits for room in the WAL is deleted when its
// deletion has ended, not when it was marked.
func TestATopicThatRequestsDoNotSeeYetIsNotGoneForThat(t *testing.T) {
	w := newWorldUnder(t, fault.Plan{{At: leaving, Target: "weir:wal", Kind: fault.DiskStall, For: leavingFor}})
	w.do(func(c *wire) { c.topic("stays", 1) })
	require.NoError(t, w.w.RunUntil(leaving+1))
	w.do(func(c *wire) {
		made := ask[*kmsg.CreateTopicsResponse](c, createOf(time.Second, "soon")).Topics[0]
		c.expect(made.ErrorCode == 7, "its partition cannot be opened: %+v", made)
		c.took(2*time.Second, func() {
			got := ask[*kmsg.DeleteTopicsResponse](c, deleteOf(2*time.Second, "soon")).Topics[0]
			c.expect(got.ErrorCode == 7, "it is only marked: %+v", got)
		})
		made = ask[*kmsg.CreateTopicsResponse](c, createOf(time.Second, "soon")).Topics[0]
		c.expect(made.ErrorCode == 7, "its name is not free: %+v", made)
		c.must(c.h.Sleep(c.sc, leavingFor))
		got := ask[*kmsg.DeleteTopicsResponse](c, deleteOf(time.Second, "soon")).Topics[0]
		c.expect(got.ErrorCode == 3, "and then it is gone: %+v", got)
	})
}
