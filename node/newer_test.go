package node_test

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// TestANewerWALIsRefusedBeforeAnythingIsWritten: the weir that knows the format finds metadata and fence word as
// it left them.
func TestANewerWALIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 7})
	require.NoError(t, r.boot())
	require.NoError(t, r.stop())
	require.NoError(t, r.w.Do(r.m, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "wal")
		require.NoError(t, err)
		list, err := vol.List("")
		require.NoError(t, err)
		for _, e := range list {
			if !strings.HasSuffix(e.Name, ".fence") {
				raiseVersion(t, vol, e.Name)
			}
		}
		return nil
	}))
	r.m.KillWith(sim.KeepUnsynced)
	before := r.bytes("meta", "wal", "node")
	require.NotEmpty(t, before)
	err := r.boot()
	require.ErrorIs(t, err, node.ErrNewerFormat)
	require.ErrorIs(t, err, wal.ErrVersion)
	require.Equal(t, before, r.bytes("meta", "wal", "node"))
}

// raiseVersion makes the first superblock one of the next format.
func raiseVersion(t *testing.T, vol host.Volume, name string) {
	t.Helper()
	f, err := vol.Open(name, 0)
	require.NoError(t, err)
	defer f.Close()
	b := make([]byte, wal.BlockSize)
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, "WEIRWALS", string(b[:8]))
	binary.LittleEndian.PutUint32(b[8:], 2)
	sum := crc32.Checksum(b[:wal.BlockSize-4], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(b[wal.BlockSize-4:], sum)
	_, err = f.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
}

// bytes returns the content of every file on the volumes.
func (r *rig) bytes(volumes ...string) map[string]string {
	files := map[string]string{}
	for _, name := range volumes {
		v := r.m.Volume(name)
		for _, path := range v.Files() {
			b, ok := v.Current(path)
			require.True(r.t, ok, path)
			files[name+"/"+path] = string(b)
		}
	}
	return files
}
