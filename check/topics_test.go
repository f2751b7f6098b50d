package check

import (
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"
)

func topicHistory(ops ...Op) *History { return &History{Ops: ops} }

func topicOpAt(kind Kind, out Outcome, call, ret int64, partitions int32) Op {
	if out == Unknown {
		ret = NoReturn
	}
	return Op{Kind: kind, Outcome: out, Call: call, Return: ret, Partition: Partition{Topic: "t"}, Partitions: partitions}
}

// A broker that is away for a while leaves a client with one request after the other that nobody answers. Porcupine
// tried them in each order: half a minute for ten pairs, or for ever.
func TestManyUnansweredRequestsOfATopicAreDecided(t *testing.T) {
	ops := []Op{topicOpAt(CreateTopic, OK, 1, 2, 3)}
	at := int64(10)
	for range 200 {
		ops = append(ops, topicOpAt(DeleteTopic, Unknown, at, 0, 0), topicOpAt(CreateTopic, Unknown, at+1, 0, 2),
			topicOpAt(CreatePartitions, Unknown, at+2, 0, 4))
		at += 3
	}
	for i := range int32(20) { // first of 3; once it was created anew it is of 2 or 4, and never of 3 again
		seen := 2 + i%2*2
		if i == 0 {
			seen = 3
		}
		ops = append(ops, topicOpAt(DescribeTopic, OK, at, at+1, seen))
		at += 2
	}
	v := Registers(topicHistory(ops...))
	if !v.OK() {
		t.Fatal(v)
	}
	wrong := topicHistory(append(ops, topicOpAt(DescribeTopic, OK, at, at+1, 3))...)
	if v := Registers(wrong); v.OK() || v.Violations[0].Kind != StaleMetadata {
		t.Fatalf("a topic of 3 partitions came back: %v", v)
	}
}

// What the search says of small histories is what porcupine says, which tries every order.
func TestTheSearchOfTopicsAgreesWithPorcupine(t *testing.T) {
	model := porcupine.Model{
		Init: func() any { return topicState{} },
		Step: func(state, input, _ any) (bool, any) { return input.(topicOp).step(state.(topicState)) },
	}
	rng := rand.New(rand.NewPCG(1, 2))
	said := map[bool]int{}
	for range 60_000 {
		s := &topicSearch{}
		var ops []porcupine.Operation
		for i := range 2 + rng.IntN(7) {
			in, call := drawTopicOp(rng), int64(rng.IntN(12))
			ret := call + int64(rng.IntN(6))
			if in.unknown {
				ret = NoReturn
			}
			s.add(in, call, ret)
			ops = append(ops, porcupine.Operation{ClientId: i, Input: in, Call: call, Return: ret})
		}
		want := porcupine.CheckOperations(model, ops)
		got, decided := s.run()
		if got != want || !decided {
			t.Fatalf("%v, decided: %v; porcupine says %v of %+v", got, decided, want, ops)
		}
		said[got]++
	}
	if said[true] < 1_000 || said[false] < 1_000 {
		t.Fatalf("of one kind only: %v", said)
	}
}

func drawTopicOp(rng *rand.Rand) topicOp {
	in := topicOp{partitions: 1 + rng.Int32N(3)}
	switch rng.IntN(6) {
	case 0, 1:
		in.create = true
	case 2:
		in.remove, in.partitions = true, 0
	case 3:
		in.grow = true
	case 4:
		in.partitions = rng.Int32N(4)
		return in
	default:
		return topicOp{taken: true}
	}
	in.unknown = rng.IntN(2) == 0
	return in
}

// A search ends after so many steps, not after so long: what is decided does not depend on the machine.
func TestASearchIsBoundedBySteps(t *testing.T) {
	model := porcupine.Model{ // nothing explains the last operation, and each order of the others is another state
		Init: func() any { return uint64(1) },
		Step: func(state, input, _ any) (bool, any) {
			return input.(int) >= 0, state.(uint64)*31 + uint64(max(0, input.(int)))
		},
	}
	ops := []porcupine.Operation{{ClientId: 99, Input: -1, Call: 50, Return: 60}}
	for i := range 12 {
		ops = append(ops, porcupine.Operation{ClientId: i, Input: i, Call: 0, Return: 100})
	}
	b := bound(&model, len(ops))
	b.left = 10_000
	if got := b.judge(porcupine.CheckOperationsTimeout(model, ops, 0)); got != porcupine.Unknown || !b.over {
		t.Fatalf("%v after %d steps more than are allowed", got, -b.left)
	}
	if got := search(model, ops[:4]); got != porcupine.Illegal {
		t.Fatalf("a small search says %v", got)
	}
}
