package run

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/internal/mutant"
)

// caught finds, in the note of a kept plan, the planted bug that it caught.
var caught = regexp.MustCompile(`^catches ([a-z-]+)`)

// TestKeptPlansPass replays every plan that once made a bug show, each in a process of its own. In a build with the
// tag mutants it replays those of planted bugs once more with the bug on, and then they must fail: a plan that has
// stopped catching what it was kept for guards nothing.
func TestKeptPlansPass(t *testing.T) {
	files, err := filepath.Glob("../testdata/regressions/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			plan, err := LoadPlan(file)
			require.NoError(t, err)
			require.NotEmpty(t, plan.Note, "a kept plan says what it was kept for")
			p := testProgram(t, "plan")
			r := p.replay(t.Context(), file, plan.Seed, time.Minute)
			require.Empty(t, r.Failure)
			bug := caught.FindStringSubmatch(plan.Note)
			if !mutant.Enabled || bug == nil {
				return
			}
			p.Env = append(p.Env, mutantEnv+"="+bug[1])
			r = p.replay(t.Context(), file, plan.Seed, time.Minute)
			require.True(t, Outside(r.Oracle), "%s is on and the plan finds %q", bug[1], r.Oracle)
		})
	}
}
