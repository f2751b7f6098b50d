package node_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// TestARescueBesideAHoleClosesTheOthers (rule 15): the WAL dies while a hole in it has no copy yet, and its volume is
// lost. Whatever was uploaded before the end is whole.
func TestARescueBesideAHoleClosesTheOthers(t *testing.T) {
	rescued := 0
	r := spoiltIn(t, sim.Config{Seed: 22, Plan: fault.Plan{{Nth: 60, Target: "weir:wal", Kind: fault.SyncError}}})
	r.change = func(c *node.Config) {
		c.UploadAge, c.Collect.Every, c.StorePut = time.Hour, time.Hour, time.Second
	}
	r.w.SetFaults(sim.Faults{StoreError: sim.Always})
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		if err := c.h.Sleep(c.sc, 10*time.Second); err != nil { // the copy has failed, and is tried again in an hour
			return err
		}
		r.w.SetFaults(sim.Faults{})
		for range 60 {
			if _, err := c.produce(1, "rescued"); err != nil {
				return nil
			}
			rescued++
		}
		return errors.New("the WAL does not die")
	})
	require.NoError(t, r.w.Run(func() bool { return r.ended != nil }))
	require.Positive(t, rescued)
	require.Empty(t, r.quarantines())
	r.m.KillWith(sim.KeepUnsynced)
	var id metadata.UUID
	for _, name := range r.m.Volume("wal").Files() {
		if ring, ok := strings.CutPrefix(name, "ring-"); ok && !strings.HasSuffix(ring, ".fence") {
			var err error
			id, err = metadata.ParseUUID(ring)
			require.NoError(t, err)
		}
	}
	r.m.Wipe("wal")
	require.NoError(t, r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		a, err := node.AbandonWAL(sc, h, r.config(h), id)
		if err == nil {
			require.Len(t, a.Offline, 1)
			require.Contains(t, a.Offline[0], testTopic)
		}
		return err
	}))
	r.m.KillWith(sim.KeepUnsynced)
	require.NoError(t, r.boot())
	r.client(func(c *client) error {
		values, _, err := c.fetch(1, 6)
		require.Len(t, values, rescued)
		return err
	})
}
