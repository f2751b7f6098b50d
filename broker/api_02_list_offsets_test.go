package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// listed asks for one timestamp in partition 0 of wireTopic.
func (c *wire) listed(version int16, timestamp int64, committed bool) kmsg.ListOffsetsResponseTopicPartition {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(version)
	if committed {
		req.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = wireTopic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp, p.CurrentLeaderEpoch = timestamp, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions[0]
}

func TestOffsetsByTimestampAreTheFirstAtOrAfterIt(t *testing.T) {
	w := newWorld(t)
	cases := []struct{ at, offset, timestamp int64 }{
		{0, 0, 1000}, {1000, 0, 1000}, {1001, 1, 2000}, {2500, 2, 3000}, {3000, 2, 3000}, {3001, -1, -1},
		{-1, 5, -1}, {-2, 0, -1}, {-3, 2, 3000}, {-4, 0, -1}, {-5, -1, -1}, {-6, 0, -1},
	}
	check := func(c *wire, when string) {
		for _, k := range cases {
			for _, committed := range []bool{false, true} {
				got := c.listed(11, k.at, committed)
				c.expect(got.ErrorCode == 0 && got.Offset == k.offset && got.Timestamp == k.timestamp,
					"%s: %d is offset %d with time %d: %+v", when, k.at, k.offset, k.timestamp, got)
			}
		}
	}
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		for at, want := range map[int64]int64{-1: 0, -2: 0, -3: -1, 0: -1} {
			got := c.listed(11, at, false)
			c.expect(got.ErrorCode == 0 && got.Offset == want, "of an empty log, %d is %d: %+v", at, want, got)
		}
		packed := batchOf(zstdOptions(), "a", "b", "c")
		c.expect(c.produced(produceOf(packed)).ErrorCode == 0, "appended")
		c.values("d", "e") // times 1000 and 2000 again: the clock went back
		check(c, "before the restart")
	})
	w.kill()
	w.do(func(c *wire) {
		check(c, "after the restart")
		for version := int16(1); version <= 11; version++ {
			got := c.listed(version, 1001, false)
			c.expect(got.ErrorCode == 0 && got.Offset == 1, "v%d: %+v", version, got)
		}
		c.expect(c.listed(6, -3, false).ErrorCode == 35, "-3 came with version 7")
	})
}
