//go:build mutants

package broker_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/internal/mutant"
)

// TestEachCoveredBugIsFound runs the test of each planted bug that another guard covers with the bug on, in a
// process of its own.
func TestEachCoveredBugIsFound(t *testing.T) {
	for _, b := range mutant.Covered() {
		if b.Package != "broker" {
			continue
		}
		t.Run(string(b.ID), func(t *testing.T) {
			run := func(id mutant.ID) (string, error) {
				cmd := exec.Command(os.Args[0], "-test.run=^"+b.Test+"$", "-test.v")
				cmd.Env = append(os.Environ(), "WEIR_MUTANT="+string(id))
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			out, err := run("")
			require.NoError(t, err, "without the bug: %s", out)
			require.Contains(t, out, "--- PASS: "+b.Test)
			out, err = run(b.ID)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "not found: %s\n%s", b.What, out)
		})
	}
}
