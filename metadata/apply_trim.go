package metadata

import (
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/metadata/metadatapb"
)

func (s *State) trimStream(c *metadatapb.TrimStream, ms int64) *metadatapb.Result {
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	last := st.last()
	if c.LeaderEpoch != nil && c.GetLeaderEpoch() != last.epoch {
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d is at epoch %d, not %d",
			st.id, last.epoch, c.GetLeaderEpoch())
	}
	if last.end != Open && c.GetOffset() > st.nextStart() {
		return refuse(metadatapb.Refusal_REFUSAL_OFFSET_RANGE, "stream %d ends at %d", st.id, last.end)
	}
	if c.GetOffset() > st.logStart {
		s.raiseStart(st, c.GetOffset(), ms)
	}
	return &metadatapb.Result{Body: &metadatapb.Result_Trim{Trim: &metadatapb.TrimResult{LogStart: st.logStart}}}
}

// raiseStart moves the log start offset up and lets go of everything wholly below it. It does not move the
// committed end of any range (rule 36).
func (s *State) raiseStart(st *stream, offset int64, ms int64) {
	invariant.Check(offset >= st.logStart, invariant.LogStartGrows,
		"stream %d log start offset %d, then %d", st.id, st.logStart, offset)
	st.logStart = offset
	for _, r := range st.ranges {
		if r.start >= offset {
			break
		}
		n := 0
		for n < len(r.refs) && r.refs[n].end <= offset {
			s.unref(r.refs[n].object, st.id, ms)
			n++
		}
		r.refs = slices.Clip(r.refs[n:])
		if len(r.refs) == 0 {
			r.refs = nil
		}
	}
	for _, r := range st.ranges {
		s.retire(s.wals[r.wal])
	}
	s.shed(st, ms)
}

// shed drops the oldest ranges and holes that lie below the log start offset. A range whose checkpoint may
// still be the newest state there is waits until a later range has one.
func (s *State) shed(st *stream, ms int64) {
	newest := len(st.ranges) - 1 // of those with a checkpoint
	for newest > 0 && st.ranges[newest].checkpointAt < 0 {
		newest--
	}
	for len(st.ranges) > 1 {
		r := st.ranges[0]
		if r.end == Open || st.ranges[1].start > st.logStart || r.checkpointAt >= 0 && newest == 0 {
			break
		}
		if r.checkpointAt >= 0 {
			s.unref(r.checkpoint, st.id, ms)
		}
		s.drop(st)
		newest--
	}
	st.holes = slices.DeleteFunc(st.holes, func(h *hole) bool {
		over := h.to != Open && h.to <= st.logStart && !st.gap(h)
		if over && !h.quarantine.IsZero() {
			s.unref(h.quarantine, st.id, ms)
		}
		return over
	})
}

// gap reports whether h lies behind the end of a range that is still known: it says where the next range
// begins, or may begin, and stays as long as that range.
func (st *stream) gap(h *hole) bool {
	r := st.find(h.epoch)
	return r != nil && r.end != Open && h.to > r.end
}

// empty lets go of everything a stream refers to, before it is deleted.
func (s *State) empty(st *stream, ms int64) {
	for _, r := range st.ranges {
		for _, x := range r.refs {
			s.unref(x.object, st.id, ms)
		}
		if r.checkpointAt >= 0 {
			s.unref(r.checkpoint, st.id, ms)
		}
	}
	for _, h := range st.holes {
		if !h.quarantine.IsZero() {
			s.unref(h.quarantine, st.id, ms)
		}
	}
	if st.last().end == Open {
		w, r := s.wals[st.last().wal], st.last()
		w.open--
		if r.generation < w.generation {
			w.old--
		}
		defer w.settle()
	}
	for len(st.ranges) > 0 {
		s.drop(st)
	}
}
