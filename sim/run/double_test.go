package run

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPlantedMapRangeIsCaughtAndLocated(t *testing.T) {
	r := testProgram(t, "map range").double(t.Context(), 1, time.Minute, nil)
	require.True(t, r.Parted)
	require.Contains(t, r.Cause(), "two processes with one seed went different ways, between events 1024 and")
	require.Contains(t, r.Failure, "first differing event of two more runs")
	x, y := differing(t, r.Failure)
	require.Equal(t, "timer", x[2], "the time differs when the task has thought")
	require.Equal(t, x[0], y[0])
	require.NotEqual(t, x[1:], y[1:])
	require.Equal(t, "weir sim sweep --seeds 1..1", r.Replay())
}

// differing returns the fields of the two lines of a located difference.
func differing(t *testing.T, failure string) (x, y []string) {
	t.Helper()
	for line := range strings.Lines(failure) {
		if strings.HasPrefix(line, "  < ") {
			x = strings.Fields(line[4:])
		}
		if strings.HasPrefix(line, "  > ") {
			y = strings.Fields(line[4:])
		}
	}
	require.NotEmpty(t, x, failure)
	require.NotEmpty(t, y, failure)
	return x, y
}

func TestTheDifferenceIsTheFirstEventThatDiffers(t *testing.T) {
	r := testProgram(t, "processors").double(t.Context(), 1, time.Minute, nil)
	require.True(t, r.Parted)
	x, y := differing(t, r.Failure)
	// Each think is a pick and a timer, behind the boot, the spawn of the task and the first pick.
	require.Equal(t, []string{"0.001501000", "timer"}, x[1:3])
	require.Equal(t, []string{"0.001502000", "timer"}, y[1:3])
	require.Equal(t, x[0], y[0])
	require.Equal(t, "GOMAXPROCS=1", x[len(x)-1])
	require.Equal(t, "GOMAXPROCS=2", y[len(y)-1])
}

func TestAnHonestSeedPassesTheDoubleRun(t *testing.T) {
	r := testProgram(t, "honest").double(t.Context(), 3, time.Minute, nil)
	require.Equal(t, "", r.Failure)
	require.NotZero(t, r.Hash)
}

func TestTheRealNodeHasOneHashInTwoProcesses(t *testing.T) {
	r := testProgram(t, "real").double(t.Context(), 1, 2*time.Minute, nil)
	require.Equal(t, "", r.Failure)
	require.Greater(t, r.Ops, 2000)
}

func TestTheSameEventsWithTwoVerdictsAreADifference(t *testing.T) {
	r := testProgram(t, "other verdict").double(t.Context(), 1, time.Minute, nil)
	require.True(t, r.Parted)
	require.Contains(t, r.Cause(), "different verdicts: GOMAXPROCS=1 passed, GOMAXPROCS=2 failed")
	require.Contains(t, r.Failure, "the difference comes and goes")
	require.Contains(t, r.Failure, "GOMAXPROCS=2 also failed: a planted cause")
}

func TestComparingNamesTheWindow(t *testing.T) {
	at := func(events uint64, hash Hash, checkpoints ...Hash) *Result {
		return &Result{Events: events, Hash: hash, Checkpoints: checkpoints}
	}
	for _, c := range []struct {
		name string
		a, b *Result
		want string
	}{
		{"same", at(2100, 9, 1, 2), at(2100, 9, 1, 2), ""},
		{"in the first window", at(2100, 9, 1, 2), at(2100, 8, 3, 4), "between events 0 and 1024"},
		{"in the second", at(2100, 9, 1, 2), at(2100, 8, 1, 4), "between events 1024 and 2048"},
		{"behind the last", at(2100, 9, 1, 2), at(2100, 8, 1, 2), "between events 2048 and 2100"},
		{"one is longer", at(2100, 9, 1, 2), at(5000, 8, 1, 2, 3, 4), "between events 2048 and 3072"},
		{"one more event", at(2100, 9, 1, 2), at(2101, 9, 1, 2), "between events 2048 and 2101"},
	} {
		require.Contains(t, compare(c.a, c.b), c.want, c.name)
		require.Equal(t, c.want == "", compare(c.a, c.b) == "", c.name)
	}
}

func TestTheFirstDifferenceOfTwoTraces(t *testing.T) {
	lines := func(n int, more string) *bufio.Reader {
		return bufio.NewReader(strings.NewReader(strings.Repeat("same\n", n) + more))
	}
	for _, c := range []struct {
		name, a, b, want string
	}{
		{"none", "{result}\n", "{another}\n", ""},
		{"none, without results", "", "", ""},
		{"a line", "x\n{r}\n", "y\n{r}\n", "  < x   GOMAXPROCS=1\n  > y   GOMAXPROCS=2"},
		{"one ends", "{r}\n", "y\n{r}\n", "  < the run ended   GOMAXPROCS=1\n  > y "},
		{"one is cut off", "cut", "y\n", "  < the run ended"},
	} {
		for _, n := range []int{0, 3, 100} {
			got := ""
			if d := firstDifference(lines(n, c.a), lines(n, c.b)); d != nil {
				got = d.String()
				require.Equal(t, n, d.n, c.name)
			}
			require.Contains(t, got, c.want, c.name)
			require.Equal(t, c.want == "", got == "", c.name)
			if got != "" {
				require.Equal(t, min(n, contextLines), strings.Count(got, "    same\n"), c.name)
			}
		}
	}
}
