package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// in puts an operation into a transaction, on into a session, of into a group.
func in(txn int64, op Op) Op {
	op.Txn = txn
	return op
}

func on(session int, op Op) Op {
	op.Session = session
	return op
}

func of(group string, op Op) Op {
	op.Group = group
	return op
}

func by(client int32, op Op) Op {
	op.Client = client
	return op
}

func to(index int32, op Op) Op {
	op.Partition.Index = index
	return op
}

func isolated(op Op) Op {
	op.ReadCommitted = true
	return op
}

func txnEnd(call, ret, txn int64, abort bool) Op {
	return Op{Kind: TxnEnd, Outcome: OK, Client: 1, Call: call, Return: ret, Txn: txn, Abort: abort}
}

func pairs(op Op, records ...Record) Op {
	op.Records = records
	return op
}

// anomalies: small histories of the partitions orders/0 and orders/1, and what Jepsen would find in them, with
// a "~" before what is allowed by default.
var anomalies = []struct {
	name string
	ops  []Op
	log  []Value // of orders/0
	log1 []Value
	want string
}{
	{"nothing", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), on(1, get(40, 50, 0, a(1))), on(1, get(60, 70, 1, a(2)))},
		[]Value{a(1), a(2)}, nil, ""},
	{"a hole is not skipped", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 2, 2), on(1, get(40, 50, 0, a(1))),
		on(1, get(60, 70, 2, a(2)))}, []Value{a(1), 0, a(2)}, nil, ""},
	{"two values at one offset", []Op{put(1, 0, 10, 0, 1), with(Unknown, put(2, 0, 10, 0, 1)), get(40, 50, 0, b(1))},
		[]Value{a(1)}, nil, "inconsistent-offsets"},
	{"acknowledged for another's offset", []Op{put(1, 0, 10, 0, 1), put(2, 20, 30, 0, 1)},
		[]Value{a(1)}, nil, "inconsistent-offsets lost-write unseen"},
	{"one value at two offsets", []Op{put(1, 0, 10, 0, 1)}, []Value{a(1), a(1)}, nil, "duplicate"},
	{"sent twice without idempotence", []Op{retried(2, false, put(1, 0, 10, 0, 1))}, []Value{a(1), a(1)}, nil,
		"~duplicate"},
	{"lost below what was read", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)}, []Value{0, a(2)}, nil,
		"lost-write unseen"},
	{"lost above what was read", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)}, []Value{a(1)}, nil, "unseen"},
	{"lost, but read before", []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), get(12, 14, 0, a(1))},
		[]Value{0, a(2)}, nil, ""},
	{"unknown and gone", []Op{with(Unknown, put(1, 0, 10, 0, 1)), put(1, 20, 30, 0, 2)}, []Value{a(2)}, nil, ""},
	{"a failed send that was read", []Op{with(Failed, put(1, 0, 10, 0, 1)), get(20, 30, 0, a(1))}, nil, nil,
		"aborted-read"},
	{"a failed send in the log that was read", []Op{with(Failed, put(1, 0, 10, 0, 1)), get(20, 30, 0, a(1))},
		[]Value{a(1)},
		nil, "aborted-read"},
	{"an aborted transaction that was read", []Op{in(7, put(1, 0, 10, 0, 1)), txnEnd(20, 30, 7, true),
		isolated(get(40, 50, 0, a(1)))}, []Value{a(1)}, nil, "aborted-read"},
	{"an aborted transaction read without isolation", []Op{in(7, put(1, 0, 10, 0, 1)), txnEnd(20, 30, 7, true),
		get(40, 50, 0, a(1))}, []Value{a(1)}, nil, ""},
	{"an aborted transaction that was passed over", []Op{put(1, 0, 10, 0, 1), in(7, put(1, 20, 30, 1, 2)),
		txnEnd(40, 50, 7, true), put(1, 60, 70, 2, 3),
		pairs(isolated(get(80, 90, 0)), Record{0, a(1)}, Record{2, a(3)})}, []Value{a(1), a(2), a(3)}, nil, ""},
	{"a transaction that reads its own write", []Op{in(7, put(1, 0, 10, 0, 1)), in(7, by(1, get(20, 30, 0, a(1))))},
		[]Value{a(1)}, nil, "precommitted-read"},
	{"a poll that skips", []Op{put(1, 0, 10, 0, 1, 2, 3), on(1, get(20, 30, 0, a(1))), on(1, get(40, 50, 2, a(3)))},
		[]Value{a(1), a(2), a(3)}, nil, "poll-skip"},
	{"a member's poll that skips", []Op{put(1, 0, 10, 0, 1, 2, 3), of("g", on(1, get(20, 30, 0, a(1)))),
		of("g", on(1, get(40, 50, 2, a(3))))}, []Value{a(1), a(2), a(3)}, nil, "~poll-skip"},
	{"a poll after a seek", []Op{put(1, 0, 10, 0, 1, 2, 3), on(1, get(20, 30, 0, a(1))), on(2, get(40, 50, 2, a(3)))},
		[]Value{a(1), a(2), a(3)}, nil, ""},
	{"a poll that goes back", []Op{put(1, 0, 10, 0, 1, 2), on(1, get(20, 30, 0, a(1), a(2))), on(1, get(40, 50, 1, a(2)))},
		[]Value{a(1), a(2)}, nil, "nonmonotonic-poll"},
	{"a member's poll that goes back", []Op{put(1, 0, 10, 0, 1, 2), on(1, get(20, 30, 0, a(1), a(2))),
		of("g", on(1, get(40, 50, 1, a(2))))}, []Value{a(1), a(2)}, nil, "~nonmonotonic-poll"},
	{"one poll that skips", []Op{put(1, 0, 10, 0, 1, 2, 3), pairs(get(20, 30, 0), Record{0, a(1)}, Record{2, a(3)})},
		[]Value{a(1), a(2), a(3)}, nil, "int-poll-skip"},
	{"one poll that goes back", []Op{put(1, 0, 10, 0, 1, 2), pairs(get(20, 30, 0), Record{1, a(2)}, Record{0, a(1)})},
		[]Value{a(1), a(2)}, nil, "int-nonmonotonic-poll"},
	{"one transaction whose polls skip", []Op{put(1, 0, 10, 0, 1, 2, 3), in(7, on(1, get(20, 30, 0, a(1)))),
		in(7, on(1, get(40, 50, 2, a(3))))}, []Value{a(1), a(2), a(3)}, nil, "int-poll-skip"},
	{"a later send below", []Op{put(1, 0, 10, 1, 1), put(1, 20, 30, 0, 2)}, []Value{a(2), a(1)}, nil,
		"nonmonotonic-send ~G0-process ~G0-realtime"},
	{"overlapping sends land either way", []Op{put(1, 0, 10, 1, 1), put(1, 5, 30, 0, 2)}, []Value{a(2), a(1)}, nil, ""},
	{"another's send within a transaction", []Op{in(7, put(1, 0, 10, 0, 1)), put(2, 0, 10, 1, 1), in(7, put(1, 20, 30, 2,
		2))},
		[]Value{a(1), b(1), a(2)}, nil, "~int-send-skip ~G0"},
	{"sends of a transaction that go back", []Op{in(7, put(1, 0, 10, 1, 1)), in(7, put(1, 20, 30, 0, 2))},
		[]Value{a(2), a(1)}, nil, "int-nonmonotonic-send"},
	{"a batch in another order", []Op{with(Unknown, put(1, 0, 10, 0, 1, 2))}, []Value{a(2), a(1)}, nil,
		"int-nonmonotonic-send"},
	{"another's record in a batch", []Op{with(Unknown, put(1, 0, 10, 0, 1, 2)), put(2, 0, 10, 1, 1)},
		[]Value{a(1), b(1), a(2)}, nil, "~int-send-skip"},
	{"writes of two transactions around each other", []Op{in(7, put(1, 0, 10, 0, 1)), in(8, put(2, 0, 10, 1, 1)),
		in(8, to(1, put(2, 20, 30, 0, 2))), in(7, to(1, put(1, 20, 30, 1, 2)))},
		[]Value{a(1), b(1)}, []Value{b(2), a(2)}, "~G0"},
	{"two transactions read each other", []Op{in(7, put(1, 0, 10, 0, 1)), in(8, to(1, put(2, 0, 10, 0, 1))),
		in(7, by(1, to(1, get(20, 30, 0, b(1))))), in(8, by(2, get(20, 30, 0, a(1))))},
		[]Value{a(1)}, []Value{b(1)}, "G1c"},
	{"a transaction reads what follows its write", []Op{in(7, put(1, 0, 50, 0, 1)), in(8, put(2, 20, 30, 1, 1)),
		in(8, to(1, put(2, 20, 30, 0, 2))), in(7, by(1, to(1, get(20, 50, 0, b(2)))))},
		[]Value{a(1), b(1)}, []Value{b(2)}, "~G1c"},
	{"a process reads what it writes later", []Op{by(1, get(0, 10, 0, a(1))), put(1, 20, 30, 0, 1)}, []Value{a(1)}, nil,
		"G1c-process G1c-realtime"},
	{"a read of what is written later", []Op{get(0, 10, 0, a(1)), put(1, 20, 30, 0, 1)}, []Value{a(1)}, nil,
		"G1c-realtime"},
	{"a later write of another below", []Op{put(1, 0, 10, 1, 1), put(2, 20, 30, 0, 1)}, []Value{b(1), a(1)}, nil,
		"~G0-realtime"},
}

func TestEveryAnomalyHasItsJepsenName(t *testing.T) {
	named := map[ViolationKind]bool{}
	for _, c := range anomalies {
		t.Run(c.name, func(t *testing.T) {
			h := &History{Ops: c.ops, Logs: []Log{{Partition: orders, Values: c.log},
				{Partition: Partition{"orders", 1}, Values: c.log1}}}
			var got []string
			for _, f := range Jepsen(h).Found {
				require.NotEmpty(t, f.Examples)
				name := string(f.Kind)
				if f.Count == 0 {
					name = "~" + name
				}
				got = append(got, name)
				named[f.Kind] = true
			}
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
	require.Len(t, named, len(jepsenKinds), "each anomaly has a history that shows it")
}

func TestLagIsHowLongTheNextRecordHadBeenKnown(t *testing.T) {
	h := &History{
		Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), get(40, 50, 0, a(1)), get(40, 45, 0, a(1), a(2)), get(90, 95,
			0)},
		Logs: []Log{{Partition: orders, Values: []Value{a(1), a(2)}}},
	}
	require.Equal(t, []Lag{{orders, 4, 80}}, Jepsen(h).Lags)
}

func TestConsumedCountsDeliveriesToAGroup(t *testing.T) {
	h := &History{
		Ops: []Op{put(1, 0, 10, 0, 1, 2, 3), of("g", get(40, 50, 0, a(1), a(2))), of("g", get(60, 70, 1, a(2), a(3))),
			of("f", get(60, 70, 1, a(2))), get(60, 70, 0, a(1))},
		Logs: []Log{{Partition: orders, Values: []Value{a(1), a(2), a(3)}}},
	}
	require.Equal(t, []int{3, 1}, Jepsen(h).Consumed, "a(1), a(3) and f's a(2) once, g's a(2) twice")
}

func TestCyclesOfALongChainAreFoundWithoutRecursion(t *testing.T) {
	g := graph{nodes: 300_000}
	for n := range g.nodes {
		g.add(n, (n+1)%g.nodes, edgeWW)
	}
	g.add(5, 4, edgeWR)
	g.freeze()
	require.Len(t, g.components(edgeWW), 1)
	require.Empty(t, g.components(edgeWR))
	require.Equal(t, []int32{4, 5}, g.cycle(4, edgeWW|edgeWR))
}
