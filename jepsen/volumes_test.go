//go:build integration

package jepsen

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/localcluster"
)

// TestVolumesOfAProgram has two real servers whose volumes docs/examples/volumes-local.sh gives to one node at a time:
// what only the WAL of the one that is killed has, the other serves, and the volume is deleted; then the first comes
// back.
func TestVolumesOfAProgram(t *testing.T) {
	dir := t.TempDir()
	volumes := filepath.Join(dir, "volumes")
	t.Setenv("VOLUMES_DIR", volumes)
	script, err := filepath.Abs("../docs/examples/volumes-local.sh")
	require.NoError(t, err)
	c, err := localcluster.New(localcluster.Spec{
		Binary: program, Dir: filepath.Join(dir, "cluster"), Controllers: 1, Brokers: 2,
		Set: map[string]string{"volumes-exec": script, "lease": "1500ms", "upload-age": "1h", "wal-size": "64MiB"},
	}, t.Logf)
	require.NoError(t, err)
	t.Cleanup(func() { c.Down() })
	require.NoError(t, c.StartAll(t.Context()))
	first, second := "--broker="+c.Nodes()[0].Kafka, "--broker="+c.Nodes()[1].Kafka
	weir(t, "topic", "create", "orders", "-p", "1", first)
	weir(t, "topic", "move", "orders", "0", "2", first)
	var want []string
	produce := func(to, text string) {
		cmd := exec.CommandContext(t.Context(), program, "produce", "orders", to)
		cmd.Stdin = strings.NewReader(text + "\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		want = append(want, text)
	}
	reads := func(from string) {
		got := weir(t, "consume", "orders", "--count", fmt.Sprint(len(want)), from)
		for _, text := range want {
			require.Contains(t, got, text)
		}
	}
	for i := range 5 {
		produce(second, fmt.Sprint("record-", i))
	}
	held := func(node int) []string {
		list, err := filepath.Glob(filepath.Join(volumes, fmt.Sprint("node-", node), "*"))
		require.NoError(t, err)
		return list
	}
	require.Len(t, held(1), 1)
	require.Len(t, held(2), 1)
	taken := filepath.Base(held(2)[0])

	require.NoError(t, c.Kill(2))
	produce(first, "after the death")
	reads(first)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(volumes, "all", taken))
		return os.IsNotExist(err)
	}, time.Minute, 100*time.Millisecond, "what was recovered is deleted")
	require.NoError(t, c.Start(t.Context(), 2))
	require.Len(t, held(2), 1, "it has a volume again")
	require.NotEqual(t, taken, filepath.Base(held(2)[0]))
	mine := held(1)

	require.NoError(t, c.Kill(1))
	require.NoError(t, c.Start(t.Context(), 1))
	require.Equal(t, mine, held(1), "nobody had recovered it")
	reads(first)
	calls, err := os.ReadFile(filepath.Join(volumes, "calls"))
	require.NoError(t, err)
	detach := strings.Index(string(calls), "detach "+taken)
	require.Positive(t, detach)
	require.Contains(t, string(calls)[detach:], "attach "+taken, "the attach follows")
}
