package node_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// Whatever ends a broker by itself is told by Failed, and no client is kept waiting for it.
func TestABrokerThatEndsByItselfSaysSoAndClosesItsConnections(t *testing.T) {
	for name, last := range map[string]func(c *client) error{
		"its WAL is dead":        func(c *client) error { _, err := c.produce(0, "lost"); return err },
		"its controller is dead": func(c *client) error { return c.createTopic("another", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sim.Config{Seed: 10})
			require.NoError(t, r.boot())
			r.client(func(c *client) error {
				idle := &client{h: c.h, sc: c.sc}
				defer idle.close()
				if _, err := idle.do(kmsg.NewPtrApiVersionsRequest()); err != nil {
					return err
				}
				if err := c.createTopic(testTopic, 1); err != nil {
					return err
				}
				if err := c.h.Sleep(c.sc, 1e9); err != nil { // until no superblock is due
					return err
				}
				r.m.SetFaults(&sim.Faults{SyncError: sim.Always})
				assert.Error(t, last(c))
				idle.conn.SetDeadlines(c.h.Now()+answerLimit, 0)
				_, err := io.ReadFull(idle.conn, make([]byte, 1))
				assert.NotErrorIs(t, err, host.ErrTimeout)
				return nil
			})
			require.NoError(t, r.w.Run(func() bool { return r.ended != nil }))
			r.m.SetFaults(&sim.Faults{})
			r.m.KillWith(sim.LoseUnsynced)
			require.NoError(t, r.boot())
			require.NoError(t, r.stop())
		})
	}
}
