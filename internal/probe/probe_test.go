package probe_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/internal/probe"
)

func TestHitsAreCounted(t *testing.T) {
	hits := func() uint64 {
		list := probe.Counts()
		i := slices.IndexFunc(list, func(c probe.Count) bool { return c.Name == probe.WalTornTailDropped.String() })
		return list[i].Hits
	}
	before := hits()
	probe.Hit(probe.WalTornTailDropped)
	require.Equal(t, before+1, hits())
}

func TestEveryPointHasANameOfItsOwn(t *testing.T) {
	list := probe.Counts()
	for i, c := range list {
		pkg, what, found := strings.Cut(c.Name, ".")
		require.True(t, found && pkg != "" && what != "", c.Name)
		require.True(t, i == 0 || list[i-1].Name < c.Name, c.Name)
	}
}
