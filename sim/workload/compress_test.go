package workload

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
)

// TestAStoredBlockIsWhatItWas takes a batch through each codec.
func TestAStoredBlockIsWhatItWas(t *testing.T) {
	for codec := range int8(codecs + 1) {
		for _, n := range []int{1, 200, 30_000} {
			value := bytes.Repeat([]byte{'x'}, n)
			plain, err := batch.Build(batch.Plain(), batch.Record{Value: value})
			require.NoError(t, err)
			b, err := batch.Verify(compress(plain, codec), batch.Rules{Zstd: true, MaxBytes: 1 << 20})
			require.NoError(t, err, "codec %d", codec)
			require.Equal(t, codec, int8(b.Codec()))
			dec, rec := batch.NewDecoder(1<<20), batch.Record{}
			require.NoError(t, dec.Open(b))
			require.True(t, dec.Next(&rec), "codec %d of %d bytes: %v", codec, n, dec.Err())
			require.Equal(t, value, rec.Value)
			require.True(t, bytes.Contains(b, value))
		}
	}
}
