package run

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
)

func TestAHistoryIsSummedUp(t *testing.T) {
	p := check.Partition{Topic: "t", Index: 3}
	h := &check.History{}
	second := func(s float64) int64 { return int64(s * 1e9) }
	for i := range 100 {
		at := float64(i) / 10
		if i >= 50 {
			at += 5 // nothing is acknowledged from 4.9 s to 10 s
		}
		h.Ops = append(h.Ops, check.Op{Kind: check.Produce, Outcome: check.OK, Partition: p, Return: second(at + 0.001),
			Call: second(at + 0.001 - float64(i+1)/1e5)})
	}
	h.Ops = append(h.Ops, check.Op{Kind: check.Produce, Outcome: check.Unknown, Partition: p, Call: second(6),
		Return: check.NoReturn})
	f := NewJepsen(h)
	require.InDelta(t, 14.901, f.Timeline.Length, 1e-6)
	require.Len(t, f.Kinds, 1)
	k := f.Kinds[0]
	require.Equal(t, []int{100, 0, 1}, []int{k.OK, k.Failed, k.Unknown})
	require.InDeltaSlice(t, []float64{5e-4, 99e-5, 1e-3, 1e-3}, []float64{k.P50, k.P99, k.P999, k.Max}, 1e-8)
	require.Len(t, f.Away, 1)
	require.Equal(t, "t/3", f.Away[0].Partition)
	require.InDelta(t, 4.901, f.Away[0].From, 1e-6)
	require.InDelta(t, 5.1, f.Away[0].Seconds, 1e-6)
	require.Less(t, slices.Max(f.Timeline.OK), 5, "they ended all over the time")
	open := 0
	for i, n := range f.Timeline.Open {
		if open += n; n > 0 {
			require.InDelta(t, 6, float64(i)*f.Timeline.Bin, f.Timeline.Bin, "an operation without an end counts at its call")
		}
	}
	require.Equal(t, 1, open)
	require.Len(t, f.Latency[0].Max, len(f.Timeline.OK))
	require.Contains(t, f.Verdict(), "found right")
	f.Judge(check.Judge(h, check.Counts{}))
	require.Positive(t, f.Found, "there is no final log")
	require.NotContains(t, f.Verdict(), "found right")
}
