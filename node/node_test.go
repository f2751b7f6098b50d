package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

func config() node.Config {
	c := node.Default(8 << 20)
	c.Listen, c.SlabBytes, c.WALCapacity, c.MetaBytes = "m:9092", 256<<10, 2<<20, 1<<20
	return c
}

// lifecycle starts a node on m, calls fn and stops it in order.
func lifecycle(w *sim.World, m *sim.Machine, fn func(*node.Node)) error {
	return w.Do(m, func(h host.Host, sc *host.Scope) error {
		n, err := node.Start(sc, h, config())
		if err != nil {
			return err
		}
		fn(n)
		return n.Stop(sc)
	})
}

func TestANodeKeepsItsIdentityAcrossStarts(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	m := w.Machine("m")
	var cluster string
	var id int32
	require.NoError(t, lifecycle(w, m, func(n *node.Node) { cluster, id = n.ClusterID(), n.ID() }))
	m.KillWith(sim.LoseUnsynced)
	require.NoError(t, lifecycle(w, m, func(n *node.Node) {
		if n.ClusterID() != cluster || n.ID() != id {
			w.Fail(host.ErrExist)
		}
	}))
	require.NotEmpty(t, cluster)
}

func TestASecondNodeOnTheSameDataIsRefused(t *testing.T) {
	w := sim.New(sim.Config{Seed: 2})
	defer w.Close()
	m := w.Machine("m")
	require.NoError(t, lifecycle(w, m, func(*node.Node) {
		err := w.Err()
		require.NoError(t, err)
	}))
	err := w.Do(m, func(h host.Host, sc *host.Scope) error {
		first, err := node.Start(sc, h, config())
		if err != nil {
			return err
		}
		if _, err = node.Start(sc, h, config()); err == nil {
			return host.ErrExist
		}
		if e := first.Stop(sc); e != nil {
			return e
		}
		return err
	})
	require.ErrorIs(t, err, node.ErrInUse)
}

func TestANodeWithoutItsMetadataIsRefused(t *testing.T) {
	w := sim.New(sim.Config{Seed: 3})
	defer w.Close()
	m := w.Machine("m")
	require.NoError(t, lifecycle(w, m, func(*node.Node) {}))
	m.KillWith(sim.KeepUnsynced)
	m.Wipe("meta")
	require.ErrorIs(t, lifecycle(w, m, func(*node.Node) {}), node.ErrMetadataLost)
}

func TestAnIdleNodeDoesNothingForAMinuteButLookForGarbage(t *testing.T) {
	w := sim.New(sim.Config{Seed: 4})
	defer w.Close()
	m := w.Machine("m")
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		n, err := node.Start(sc, h, config())
		if err != nil {
			return err
		}
		if err := h.Sleep(sc, time.Second); err != nil { // superblocks of the start
			return err
		}
		before := w.Events()
		if err := h.Sleep(sc, 50*time.Second); err != nil {
			return err
		}
		if got := w.Events() - before; got > 200 {
			t.Errorf("%d events in 50 idle seconds", got)
		}
		return n.Stop(sc)
	}))
}
