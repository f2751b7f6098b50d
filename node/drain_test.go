package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestWhenAllNodesLeaveAtOnceEverythingIsInObjects(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		c.fill(6)
		begun := c.w.Now()
		for i, err := range c.stop(c.list...) {
			require.NoError(t, err, "n%d", i+1)
		}
		require.Less(t, c.w.Now().Sub(begun), 25*time.Second, "nobody waits for those who have left")
		require.NoError(t, c.w.Do(c.clients, func(h host.Host, sc *host.Scope) error {
			for _, name := range c.w.SharedNames() {
				vol, err := h.Disk().Volume(sc, name)
				if err != nil {
					return err
				}
				list, err := vol.List("")
				require.Empty(t, list, "a WAL is left on %s", name)
				if err != nil {
					return err
				}
			}
			return nil
		}))
		for _, p := range c.list {
			c.boot(p)
		}
		c.until(time.Minute, "all nodes serve again", c.serve)
		c.list[0].node.Metadata().Read(func(s *metadata.State) {
			require.Empty(t, s.Debts())
			released := 0
			for _, w := range s.WALs() {
				if w.State == metadatapb.WalState_WAL_STATE_RELEASED {
					released++
				}
			}
			require.Equal(t, 3, released, "what they had before")
		})
		for part := range int32(6) {
			c.produce(c.list[0], part, "again")
		}
	}
}
