package broker

import (
	"encoding/hex"
	"hash/crc32"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// The bytes of a quarantine object are the format's, however they are read, each time they are read.
func TestAQuarantineObjectHasTheBytesOfItsFormat(t *testing.T) {
	held := &heldWAL{id: wal.UUID{4, 5, 6}, gen: 7}
	body := newQuarantineBody(metadata.UUID{1, 2, 3}, held, stream.Holed{From: 0x9000, To: 0x9000,
		Hole: stream.HoleError{ID: 8, Epoch: 9, From: 10, To: stream.Unknown}})
	for range 2 {
		obj, err := io.ReadAll(objectstore.OpenBody(nil, body))
		require.NoError(t, err)
		want, err := os.ReadFile("testdata/quarantine-v1.hex")
		require.NoError(t, err)
		require.Equal(t, string(want), hex.Dump(obj))
		require.Equal(t, body.crc, crc32.Checksum(obj[:len(obj)-quarantineCRC], castagnoli()))
	}
}
