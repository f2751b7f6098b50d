package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// TestADeniedColdReadIsAnsweredSoon: a reader that is not allowed to read must not keep the memory for cold reads from
// others for long. A start, which would fail, waits.
func TestADeniedColdReadIsAnsweredSoon(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 5})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		_, err := c.produce(0, "value")
		return err
	})
	require.NoError(t, r.stop()) // everything is in objects
	denied := func(on sim.Rate) { r.m.SetFaults(&sim.Faults{Expired: on}) }

	denied(sim.Always)
	r.w.Machine("operator").Boot(func(h host.Host, sc *host.Scope) {
		if h.Sleep(sc, 20*time.Second) == nil {
			denied(0)
		}
	})
	before := r.w.Now()
	require.NoError(t, r.boot())
	require.Greater(t, r.w.Now()-before, host.Time(19*time.Second), "the start needed the store")

	denied(sim.Always)
	r.client(func(c *client) error {
		from := c.h.Now()
		_, _, err := c.fetch(0, 0)
		assert.ErrorIs(t, err, codeError(56)) // KAFKA_STORAGE_ERROR: clients ask again
		assert.Less(t, c.h.Now().Sub(from), 5*time.Second)
		denied(0)
		values, _, err := c.fetch(0, 0)
		assert.Equal(t, []string{"value"}, values)
		return err
	})
	require.NoError(t, r.stop())
}
