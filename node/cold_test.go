package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

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

// A fetch of many small objects at a slow store is answered with what there is after a while: else its client would
// give up, begin again, and never get past them.
func TestAFetchOfManyObjectsAtASlowStoreGetsOn(t *testing.T) {
	const objects, partitions = 40, 5
	r := newRig(t, sim.Config{Seed: 3, Store: sim.StoreConfig{
		Latency: sim.Latency{Min: 80 * time.Millisecond, Max: 100 * time.Millisecond},
	}})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, partitions); err != nil {
			return err
		}
		for i := range objects {
			for p := range int32(partitions) {
				if _, err := c.produce(p, fmt.Sprint("value ", i)); err != nil {
					return err
				}
			}
			if err := c.h.Sleep(c.sc, time.Second); err != nil { // until they are in an object of their own
				return err
			}
		}
		return nil
	})
	require.NoError(t, r.stop())
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		at, done := [partitions]int64{}, [partitions]int64{objects, objects, objects, objects, objects}
		for first := 0; at != done; first++ {
			req := fetchRequest(0, 0)
			req.Topics[0].Partitions = nil
			for i := range partitions { // clients take turns with who comes first
				p := int32((first + i) % partitions)
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, fetchRequest(p, at[p]).Topics[0].Partitions...)
			}
			began, before := c.h.Now(), at
			resp, err := c.do(req)
			if err != nil {
				return err
			}
			assert.Less(t, c.h.Now().Sub(began), 3*time.Second)
			for _, p := range resp.(*kmsg.FetchResponse).Topics[0].Partitions {
				values, err := decode(p.RecordBatches)
				assert.NoError(t, err)
				at[p.Partition] += int64(len(values))
			}
			if before == at {
				return errors.New("a fetch brought nothing")
			}
		}
		return nil
	})
	require.NoError(t, r.stop())
}
