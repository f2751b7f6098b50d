package workload

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASlotIsDamagedOnlyBesideAWholeOne: a slot that a crash tore is a copy of nothing, so the other is the only one.
func TestASlotIsDamagedOnlyBesideAWholeOne(t *testing.T) {
	ring := make([]byte, 4*slotBytes)
	copy(ring, "WEIRWALS")
	binary.LittleEndian.PutUint32(ring[slotBytes-4:], crc32.Checksum(ring[:slotBytes-4],
		crc32.MakeTable(crc32.Castagnoli)))
	require.True(t, wholeSlot(ring))
	ring[24] = 7 // the first sector of the next one
	require.False(t, wholeSlot(ring))
	require.False(t, wholeSlot(make([]byte, 4*slotBytes)))
	require.False(t, wholeSlot(nil))
}
