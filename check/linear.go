package check

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Limits of one search. porcupine keeps a bit set of a window's operations for
// each state it has seen, so memory grows with the square of the window.
const (
	windowOpsMax   = 10_000
	windowTimeMax  = 30 * time.Second
	unknownClients = 1 << 20 // porcupine wants operations that never returned on clients of their own
)

// Linear judges each partition's resolved history with porcupine: a log is a
// register that only grows, its state the next offset and a hash over everything
// before it. It decides nothing that Sweep does not, by other means: a mistake in
// one shows in the other.
//
// A long history is cut along the log, each window starting from the state that
// the final log gives; the order of operations across a cut is Sweep's to judge.
func Linear(h *History) *Verdict {
	v := &Verdict{}
	x := buildIndex(h, &Verdict{})
	for n := range x.parts {
		x.linear(n, v)
	}
	return v
}

// logState is the state of the model. It is compared with ==.
type logState struct {
	next int64
	hash uint64
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
	append bool
	base   int64
	values []Value
	end    int64  // of a read: it saw the log up to here
	exact  bool   // … and no further (ListEnd)
	hash   uint64 // … with this content
}

// step is the log as a state machine. It is pure.
func (op *logOp) step(s logState, prefix func(int64) uint64) (bool, logState) {
	if !op.append {
		fits := s.next == op.end || s.next > op.end && !op.exact
		return fits && op.hash == prefix(op.end), s
	}
	if s.next != op.base {
		return false, s
	}
	for _, value := range op.values {
		s.hash = chain(s.hash, value)
	}
	s.next += int64(len(op.values))
	return s.hash == prefix(s.next), s
}

// linearizer prepares one partition for porcupine.
type linearizer struct {
	log    *Log
	hashes []uint64 // of the first i records of log
	ops    []positioned
}

type positioned struct {
	lo int64
	op porcupine.Operation
}

func (x *index) linear(n int, v *Verdict) {
	p := &x.parts[n]
	l := linearizer{log: p.log, hashes: make([]uint64, len(p.log.Values)+1)}
	for i, value := range p.log.Values {
		l.hashes[i+1] = chain(l.hashes[i], value)
	}
	l.appends(x.h, x.resolve(n))
	for _, i := range p.ops {
		if op := &x.h.Ops[i]; op.isRead() {
			l.read(i, op)
		}
	}
	slices.SortStableFunc(l.ops, func(a, b positioned) int { return cmp.Compare(a.lo, b.lo) })
	tighten(l.ops)
	l.judge(p.Partition, v)
}

// prefix is the hash of the final log below an offset. Beyond its end no state is
// right, and the number returned equals no hash but by chance.
func (l *linearizer) prefix(offset int64) uint64 {
	if offset < l.log.Start || offset > l.log.End() {
		return ^uint64(offset)
	}
	return l.hashes[offset-l.log.Start]
}

// appends adds the settled produces, and one append for each stretch of the log
// that none of them covers, which may have happened at any time.
func (l *linearizer) appends(h *History, appends []Append) {
	next := l.log.Start
	for _, a := range appends {
		if a.Base < l.log.Start {
			continue // trimmed; the stretch rule covers what is left of it
		}
		l.stretch(next, a.Base)
		next = max(next, a.Base+int64(a.Count))
		client := int(h.Ops[a.Op].Client)
		if h.Ops[a.Op].Outcome == Unknown {
			client = unknownClients + a.Op
		}
		l.add(2*a.Base+1, client, a.Call, a.Return, &logOp{append: true, base: a.Base, values: h.Ops[a.Op].Values})
	}
	l.stretch(next, l.log.End())
}

func (l *linearizer) stretch(from, to int64) {
	if to = min(to, l.log.End()); from < to {
		values := l.log.Values[from-l.log.Start : to-l.log.Start]
		l.add(2*from+1, unknownClients+len(l.ops), always, NoReturn, &logOp{append: true, base: from, values: values})
	}
}

func (l *linearizer) read(i int, op *Op) {
	end := op.end()
	if op.Kind == ListEnd {
		end = op.Offset
	}
	if end < l.log.Start {
		return
	}
	in := &logOp{end: end, exact: op.Kind == ListEnd, hash: l.prefix(end)}
	if len(op.Records) > 0 && op.Records[0].Offset >= l.log.Start {
		next := op.Records[0].Offset
		in.hash = l.prefix(next)
		for _, r := range op.Records {
			for ; next < min(r.Offset, l.log.End()); next++ {
				in.hash = chain(in.hash, 0)
			}
			in.hash = chain(in.hash, r.Value)
			next = r.Offset + 1
		}
	}
	span := readSpan(i, op)
	l.add(span.lo, int(op.Client), span.call, span.ret, in)
}

func (l *linearizer) add(lo int64, client int, call, ret int64, in *logOp) {
	l.ops = append(l.ops, positioned{lo, porcupine.Operation{ClientId: client, Input: in, Call: call, Return: ret}})
}

// judge cuts the operations into windows along the log and searches each.
func (l *linearizer) judge(p Partition, v *Verdict) {
	next := l.log.Start
	lastCall := int64(math.MinInt64)
	for window := range slices.Chunk(l.ops, windowOpsMax) {
		start := logState{next, l.prefix(next)}
		ops := make([]porcupine.Operation, len(window))
		for i, w := range window {
			in := w.op.Input.(*logOp)
			if in.append {
				next, lastCall = max(next, in.base+int64(len(in.values))), w.op.Call
			} else if w.op.Call == always {
				w.op.Call = min(lastCall, w.op.Return) // after the call of what it read
			}
			ops[i] = w.op
		}
		v.Counts.Linearized += len(ops)
		model := porcupine.Model{
			Init: func() any { return start },
			Step: func(state, input, _ any) (bool, any) { return input.(*logOp).step(state.(logState), l.prefix) },
		}
		switch porcupine.CheckOperationsTimeout(model, ops, windowTimeMax) {
		case porcupine.Illegal:
			v.add(NotLinear, p, nil, "no order explains the %d operations from offset %d on", len(ops), start.next)
		case porcupine.Unknown:
			v.add(Undecided, p, nil, "%d operations from offset %d on: no answer within %v", len(ops), start.next, windowTimeMax)
		}
	}
}
