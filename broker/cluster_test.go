package broker_test

import (
	"testing"

	"github.com/weirmq/weir/broker/batch"
)

func TestBrokersOfOneClusterServeATopicEach(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(2), func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b")
		c.expect(c.fetched(fetchOf(0)).HighWatermark == 2, "it is there")
		got := c.produced(produceOf(batchOf(batch.Plain(), "c")))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 2, "appended: %+v", got)
	})
}
