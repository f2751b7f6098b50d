package metadata

import (
	"cmp"
	"slices"

	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// overlaps reports whether any offset of [from, to) lies in h; to may be Open.
func (h *hole) overlaps(from, to int64) bool {
	return (to == Open || h.from < to) && (h.to == Open || from < h.to)
}

// overlap reports whether [from, to) of the range of epoch touches a hole.
func (st *stream) overlap(epoch int32, from, to int64) bool {
	for _, h := range st.holes {
		if h.epoch == epoch && h.overlaps(from, to) {
			return true
		}
	}
	return false
}

func (s *State) markHole(c *metadatapb.MarkHole) *metadatapb.Result {
	w, refused := s.current(c.GetWal(), c.GetGeneration())
	if refused != nil {
		return refused
	}
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	r := st.find(c.GetLeaderEpoch())
	if r == nil || r.wal != w.id {
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d has no epoch %d on WAL %s",
			st.id, c.GetLeaderEpoch(), w.id)
	}
	from, to := max(c.GetFrom(), r.start, r.committed, st.logStart), c.GetTo()
	if to < 0 {
		to = Open
	}
	if r.end != Open && (to == Open || to > r.end) {
		to = r.end
	}
	if to != Open && to <= from {
		return refuse(metadatapb.Refusal_REFUSAL_NO_HOLE, "nothing of stream %d epoch %d from %d to %d is owed",
			st.id, r.epoch, c.GetFrom(), c.GetTo())
	}
	probe.Hit(probe.MetadataHole)
	return s.addHole(st, &hole{epoch: r.epoch, wal: w.id, from: from, to: to, why: c.GetWhy()})
}

// addHole records what of h is not settled yet, joined with the holes of its range that it touches. A hole
// that was discharged stays as it is.
func (s *State) addHole(st *stream, h *hole) *metadatapb.Result {
	for _, part := range st.unsettled(h) {
		st.join(part)
	}
	slices.SortFunc(st.holes, func(a, b *hole) int { return cmp.Compare(a.from, b.from) })
	return &metadatapb.Result{}
}

// unsettled returns the parts of h that lie in no discharged hole of its range.
func (st *stream) unsettled(h *hole) []*hole {
	parts := []*hole{h}
	for _, x := range st.holes {
		if x.epoch != h.epoch || !x.discharged() {
			continue
		}
		var next []*hole
		for _, p := range parts {
			if !p.overlaps(x.from, x.to) {
				next = append(next, p)
				continue
			}
			if left := *p; p.from < x.from {
				left.to = x.from
				next = append(next, &left)
			}
			if right := *p; x.to != Open && (p.to == Open || x.to < p.to) {
				right.from = x.to
				next = append(next, &right)
			}
		}
		parts = next
	}
	return parts
}

// join adds h to the holes, in place of those of its range that it overlaps.
func (st *stream) join(h *hole) {
	st.holes = slices.DeleteFunc(st.holes, func(x *hole) bool {
		if x.epoch != h.epoch || !x.overlaps(h.from, h.to) {
			return false
		}
		h.from = min(h.from, x.from)
		if x.to == Open || h.to == Open {
			h.to = Open
		} else {
			h.to = max(h.to, x.to)
		}
		h.why = x.why // the first reason stays
		return true
	})
	st.holes = append(st.holes, h)
}

// covered reports whether holes of the range of epoch cover all of [from, to); to is Open when the range is.
func (st *stream) covered(epoch int32, from, to int64) bool {
	for _, h := range st.holes {
		if h.epoch == epoch && h.from <= from && (h.to == Open || from < h.to) {
			if h.to == Open {
				return true
			}
			from = h.to
		}
	}
	return to != Open && from >= to
}

func (s *State) quarantine(c *metadatapb.Quarantine) *metadatapb.Result {
	w, refused := s.current(c.GetWal(), c.GetGeneration())
	if refused != nil {
		return refused
	}
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	id := ObjectID{Broker: w.holder, Epoch: w.holderEpoch, Seq: c.GetSeq()}
	if o := s.objects[id]; o != nil {
		if o.size == c.GetSize() && o.crc == c.GetCrc() && o.entries == 0 {
			return &metadatapb.Result{}
		}
		return refuse(metadatapb.Refusal_REFUSAL_KEY_REUSED, "key %s is known with other content", id)
	}
	b := s.brokers[w.holder]
	if refused := fresh(b, c.GetSeq()); refused != nil {
		return refused
	}
	o := &object{size: c.GetSize(), crc: c.GetCrc()}
	var n uint32
	for _, h := range st.holes {
		if h.epoch == c.GetLeaderEpoch() && h.wal == w.id && !h.discharged() {
			h.quarantine = id
			n++
		}
	}
	if n == 0 {
		return refuse(metadatapb.Refusal_REFUSAL_NO_HOLE, "stream %d epoch %d has no hole on WAL %s",
			st.id, c.GetLeaderEpoch(), w.id)
	}
	o.live = []streamCount{{st.id, n}}
	s.objects[id] = o
	b.spent = b.spent.add(c.GetSeq())
	return &metadatapb.Result{}
}

func (s *State) acceptLoss(c *metadatapb.AcceptLoss, ms int64) *metadatapb.Result {
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	r := st.find(c.GetLeaderEpoch())
	if r == nil {
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d has no epoch %d", st.id, c.GetLeaderEpoch())
	}
	holes := 0
	var tail *hole
	for _, h := range st.holes {
		if h.epoch == r.epoch {
			holes++
			if h.to == Open {
				tail = h
			}
		}
	}
	switch {
	case holes == 0:
		return refuse(metadatapb.Refusal_REFUSAL_NO_HOLE, "stream %d epoch %d has no hole", st.id, r.epoch)
	case r.end == Open && tail == nil:
		return refuse(metadatapb.Refusal_REFUSAL_HOLE, "stream %d epoch %d: what lies behind the hole is not known",
			st.id, r.epoch)
	case r.end == Open && c.GetNextStart() <= tail.from:
		return refuse(metadatapb.Refusal_REFUSAL_OFFSET_RANGE, "the next range must begin above %d", tail.from)
	}
	var next *wal
	if r.end == Open && c.To != nil && !s.topics[st.topic].deleting {
		if next = s.target(c.GetTo(), nil); next == nil {
			return noTarget(c.GetTo())
		}
	}
	for _, h := range st.holes {
		if h.epoch == r.epoch && !h.accepted {
			h.accepted, h.operator = true, c.GetOperator()
		}
	}
	if r.end != Open {
		s.retire(s.wals[r.wal])
		return rangeAnswer(st, st.after(r.epoch))
	}
	tail.to = c.GetNextStart()
	s.close(st, tail.from)
	s.wals[r.wal].settle()
	s.retire(s.wals[r.wal])
	s.shed(st, ms)
	if next == nil {
		return rangeAnswer(st, nil)
	}
	return rangeAnswer(st, s.openOn(st, c.GetNextStart(), next))
}
