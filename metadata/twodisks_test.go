package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// Two nodes were given one broker id. Each has the lock on its own disk, which proves nothing of the other.
func TestAnotherDisksLockProvesNoDeath(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1) // on the disk uid(2)
	late := &metadatapb.Register{Broker: 1, Nonce: uid(77), Disk: uid(9), Proof: true}
	w.no(metadatapb.Refusal_REFUSAL_STILL_LIVE, late)
	require.True(t, w.s.Live(1, e))

	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e})
	r := w.ok(late).GetRegister()
	for _, held := range w.s.HeldBy(1, r.GetEpoch()) {
		t.Errorf("WAL %s of another disk was given to be written", held.ID)
	}
	require.Len(t, w.s.Orphans(), 1, "it waits for somebody who reads it")
}
