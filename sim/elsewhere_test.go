//go:build integration

package sim_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSeedsRunTheSameFromAnotherPathAndOtherFlags builds weir twice: here, and from a copy of the tree below another
// path with no optimization, no inlining and no paths in the binary. Ten seeds must come to the same hashes: neither
// where the source lies nor how it was compiled decides anything.
func TestSeedsRunTheSameFromAnotherPathAndOtherFlags(t *testing.T) {
	here, err := filepath.Abs("..")
	require.NoError(t, err)
	there := filepath.Join(t.TempDir(), "a longer path with blanks", "weir")
	copySource(t, here, there)
	ordinary, other := buildWeir(t, here), buildWeir(t, there, "-trimpath", "-gcflags=all=-N -l")
	for seed := 1; seed <= 10; seed++ {
		a, b := runSeed(t, ordinary, seed), runSeed(t, other, seed)
		require.NotEmpty(t, a.Hash, "seed %d", seed)
		require.Equal(t, a, b, "seed %d", seed)
	}
}

// outcome is what must not differ.
type outcome struct {
	Hash    string
	Events  uint64
	Failure string
}

// runSeed runs a seed with a program. It may fail: then it fails alike.
func runSeed(t *testing.T, program string, seed int) (o outcome) {
	t.Helper()
	out, _ := exec.Command(program, "sim", "run", "--seed", strconv.Itoa(seed), "--json").Output()
	require.NoError(t, json.Unmarshal(out, &o), "seed %d", seed)
	return o
}

// copySource copies what weir is built of.
func copySource(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name, outside := filepath.Rel(from, path)
		switch {
		case err != nil || outside != nil:
			return err
		case d.IsDir() && (name == "bin" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		bytes, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), bytes, 0o644)
	}))
}

// buildWeir builds the command from the source below root.
func buildWeir(t *testing.T, root string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir")
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./cmd/weir")...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}
