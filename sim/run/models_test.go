package run

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check/model"
)

func TestAModelThatDoesNotExistIsRefusedByName(t *testing.T) {
	_, err := Models([]string{"none"}, func(ModelClaim) {})
	require.ErrorContains(t, err, `"none"`)
}

func TestAClaimIsWrittenWithItsStory(t *testing.T) {
	var b strings.Builder
	row := ModelClaim{
		Verdict: model.Verdict{
			Model: "lock", Off: []string{"lock"}, States: 12, Broken: "LostUpdate", Story: []string{"a reads", "b reads"},
		},
		Wrong: "the shortest way takes 2 steps, not 3", Wall: 0.25,
	}
	require.NoError(t, row.Write(&b, true))
	require.Equal(t, "lock       without lock                                              12 states    0.2 s  "+
		`LostUpdate after 2 steps
           WRONG: the shortest way takes 2 steps, not 3
             1  a reads
             2  b reads
`, b.String())
}
