package check

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// broker is a right broker with one log, one group, one topic and one key, and clients that overlap. Each effect
// is at now, somewhere inside its operation's interval: its histories must always pass.
type broker struct {
	r   *rand.Rand
	h   History
	now int64

	free       [20]int64 // when each client may call again
	log        []Value
	start      int64
	seqs       [20]uint32
	sequence   [20]int32
	ids        [20]int64
	epochs     [20]int16
	nextID     int64
	position   [20]int64
	session    [20]int
	committed  int64
	generation int32
	partitions int32
	key        int64
}

// rightHistory has about n operations of every kind.
func rightHistory(seed uint64, n int) *History {
	b := &broker{r: rand.New(rand.NewPCG(seed, 5)), committed: noOffset, key: noOffset}
	for len(b.h.Ops) < n {
		b.now += 1 + b.r.Int64N(20)
		client := 1 + b.r.Int32N(12)
		call := max(b.free[client], b.now-b.r.Int64N(100))
		if call > b.now {
			continue
		}
		op := Op{Outcome: OK, Client: client, Call: call, Return: b.now + b.r.Int64N(100), Partition: orders}
		b.free[client] = op.Return + 1
		switch {
		case client <= 5:
			b.produce(op)
		case client <= 8:
			b.consume(op)
		case client == 9:
			b.member(op)
		case client == 10:
			b.register(op)
		case client == 11:
			b.topic(op)
		default:
			b.rest(op)
		}
	}
	b.h.Logs = []Log{{Partition: orders, Start: b.start, Values: b.log[b.start:]}}
	return &b.h
}

func (b *broker) end() int64 { return int64(len(b.log)) }

func (b *broker) add(op Op) { b.h.Ops = append(b.h.Ops, op) }

func (b *broker) produce(op Op) {
	c := op.Client
	if b.ids[c] == 0 || b.r.IntN(30) == 0 {
		b.sequence[c] = 0
		if b.epochs[c]++; b.ids[c] == 0 || b.r.IntN(2) == 0 {
			b.nextID++
			b.ids[c], b.epochs[c] = b.nextID, 0
		}
		op.Kind, op.Partition, op.ProducerID, op.ProducerEpoch = InitProducer, Partition{}, b.ids[c], b.epochs[c]
		b.add(op)
		return
	}
	op.Kind, op.Idempotent, op.Attempts = Produce, true, 1+b.r.IntN(3)
	for range 1 + b.r.IntN(3) {
		b.seqs[c]++
		op.Values = append(op.Values, ValueOf(c, b.seqs[c]))
	}
	op.ProducerID, op.ProducerEpoch, op.NextSequence = b.ids[c], b.epochs[c], b.sequence[c]+int32(len(op.Values))
	lost := b.r.IntN(15) == 0
	if fate := b.r.IntN(20); fate == 0 {
		op.Outcome = Failed
		b.add(op)
		return
	} else if fate == 1 {
		op.Outcome, op.Return = Unknown, NoReturn
		b.ids[c] = 0 // who does not know begins anew
		lost = b.r.IntN(2) == 0
	} else {
		op.Offset, lost = b.end(), false
	}
	if !lost {
		b.sequence[c] = op.NextSequence
		b.log = append(b.log, op.Values...)
		for _, value := range op.Values {
			b.h.DurableAt = append(b.h.DurableAt, Durable{value, b.now})
		}
	}
	b.add(op)
}

func (b *broker) consume(op Op) {
	c := op.Client
	if b.session[c] == 0 || b.position[c] < b.start || b.r.IntN(25) == 0 {
		b.session[c]++
		b.position[c] = b.start + b.r.Int64N(b.end()-b.start+1)
		op.Kind, op.Partition, op.Session = Assign, Partition{}, b.session[c]
		b.add(op)
		return
	}
	op.Kind, op.Session, op.Offset = Fetch, b.session[c], b.position[c]
	op.LogStart, op.HighWatermark, op.LastStable = b.start, b.end(), b.end()
	for at := op.Offset; at < min(b.end(), op.Offset+8); at++ {
		op.Records = append(op.Records, Record{at, b.log[at]})
	}
	b.position[c] = op.end()
	b.add(op)
}

func (b *broker) member(op Op) {
	op.Group, op.Member = "g", "m"
	switch b.r.IntN(8) {
	case 0:
		b.generation++
		op.Kind, op.Partition, op.Generation = Sync, Partition{}, b.generation
		if b.r.IntN(2) == 0 {
			op.Kind, op.Leader = Join, "m"
			b.generation-- // undone: nobody synced
			op.Generation = b.generation + 1
		}
	case 1, 2, 3:
		op.Kind, op.Generation, op.Offset = Commit, b.generation, b.r.Int64N(b.end()+1)
		b.committed = op.Offset
	case 4:
		op.Kind, op.Generation, op.Offset = Commit, max(b.generation-1, 1), 7
		op.Outcome, op.Code = Failed, 22
	default:
		op.Kind, op.Offset = FetchCommitted, b.committed
	}
	b.add(op)
}

func (b *broker) register(op Op) {
	op.Partition = Partition{Topic: "retention"}
	if op.Kind, op.Offset = ReadKey, b.key; b.r.IntN(3) == 0 {
		b.key = b.r.Int64N(1000)
		op.Kind, op.Offset = WriteKey, b.key
	}
	b.add(op)
}

func (b *broker) topic(op Op) {
	op.Partition = Partition{Topic: "t"}
	switch b.r.IntN(4) {
	case 0:
		op.Kind, op.Partitions = CreateTopic, 1+b.r.Int32N(5)
		if b.partitions > 0 {
			op.Outcome, op.Code = Failed, codeTopicExists
		} else {
			b.partitions = op.Partitions
		}
	case 1:
		op.Kind = DeleteTopic
		if b.partitions == 0 {
			op.Outcome, op.Code = Failed, codeUnknownTopic
		}
		b.partitions = 0
	default:
		op.Kind, op.Partitions = DescribeTopic, b.partitions
	}
	b.add(op)
}

func (b *broker) rest(op Op) {
	op.Kind, op.Offset = ListEnd, b.end()
	if b.r.IntN(20) == 0 && b.end() > b.start+40 {
		b.start += b.r.Int64N(10)
		op.Kind, op.Offset = DeleteRecords, b.start
	}
	if b.r.IntN(20) == 0 {
		b.h.Recoveries = append(b.h.Recoveries, b.now)
	}
	b.add(op)
}

func TestHistoriesOfARightBrokerPass(t *testing.T) {
	sum := Counts{}
	rapid.Check(t, func(t *rapid.T) {
		h := rightHistory(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 600).Draw(t, "operations"))
		v := Judge(h, Counts{})
		if !v.OK() {
			t.Fatal(v)
		}
		if !Linear(h).OK() {
			t.Fatal("Linear alone")
		}
		sum.Add(v.Counts)
	})
	v := Verdict{Counts: sum}
	v.demand(Counts{Acked: 1, Failed: 1, Unknown: 1, UnknownApplied: 1, Fetches: 1, ListEnds: 1, Commits: 1,
		CommitsRead: 1,
		Linearized:  1, OffsetsChecked: 1, Fenced: 1, Generations: 1, Joins: 1, Assigned: 1, Sessions: 1, PollPairs: 1,
		Marks: 1, DurableChecked: 1, Recoveries: 1, Recovered: 1, Sequences: 1, Deletes: 1, Trimmed: 1, Producers: 1,
		Topics: 1, MetadataOps: 1})
	require.True(t, v.OK(), v.String())
}

// corruptions plant one bug each in a right history, and tell its violation. Each returns false where the
// history has nothing to plant it in.
var corruptions = []struct {
	kind ViolationKind
	do   func(b *History, r *rand.Rand) bool
}{
	{MarkRegressed, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == Fetch && op.LogStart > 0 && settledStart(h, op) },
			func(op *Op) { op.LogStart = 0 })
	}},
	{MarkRegressed, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == Fetch && len(op.Records) == 0 && settledEnd(h, op) > 0 },
			func(op *Op) { op.HighWatermark, op.LastStable = settledEnd(h, op)-1, NoMark })
	}},
	{BeyondMark, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == Fetch && len(op.Records) > 0 },
			func(op *Op) { op.HighWatermark = op.end() - 1 })
	}},
	{ShownEarly, func(h *History, r *rand.Rand) bool {
		op := some(h, r, func(op *Op) bool { return op.Kind == Produce && op.Outcome == OK })
		for i := range h.DurableAt {
			if op != nil && h.DurableAt[i].Value == op.Values[0] {
				h.DurableAt[i].At = op.Return + 1
			}
		}
		return op != nil
	}},
	{PollSkip, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool {
			return op.Kind == Fetch && len(op.Records) > 1 && readsOn(h, op) &&
				op.Records[len(op.Records)-1].Offset >= h.Logs[0].Start
		},
			func(op *Op) { op.Records = op.Records[:len(op.Records)-1] })
	}},
	{IntPollSkip, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool {
			return op.Kind == Fetch && len(op.Records) > 2 && op.Records[1].Offset >= h.Logs[0].Start
		}, func(op *Op) { op.Records = append([]Record{op.Records[0]}, op.Records[2:]...) })
	}},
	{OutOfSequence, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool {
			return op.Kind == Produce && op.Outcome == OK && op.NextSequence > int32(len(op.Values)) &&
				op.Offset > h.Logs[0].Start+40
		}, func(op *Op) { op.NextSequence += 3 })
	}},
	{StaleGeneration, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool {
			if op.Kind == Commit && op.Outcome == Failed {
				for i := range h.Ops {
					if s := &h.Ops[i]; s.Kind == Sync && s.Generation > op.Generation && s.Return < op.Call {
						return true
					}
				}
			}
			return false
		}, func(op *Op) { op.Outcome = OK })
	}},
	{StaleMetadata, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == DescribeTopic }, func(op *Op) { op.Partitions += 9 })
	}},
	{StaleMetadata, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == ReadKey }, func(op *Op) { op.Offset = 5000 })
	}},
	{StaleOffset, func(h *History, r *rand.Rand) bool {
		return change(h, r, func(op *Op) bool { return op.Kind == FetchCommitted }, func(op *Op) { op.Offset += 50_000 })
	}},
	{ReusedProducerID, func(h *History, r *rand.Rand) bool {
		one := some(h, r, func(op *Op) bool { return op.Kind == InitProducer })
		return one != nil && change(h, r, func(op *Op) bool { return op.Kind == InitProducer && op != one },
			func(op *Op) { op.ProducerID, op.ProducerEpoch = one.ProducerID, one.ProducerEpoch })
	}},
	{Lost, func(h *History, r *rand.Rand) bool {
		found := false
		for i := range h.Ops {
			if op := &h.Ops[i]; op.Kind == DeleteRecords && op.Offset > 0 {
				op.Kind, found = ListEnd, true
				op.Outcome = Failed
			}
		}
		return found
	}},
	{Unseen, func(h *History, r *rand.Rand) bool {
		log := &h.Logs[0]
		last := log.Values[len(log.Values)-1]
		op := some(h, r, func(op *Op) bool {
			return op.Kind == Produce && op.Outcome == OK && op.Values[len(op.Values)-1] == last
		})
		for i := range h.Ops {
			for _, rec := range h.Ops[i].Records {
				if rec.Value == last {
					return false
				}
			}
		}
		log.Values = log.Values[:len(log.Values)-1]
		return op != nil
	}},
}

func some(h *History, r *rand.Rand, fits func(*Op) bool) *Op {
	var found []*Op
	for i := range h.Ops {
		if fits(&h.Ops[i]) {
			found = append(found, &h.Ops[i])
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[r.IntN(len(found))]
}

func change(h *History, r *rand.Rand, fits func(*Op) bool, do func(*Op)) bool {
	op := some(h, r, fits)
	if op != nil {
		do(op)
	}
	return op != nil
}

// settledStart: a log start offset above zero had been told before the operation.
func settledStart(h *History, op *Op) bool {
	for i := range h.Ops {
		if d := &h.Ops[i]; d.Kind == DeleteRecords && d.Offset > 0 && d.Return < op.Call {
			return true
		}
	}
	return false
}

// settledEnd is how much had been acknowledged before the operation.
func settledEnd(h *History, op *Op) int64 {
	end := int64(0)
	for i := range h.Ops {
		if p := &h.Ops[i]; p.Kind == Produce && p.Outcome == OK && p.Return < op.Call {
			end = max(end, p.Offset+int64(len(p.Values)))
		}
	}
	return end
}

// readsOn: another fetch of the session goes on where this one ends, with something.
func readsOn(h *History, op *Op) bool {
	for i := range h.Ops {
		next := &h.Ops[i]
		if next.Kind == Fetch && next.Client == op.Client && next.Session == op.Session && next.Call > op.Return &&
			len(next.Records) > 0 && next.Offset == op.end() {
			return true
		}
	}
	return false
}

func TestEachCorruptionOfARightBrokersHistoryIsFound(t *testing.T) {
	for _, c := range corruptions {
		t.Run(string(c.kind), func(t *testing.T) {
			tried := 0
			rapid.Check(t, func(t *rapid.T) {
				seed := rapid.Uint64().Draw(t, "seed")
				h := rightHistory(seed, rapid.IntRange(100, 400).Draw(t, "operations"))
				if !c.do(h, rand.New(rand.NewPCG(seed, 6))) {
					return
				}
				tried++
				v := Judge(h, Counts{})
				for _, w := range v.Violations {
					if w.Kind == c.kind {
						return
					}
				}
				t.Fatalf("not found: %s", v)
			})
			require.Positive(t, tried)
		})
	}
}
