package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// A request that is in work when the node is stopped in order gets its answer.
func TestStopAnswersTheRequestsInWork(t *testing.T) {
	cfg := sim.Config{Seed: 3}
	cfg.Disk.Sync = sim.Latency{Min: 100 * time.Millisecond, Max: 100 * time.Millisecond}
	r := newRig(t, cfg)
	require.NoError(t, r.boot())
	r.client(func(c *client) error { return c.createTopic(testTopic, 2) })
	r.client(func(c *client) error {
		poll, produce := &client{h: c.h, sc: c.sc}, &client{h: c.h, sc: c.sc}
		defer poll.close()
		defer produce.close()
		req := fetchRequest(0, 0)
		req.MaxWaitMillis = 20_000
		if err := poll.send(req); err != nil {
			return err
		}
		if err := produce.send(produceRequest(testTopic, 1, "in work")); err != nil {
			return err
		}
		if err := c.h.Sleep(c.sc, 20*time.Millisecond); err != nil {
			return err
		}
		r.w.After(0, func() {
			m := r.m.Host()
			m.Go(nil, "stop", func(sc *host.Scope) { r.ended = r.node.Stop(sc); r.node = nil })
		})
		resp, err := poll.receive()
		if err != nil {
			return err
		}
		assert.Empty(t, resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches)
		if resp, err = produce.receive(); err != nil {
			return err
		}
		assert.Zero(t, resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
		return nil
	})
	require.NoError(t, r.w.Run(func() bool { return r.node == nil }))
	require.NoError(t, r.ended)
}
