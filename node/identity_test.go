package node

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata"
)

func goldenIdentity(t testing.TB) Identity {
	disk, err := metadata.ParseUUID("0b4f8a2e-5c1d-4e7a-9f60-3d2c1b0a9e88")
	require.NoError(t, err)
	cluster, err := metadata.ParseUUID("6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
	require.NoError(t, err)
	return Identity{Node: 1, Disk: disk, Cluster: cluster}
}

func TestIdentityIsWrittenAsTheGoldenFile(t *testing.T) {
	golden, err := os.ReadFile("testdata/identity.v1")
	require.NoError(t, err)
	id := goldenIdentity(t)
	require.Equal(t, string(golden), string(id.encode()))
	got, err := decodeIdentity(golden)
	require.NoError(t, err)
	require.Equal(t, id, got)
}

func TestAnIdentityThatDiffersInAnyByteIsRefused(t *testing.T) {
	id := goldenIdentity(t)
	golden := id.encode()
	for i := range golden {
		bad := append([]byte(nil), golden...)
		bad[i] ^= 1
		_, err := decodeIdentity(bad)
		require.Error(t, err, "byte %d", i)
	}
	for n := range golden {
		_, err := decodeIdentity(golden[:n])
		require.ErrorIs(t, err, ErrDamagedIdentity, "%d bytes", n)
	}
}

func TestANewerIdentityIsNamedAsNewer(t *testing.T) {
	id := goldenIdentity(t)
	newer := strings.Replace(string(id.encode()), "weir-identity 1", "weir-identity 2", 1)
	_, err := decodeIdentity([]byte(newer))
	require.ErrorIs(t, err, ErrNewerFormat)
}

// FuzzIdentity: what decodes encodes to the same bytes, and nothing panics.
func FuzzIdentity(f *testing.F) {
	id := goldenIdentity(f)
	f.Add(id.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decodeIdentity(raw)
		if err == nil {
			require.Equal(t, string(raw), string(got.encode()))
		}
	})
}
