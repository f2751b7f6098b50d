package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// A WAL volume from a backup looks whole. Metadata knows that it was opened since, so what was acknowledged
// since is not lost without a word.
func TestAWALVolumeFromBeforeTheLastStartIsRefused(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 8})
	r.change = func(c *node.Config) { c.UploadAge = time.Hour }
	require.NoError(t, r.boot())
	r.client(func(c *client) error { return c.createTopic(testTopic, 1) })
	require.NoError(t, r.stop())
	backup := r.m.Volume("wal").Clone("backup")
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		_, err := c.produce(0, "acknowledged after the backup")
		return err
	})
	r.m.KillWith(sim.KeepUnsynced)
	whole := r.m.Detach("wal")
	r.m.Attach("wal", backup)
	require.ErrorIs(t, r.boot(), wal.ErrGeneration)
	r.m.KillWith(sim.KeepUnsynced)
	r.m.Detach("wal")
	r.m.Attach("wal", whole)
	require.NoError(t, r.boot()) // nothing was overwritten
	r.client(func(c *client) error {
		values, _, err := c.fetch(0, 0)
		assert.Equal(t, []string{"acknowledged after the backup"}, values)
		return err
	})
	require.NoError(t, r.stop())
}

// A volume that fails to read for a moment has lost nothing: no partition goes offline for that.
func TestAReadErrorThatPassesMakesNoHole(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 12})
	r.change = func(c *node.Config) { c.UploadAge = time.Hour }
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.createTopic(testTopic, 1); err != nil {
			return err
		}
		for range 20 {
			if _, err := c.produce(0, "value"); err != nil {
				return err
			}
		}
		return nil
	})
	r.m.KillWith(sim.KeepUnsynced)
	require.NoError(t, r.boot()) // what it recovered is read from the log
	r.m.SetFaults(&sim.Faults{ReadError: sim.Always / 4})
	r.client(func(c *client) error {
		for offset := range int64(20) {
			values, _, err := c.fetch(0, offset)
			if err != nil {
				return err
			}
			assert.Len(t, values, 20-int(offset))
		}
		return nil
	})
	r.m.SetFaults(nil)
	require.NoError(t, r.stop())
}
