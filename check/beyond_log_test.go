package check

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// marked is a fetch with the marks of its answer.
func marked(start, stable, high int64, op Op) Op {
	op.LogStart, op.LastStable, op.HighWatermark = start, stable, high
	return op
}

func deleted(call, ret, low int64) Op {
	return Op{Kind: DeleteRecords, Outcome: OK, Client: 5, Call: call, Return: ret, Partition: orders, Offset: low}
}

func sequenced(id int64, epoch int16, next int32, op Op) Op {
	op.ProducerID, op.ProducerEpoch, op.NextSequence = id, epoch, next
	return op
}

func grouped(kind Kind, call, ret int64, generation int32, member, leader string) Op {
	return Op{Kind: kind, Outcome: OK, Client: 3, Call: call, Return: ret, Group: "g", Generation: generation,
		Member: member, Leader: leader}
}

func generation(n int32, op Op) Op {
	op.Generation = n
	return op
}

func led(epoch int32, op Op) Op {
	op.LeaderEpoch = epoch
	return op
}

func topic(kind Kind, call, ret int64, partitions int32) Op {
	return Op{Kind: kind, Outcome: OK, Client: 4, Call: call, Return: ret, Partition: Partition{Topic: "t"},
		Partitions: partitions}
}

func refused(code int16, op Op) Op {
	op.Outcome, op.Code = Failed, code
	return op
}

func key(kind Kind, call, ret, value int64) Op {
	return Op{Kind: kind, Outcome: OK, Client: 4, Call: call, Return: ret, Partition: Partition{Topic: "k"}, Offset: value}
}

func given(client int32, id int64, epoch int16) Op {
	return Op{Kind: InitProducer, Outcome: OK, Client: client, Return: 10, ProducerID: id, ProducerEpoch: epoch}
}

// around are histories beyond acknowledgements and records: those that must pass (want empty), and those with
// one planted bug each, named by every kind of violation that must be found.
var around = []struct {
	name string
	h    History
	want []ViolationKind
}{
	{"high watermark that rises", History{Ops: []Op{put(1, 0, 10, 0, 1), marked(0, 1, 1, get(20, 30, 0, a(1))),
		put(1, 40, 50, 1, 2), marked(0, 2, 2, get(60, 70, 1, a(2)))}, Logs: logOf(a(1), a(2))}, nil},
	{"high watermark of an open append", History{Ops: []Op{put(1, 0, 100, 0, 1), marked(0, 1, 1, get(20, 30, 0)),
		marked(0, 1, 1, get(20, 35, 0))}, Logs: logOf(a(1))}, nil},
	{"high watermark that goes back", History{Ops: []Op{put(1, 0, 100, 0, 1), marked(0, 1, 1, get(20, 30, 0, a(1))),
		marked(0, NoMark, 0, get(40, 50, 0))}, Logs: logOf(a(1))}, kinds(MarkRegressed)},
	{"high watermark below an acknowledgement", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2),
		marked(0, 1, 1, get(40, 50, 0, a(1)))}, Logs: logOf(a(1), a(2))}, kinds(MarkRegressed)},
	{"end listed below a high watermark", History{Ops: []Op{put(1, 0, 100, 0, 1), marked(0, 1, 1, get(20, 30, 0, a(1))),
		listEnd(40, 50, 0)}, Logs: logOf(a(1))}, kinds(RealTime)},
	{"high watermark above what was produced", History{Ops: []Op{put(1, 0, 10, 0, 1), marked(0, 2, 2, get(20, 30, 0,
		a(1))),
		put(1, 40, 50, 1, 2)}, Logs: logOf(a(1), a(2))}, kinds(MarkRegressed)},
	{"high watermark above the final log", History{Ops: []Op{put(1, 0, 10, 0, 1), marked(0, 2, 2, get(20, 30, 0, a(1)))},
		Logs: logOf(a(1))}, kinds(Lost)},
	{"record at the high watermark", History{Ops: []Op{put(1, 0, 10, 0, 1, 2), marked(0, 1, 1, get(5, 30, 0, a(1), a(2)))},
		Logs: logOf(a(1), a(2))}, kinds(BeyondMark)},
	{"isolated read at the last stable offset", History{Ops: []Op{put(1, 0, 10, 0, 1, 2),
		marked(0, 1, 2, isolated(get(5, 30, 0, a(1), a(2))))}, Logs: logOf(a(1), a(2))}, kinds(BeyondMark)},
	{"last stable offset above the high watermark", History{Ops: []Op{put(1, 0, 50, 0, 1), marked(0, 1, 0, get(5, 30, 0))},
		Logs: logOf(a(1))}, kinds(BeyondMark)},
	{"last stable offset that goes back", History{Ops: []Op{put(1, 0, 10, 0, 1), marked(0, 1, 1, get(20, 30, 0, a(1))),
		marked(0, 0, 1, get(40, 50, 0, a(1)))}, Logs: logOf(a(1))}, kinds(MarkRegressed)},

	{"deleted and gone", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), deleted(40, 50, 1),
		marked(1, 2, 2, get(60, 70, 1, a(2)))}, Logs: []Log{{Partition: orders, Start: 1, Values: []Value{a(2)}}}}, nil},
	{"deleted without an answer", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2),
		with(Unknown, deleted(40, 50, -1))}, Logs: []Log{{Partition: orders, Start: 1, Values: []Value{a(2)}}}}, nil},
	{"gone without being deleted", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)},
		Logs: []Log{{Partition: orders, Start: 1, Values: []Value{a(2)}}}}, kinds(Lost)},
	{"gone above what was deleted", History{Ops: []Op{put(1, 0, 10, 0, 1, 2, 3), deleted(40, 50, 1)},
		Logs: []Log{{Partition: orders, Start: 2, Values: []Value{a(3)}}}}, kinds(Lost)},
	{"deleted and back at the end", History{Ops: []Op{put(1, 0, 10, 0, 1), deleted(40, 50, 1)}, Logs: logOf(a(1))},
		kinds(Undeleted)},
	{"deleted and read", History{Ops: []Op{put(1, 0, 10, 0, 1, 2), deleted(40, 50, 1), get(60, 70, 0, a(1), a(2))},
		Logs: []Log{{Partition: orders, Start: 1, Values: []Value{a(2)}}}}, kinds(Undeleted)},
	{"log start offset that goes back", History{Ops: []Op{put(1, 0, 10, 0, 1, 2), deleted(40, 50, 1),
		marked(0, 2, 2, get(60, 70, 1, a(2)))}, Logs: []Log{{Partition: orders, Start: 1, Values: []Value{a(2)}}}},
		kinds(MarkRegressed)},

	{"damage beyond the promise", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1, 2), get(12, 14, 0, a(1), a(2)),
		put(1, 20, 30, 2, 3), listEnd(40, 50, 3)}, Logs: offline(Span{0, 2}, 0, 0, a(3))}, nil},
	{"damage over two appends that nobody answered, an end seen between them", History{Beyond: true, Ops: []Op{
		with(Unknown, put(1, 0, 10, 0, 1)), with(Unknown, put(2, 20, 30, 0, 1)), listEnd(40, 50, 1), listEnd(60, 70, 2)},
		Logs: offline(Span{0, 2}, 0, 0)}, nil},
	{"an end inside what one append left, and it is not damaged", History{Beyond: true, Ops: []Op{
		with(Unknown, put(1, 0, 10, 0, 1, 2)), listEnd(40, 50, 1), put(2, 60, 70, 2, 1)},
		Logs: offline(Span{2, 3}, a(1), a(2), 0)}, kinds(NotLinear)},
	{"damage that was not declared", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)},
		Logs: offline(Span{0, 1}, 0, a(2))}, kinds(Lost, LostWrite, Unseen)},
	{"damage that was not reported", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)},
		Logs: offline(Span{1, 2}, 0, a(2))}, kinds(Lost, LostWrite, Unseen)},
	{"damage that holds another record", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1), put(2, 0, 10, 0, 1)},
		Logs: offline(Span{0, 1}, b(1))}, kinds(OffsetReused, InconsistentOffsets, LostWrite, Unseen)},
	{"damaged tail", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2), listEnd(40, 50, 2)},
		Logs: offline(Span{1, 2}, a(1))}, nil},
	{"damaged tail of an append that nobody answered", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1),
		with(Unknown, put(2, 20, 30, 0, 1)), listEnd(40, 50, 2)}, Logs: offline(Span{1, 2}, a(1))}, nil},
	{"end above a damaged log that nobody can have written", History{Beyond: true, Ops: []Op{put(1, 0, 10, 0, 1),
		listEnd(40, 50, 3)}, Logs: offline(Span{1, 3}, a(1))}, kinds(NotLinear)},

	{"durable before it is shown", History{Ops: []Op{put(1, 0, 10, 0, 1), marked(0, 1, 1, get(8, 9, 0, a(1))),
		listEnd(8, 12, 1)}, Logs: logOf(a(1)), DurableAt: []Durable{{a(1), 7}}}, nil},
	{"acknowledged before it is durable", History{Ops: []Op{put(1, 0, 10, 0, 1)}, Logs: logOf(a(1)),
		DurableAt: []Durable{{a(1), 11}}}, kinds(ShownEarly)},
	{"acknowledged and never durable", History{Ops: []Op{put(1, 0, 10, 0, 1), put(1, 20, 30, 1, 2)}, Logs: logOf(a(1),
		a(2)),
		DurableAt: []Durable{{a(1), 5}}}, kinds(ShownEarly)},
	{"read before it is durable", History{Ops: []Op{put(1, 0, 50, 0, 1), get(5, 9, 0, a(1))}, Logs: logOf(a(1)),
		DurableAt: []Durable{{a(1), 11}}}, kinds(ShownEarly)},
	{"high watermark before it is durable", History{Ops: []Op{put(1, 0, 50, 0, 1), marked(0, 1, 1, get(5, 9, 0))},
		Logs: logOf(a(1)), DurableAt: []Durable{{a(1), 11}}}, kinds(ShownEarly)},
	{"end before it is durable", History{Ops: []Op{put(1, 0, 50, 0, 1), listEnd(5, 9, 1)},
		Logs: logOf(a(1)), DurableAt: []Durable{{a(1), 11}}}, kinds(ShownEarly)},

	{"sequences in order", History{Ops: []Op{sequenced(1, 0, 1, put(1, 0, 10, 0, 1)),
		sequenced(1, 0, 3, with(Unknown, put(1, 20, 30, 0, 2, 3))), sequenced(1, 0, 4, put(1, 40, 50, 3, 4)),
		sequenced(1, 1, 1, put(1, 60, 70, 4, 5))}, Logs: logOf(a(1), a(2), a(3), a(4), a(5))}, nil},
	{"sequence left out", History{Ops: []Op{sequenced(1, 0, 1, put(1, 0, 10, 0, 1)), sequenced(1, 0, 3, put(1, 20, 30, 1,
		2))},
		Logs: logOf(a(1), a(2))}, kinds(OutOfSequence)},
	{"epoch that goes back", History{Ops: []Op{sequenced(1, 1, 1, put(1, 0, 10, 0, 1)),
		sequenced(1, 0, 2, put(1, 20, 30, 1, 2))}, Logs: logOf(a(1), a(2))}, kinds(OutOfSequence)},
	{"new epoch that does not begin anew", History{Ops: []Op{sequenced(1, 0, 1, put(1, 0, 10, 0, 1)),
		sequenced(1, 1, 2, put(1, 20, 30, 1, 2))}, Logs: logOf(a(1), a(2))}, kinds(OutOfSequence)},

	{"end told in the epoch of its records", History{Ops: []Op{put(1, 0, 10, 0, 1), led(2, listEnd(20, 30, 1)),
		put(1, 40, 50, 1, 2), led(3, listEnd(60, 70, 2))}, Logs: []Log{{Partition: orders, Values: []Value{a(1), a(2)},
		Epochs: []EpochStart{{2, 0}, {3, 1}}}}}, nil},
	{"end told by a leader that was replaced", History{Ops: []Op{put(1, 0, 10, 0, 1), led(2, listEnd(20, 30, 1))},
		Logs: []Log{{Partition: orders, Values: []Value{a(1)}, Epochs: []EpochStart{{3, 0}}}}}, kinds(NotLinear)},
	{"leader that comes back", History{Ops: []Op{put(1, 0, 10, 0, 1), led(3, listEnd(20, 30, 1)),
		led(2, listEnd(40, 50, 1))}, Logs: logOf(a(1))}, kinds(NotLinear)},

	{"commits of succeeding generations", History{Ops: []Op{grouped(Sync, 0, 10, 1, "m", ""),
		generation(1, commit(20, 30, 5)), grouped(Sync, 40, 50, 2, "m", ""), generation(2, commit(60, 70, 6)),
		committed(80, 90, 6)}}, nil},
	{"commit of a stale generation", History{Ops: []Op{grouped(Sync, 40, 50, 2, "m", ""), generation(1, commit(60, 70,
		6))}},
		kinds(StaleGeneration, NotLinear)},
	{"commit of a stale generation refused", History{Ops: []Op{grouped(Sync, 40, 50, 2, "m", ""),
		with(Failed, generation(1, commit(60, 70, 6))), committed(80, 90, -1)}}, nil},
	{"commit while the next generation is established", History{Ops: []Op{grouped(Sync, 40, 65, 2, "m", ""),
		generation(1, commit(60, 70, 6))}}, nil},
	{"join into a past generation", History{Ops: []Op{grouped(Sync, 40, 50, 2, "m", ""),
		grouped(Join, 60, 70, 1, "n", "")}}, kinds(StaleGeneration)},
	{"generation that a crash undid", History{Ops: []Op{grouped(Join, 0, 10, 1, "m", "m"), grouped(Join, 20, 30, 1, "n",
		"n"),
		grouped(Sync, 40, 50, 1, "n", "")}}, nil},
	{"two leaders", History{Ops: []Op{grouped(Join, 0, 10, 1, "m", "m"), grouped(Join, 0, 10, 1, "n", "n"),
		grouped(Sync, 20, 30, 1, "m", ""), grouped(Sync, 20, 30, 1, "n", "")}}, kinds(TwoLeaders)},

	{"topic comes and goes", History{Ops: []Op{topic(DescribeTopic, 0, 10, 0), topic(CreateTopic, 20, 30, 3),
		topic(DescribeTopic, 40, 50, 3), refused(36, topic(CreateTopic, 40, 50, 4)), topic(DeleteTopic, 60, 70, 0),
		refused(3, topic(DeleteTopic, 80, 90, 0)), topic(DescribeTopic, 80, 90, 0)}}, nil},
	{"topic created without an answer", History{Ops: []Op{with(Unknown, topic(CreateTopic, 0, 10, 3)),
		topic(DescribeTopic, 20, 30, 0), topic(DescribeTopic, 40, 50, 3)}}, nil},
	{"topic whose deletion is carried out", History{Ops: []Op{topic(CreateTopic, 0, 10, 3), topic(DeleteTopic, 20, 30, 0),
		refused(36, topic(CreateTopic, 40, 50, 4)), topic(DescribeTopic, 60, 70, 0)}}, nil},
	{"name taken by no topic", History{Ops: []Op{refused(36, topic(CreateTopic, 40, 50, 4))}}, kinds(StaleMetadata)},
	{"topic forgotten", History{Ops: []Op{topic(CreateTopic, 20, 30, 3), topic(DescribeTopic, 40, 50, 0)}},
		kinds(StaleMetadata)},
	{"topic of another size", History{Ops: []Op{topic(CreateTopic, 20, 30, 3), topic(DescribeTopic, 40, 50, 2)}},
		kinds(StaleMetadata)},
	{"topic deleted and back", History{Ops: []Op{topic(CreateTopic, 20, 30, 3), topic(DeleteTopic, 40, 50, 0),
		topic(DescribeTopic, 60, 70, 3)}}, kinds(StaleMetadata)},
	{"topic created twice", History{Ops: []Op{topic(CreateTopic, 20, 30, 3), topic(CreateTopic, 40, 50, 3)}},
		kinds(StaleMetadata)},

	{"key written and read", History{Ops: []Op{key(ReadKey, 0, 5, -1), key(WriteKey, 0, 10, 7), key(ReadKey, 20, 30,
		7)}}, nil},
	{"key forgotten", History{Ops: []Op{key(WriteKey, 0, 10, 7), key(ReadKey, 20, 30, -1)}}, kinds(StaleMetadata)},

	{"producer ids", History{Ops: []Op{given(1, 1, 0), given(2, 2, 0), given(1, 1, 1)}}, nil},
	{"producer id given out twice", History{Ops: []Op{given(1, 1, 0), given(2, 1, 0)}}, kinds(ReusedProducerID)},
}

func kinds(k ...ViolationKind) []ViolationKind { return k }

func logOf(values ...Value) []Log { return []Log{{Partition: orders, Values: values}} }

func offline(span Span, values ...Value) []Log {
	return []Log{{Partition: orders, Values: values, Offline: []Span{span}}}
}

func TestEachBugAroundTheLogIsFoundUnderItsName(t *testing.T) {
	for _, c := range around {
		t.Run(c.name, func(t *testing.T) {
			if c.h.Logs == nil {
				c.h.Logs = []Log{{Partition: orders}}
			}
			v := Judge(&c.h, Counts{})
			var got []ViolationKind
			for _, w := range v.Violations {
				got = append(got, w.Kind)
			}
			require.Equal(t, c.want, got, v.String())
			if len(c.want) > 0 {
				require.Equal(t, len(c.want), v.Total)
			}
		})
	}
}
