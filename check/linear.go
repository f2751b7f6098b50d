package check

import (
	"cmp"
	"slices"

	"github.com/anishathalye/porcupine"
)

// unknownClients is where clients begin that porcupine wants for operations that never returned.
const unknownClients = 1 << 20

// Linear judges each partition's resolved history with porcupine: a log is a
// register that only grows. Its state is the next offset, a hash over everything
// before it, the leader epoch, and each producer's epoch and last five batches. It
// decides nothing that Sweep does not, by other means: a mistake in one shows in the
// other.
//
// A long history is cut into windows, each starting from the state that the final
// log gives. See windows for where; the order of operations across a cut that is not
// quiet is Sweep's to judge.
func Linear(h *History) *Verdict {
	v := &Verdict{}
	x := buildIndex(h, &Verdict{})
	for n := range x.parts {
		x.linear(n, v)
	}
	return v
}

// linearizer prepares one partition for porcupine.
type linearizer struct {
	x      *index
	n      int // of the partition
	log    *Log
	values []Value  // of the log, and of a damaged tail that is excused
	hashes []uint64 // of the first i of values
	ops    []positioned
	seen   []int64 // ends that reads saw, sorted; empty where nothing is damaged
}

type positioned struct {
	lo int64
	op porcupine.Operation
}

func (x *index) linear(n int, v *Verdict) {
	x.linearizer(n).judge(x.parts[n].Partition, v)
}

// linearizer settles a partition's operations and puts them in the order of the log.
func (x *index) linearizer(n int) *linearizer {
	p := &x.parts[n]
	l := &linearizer{x: x, n: n, log: p.log, values: x.withTail(p)}
	l.hashes = make([]uint64, len(l.values)+1)
	for i, value := range l.values {
		l.hashes[i+1] = chain(l.hashes[i], value)
	}
	l.seeEnds(p)
	l.appends(x.h, x.resolve(n))
	for _, i := range p.ops {
		if op := &x.h.Ops[i]; op.isRead() {
			l.read(i, op)
		}
	}
	slices.SortStableFunc(l.ops, func(a, b positioned) int { return cmp.Compare(a.lo, b.lo) })
	tighten(l.ops)
	return l
}

// seeEnds collects the ends that reads of a damaged partition saw.
func (l *linearizer) seeEnds(p *part) {
	if len(l.log.Offline) == 0 {
		return
	}
	for _, i := range p.ops {
		if op := &l.x.h.Ops[i]; op.Kind == ListEnd && op.Outcome == OK {
			l.seen = append(l.seen, op.Offset)
		} else if op.isRead() && op.Outcome == OK {
			l.seen = append(l.seen, op.end())
		}
	}
	slices.Sort(l.seen)
}

// prefix is the hash of the final log below an offset. Beyond its end no state is
// right, and the number returned equals no hash but by chance.
func (l *linearizer) prefix(offset int64) uint64 {
	if offset < l.log.Start || offset > l.end() {
		return ^uint64(offset)
	}
	return l.hashes[offset-l.log.Start]
}

// withTail is the log with a zero for each offset above its end that is excused as damaged and was given out: in the
// answer to a produce, or below an end that a read saw.
func (x *index) withTail(p *part) []Value {
	if !x.h.Beyond || len(p.log.Offline) == 0 {
		return p.log.Values
	}
	end, records := p.log.End(), int64(0)
	for _, i := range p.ops {
		op := &x.h.Ops[i]
		switch {
		case op.Kind == Produce && op.Outcome != Failed:
			records += int64(len(op.Values))
			if op.Outcome == OK {
				end = max(end, op.Offset+int64(len(op.Values)))
			}
		case op.Kind == ListEnd && op.Outcome == OK:
			end = max(end, op.Offset)
		}
	}
	tail := end - p.log.End()
	if tail <= 0 || tail > records || !x.offline(p.log, p.log.End(), end) {
		return p.log.Values
	}
	return append(slices.Clone(p.log.Values), make([]Value, tail)...)
}

func (l *linearizer) end() int64 { return l.log.Start + int64(len(l.values)) }

// kept is what the final log has of values from an offset on: zero where one is excused.
func (l *linearizer) kept(base int64, values []Value) []Value {
	if len(l.log.Offline) == 0 {
		return values
	}
	values = slices.Clone(values)
	for i := range values {
		if l.x.excused(l.n, base+int64(i)) {
			values[i] = 0
		}
	}
	return values
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
		op := &h.Ops[a.Op]
		client := int(op.Client)
		if op.Outcome == Unknown {
			client = unknownClients + a.Op
		}
		in := &logOp{append: true, index: a.Op, base: a.Base, values: l.kept(a.Base, op.Values), epoch: l.epochAt(a.Base)}
		if op.Idempotent && op.NextSequence != 0 {
			in.sequenced, in.id, in.producerEpoch, in.next = true, op.ProducerID, op.ProducerEpoch, op.NextSequence
		}
		l.add(2*a.Base+1, client, a.Call, a.Return, in)
	}
	l.stretch(next, l.end())
}

// stretch adds what the log holds in [from, to) that no settled produce explains. What of it is damaged may have been
// several appends, of which none is left to be told from the others: it may end wherever a read saw an end.
func (l *linearizer) stretch(from, to int64) {
	to = min(to, l.end())
	for at := from + 1; at < to; at++ {
		if _, seen := slices.BinarySearch(l.seen, at); seen && l.x.excused(l.n, at-1) && l.x.excused(l.n, at) {
			l.unexplained(from, at)
			from = at
		}
	}
	l.unexplained(from, to)
}

func (l *linearizer) unexplained(from, to int64) {
	if from < to {
		values := l.values[from-l.log.Start : to-l.log.Start]
		in := &logOp{append: true, index: -1, base: from, values: values}
		l.add(2*from+1, unknownClients+len(l.ops), always, NoReturn, in)
	}
}

// epochAt is the leader epoch of the record at an offset, 0 if it is not known.
func (l *linearizer) epochAt(offset int64) int32 {
	i, _ := slices.BinarySearchFunc(l.log.Epochs, offset+1, func(e EpochStart, at int64) int {
		return cmp.Compare(e.From,
			at)
	})
	if i == 0 {
		return 0
	}
	return l.log.Epochs[i-1].Epoch
}

func (l *linearizer) read(i int, op *Op) {
	end := op.end()
	if op.Kind == ListEnd {
		end = op.Offset
	}
	if end < l.log.Start {
		return
	}
	in := &logOp{index: i, end: end, exact: op.Kind == ListEnd, hash: l.prefix(end), epoch: op.LeaderEpoch}
	if len(op.Records) > 0 && op.Records[0].Offset >= l.log.Start {
		next := op.Records[0].Offset
		in.hash = l.prefix(next)
		for _, r := range op.Records {
			for ; next < min(r.Offset, l.end()); next++ {
				in.hash = chain(in.hash, l.values[next-l.log.Start])
			}
			value := r.Value
			if l.x.excused(l.n, r.Offset) {
				value = 0
			}
			in.hash = chain(in.hash, value)
			next = r.Offset + 1
		}
	}
	span := readSpan(i, op)
	l.add(span.lo, int(op.Client), span.call, span.ret, in)
}

func (l *linearizer) add(lo int64, client int, call, ret int64, in *logOp) {
	l.ops = append(l.ops, positioned{lo, porcupine.Operation{ClientId: client, Input: in, Call: call, Return: ret}})
}

// judge searches each window.
func (l *linearizer) judge(p Partition, v *Verdict) {
	state := logState{next: l.log.Start, hash: l.prefix(l.log.Start)}
	for _, window := range windows(l.ops) {
		start := state
		start.hash = l.prefix(start.next)
		ops := make([]porcupine.Operation, len(window))
		for i, w := range window {
			ops[i] = w.op
			if in := w.op.Input.(*logOp); in.append {
				state = in.after(state)
			}
		}
		v.Counts.Linearized += len(ops)
		switch search(l.model(start), ops) {
		case porcupine.Illegal:
			v.add(NotLinear, p, nil, "no order explains the %d operations from offset %d on", len(ops), start.next)
		case porcupine.Unknown:
			v.add(Undecided, p, nil, "%d operations from offset %d on: %s", len(ops), start.next, tooMany)
		}
	}
}
