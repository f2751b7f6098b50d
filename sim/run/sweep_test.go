package run

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sweep(t *testing.T, life string, seeds Range, jobs int, double bool) *Summary {
	t.Helper()
	return Sweep{Range: seeds, Program: testProgram(t, life), Jobs: jobs, Double: double}.Run(t.Context())
}

func TestASweepDoesNotDependOnItsJobs(t *testing.T) {
	one := sweep(t, "odd seeds fail", Range{1, 9}, 1, false)
	four := sweep(t, "odd seeds fail", Range{1, 9}, 4, true)
	require.Equal(t, one.Hash(), four.Hash())
	require.Equal(t, 4, four.Passed)
	require.Len(t, four.Failed, 5)
	require.False(t, four.OK())
	for i, r := range four.Failed {
		require.Equal(t, uint64(2*i+1), r.Seed, "in the order of the seeds")
		require.Equal(t, "a planted cause", r.Cause())
	}
	require.Equal(t, map[string]int{"site 0": 4, "site 1": 5}, four.Sites)
	require.NotEqual(t, one.Hash(), sweep(t, "odd seeds fail", Range{1, 8}, 2, false).Hash())
}

func TestASweepThatIsInterruptedEndsItsChildren(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := Sweep{Range: Range{1, 1000}, Program: testProgram(t, "honest"), Jobs: 2}
	s.Done = func(r *Result) {
		if r.Seed == 3 {
			cancel()
		}
	}
	sum := s.Run(ctx)
	require.False(t, sum.OK())
	require.Empty(t, sum.Failed, "what we killed ourselves has not failed")
	require.Less(t, sum.Done(), 20)
	var out strings.Builder
	require.NoError(t, sum.Write(&out, false))
	require.Contains(t, out.String(), "interrupted: ")
}

func TestALateSeedHoldsUpNoOther(t *testing.T) {
	s := Sweep{Range: Range{1, 2}, Program: testProgram(t, "never"), Jobs: 2, Double: true}
	s.Timeout = 500 * time.Millisecond
	begin := time.Now()
	sum := s.Run(t.Context())
	require.Len(t, sum.Failed, 2)
	require.Less(t, time.Since(begin), time.Minute)
}
