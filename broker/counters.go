package broker

import (
	"sync/atomic"

	"github.com/weirmq/weir/host"
)

// Counters are the broker's plain numbers; cmd turns them into metrics. All are monotonic but
// Connections and Partitions.
type Counters struct {
	Connections   atomic.Int64 // open now
	BadRequests   atomic.Int64 // connections closed for what they sent
	Requests      [128]atomic.Int64
	RequestNanos  [128]atomic.Int64 // from the last byte read to the last byte written
	ProduceBytes  atomic.Int64
	ProduceBatch  atomic.Int64
	Duplicates    atomic.Int64 // batches answered as duplicates
	FetchBytes    atomic.Int64
	FetchEmpty    atomic.Int64
	TopicsCreated atomic.Int64
	Partitions    atomic.Int64 // served now
}

func (c *Counters) answered(call *call, now host.Time) {
	if call.key >= 0 && int(call.key) < len(c.Requests) {
		c.Requests[call.key].Add(1)
		c.RequestNanos[call.key].Add(int64(now - call.received))
	}
}
