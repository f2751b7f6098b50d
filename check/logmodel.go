package check

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// logState is the state of the model of a log.
type logState struct {
	next      int64
	hash      uint64    // over every record below next
	epoch     int32     // the highest leader epoch seen, 0: none yet
	producers *producer // who appended last, and before; the same for the same hash
}

func (s logState) equal(t logState) bool {
	return s.next == t.next && s.hash == t.hash && s.epoch == t.epoch
}

// producer is what the log knows of one producer id after one of its batches. States
// share what came before.
type producer struct {
	id     int64
	epoch  int16
	last   [5]int32 // next sequences of its last batches, newest first; 0: none
	before *producer
}

// find returns the newest entry of a producer id.
func (p *producer) find(id int64) *producer {
	for p != nil && p.id != id {
		p = p.before
	}
	return p
}

// chain extends the hash of a log by one record (splitmix64 over the running sum).
func chain(hash uint64, value Value) uint64 {
	z := hash + 0x9e3779b97f4a7c15 + uint64(value)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// logOp is one operation of the model: an append of values, or a read.
type logOp struct {
	index int // into History.Ops, -1: what nobody did

	append        bool
	base          int64
	values        []Value
	sequenced     bool // id, producerEpoch and next hold
	id            int64
	producerEpoch int16
	next          int32 // sequence after the batch

	end   int64  // of a read: it saw the log up to here
	exact bool   // … and no further (ListEnd)
	hash  uint64 // … with this content

	epoch int32 // leader epoch of the records, or told by the answer; 0: not known
}

// step is the log as a state machine. It is pure.
func (op *logOp) step(s logState, prefix func(int64) uint64) (bool, logState) {
	if op.epoch > 0 {
		if op.epoch < s.epoch {
			return false, s
		}
		s.epoch = op.epoch
	}
	if !op.append {
		fits := s.next == op.end || s.next > op.end && !op.exact
		return fits && op.hash == prefix(op.end), s
	}
	if s.next != op.base || !op.inSequence(s.producers) {
		return false, s
	}
	s = op.after(s)
	return s.hash == prefix(s.next), s
}

// inSequence: the batch follows its producer's last one, and is none of the last
// five again. A producer that the window does not know may begin anywhere.
func (op *logOp) inSequence(known *producer) bool {
	if !op.sequenced {
		return true
	}
	p := known.find(op.id)
	first := before(op.next, len(op.values))
	switch {
	case p == nil:
		return true
	case op.producerEpoch == p.epoch:
		return first == before(p.last[0], 0)
	}
	return op.producerEpoch > p.epoch && first == 0
}

// after is the state that an append leaves.
func (op *logOp) after(s logState) logState {
	for _, value := range op.values {
		s.hash = chain(s.hash, value)
	}
	s.next = max(s.next, op.base+int64(len(op.values)))
	s.epoch = max(s.epoch, op.epoch)
	if op.sequenced {
		p := &producer{id: op.id, epoch: op.producerEpoch, before: s.producers}
		if old := s.producers.find(op.id); old != nil && old.epoch == op.producerEpoch {
			copy(p.last[1:], old.last[:])
		}
		p.last[0] = op.next
		s.producers = p
	}
	return s
}

func (op *logOp) String() string {
	switch {
	case op.append && op.index < 0:
		return fmt.Sprintf("%d records at %d of nobody", len(op.values), op.base)
	case op.append:
		return fmt.Sprintf("append %v at %d", op.values, op.base)
	case op.exact:
		return fmt.Sprintf("end is %d", op.end)
	}
	return fmt.Sprintf("read up to %d", op.end)
}

// model is the log as porcupine searches it, from a state on.
func (l *linearizer) model(start logState) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return start },
		Step:  func(state, input, _ any) (bool, any) { return input.(*logOp).step(state.(logState), l.prefix) },
		Equal: func(a, b any) bool { return a.(logState).equal(b.(logState)) },
		Hash: func(state any) uint64 {
			s := state.(logState)
			return chain(s.hash, Value(s.next)) + uint64(s.epoch)
		},
		DescribeOperation: func(input, _ any) string { return input.(*logOp).String() },
		DescribeState: func(state any) string {
			s := state.(logState)
			return fmt.Sprintf("log ends at %d, hash %08x", s.next, uint32(s.hash))
		},
	}
}
