package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim"
)

// TestSlowReadersOfColdDataDoNotStopOthers: clients that leave their answers unread keep nothing that reads of cold
// data need.
func TestSlowReadersOfColdDataDoNotStopOthers(t *testing.T) {
	const values, slow = 120, 24
	value := func(i int) string { return fmt.Sprint(i, " ", strings.Repeat("x", 100<<10)) }
	r := newRig(t, sim.Config{Seed: 6})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		for i := range values {
			if _, err := c.produce(0, value(i)); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, r.stop()) // everything is in objects
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		for range slow {
			other := &client{h: c.h, sc: c.sc}
			defer other.close()
			req := fetchRequest(0, 0)
			req.Topics[0].Partitions[0].PartitionMaxBytes = 50 << 20
			if err := other.send(req); err != nil {
				return err
			}
		}
		if err := c.h.Sleep(c.sc, 5*time.Second); err != nil {
			return err
		}
		for at := 0; at < values; {
			from := c.h.Now()
			got, _, err := c.fetch(0, int64(at))
			if err != nil || len(got) == 0 {
				return fmt.Errorf("at %d: %d values, %w", at, len(got), err)
			}
			assert.Less(t, c.h.Now().Sub(from), 2*time.Second)
			for _, v := range got {
				assert.Equal(t, value(at), v)
				at++
			}
		}
		return nil
	})
	require.NoError(t, r.stop())
}
