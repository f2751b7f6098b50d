package fsck

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGoldenSuperblock(t *testing.T) {
	s, err := decodeSuperblock(dump(t, "../wal/testdata/superblock.hex"))
	require.NoError(t, err)
	require.EqualValues(t, 42, s.seq)
	require.Positive(t, s.capacity)
}

func TestGoldenFrame(t *testing.T) {
	b := dump(t, "../wal/testdata/frame.hex")
	f, err := decodeFrame(b)
	require.NoError(t, err)
	require.EqualValues(t, len(b), f.length)
	lap := uint64(1 << 40)
	look := func() *seen {
		x := &seen{f: f, b: b}
		(&scan{ring: &ring{capacity: lap}}).inspect(x)
		return x
	}
	x := look()
	require.Empty(t, x.why)
	require.Len(t, x.entries, 2)
	for at := frameHeader; at < len(b); at++ {
		b[at] ^= 0x11
		x := look()
		require.NotEmpty(t, x.why, "byte %d", at)
		require.False(t, x.missing, "byte %d: one changed byte is no missing write", at)
		b[at] ^= 0x11
	}
	// An earlier lap's bytes lie behind a tear: the last byte of a sector that is not zero may have been torn off alone.
	lap = 1 << 20
	for at := frameHeader; at < len(b); at++ {
		last := b[at] != 0 && blank(b[at+1:(at/sector+1)*sector])
		b[at] ^= 0x11
		require.Equal(t, last, look().missing, "byte %d", at)
		b[at] ^= 0x11
	}
	for at := range frameHeader {
		b[at] ^= 0x11
		_, err := decodeFrame(b)
		require.Error(t, err, "byte %d", at)
		fixed, ok := repaired(b)
		require.True(t, ok, "byte %d", at)
		require.Equal(t, f.pos, fixed.pos)
		b[at] ^= 0x11
	}
}

// TestGoldenRaftRecords: the file is records, each behind its length in 4 bytes.
func TestGoldenRaftRecords(t *testing.T) {
	b, err := os.ReadFile("../controller/testdata/records.v1")
	require.NoError(t, err)
	kinds := map[byte]int{}
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b)
		x, err := decodeRaft(b[4:][:n])
		require.NoError(t, err)
		kinds[x.kind]++
		_, err = decodeRaft(b[4:][:n-1])
		require.True(t, err != nil || x.kind == raftChunk)
		b = b[4+n:]
	}
	require.Len(t, kinds, 4)
}
