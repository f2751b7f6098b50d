package node_test

import (
	"io"
	"strings"
	"testing"
	"time"

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

// With a full ring the task that follows the metadata may wait for room that only commits make: the death of the
// controller must be seen nevertheless.
func TestABrokerWhoseControllerDiesWhileTheRingIsFullEnds(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 11})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		if err := c.createTopic("doomed", 1); err != nil {
			return err
		}
		if err := c.coordinator("g"); err != nil {
			return err
		}
		r.w.Block("weir", sim.StoreNode)
		for _, size := range []int{100 << 10, 1} {
			value := strings.Repeat("x", size)
			for _, err := c.produce(0, value); err == nil; _, err = c.produce(0, value) {
			}
		}
		waits, deletes := &client{h: c.h, sc: c.sc}, &client{h: c.h, sc: c.sc}
		defer waits.close()
		defer deletes.close()
		if err := waits.send(commitRequest("g", testTopic, 1)); err != nil {
			return err
		}
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.SetVersion(5)
		del.TopicNames = []string{"doomed"}
		if err := deletes.send(del); err != nil { // it waits for the commit
			return err
		}
		if err := c.h.Sleep(c.sc, time.Second); err != nil {
			return err
		}
		require.NoError(t, r.ended)
		r.m.SetFaults(&sim.Faults{SyncError: sim.Always})
		other := &client{h: c.h, sc: c.sc}
		defer other.close()
		if err := other.send(createRequest("another", 1)); err != nil {
			return err
		}
		return c.h.Sleep(c.sc, time.Second) // who hangs up may not be heard
	})
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(10*time.Second)))
	require.ErrorContains(t, r.ended, "follow the metadata")
	r.w.Heal()
	r.m.SetFaults(&sim.Faults{})
	r.m.KillWith(sim.LoseUnsynced)
	require.NoError(t, r.boot())
	require.NoError(t, r.stop())
}
