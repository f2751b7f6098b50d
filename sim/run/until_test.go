package run

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/workload"
)

// TestARunThatWasStoppedHasNoVerdictAndLeavesItsWorld stops a seed while it works.
func TestARunThatWasStoppedHasNoVerdictAndLeavesItsWorld(t *testing.T) {
	var dump, said strings.Builder
	r := Seed(workload.Run, SeedOptions{Seed: 3, Until: 2500, Dump: &dump})
	require.True(t, r.Stopped)
	require.True(t, r.OK(), "nothing has failed: %s", r.Failure)
	require.Empty(t, r.Oracle)
	require.False(t, r.Judged)
	require.Contains(t, dump.String(), "machine weir: up")
	require.NoError(t, r.Write(&said))
	require.Contains(t, said.String(), "without a verdict")
	require.NotContains(t, said.String(), "passed")
}
