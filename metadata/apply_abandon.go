package metadata

import "github.com/weirmq/weir/metadata/metadatapb"

// abandonWal gives a WAL up for good. Everything it still owes must lie in a recorded hole, so that nothing
// is served short: an open range without one could look empty. The WAL keeps its uuid and its holes.
func (s *State) abandonWal(c *metadatapb.AbandonWal) *metadatapb.Result {
	id, _ := uuidOf(c.GetWal())
	if w := s.wals[id]; w != nil && w.lost && w.generation == c.GetGeneration() {
		return w.answer()
	}
	w, refused := s.current(c.GetWal(), c.GetGeneration())
	if refused != nil {
		return refused
	}
	if w.state == metadatapb.WalState_WAL_STATE_FRESH {
		return refuse(metadatapb.Refusal_REFUSAL_WAL_STATE, "WAL %s was never opened and holds nothing", w.id)
	}
	for _, sid := range w.sortedStreams() {
		st := s.streams[sid]
		for _, r := range st.ranges {
			if r.wal == w.id && !st.covered(r.epoch, st.frontier(r), r.end) {
				return refuse(metadatapb.Refusal_REFUSAL_OWED, "WAL %s owes stream %d epoch %d from %d: mark the hole first",
					w.id, sid, r.epoch, st.frontier(r))
			}
		}
	}
	holder := w.holder
	w.held, w.holder, w.holderEpoch, w.resumed, w.lost = false, 0, 0, false, true
	w.state = metadatapb.WalState_WAL_STATE_RECOVERING
	s.retire(w)
	s.redirect(holder)
	return w.answer()
}

// retire releases a WAL that was given up once nothing waits for it any more: every hole on it is accepted,
// trimmed, or gone with its topic.
func (s *State) retire(w *wal) {
	if w.lost && w.open == 0 && len(s.Owed(w.id)) == 0 {
		w.state = metadatapb.WalState_WAL_STATE_RELEASED
	}
}
