package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThreeNodesFormAClusterAndServeATopic(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		first := c.list[0].node.ClusterID()
		for _, p := range c.list {
			require.Equal(t, first, p.node.ClusterID())
		}
		require.NoError(t, c.client(c.list[0], func(k *client) error { return k.createTopic(testTopic, 6) }))
		for part := range int32(6) {
			c.until(10*time.Second, "every partition has an owner", func() bool { return c.owner(c.list[0], part) != nil })
			require.NoError(t, c.client(c.owner(c.list[0], part), func(k *client) error {
				_, err := k.produce(part, fmt.Sprint("to ", part))
				return err
			}))
		}
	}
}
