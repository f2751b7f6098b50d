//go:build integration

package crashtest

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

// checksums returns a hash of every file below dir.
func checksums(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[name] = fmt.Sprintf("%d %x", len(raw), sha256.Sum256(raw))
		return err
	}))
	return out
}

// requireKept requires that the files below the folder under are the same as before.
func requireKept(t *testing.T, before, after map[string]string, under string) {
	t.Helper()
	for name, sum := range before {
		if strings.HasPrefix(name, under) && !strings.Contains(name, "/tmp/") {
			require.Equal(t, sum, after[name], "%s changed", name)
		}
	}
}

// settled is a server with some records, stopped in order.
func settled(t *testing.T) *server {
	t.Helper()
	s := newServer(t, "--memory", "256MiB", "--wal-size", "64MiB")
	s.start()
	w := newTopic(t, s, "events")
	w.add(value("events", "0"))
	s.stop()
	return s
}

func TestASecondServerOnTheFolderIsRefused(t *testing.T) {
	s := settled(t)
	s.start()
	second := newServer(t, s.args...)
	second.data = s.data
	before := checksums(t, s.data)
	require.Eventually(t, func() bool { // the first one has nothing more to write
		last := before
		before = checksums(t, s.data)
		return maps.Equal(before, last)
	}, callMax, 300*time.Millisecond)
	line := second.refused()
	require.Contains(t, line, "in use")
	require.Equal(t, before, checksums(t, s.data), "nothing is touched")
	out, status := weir(t, "recover", "--abandon-wal", "00000000-0000-0000-0000-000000000000", "--data", s.data)
	require.NotZero(t, status)
	require.Contains(t, out, "in use")
	s.stop()
}

func TestANewerFormatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, data string)
		says  string
	}{
		{"identity", func(t *testing.T, data string) {
			file := filepath.Join(data, "node", "identity")
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			body, _, found := strings.Cut(string(raw), "crc32c ")
			require.True(t, found)
			body = strings.Replace(body, "weir-identity 1\n", "weir-identity 2\n", 1)
			sum := crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli))
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "%scrc32c %08x\n", body, sum), 0o600))
		}, "newer format"},
		{"wal", func(t *testing.T, data string) { newerSuperblocks(t, walFile(t, data)) }, "newer"},
		{"metadata log", func(t *testing.T, data string) {
			newerSuperblocks(t, filepath.Join(data, "meta", "raft.wal"))
		}, "newer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := settled(t)
			c.spoil(t, s.data)
			before := checksums(t, s.data)
			require.Contains(t, s.refused(), c.says)
			after := checksums(t, s.data)
			requireKept(t, before, after, "")
		})
	}
}

func TestAForeignClusterIsRefused(t *testing.T) {
	s, other := settled(t), settled(t)
	require.NoError(t, os.RemoveAll(filepath.Join(s.data, "meta")))
	out, err := exec.Command("cp", "-a", filepath.Join(other.data, "meta"), filepath.Join(s.data, "meta")).CombinedOutput()
	require.NoError(t, err, string(out))
	before := checksums(t, s.data)
	require.Contains(t, s.refused(), "cluster")
	require.Equal(t, before, checksums(t, s.data), "nothing is touched")
}

func TestAForeignWALVolumeIsRefused(t *testing.T) {
	s, other := settled(t), settled(t)
	mine, theirs := walFile(t, s.data), walFile(t, other.data)
	raw, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mine, raw, 0o600))
	line := s.refused()
	require.Contains(t, line, "foreign")
	require.Contains(t, line, "recover --abandon-wal")
	same, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.True(t, string(raw) == string(same), "the foreign volume is touched")
}

func TestABlankMetadataVolumeIsRefused(t *testing.T) {
	s := settled(t)
	require.NoError(t, os.RemoveAll(filepath.Join(s.data, "meta")))
	done.count(t, fault.Wipe, 1)
	before := checksums(t, s.data)
	require.Contains(t, s.refused(), "metadata")
	require.Equal(t, before, checksums(t, s.data), "nothing is touched")
}
