package check

import (
	"cmp"
	"math"
	"slices"
)

// offline tells whether all of [from, to) is damage that is excused: reported by weir, in a run with more
// damage than is promised to be survived.
func (x *index) offline(log *Log, from, to int64) bool {
	if !x.h.Beyond {
		return false
	}
	return covered(log.Offline, from, to) >= to
}

// covered is how far spans cover [from, to) without a gap.
func covered(spans []Span, from, to int64) int64 {
	sorted := slices.Clone(spans)
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	for _, s := range sorted {
		if s.From <= from && from < to {
			from = max(from, s.To)
		}
	}
	return from
}

// excused tells whether an offset may be empty although it was given out: it was deleted, or it is damaged.
func (x *index) excused(n int, offset int64) bool {
	log := x.parts[n].log
	return offset < log.Start || len(log.Offline) > 0 && log.at(offset) == 0 && x.offline(log, offset, offset+1)
}

// ledger: what lies below the log start offset was removed because somebody asked for it.
func (s *sweeper) ledger() {
	log := s.p.log
	if log.Start == 0 {
		return
	}
	spans := slices.Clone(log.Deleted)
	for _, i := range s.p.ops {
		op := &s.x.h.Ops[i]
		switch {
		case op.Kind != DeleteRecords || op.Outcome == Failed:
		case op.Offset < 0:
			spans = append(spans, Span{0, math.MaxInt64})
		default:
			spans = append(spans, Span{0, op.Offset})
		}
	}
	if kept := covered(spans, 0, log.Start); kept < log.Start && !s.x.offline(log, kept, log.Start) {
		s.v.add(Lost, s.p.Partition, nil, "the log starts at %d, and nobody deleted what is at %d", log.Start, kept)
	}
}

// sequences: the batches of one producer id stand in the order of their sequences, without a gap within an
// epoch, and epochs never go back.
func (s *sweeper) sequences(appends []Append) {
	type last struct {
		epoch int16
		next  int32
		base  int64
		op    int
	}
	lasts := map[int64]last{}
	for _, a := range appends {
		op := &s.x.h.Ops[a.Op]
		if !op.Idempotent || op.NextSequence == 0 || s.bad[a.Op] {
			continue
		}
		s.v.Counts.Sequences++
		base := before(op.NextSequence, len(op.Values))
		was, known := lasts[op.ProducerID]
		lasts[op.ProducerID] = last{op.ProducerEpoch, op.NextSequence, a.Base, a.Op}
		if !known || was.base < s.p.log.Start { // the next may be gone
			continue
		}
		want := before(was.next, 0)
		if op.ProducerEpoch > was.epoch {
			want = 0
		}
		if base != want || op.ProducerEpoch < was.epoch {
			s.v.add(OutOfSequence, s.p.Partition, []int{was.op, a.Op},
				"producer %d: epoch %d sequence %d at offset %d follows epoch %d sequence %d at %d", op.ProducerID,
				op.ProducerEpoch, base, a.Base, was.epoch, was.next-1, was.base)
		}
	}
}

// before is the sequence n before next: behind 1<<31-1 comes 0.
func before(next int32, n int) int32 { return int32(int64(next)-int64(n)) & math.MaxInt32 }
