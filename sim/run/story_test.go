package run

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/workload"
)

func at(s float64) host.Time { return host.Time(s * float64(time.Second)) }

// lost is a run in which an acknowledged record was lost.
func lost() (*workload.Result, []Life) {
	orders := check.Partition{Topic: "orders", Index: 3}
	r := &workload.Result{
		Seed: 9, Oracle: "history:Lost", At: at(4), Virtual: 4 * time.Second, Err: errors.New("history:Lost: many words"),
		Plan: &workload.Plan{Faults: fault.Plan{
			{At: at(1.2), Nth: 2, Target: "weir", Kind: fault.Crash, Arg: 7},
			{At: at(0.5), Target: "clients>weir", Kind: fault.Clog, For: time.Second},
		}},
		History: &check.History{Ops: []check.Op{
			{Kind: check.Produce, Outcome: check.OK, Client: 2, Call: int64(at(1)), Return: int64(at(1.001)), Partition: orders,
				Offset: 412, Values: []check.Value{check.ValueOf(2, 17), check.ValueOf(2, 18)}, Attempts: 2},
			{Kind: check.Produce, Outcome: check.Unknown, Client: 3, Call: int64(at(1.1)), Return: check.NoReturn,
				Partition: orders, Values: []check.Value{check.ValueOf(3, 1)}},
			{Kind: check.Fetch, Outcome: check.OK, Client: 11, Call: int64(at(2)), Return: int64(at(2.1)), Partition: orders,
				Offset: 412},
		}},
		Verdict: &check.Verdict{Total: 1, Violations: []check.Violation{
			{Kind: check.Lost, Partition: orders, Text: strings.Repeat("very lost ", 20), Ops: []int{0}}}},
	}
	return r, []Life{{0, "weir", true}, {0, "admin", true}, {at(1.2), "weir", false}, {at(1.4), "weir", true}}
}

func TestAStoryIsInColumnsInTheOrderOfTime(t *testing.T) {
	text := Tell(lost()).String()
	require.Equal(t, `seed 9

seconds     node          event
0.000000    weir            starts
0.500000    clients>weir    N3.clog for 1s
1.000000    client 2      ! produce orders/3 c2#17 to c2#18 in 2 attempts -> acknowledged at 412 (1ms)
1.100000    client 3        produce orders/3 c3#1 -> unknown
1.200000    weir            dies
1.200000    weir            P1.crash, opportunity 2
1.400000    weir            starts
2.000000    client 11       fetch orders/3 from 412 -> nothing (100ms)
4.000000    verdict       ! history:Lost

Lost orders/3: very lost very lost very lost very lost very lost very lost very lost very lost very lost very lost very
lost very lost very lost very lost very lost very lost very lost very lost very lost very lost
`, strings.ReplaceAll(text, " \n", "\n"))
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), storyColumns+1)
	}
}

func TestATimelineHasEveryOperationAndFault(t *testing.T) {
	tl := NewTimeline(lost())
	sum := func(bins []int) (n int) {
		for _, b := range bins {
			n += b
		}
		return n
	}
	require.Equal(t, []int{2, 0, 1}, []int{sum(tl.OK), sum(tl.Failed), sum(tl.Open)})
	require.Equal(t, []Band{{"N3.clog", 0.5, 1.5}}, tl.Bands)
	require.Equal(t, []string{"start", "crash", "start", "fault", "failure"}, kinds(tl.Marks))
	require.InDelta(t, 4, tl.Length, 1e-9)
}

func kinds(marks []Mark) (list []string) {
	for _, m := range marks {
		list = append(list, m.Kind)
	}
	return list
}

func TestASavedRunIsJudgedAgain(t *testing.T) {
	r, lives := lost()
	dir := t.TempDir()
	require.NoError(t, Save(dir, r, lives))
	h, err := LoadHistory(dir)
	require.NoError(t, err)
	require.Len(t, h.Ops, len(r.History.Ops))
	_, err = LoadHistory(t.TempDir())
	require.ErrorContains(t, err, "weir sim run --save DIR")
}

func TestWrapKeepsEveryWordAndTheWidth(t *testing.T) {
	long := strings.Repeat("x", 50)
	for _, text := range []string{"", "a", "a bb ccc dddd", long, "aa " + long + " b"} {
		lines := wrap(text, 10)
		for _, l := range lines {
			require.LessOrEqual(t, len(l), 10, text)
		}
		require.Equal(t, strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(strings.Join(lines, ""), " ", ""))
	}
}

func TestTheCanaryIsFoundAfterARealRun(t *testing.T) {
	r := Seed(WithCanary(workload.Run), SeedOptions{Seed: 1})
	require.False(t, r.OK())
	require.True(t, strings.HasPrefix(r.Oracle, "history:"), r.Oracle)
	require.True(t, r.Judged)
}
