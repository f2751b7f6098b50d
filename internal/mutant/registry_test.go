package mutant_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/internal/mutant"
)

func TestNoPlantedBugIsOnWithoutTheTag(t *testing.T) {
	for _, b := range mutant.All() {
		require.Equal(t, mutant.Enabled && mutant.Active() == b.ID, mutant.On(b.ID), string(b.ID))
	}
}

func TestEveryPlantedBugIsNamedOnce(t *testing.T) {
	seen := map[mutant.ID]bool{}
	for _, b := range mutant.All() {
		require.False(t, seen[b.ID], string(b.ID))
		seen[b.ID] = true
		require.NotEmpty(t, b.What)
		require.NotEmpty(t, b.Rule)
		require.NotEmpty(t, b.Package)
	}
}

// One node alone finds most of them, and what several nodes do has bugs of its own.
func TestBugsOfClustersAreBugs(t *testing.T) {
	n := 0
	for _, b := range mutant.All() {
		if b.InCluster() {
			n++
		}
	}
	require.Greater(t, n, 8)
	require.Less(t, n, len(mutant.All())/2)
}

// What is covered is hunted by its own test, and not in worlds that cannot show it.
func TestCoveredBugsAreNotHunted(t *testing.T) {
	for _, b := range mutant.Covered() {
		require.NotEmpty(t, b.Test)
		for _, hunted := range mutant.All() {
			require.NotEqual(t, hunted.ID, b.ID)
		}
	}
}
