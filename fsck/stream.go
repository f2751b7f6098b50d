package fsck

import (
	"fmt"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// checkStream walks a stream from its log start offset to its end: through objects up to what is committed, then
// through the WAL of each range.
func (c *checker) checkStream(s *streamCheck) {
	for _, x := range c.state.Coverages(s.meta.ID, s.meta.LogStart, 1<<40) {
		if r := s.byEpoch(x.LeaderEpoch); r != nil {
			r.covers = append(r.covers, x)
		}
	}
	first := &s.ranges[0]
	s.tracker = newTracker(s.meta.LogStart == 0 && first.Start == 0)
	if first.Start > s.meta.LogStart {
		c.lost(s, s.meta.LogStart, first.Start, "its first range begins above its log start offset")
	}
	for _, h := range s.meta.Holes {
		c.noteHole(s, &h)
	}
	at := max(first.Start, s.meta.LogStart)
	for i := range s.ranges {
		r := &s.ranges[i]
		if i > 0 && s.ranges[i-1].End != r.Start {
			if next, ok := s.gap(s.ranges[i-1].LeaderEpoch, s.ranges[i-1].End); !ok || next != r.Start {
				c.find(Finding{Kind: State, Where: s.name(), Do: doBug, Span: s.span(s.ranges[i-1].End, r.Start),
					What: fmt.Sprintf("leader epoch %d ends at %d, and epoch %d begins at %d",
						s.ranges[i-1].LeaderEpoch,
						s.ranges[i-1].End, r.LeaderEpoch, r.Start)})
			}
			s.tracker.skip()
		}
		at = c.checkRange(s, r, at)
	}
	last := &s.ranges[len(s.ranges)-1]
	s.out.End, s.out.Committed = at, last.Frontier
	s.out.Owed = max(0, at-last.Frontier)
	c.report.Streams = append(c.report.Streams, s.out)
	c.report.Counts.Batches += s.out.Batches
	if s.internal {
		c.report.Counts.GroupRecords += int(s.out.Records)
	} else {
		c.report.Counts.Records += s.out.Records
	}
	if c.o.Stopped && last.End == metadata.Open && !s.deleting && len(s.meta.Holes) == 0 {
		c.find(Finding{Kind: Undischarge, Where: s.name(), What: fmt.Sprintf("leader epoch %d is still open",
			last.LeaderEpoch)})
	}
}

// noteHole notes what metadata itself calls lost.
func (c *checker) noteHole(s *streamCheck, h *metadata.Hole) {
	span := s.span(h.From, h.To)
	s.out.Holes = append(s.out.Holes, *span)
	what := fmt.Sprintf("leader epoch %d is offline from offset %d to %d: %s", h.LeaderEpoch, h.From, h.To, h.Why)
	if h.Accepted {
		what = fmt.Sprintf("offsets %d to %d are a gap that %s accepted: %s", h.From, h.To, h.Operator, h.Why)
	}
	c.note(Finding{Kind: Hole, Where: s.name(), What: what, Span: span})
}

// gap returns where the accepted gap that begins at offset at ends.
func (s *streamCheck) gap(epoch int32, at int64) (int64, bool) {
	for _, h := range s.meta.Holes {
		if h.Accepted && h.LeaderEpoch == epoch && h.From == at {
			return h.To, true
		}
	}
	return at, false
}

// checkRange walks one range from offset at and returns where it ends.
func (c *checker) checkRange(s *streamCheck, r *rangeCheck, at int64) int64 {
	at = max(at, r.Start)
	c.checkState(s, r, at)
	cp := c.checkpointOf(s, r)
	passed := false
	pass := func(to int64) { // the checkpoint's offset is compared where the walk gets there
		if cp != nil && !passed && to >= r.CheckpointAt {
			passed = true
			if to == r.CheckpointAt {
				c.compare(s, cp, fmt.Sprintf("the checkpoint of %s at offset %d", s.name(), cp.base))
			}
		}
	}
	pass(at)
	for i := range r.covers {
		at = c.walkObject(s, r, &r.covers[i], at, pass)
	}
	at = c.hop(s, r, at)
	if at < r.Committed && at >= s.meta.LogStart {
		c.lost(s, at, r.Committed, "metadata calls these offsets committed and has no object for them")
		at = r.Committed
	}
	if s.deleting && !r.scanned {
		return max(at, r.End)
	}
	return c.walkWAL(s, r, max(at, r.Frontier))
}

// checkState checks the state that opens a range in its WAL.
func (c *checker) checkState(s *streamCheck, r *rangeCheck, at int64) {
	if r.state == nil {
		if len(r.entries) > 0 && r.CheckpointAt < 0 && !r.damaged {
			c.find(Finding{Kind: Checkpoint, Where: s.name(), Span: s.span(r.Start, r.Start), Do: doBug,
				What: fmt.Sprintf("leader epoch %d has records and neither its first record, the state at %d, nor a "+
					"checkpoint",
					r.LeaderEpoch, r.Start)})
		}
		return
	}
	where := fmt.Sprintf("the state that opens %s, leader epoch %d, at offset %d", s.name(), r.LeaderEpoch, r.Start)
	if err := r.state.say.err; err != nil {
		c.find(Finding{Kind: Checkpoint, Where: where, What: err.Error(), Span: s.span(r.Start, r.Start), Do: doBug})
	} else if at == r.Start {
		c.compare(s, r.state, where)
	}
}

// checkpointOf finds the checkpoint of a range in its object.
func (c *checker) checkpointOf(s *streamCheck, r *rangeCheck) *entry {
	if r.CheckpointAt < 0 || c.o.Quick {
		return nil
	}
	o := c.objects[r.Checkpoint]
	if o == nil {
		return nil // said already
	}
	c.report.Counts.Checkpoints++
	cluster, _ := c.clusterID()
	f := Finding{Kind: Checkpoint, Where: "object " + r.Checkpoint.Key(cluster), Do: doObject,
		Span: s.span(r.CheckpointAt, r.CheckpointAt)}
	for i := range o.blocks {
		x := &o.blocks[i]
		if x.kind != blockCheckpoint || x.stream != s.meta.ID || x.epoch != r.LeaderEpoch ||
			x.first != r.CheckpointAt {
			continue
		}
		if x.err != nil {
			return nil // said already
		}
		e := &x.entries[0]
		if e.say.err == nil {
			return e
		}
		f.What = fmt.Sprintf("the checkpoint of %s at offset %d: %v", s.name(), r.CheckpointAt, e.say.err)
		c.find(f)
		return nil
	}
	f.What = fmt.Sprintf("it has no checkpoint of %s, leader epoch %d, at offset %d", s.name(), r.LeaderEpoch,
		r.CheckpointAt)
	c.find(f)
	return nil
}

// compare holds a state against what the log below it says.
func (c *checker) compare(s *streamCheck, e *entry, where string) {
	if s.internal || e.say.state == nil {
		return
	}
	if why := s.tracker.differs(e.say.state); why != "" {
		c.find(Finding{Kind: Checkpoint, Where: where, What: why, Span: s.span(e.base, e.base), Do: doBug})
	}
}

// hop goes over the named holes that begin at at.
func (c *checker) hop(s *streamCheck, r *rangeCheck, at int64) int64 {
	for _, h := range s.meta.Holes {
		if h.LeaderEpoch == r.LeaderEpoch && h.To != metadata.Open && h.From <= at && at < h.To {
			at = min(h.To, max(r.End, at))
			if r.End == metadata.Open {
				at = h.To
			}
			s.tracker.skip()
		}
	}
	return at
}

// walkObject walks the part of a range that metadata has in one object.
func (c *checker) walkObject(s *streamCheck, r *rangeCheck, x *metadata.Coverage, at int64, pass func(int64)) int64 {
	cluster, _ := c.clusterID()
	key := x.Object.Key(cluster)
	at = c.hop(s, r, at)
	if x.Start > at {
		c.lost(s, at, x.Start, "metadata calls these offsets committed and has no object for them")
	}
	o := c.objects[x.Object]
	if o == nil { // quick, or said already
		s.tracker.skip()
		if !c.o.Quick {
			s.out.Holes = append(s.out.Holes, *s.span(max(at, x.Start), x.End))
		}
		return x.End
	}
	at = max(at, x.Start)
	for i := range o.blocks {
		b := &o.blocks[i]
		if b.kind != blockData || b.stream != s.meta.ID || b.epoch != r.LeaderEpoch || b.end <= at ||
			b.first >= x.End {
			continue
		}
		if b.err != nil {
			s.tracker.skip()
			s.out.Holes = append(s.out.Holes, *s.span(max(b.first, at), b.end))
			at = b.end
			continue
		}
		for k := range b.entries {
			e := &b.entries[k]
			if e.end() <= at || e.base >= x.End {
				continue
			}
			if e.base > at {
				c.lost(s, at, e.base, "object "+key+" does not hold what metadata says")
			}
			if e.stamp > x.MaxTimestamp {
				c.badEntry(s, e, Place{Key: key, At: uint64(e.at)},
					fmt.Sprintf("its largest timestamp is %d, metadata says %d at most",
						e.stamp, x.MaxTimestamp))
			}
			c.emit(s, e, Place{Key: key, At: uint64(e.at)})
			at = e.end()
			pass(at)
		}
	}
	if at < x.End {
		c.lost(s, at, x.End, "object "+key+" does not hold what metadata says")
		return x.End
	}
	if at > x.End {
		c.find(Finding{Kind: BadObject, Where: "object " + key, Do: doBug, Span: s.span(x.End, at),
			What: fmt.Sprintf("an entry of %s reaches to offset %d, and metadata cuts it at %d", s.name(), at,
				x.End)})
	}
	return at
}

// walkWAL walks what the WAL holds of a range from offset at on, and holds what objects have too against it.
func (c *checker) walkWAL(s *streamCheck, r *rangeCheck, at int64) int64 {
	next := int64(-1)
	for i := range r.entries {
		e := &r.entries[i]
		place := Place{WAL: r.WAL, At: e.frame}
		switch {
		case next >= 0 && e.base < next:
			c.find(Finding{Kind: Twice, Where: place.String(), Span: s.span(e.base, e.end()), Do: doBug,
				What: fmt.Sprintf("offsets %d to %d of %s, leader epoch %d, stand in the ring behind offset %d",
					e.base, e.end(), s.name(), r.LeaderEpoch, next)})
			continue
		case r.End != metadata.Open && e.end() > r.End:
			c.note(Finding{Kind: Beyond, Where: place.String(), Span: s.span(e.base, e.end()),
				What: fmt.Sprintf("offsets %d to %d of %s, leader epoch %d, lie beyond the end %d at which it was "+
					"sealed",
					e.base, e.end(), s.name(), r.LeaderEpoch, r.End)})
			next = e.end()
			continue
		}
		next = e.end()
		if e.end() <= at {
			c.same(s, r, e)
			continue
		}
		if at = c.hop(s, r, at); e.base > at {
			c.lostWAL(s, r, at, e.base)
		}
		if c.inHole(s, r, e) {
			s.tracker.skip()
			at = max(at, e.end())
			continue
		}
		c.emit(s, e, place)
		at = e.end()
	}
	at = c.hop(s, r, at)
	if r.End != metadata.Open && at < r.End {
		if !c.covered(s, r, at) {
			c.lostWAL(s, r, at, r.End)
		}
		return r.End
	}
	return at
}

// covered reports whether a hole reaches from at to the end of r.
func (c *checker) covered(s *streamCheck, r *rangeCheck, at int64) bool {
	return slices.ContainsFunc(s.meta.Holes, func(h metadata.Hole) bool {
		return h.LeaderEpoch == r.LeaderEpoch && h.From <= at && (h.To == metadata.Open || h.To >= r.End)
	})
}

// inHole reports whether e lies in a hole: it is offline, whether or not its bytes are there.
func (c *checker) inHole(s *streamCheck, r *rangeCheck, e *entry) bool {
	return slices.ContainsFunc(s.meta.Holes, func(h metadata.Hole) bool {
		return h.LeaderEpoch == r.LeaderEpoch && e.end() > h.From && (h.To == metadata.Open || e.base < h.To)
	})
}

// same holds an entry of the ring against the one in an object.
func (c *checker) same(s *streamCheck, r *rangeCheck, e *entry) {
	i, ok := slices.BinarySearchFunc(r.covers, e.base, func(x metadata.Coverage, base int64) int {
		switch {
		case x.End <= base:
			return -1
		case x.Start > base:
			return 1
		}
		return 0
	})
	if !ok {
		return
	}
	o := c.objects[r.covers[i].Object]
	if o == nil {
		return
	}
	for k := range o.blocks {
		b := &o.blocks[k]
		if b.kind != blockData || b.stream != e.stream || b.epoch != e.epoch || b.err != nil || e.base < b.first ||
			e.base >= b.end {
			continue
		}
		j, ok := slices.BinarySearchFunc(b.entries, e.base, func(x entry,
			base int64) int {
			return int(x.base - base)
		})
		if x := &b.entries[min(j, len(b.entries)-1)]; !ok || x.count != e.count || x.sum != e.sum ||
			x.stamp != e.stamp {
			cluster, _ := c.clusterID()
			c.find(Finding{Kind: Differs, Where: Place{WAL: r.WAL, At: e.frame}.String(), Span: s.span(e.base,
				e.end()), Do: doBug,
				What: fmt.Sprintf("offsets %d to %d of %s are other bytes here than in object %s", e.base, e.end(),
					s.name(),
					r.covers[i].Object.Key(cluster))})
		}
	}
}

func (c *checker) lostWAL(s *streamCheck, r *rangeCheck, from, to int64) {
	if s.deleting {
		return // dropped before the topic is
	}
	if !r.scanned {
		s.tracker.skip()
		if w, ok := c.state.WAL(r.WAL); ok && !c.wals[r.WAL] {
			c.lost(s, from, to, fmt.Sprintf("WAL %s owes them, and metadata has let go of it (%s)", r.WAL, w.State))
		}
		s.out.Holes = append(s.out.Holes, *s.span(from, to))
		return
	}
	c.lost(s, from, to, fmt.Sprintf("WAL %s owes these offsets and does not hold them", r.WAL))
}

// lost says that offsets are nowhere.
func (c *checker) lost(s *streamCheck, from, to int64, why string) {
	s.tracker.skip()
	s.out.Holes = append(s.out.Holes, *s.span(from, to))
	c.find(Finding{Kind: Lost, Where: s.name(), Span: s.span(from, to),
		What: fmt.Sprintf("offsets %d to %d are nowhere: %s", from, to, why),
		Do:   "look at the other findings first; if there is none, " + doBug})
}

func (c *checker) badEntry(s *streamCheck, e *entry, p Place, what string) {
	c.find(Finding{Kind: BadBatch, Where: p.String(), Span: s.span(e.base, e.end()), Do: doBug,
		What: fmt.Sprintf("offsets %d to %d of %s: %s", e.base, e.end(), s.name(), what)})
}

// emit takes an entry as the next of the log.
func (c *checker) emit(s *streamCheck, e *entry, p Place) {
	if e.say.err != nil {
		c.badEntry(s, e, p, e.say.err.Error())
		s.tracker.skip()
	}
	for i := range e.say.batches {
		b := &e.say.batches[i]
		if why := s.tracker.add(b, e.epoch); why != "" && s.tracker.full() {
			c.find(Finding{Kind: Twice, Where: p.String(), Span: s.span(b.base, b.end()), Do: doBug,
				What: fmt.Sprintf("offset %d of %s: %s", b.base, s.name(), why)})
		}
	}
	if e.end() <= s.meta.LogStart {
		return
	}
	s.out.Batches += max(1, len(e.say.batches))
	s.out.Records += int64(e.count)
	if !c.retain() {
		return
	}
	x := Batch{Stream: s.meta.ID, Topic: s.topic, Partition: s.meta.Partition, LeaderEpoch: e.epoch, Base: e.base,
		Count: int32(e.count), Data: e.data, Place: p}
	if c.o.Keep {
		s.out.log = append(s.out.log, x)
	}
	if c.o.Batch != nil {
		c.o.Batch(x)
	}
}
