package metadata

import (
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// streamOf returns the stream, or the refusal that tells a deleted id from one never issued.
func (s *State) streamOf(id uint64) (*stream, *metadatapb.Result) {
	if st := s.streams[id]; st != nil {
		return st, nil
	}
	if id != 0 && id < s.nextStream {
		return nil, refuse(metadatapb.Refusal_REFUSAL_STREAM_DELETED, "stream %d is deleted", id)
	}
	return nil, refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_STREAM, "stream %d was never created", id)
}

// target returns the WAL on which a range owned by broker id is opened, or nil: the broker is not live, or
// drains, or has none. A broker that has resumed
// the WAL under recovery goes on in it; any other opens on its newest open WAL.
func (s *State) target(id int32, recovering *wal) *wal {
	b := s.brokers[id]
	if b == nil || !b.live || b.draining {
		return nil
	}
	if recovering != nil && recovering.resumed && recovering.heldBy(b) {
		return recovering
	}
	var best *wal
	for _, w := range s.sortedWals() {
		if w.usable(b) && (best == nil || w.opened > best.opened) {
			best = w
		}
	}
	return best
}

// usable reports whether b may write w. A resumed WAL with a range that stays closed because of a hole is
// written all the same (rule 38).
func (w *wal) usable(b *broker) bool {
	open := w.state == metadatapb.WalState_WAL_STATE_OPEN ||
		w.state == metadatapb.WalState_WAL_STATE_RECOVERING && w.resumed
	return open && w.heldBy(b)
}

func noTarget(id int32) *metadatapb.Result {
	return refuse(metadatapb.Refusal_REFUSAL_NO_TARGET, "broker %d is not live, drains, or has no open WAL", id)
}

// openOn opens st's next range at start on w.
func (s *State) openOn(st *stream, start int64, w *wal) *rng {
	if n := len(st.ranges); n > 0 {
		invariant.Check(st.last().end != Open && st.last().end <= start, invariant.RangesTile,
			"stream %d opens a range at %d after one that ends at %d", st.id, start, st.last().end)
		st.epoch++
	}
	invariant.Check(s.live(w.holder, w.holderEpoch) != nil && !s.brokers[w.holder].draining, invariant.MoveTarget,
		"stream %d epoch %d is opened on WAL %s, whose holder drains or is not live", st.id, st.epoch, w.id)
	delete(s.unowned, st.id)
	r := &rng{
		epoch: st.epoch, wal: w.id, generation: w.generation,
		start: start, end: Open, committed: start, checkpointAt: -1,
	}
	st.ranges = append(st.ranges, r)
	w.streams[st.id]++
	w.open++
	w.clean = false
	return r
}

// close ends st's open last range at end.
func (s *State) close(st *stream, end int64) {
	r := st.last()
	invariant.Check(r.end == Open, invariant.SealFinal,
		"stream %d epoch %d is closed at %d and is closed again at %d", st.id, r.epoch, r.end, end)
	invariant.Check(end >= r.committed && end >= r.start, invariant.EndNotBelowCommitted,
		"stream %d epoch %d closed at %d, start %d, committed %d", st.id, r.epoch, end, r.start, r.committed)
	r.end = end
	s.unowned[st.id] = true
	delete(s.moves, st.id)
	w := s.wals[r.wal]
	w.open--
	if r.generation < w.generation {
		w.old--
	}
}

// rangeResult answers with the range next, or with none.
func rangeResult(st *stream, next *rng) *metadatapb.RangeResult {
	r := &metadatapb.RangeResult{Stream: st.id}
	if next != nil {
		r.Open, r.LeaderEpoch, r.Start, r.Wal = true, next.epoch, next.start, bytesOf(next.wal)
	}
	return r
}

func rangeAnswer(st *stream, next *rng) *metadatapb.Result {
	return &metadatapb.Result{Body: &metadatapb.Result_Range{Range: rangeResult(st, next)}}
}

func (s *State) sealAndOpen(c *metadatapb.SealAndOpen) *metadatapb.Result {
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	r := st.find(c.GetLeaderEpoch())
	if r == nil {
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d has no epoch %d", st.id, c.GetLeaderEpoch())
	}
	if r.end != Open {
		if r.end == c.GetEnd() {
			return rangeAnswer(st, st.after(r.epoch))
		}
		return refuse(metadatapb.Refusal_REFUSAL_SEALED, "stream %d epoch %d is sealed at %d", st.id, r.epoch, r.end)
	}
	if c.GetEnd() < max(r.start, r.committed) {
		return refuse(metadatapb.Refusal_REFUSAL_BELOW_COMMITTED, "stream %d epoch %d is committed to %d",
			st.id, r.epoch, max(r.start, r.committed))
	}
	if st.blocked(r.epoch) {
		return refuse(metadatapb.Refusal_REFUSAL_HOLE, "stream %d epoch %d has a hole", st.id, r.epoch)
	}
	var next *wal
	if c.To != nil {
		if s.topics[st.topic].deleting {
			return refuse(metadatapb.Refusal_REFUSAL_DELETING, "the topic of stream %d is being deleted", st.id)
		}
		if next = s.target(c.GetTo(), nil); next == nil {
			return noTarget(c.GetTo())
		}
	}
	s.close(st, c.GetEnd())
	if next == nil {
		return rangeAnswer(st, nil)
	}
	return rangeAnswer(st, s.openOn(st, c.GetEnd(), next))
}

func (s *State) openRange(c *metadatapb.OpenRange) *metadatapb.Result {
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	last := st.last()
	if last.end == Open {
		n := len(st.ranges)
		w := s.wals[last.wal]
		if n > 1 && st.ranges[n-2].epoch == c.GetAfterEpoch() && w.held && w.holder == c.GetTo() {
			return rangeAnswer(st, last)
		}
		if last.epoch != c.GetAfterEpoch() {
			return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d is at epoch %d", st.id, last.epoch)
		}
		return refuse(metadatapb.Refusal_REFUSAL_NOT_SEALED, "stream %d epoch %d is open", st.id, last.epoch)
	}
	if last.epoch != c.GetAfterEpoch() {
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d is at epoch %d", st.id, last.epoch)
	}
	if st.blocked(last.epoch) {
		return refuse(metadatapb.Refusal_REFUSAL_HOLE, "stream %d epoch %d has a hole", st.id, last.epoch)
	}
	if s.topics[st.topic].deleting {
		return refuse(metadatapb.Refusal_REFUSAL_DELETING, "the topic of stream %d is being deleted", st.id)
	}
	w := s.target(c.GetTo(), nil)
	if w == nil {
		return noTarget(c.GetTo())
	}
	return rangeAnswer(st, s.openOn(st, st.nextStart(), w))
}

// nextStart is where a range after the last one begins: its end, or past the gap that was accepted there.
func (st *stream) nextStart() int64 {
	at := st.last().end
	for _, h := range st.holes {
		if h.accepted && h.epoch == st.last().epoch && h.from == at && h.to > at {
			at = h.to
		}
	}
	return at
}

func (s *State) sealRecovered(c *metadatapb.SealRecovered) *metadatapb.Result {
	w, refused := s.current(c.GetWal(), c.GetGeneration())
	if refused != nil {
		return refused
	}
	r := &metadatapb.SealRecoveredResult{}
	for _, e := range c.GetEntries() {
		r.Entries = append(r.Entries, s.sealEntry(w, e))
	}
	w.settle()
	r.State = w.state
	return &metadatapb.Result{Body: &metadatapb.Result_SealRecovered{SealRecovered: r}}
}

// sealEntry closes one range that w's holder has recovered, if it is open from before the recovery.
func (s *State) sealEntry(w *wal, e *metadatapb.SealEntry) *metadatapb.SealedEntry {
	out := &metadatapb.SealedEntry{Stream: e.GetStream(), LeaderEpoch: e.GetLeaderEpoch(), End: -1}
	st, refused := s.streamOf(e.GetStream())
	if refused != nil {
		probe.Hit(probe.MetadataDeletedSealed)
		out.Skipped = refused.GetRefusal()
		return out
	}
	r := st.find(e.GetLeaderEpoch())
	switch {
	case r == nil || r.wal != w.id:
		out.Skipped = metadatapb.Refusal_REFUSAL_LEADER_EPOCH
	case r.end != Open:
		out.Skipped, out.End = metadatapb.Refusal_REFUSAL_SEALED, r.end
		if next := st.after(r.epoch); next != nil {
			out.Next = rangeResult(st, next)
		}
	case r.generation == w.generation:
		out.Skipped = metadatapb.Refusal_REFUSAL_GENERATION // opened by the very holder, not recovered
	case st.blocked(r.epoch):
		out.Skipped = metadatapb.Refusal_REFUSAL_HOLE
	default:
		s.sealNow(st, w, e, out)
	}
	return out
}

// sealNow closes the range and opens the next one for the owner that was named, on any live broker that can
// take it. Where it cannot any more the partition is left without owner, for OpenRange.
func (s *State) sealNow(st *stream, w *wal, e *metadatapb.SealEntry, out *metadatapb.SealedEntry) {
	out.End = max(e.GetEnd(), st.last().committed)
	s.close(st, out.End)
	if e.To == nil {
		return
	}
	if s.topics[st.topic].deleting {
		out.Unopened = metadatapb.Refusal_REFUSAL_DELETING
		return
	}
	to := s.target(e.GetTo(), w)
	if to == nil {
		out.Unopened = metadatapb.Refusal_REFUSAL_NO_TARGET
		return
	}
	out.Next = rangeResult(st, s.openOn(st, out.End, to))
}

// drop forgets st's first range.
func (s *State) drop(st *stream) {
	r := st.ranges[0]
	w := s.wals[r.wal]
	if w.streams[st.id]--; w.streams[st.id] == 0 {
		delete(w.streams, st.id)
	}
	st.ranges = slices.Delete(st.ranges, 0, 1)
}

func (w *wal) sortedStreams() []uint64 {
	ids := make([]uint64, 0, len(w.streams))
	for id := range w.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
