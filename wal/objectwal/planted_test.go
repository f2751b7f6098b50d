//go:build mutants

package objectwal_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/internal/mutant"
)

// TestEachPlantedBugIsFound runs the worlds once more for each of them, in a process of its own.
func TestEachPlantedBugIsFound(t *testing.T) {
	for _, b := range mutant.ObjectWAL() {
		t.Run(string(b.ID), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestWhatWasAcknowledgedOutlivesItsWriter$")
			cmd.Env = append(os.Environ(), "WEIR_MUTANT="+string(b.ID))
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "not found: %s\n%s", b.What, out)
			t.Logf("%s", out)
		})
	}
}
