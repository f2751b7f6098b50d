package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// A metadata volume that lost its log is not a new one: metadata that began anew would call every object in the
// store garbage.
func TestANodeWhoseMetadataLogIsGoneIsRefused(t *testing.T) {
	w := sim.New(sim.Config{Seed: 6})
	defer w.Close()
	m := w.Machine("m")
	require.NoError(t, lifecycle(w, m, func(*node.Node) {}))
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "meta")
		if err != nil {
			return err
		}
		return vol.Remove("raft.wal") // its lock file stays
	}))
	m.KillWith(sim.KeepUnsynced)
	for range 2 { // the refusal makes nothing that the next start would take for metadata
		require.ErrorIs(t, lifecycle(w, m, func(*node.Node) {}), node.ErrMetadataLost)
		m.KillWith(sim.KeepUnsynced)
	}
}
