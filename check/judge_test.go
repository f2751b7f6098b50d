package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var orders = Partition{"orders", 0}

// put is a produce of client 1 … 9 answered at its base offset.
func put(client int32, call, ret, base int64, seqs ...uint32) Op {
	op := Op{Kind: Produce, Outcome: OK, Client: client, Call: call, Return: ret, Partition: orders, Offset: base,
		Idempotent: true}
	for _, seq := range seqs {
		op.Values = append(op.Values, ValueOf(client, seq))
	}
	return op
}

// get is a fetch from an offset that returned these values side by side.
func get(call, ret, from int64, values ...Value) Op {
	op := Op{Kind: Fetch, Outcome: OK, Client: 9, Call: call, Return: ret, Partition: orders, Offset: from,
		HighWatermark: NoMark, LogStart: NoMark, LastStable: NoMark}
	for i, value := range values {
		op.Records = append(op.Records, Record{from + int64(i), value})
	}
	return op
}

func listEnd(call, ret, end int64) Op {
	return Op{Kind: ListEnd, Outcome: OK, Client: 8, Call: call, Return: ret, Partition: orders, Offset: end}
}

func commit(call, ret, offset int64) Op {
	return Op{Kind: Commit, Outcome: OK, Client: 7, Call: call, Return: ret, Partition: orders, Offset: offset, Group: "g"}
}

func committed(call, ret, offset int64) Op {
	return Op{Kind: FetchCommitted, Outcome: OK, Client: 6, Call: call, Return: ret, Partition: orders,
		Offset: offset, Group: "g"}
}

func with(outcome Outcome, op Op) Op {
	op.Outcome = outcome
	return op
}

func retried(attempts int, idempotent bool, op Op) Op {
	op.Attempts, op.Idempotent = attempts, idempotent
	return op
}

// a is value seq of client 1, b of client 2.
func a(seq uint32) Value { return ValueOf(1, seq) }
func b(seq uint32) Value { return ValueOf(2, seq) }

// verdicts: histories that must pass (want empty) and histories with one planted
// bug each, named by the violation that must be found first.
var verdicts = []struct {
	name string
	ops  []Op
	log  []Value
	want ViolationKind
}{
	{"in order", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), get(40, 50, 0, a(1), a(2)), listEnd(40, 50, 2)},
		[]Value{a(1), a(2)}, ""},
	{"concurrent appends land either way", []Op{put(1, 0, 10, 1, 1), put(2, 0, 10, 0, 1)}, []Value{b(1), a(1)}, ""},
	{"stale fetch", []Op{put(1, 0, 10, 0, 1), get(20, 30, 0)}, []Value{a(1)}, ""},
	{"fetch before the append is answered", []Op{put(1, 0, 50, 0, 1), get(10, 20, 0, a(1))}, []Value{a(1)}, ""},
	{"fetch that ends inside a batch", []Op{put(1, 0, 10, 0, 1, 2, 3), get(20, 30, 1, a(2)), listEnd(20, 30, 3)},
		[]Value{a(1), a(2), a(3)}, ""},
	{"unknown and applied", []Op{with(Unknown, put(1, 0, 5, 0, 1)), get(10, 20, 0, a(1)), put(2, 30, 40, 1, 1)},
		[]Value{a(1), b(1)}, ""},
	{"unknown and applied late", []Op{with(Unknown, put(1, 0, 5, 0, 1)), put(2, 30, 40, 0, 1), get(50, 60, 0, b(1), a(1))},
		[]Value{b(1), a(1)}, ""},
	{"unknown and never applied", []Op{with(Unknown, put(1, 0, 5, 0, 1)), put(2, 30, 40, 0, 1)}, []Value{b(1)}, ""},
	{"definite failure", []Op{with(Failed, put(1, 0, 5, 0, 1)), put(2, 30, 40, 0, 1)}, []Value{b(1)}, ""},
	{"offset without a record", []Op{put(1, 0, 5, 1, 1), get(10, 20, 0), put(2, 30, 40, 2, 1)},
		[]Value{0, a(1), b(1)}, ""},
	{"retry without idempotence", []Op{retried(2, false, put(1, 0, 5, 1, 1))}, []Value{a(1), a(1)}, ""},
	{"fetch without an answer", []Op{put(1, 0, 5, 0, 1), with(Unknown, get(10, 20, 7))}, []Value{a(1)}, ""},

	{"lost write", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)}, []Value{a(1)}, Lost},
	{"lost middle", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)}, []Value{a(1), 0}, Lost},
	{"lost half of a batch", []Op{put(1, 0, 10, 0, 1, 2)}, []Value{a(1)}, Lost},
	{"lost after it was read", []Op{with(Unknown, put(1, 0, 10, 0, 1)), get(20, 30, 0, a(1))}, nil, Lost},
	{"end that was listed", []Op{put(1, 0, 10, 0, 1), listEnd(20, 30, 2)}, []Value{a(1)}, Lost},
	{"position beyond the end", []Op{put(1, 0, 10, 0, 1), get(20, 30, 2)}, []Value{a(1)}, Lost},
	{"offset reused", []Op{put(1, 0, 10, 0, 1), put(2, 20, 30, 0, 1)}, []Value{b(1)}, OffsetReused},
	{"moved", []Op{put(1, 0, 10, 0, 1), put(1, 0, 30, 1, 2)}, []Value{a(2), a(1)}, Moved},
	{"duplicate of an idempotent producer", []Op{retried(3, true, put(1, 0, 10, 0, 1))}, []Value{a(1), a(1)}, Duplicated},
	{"duplicate without a retry", []Op{retried(1, false, put(1, 0, 10, 0, 1))}, []Value{a(1), a(1)}, Duplicated},
	{"duplicate of an unknown", []Op{with(Unknown, put(1, 0, 10, 0, 1))}, []Value{a(1), a(1)}, Duplicated},
	{"failure that stands", []Op{with(Failed, put(1, 0, 10, 0, 1))}, []Value{a(1)}, Resurrected},
	{"failure that was read", []Op{with(Failed, put(1, 0, 10, 0, 1)), get(20, 30, 0, a(1))}, nil, Resurrected},
	{"half of an unknown batch", []Op{with(Unknown, put(1, 0, 10, 0, 1, 2))}, []Value{a(1)}, Torn},
	{"another's record inside a batch", []Op{with(Unknown, put(1, 0, 10, 0, 1, 2)), put(2, 0, 10, 1, 1)},
		[]Value{a(1), b(1), a(2)}, Torn},
	{"phantom in the log", []Op{put(1, 0, 10, 0, 1)}, []Value{a(1), b(7)}, Phantom},
	{"phantom read", []Op{put(1, 0, 10, 0, 1), get(20, 30, 0, b(7))}, []Value{a(1)}, Phantom},
	{"skipped record", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2),
		{Kind: Fetch, Outcome: OK, Client: 9, Call: 40, Return: 50, Partition: orders, Records: []Record{{1, a(2)}}}},
		[]Value{a(1), a(2)}, NotASlice},
	{"repeated record", []Op{put(1, 0, 10, 0, 1), {Kind: Fetch, Outcome: OK, Client: 9, Call: 40, Return: 50,
		Partition: orders, Records: []Record{{0, a(1)}, {0, a(1)}}}}, []Value{a(1)}, NotASlice},
	{"read at another offset", []Op{put(1, 0, 10, 0, 1), put(1, 0, 30, 1, 2), get(40, 50, 0, a(2))},
		[]Value{a(1), a(2)}, Moved},
	{"reordered against real time", []Op{with(Unknown, put(1, 50, 60, 0, 1)), put(2, 0, 10, 1, 1)},
		[]Value{a(1), b(1)}, RealTime},
	{"stale list of the end", []Op{put(1, 0, 10, 0, 1), listEnd(20, 30, 0)}, []Value{a(1)}, RealTime},
	{"end inside a batch", []Op{put(1, 0, 10, 0, 1, 2), listEnd(20, 30, 1)}, []Value{a(1), a(2)}, RealTime},
	{"read before it was produced", []Op{put(1, 50, 60, 0, 1), get(10, 20, 0, a(1))}, []Value{a(1)}, RealTime},
	{"half a batch read before it was produced", []Op{put(1, 50, 60, 0, 1, 2), get(10, 20, 0, a(1))},
		[]Value{a(1), a(2)}, RealTime},
	{"append below what was read", []Op{with(Unknown, put(1, 50, 60, 0, 1)), put(2, 0, 100, 1, 1), get(30, 40, 1, b(1))},
		[]Value{a(1), b(1)}, RealTime},

	{"commit read", []Op{commit(0, 10, 5), committed(20, 30, 5)}, nil, ""},
	{"no commit yet", []Op{committed(0, 10, -1), commit(20, 30, 5)}, nil, ""},
	{"commit overlaps the read", []Op{commit(0, 10, 5), commit(20, 40, 7), committed(25, 30, 5),
		committed(26, 35, 7)}, nil, ""},
	{"unknown commit read", []Op{commit(0, 10, 5), with(Unknown, commit(20, 25, 7)), committed(30, 40, 5),
		committed(50, 60, 7)},
		nil, ""},
	{"same offset committed twice", []Op{commit(0, 10, 5), with(Unknown, commit(20, 25, 5)), committed(30, 40, 5)},
		nil, ""},
	{"stale commit read", []Op{commit(0, 10, 5), commit(20, 30, 7), committed(40, 50, 5)}, nil, StaleOffset},
	{"stale commit read past one that took long", []Op{commit(0, 100, 5), commit(10, 20, 9), commit(50, 60, 7),
		committed(110, 120, 9)}, nil, StaleOffset},
	{"commit forgotten", []Op{commit(0, 10, 5), committed(40, 50, -1)}, nil, StaleOffset},
	{"commit nobody made", []Op{commit(0, 10, 5), committed(40, 50, 6)}, nil, StaleOffset},
	{"failed commit read", []Op{with(Failed, commit(0, 10, 5)), committed(40, 50, 5)}, nil, StaleOffset},
	{"commit read before it was made", []Op{committed(0, 10, 5), commit(20, 30, 5)}, nil, StaleOffset},
	{"new commit, then the old one again", []Op{commit(0, 10, 5), commit(20, 100, 7), committed(30, 40, 7),
		committed(50, 60, 5)},
		nil, NotLinear},

	{"value produced twice", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 1)}, []Value{a(1)}, Malformed},
	{"value zero", []Op{{Kind: Produce, Outcome: OK, Return: 10, Partition: orders, Values: []Value{0}}}, nil, Malformed},
	{"returned before its call", []Op{put(1, 20, 10, 0, 1)}, []Value{a(1)}, Malformed},
}

func TestJudgeFindsEachPlantedBugAndNothingElse(t *testing.T) {
	for _, c := range verdicts {
		t.Run(c.name, func(t *testing.T) {
			h := &History{Ops: c.ops, Logs: []Log{{Partition: orders, Values: c.log}}}
			v := Judge(h, Counts{})
			if c.want == "" {
				require.True(t, v.OK(), v.String())
				return
			}
			require.False(t, v.OK(), "not found")
			require.Equal(t, c.want, v.Violations[0].Kind, v.String())
			require.Contains(t, v.String(), string(c.want))
		})
	}
}

// The two judges of a partition agree: what porcupine calls out of order, Sweep
// names, and what Sweep passes, porcupine can order.
func TestLinearAgreesWithSweep(t *testing.T) {
	// Sweep sees these through values or batches that the model's state does not hold.
	beyond := map[ViolationKind]bool{Resurrected: true, Duplicated: true, Torn: true, Phantom: true,
		NotASlice: true, Malformed: true}
	for _, c := range verdicts {
		t.Run(c.name, func(t *testing.T) {
			h := &History{Ops: c.ops, Logs: []Log{{Partition: orders, Values: c.log}}}
			v := Linear(h)
			switch {
			case c.want == "":
				require.True(t, v.OK(), v.String())
			case !beyond[c.want] && c.want != StaleOffset && !strings.Contains(c.name, "commit"):
				require.False(t, v.OK(), "porcupine found an order for a history with %s", c.want)
			}
		})
	}
}

func TestValuesInAnotherPartitionAreMisplaced(t *testing.T) {
	h := &History{
		Ops:  []Op{put(1, 0, 10, 0, 1)},
		Logs: []Log{{Partition: orders}, {Partition: Partition{"orders", 1}, Values: []Value{a(1)}}},
	}
	v := Sweep(h)
	require.Equal(t, Misplaced, v.Violations[0].Kind, v.String())
	require.Equal(t, 2, v.Total, "once at the log that has it, once at the one that has not")
}

func TestOperationsWithoutAFinalLogAreMalformed(t *testing.T) {
	v := Judge(&History{Ops: []Op{put(1, 0, 10, 0, 1)}}, Counts{})
	require.Equal(t, Malformed, v.Violations[0].Kind)
	twice := &History{Logs: []Log{{Partition: orders}, {Partition: orders}}}
	require.Equal(t, Malformed, Judge(twice, Counts{}).Violations[0].Kind)
}

func TestTrimmedOffsetsAreNotJudged(t *testing.T) {
	h := &History{
		Ops: []Op{
			put(1, 0, 10, 0, 1, 2), put(1, 20, 30, 2, 3), with(Unknown, put(2, 0, 10, 0, 1, 2)),
			get(40, 50, 0, a(1), a(2), a(3)), listEnd(60, 70, 5),
		},
		Logs: []Log{{Partition: orders, Start: 2, Values: []Value{a(3), b(1), b(2)}, Deleted: []Span{{0, 2}}}},
	}
	h.Ops[3].Return = 55
	v := Judge(h, Counts{})
	require.True(t, v.OK(), v.String())
}

func TestResolveClampsUnknownsToTheirFirstWitness(t *testing.T) {
	h := &History{
		Ops: []Op{
			with(Unknown, put(1, 0, 5, 0, 1)),
			with(Unknown, put(1, 10, 15, 0, 2)),
			with(Unknown, put(1, 20, 25, 0, 3)),
			get(30, 44, 0, a(1)),
			put(2, 30, 40, 1, 1),
		},
		Logs: []Log{{Partition: orders, Values: []Value{a(1), b(1), a(3)}}},
	}
	got := Resolve(h)
	require.Equal(t, []Resolved{{orders, []Append{
		{Op: 0, Base: 0, Count: 1, Call: 0, Return: 40}, // the append above it was answered at 40
		{Op: 4, Base: 1, Count: 1, Call: 30, Return: 40},
		{Op: 2, Base: 2, Count: 1, Call: 20, Return: NoReturn},
	}}}, got)
	require.Equal(t, 2, Sweep(h).Counts.UnknownApplied)
}

func TestAnEmptyHistoryIsVacuous(t *testing.T) {
	v := Judge(&History{}, Counts{Acked: 1, ReadRecords: 1})
	require.Equal(t, 2, v.Total, v.String())
	require.Equal(t, Vacuous, v.Violations[0].Kind)
}

func TestCountsAreWhatTheHistoryHolds(t *testing.T) {
	h := &History{
		Ops: []Op{
			put(1, 0, 10, 0, 1, 2), with(Unknown, put(2, 0, 10, 0, 1)), with(Failed, put(2, 0, 10, 0, 2)),
			get(20, 30, 0, a(1), a(2)), listEnd(20, 30, 2), commit(20, 30, 2), committed(40, 50, 2),
		},
		Logs: []Log{{Partition: orders, Values: []Value{a(1), a(2)}}},
	}
	v := Judge(h, Counts{})
	require.Equal(t, Counts{
		Acked: 1, AckedRecords: 2, Failed: 1, Unknown: 1, Fetches: 1, ReadRecords: 2, ListEnds: 1, Commits: 1, CommitsRead: 1,
		Linearized: 3, OffsetsChecked: 2, FinalRecords: 2,
	}, v.Counts)
	sum := v.Counts
	sum.Add(v.Counts)
	require.Equal(t, 4, sum.AckedRecords)
}

func TestAVerdictKeepsTheFirstViolationsAndCountsAll(t *testing.T) {
	h := &History{Logs: []Log{{Partition: orders}}}
	for i := range int64(1000) {
		h.Ops = append(h.Ops, put(1, i*10, i*10+5, i, uint32(i+1)))
	}
	v := Judge(h, Counts{})
	require.Len(t, v.Violations, violationsMax)
	require.Equal(t, 2000, v.Total, "each is lost, and unseen")
	require.Len(t, v.Anomalies.Found, 1)
	require.Equal(t, 1000, v.Anomalies.Found[0].Count)
	require.Len(t, v.Anomalies.Found[0].Examples, examplesMax)
	require.Equal(t, []int{0}, v.Anomalies.Found[0].Examples[0].Ops, "worst first")
}
