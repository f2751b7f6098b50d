package check

import "slices"

// Sweep holds every answer of a history against the final logs: acknowledged
// records stand at their offsets, definite failures stand nowhere, batches are
// whole, nothing stands there more often than it may, every fetch is a slice of
// the log, and the order of positions agrees with real time.
//
// It takes O(n log n) and is complete for one partition: positions order all
// operations, so there is nothing to search for.
func Sweep(h *History) *Verdict {
	v := &Verdict{}
	x := buildIndex(h, v)
	x.sweep(v)
	return v
}

// sweep returns the partitions in which something was found.
func (x *index) sweep(v *Verdict) (broken map[int]bool) {
	broken = map[int]bool{}
	durability := x.durability()
	for n := range x.parts {
		before := v.Total
		s := sweeper{x: x, v: v, n: n, p: &x.parts[n], bad: map[int]bool{}}
		s.ledger()
		for _, i := range s.p.ops {
			total := v.Total
			s.op(i)
			if v.Total > total {
				s.bad[i] = true
			}
		}
		appends := x.resolve(n)
		sound := v.Total == before
		s.realTime(appends)
		s.sequences(appends)
		s.deletedRecords()
		if sound && v.Total == before {
			s.marks(appends)
		}
		s.durable(durability)
		s.recovered()
		for _, a := range appends {
			if x.h.Ops[a.Op].Outcome == Unknown {
				v.Counts.UnknownApplied++
			}
		}
		broken[n] = v.Total > before
	}
	return broken
}

// sweeper judges one partition.
type sweeper struct {
	x   *index
	v   *Verdict
	n   int // of the partition
	p   *part
	bad map[int]bool // operations already found wrong: no more is said of them
}

func (s *sweeper) op(i int) {
	op := &s.x.h.Ops[i]
	switch {
	case op.Kind == Produce:
		s.produce(i, op)
	case op.Outcome != OK:
		return // a read without an answer says nothing
	case op.Kind == Fetch:
		s.fetch(i, op)
	case op.Kind == ListEnd:
		s.v.Counts.ListEnds++
		if op.Offset > s.p.log.End() && !s.x.offline(s.p.log, s.p.log.End(), op.Offset) {
			s.v.add(Lost, s.p.Partition, []int{i}, "end was listed as %d, the final log ends at %d", op.Offset, s.p.log.End())
		}
	}
}

func (s *sweeper) produce(i int, op *Op) {
	switch op.Outcome {
	case OK:
		s.v.Counts.Acked++
		s.v.Counts.AckedRecords += len(op.Values)
		s.acked(i, op)
	case Failed:
		s.v.Counts.Failed++
		for _, value := range op.Values {
			if at, stands := s.x.first[value]; stands {
				s.v.add(Resurrected, s.p.Partition, []int{i}, "%s failed for certain, and stands at offset %d", value, at.offset)
				return
			}
		}
	case Unknown:
		s.v.Counts.Unknown++
		s.whole(i, op)
	}
	if s.x.h.Ops[i].Outcome != Failed {
		s.once(i, op)
	}
}

// acked: every record of an acknowledged batch stands where the answer said.
func (s *sweeper) acked(i int, op *Op) {
	for k, value := range op.Values {
		offset := op.Offset + int64(k)
		switch {
		case s.p.log.at(offset) == value:
		case offset < s.p.log.Start:
			s.v.Counts.Trimmed++
		case s.x.excused(s.n, offset):
			s.v.Counts.Offline++
		default:
			s.missing(i, value, offset, "acknowledged")
			return
		}
	}
}

// missing says where a value is that should stand at an offset.
func (s *sweeper) missing(i int, value Value, offset int64, how string) {
	there := s.p.log.at(offset)
	at, stands := s.x.first[value]
	other, known := s.x.producer[there]
	switch {
	case stands && s.x.parts[at.part].log != s.p.log:
		s.v.add(Misplaced, s.p.Partition, []int{i}, "%s was %s at offset %d, and stands in %s at %d",
			value, how, offset, s.x.parts[at.part].Partition, at.offset)
	case stands:
		s.v.add(Moved, s.p.Partition, []int{i}, "%s was %s at offset %d, and stands at %d", value, how, offset, at.offset)
	case there != 0 && known:
		s.v.add(OffsetReused, s.p.Partition, []int{i, other}, "offset %d was %s for %s, and holds %s", offset, how,
			value, there)
	default:
		s.v.add(Lost, s.p.Partition, []int{i}, "%s was %s at offset %d, and is gone; the log is [%d, %d)",
			value, how, offset, s.p.log.Start, s.p.log.End())
	}
}

// whole: a batch of unknown outcome stands there side by side, or not at all. What
// lies below the log start offset may have been its head.
func (s *sweeper) whole(i int, op *Op) {
	for k, value := range op.Values {
		at, stands := s.x.first[value]
		if !stands {
			continue
		}
		for j, neighbour := range op.Values {
			offset := at.offset + int64(j-k)
			if s.p.log.at(offset) != neighbour && !s.x.excused(s.n, offset) {
				s.v.add(Torn, s.p.Partition, []int{i}, "%s of one batch stands at offset %d, but %s not at %d",
					value, at.offset, neighbour, offset)
				return
			}
		}
	}
}

// once: a record stands there no more often than its producer may have sent it.
func (s *sweeper) once(i int, op *Op) {
	limit := max(1, op.Attempts)
	if op.Idempotent {
		limit = 1
	}
	for _, value := range op.Values {
		if times := s.x.times(value); times > limit {
			s.v.add(Duplicated, s.p.Partition, []int{i}, "%s stands %d times, at %d and %d; sent in %d attempts, idempotent %v",
				value, times, s.x.first[value].offset, s.x.more[value][0].offset, max(1, op.Attempts), op.Idempotent)
			return
		}
	}
}

// fetch: the records are exactly what the final log has from Offset on.
func (s *sweeper) fetch(i int, op *Op) {
	s.v.Counts.Fetches++
	s.v.Counts.ReadRecords += len(op.Records)
	if len(op.Records) == 0 && op.Offset > s.p.log.End() && !s.x.offline(s.p.log, s.p.log.End(), op.Offset) {
		s.v.add(Lost, s.p.Partition, []int{i}, "offset %d was in range, the final log ends at %d", op.Offset, s.p.log.End())
		return
	}
	next := op.Offset
	for _, r := range op.Records {
		if r.Offset < next {
			s.v.add(NotASlice, s.p.Partition, []int{i}, "offset %d after %d", r.Offset, next-1)
			return
		}
		for skipped := max(next, s.p.log.Start); skipped < min(r.Offset, s.p.log.End()); skipped++ {
			if value := s.p.log.at(skipped); value != 0 && !s.x.hidden(op, value) {
				s.v.add(NotASlice, s.p.Partition, []int{i}, "skipped offset %d, which holds %s", skipped, value)
				return
			}
		}
		if s.p.log.at(r.Offset) != r.Value && !s.x.excused(s.n, r.Offset) {
			s.read(i, r)
			return
		}
		next = r.Offset + 1
	}
}

// read says what is wrong with a record that a fetch returned.
func (s *sweeper) read(i int, r Record) {
	producer, known := s.x.producer[r.Value]
	switch {
	case !known:
		s.v.add(Phantom, s.p.Partition, []int{i}, "%s was read at offset %d, and nobody produced it", r.Value, r.Offset)
	case s.x.h.Ops[producer].Outcome == Failed:
		s.v.add(Resurrected, s.p.Partition, []int{i, producer}, "%s failed for certain, and was read at offset %d",
			r.Value, r.Offset)
	default:
		s.missing(i, r.Value, r.Offset, "read")
	}
}

// recovered counts what was acknowledged before the last recovery: it has survived one.
func (s *sweeper) recovered() {
	if len(s.x.h.Recoveries) == 0 {
		return
	}
	last := slices.Max(s.x.h.Recoveries)
	for _, i := range s.p.ops {
		if op := &s.x.h.Ops[i]; op.Kind == Produce && op.Outcome == OK && op.Return < last {
			s.v.Counts.Recovered += len(op.Values)
		}
	}
}
