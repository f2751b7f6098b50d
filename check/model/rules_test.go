package model_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check/model"
)

// TestEveryRuleIsInTheTable: docs/rules.md says of each rule which planted bug switches it off.
func TestEveryRuleIsInTheTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/rules.md")
	require.NoError(t, err)
	for _, m := range model.All() {
		for _, r := range m.Rules {
			row := "\n| " + m.Name + " | " + r.Name + " | "
			require.Equal(t, 1, strings.Count(string(text), row), row)
		}
	}
}
