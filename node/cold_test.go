package node_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/sim"
)

// One fetch of many partitions that lie in objects must not wait for memory that it holds itself.
func TestAFetchOfManyColdPartitionsIsAnswered(t *testing.T) {
	const partitions = 60
	r := newRig(t, sim.Config{Seed: 2})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, partitions); err != nil {
			return err
		}
		for p := range int32(partitions) {
			if _, err := c.produce(p, fmt.Sprint("value ", p)); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, r.stop()) // everything is in objects
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		missing := map[int32]bool{}
		for p := range int32(partitions) {
			missing[p] = true
		}
		for len(missing) > 0 {
			req := fetchRequest(0, 0)
			req.Topics[0].Partitions = nil
			for p := range int32(partitions) {
				if missing[p] {
					req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchRequest(p, 0).Topics[0].Partitions...)
				}
			}
			resp, err := c.do(req)
			if err != nil {
				return err
			}
			for _, p := range resp.(*kmsg.FetchResponse).Topics[0].Partitions {
				if len(p.RecordBatches) == 0 {
					continue // the answer ends where memory did
				}
				values, err := decode(p.RecordBatches)
				assert.NoError(t, err)
				assert.Equal(t, []string{fmt.Sprint("value ", p.Partition)}, values)
				delete(missing, p.Partition)
			}
		}
		return nil
	})
	require.NoError(t, r.stop())
}
