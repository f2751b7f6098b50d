package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestARecovererHoldsItsOwnWALAndTheOtherWhichAHolePins(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	require.Equal(t, []UUID{id(1)}, walIDs(w.s.HeldBy(1, e1)))
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	require.Empty(t, w.s.HeldBy(1, e1))
	gen := w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2}).GetWal().GetGeneration()
	require.Equal(t, []UUID{id(1), id(2)}, walIDs(w.s.HeldBy(2, e2)))
	require.Empty(t, w.s.HeldBy(2, e2+1))

	require.False(t, w.s.Pinned(id(1)))
	require.False(t, w.s.Pinned(id(9)))
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: gen, Stream: s, From: 5, To: -1, Why: "gone"})
	require.True(t, w.s.Pinned(id(1)))
	w.ok(&metadatapb.Quarantine{Wal: uid(1), Generation: gen, Stream: s, Seq: 1, Size: 10})
	require.False(t, w.s.Pinned(id(1)))
}
