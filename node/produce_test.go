package node_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/sim"
)

// An answer leaves when every partition of the request has its outcome, not when those judged first do.
func TestARefusedPartitionDoesNotAcknowledgeTheOthers(t *testing.T) {
	const value = "acknowledged-means-durable"
	synced := false
	cfg := sim.Config{Seed: 1}
	cfg.OnSynced = func(_ *sim.Volume, _ string, _ int64, b []byte) {
		synced = synced || bytes.Contains(b, []byte(value))
	}
	r := newRig(t, cfg)
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		req := produceRequest(testTopic, 99, "nowhere")
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, producePartition(0, value))
		resp, err := c.do(req)
		if err != nil {
			return err
		}
		parts := resp.(*kmsg.ProduceResponse).Topics[0].Partitions
		assert.EqualValues(t, 3, parts[0].ErrorCode)
		assert.EqualValues(t, 0, parts[1].ErrorCode)
		if !synced {
			return errors.New("the second partition was acknowledged before it was durable")
		}
		return nil
	})
	require.NoError(t, r.stop())
}
