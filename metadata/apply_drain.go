package metadata

import "github.com/weirmq/weir/metadata/metadatapb"

// drain makes (b, e) nobody's target any more (rule 40). It keeps what it owns: partitions leave it by
// moves, and what it owes by uploads.
func (s *State) drain(c *metadatapb.Drain) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	b.draining = true
	s.redirect(b.id)
	return &metadatapb.Result{}
}

// deregister ends a draining epoch for good once no WAL that it holds owes anything, those it recovers for
// others included. Asked again it answers the same until the broker registers anew.
func (s *State) deregister(c *metadatapb.Deregister) *metadatapb.Result {
	if b := s.brokers[c.GetBroker()]; b != nil && b.deregistered && b.epoch == c.GetEpoch() {
		return &metadatapb.Result{}
	}
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	if !b.draining {
		return refuse(metadatapb.Refusal_REFUSAL_NOT_DRAINING, "broker %d epoch %d was not told to drain",
			b.id, b.epoch)
	}
	for _, w := range s.sortedWals() {
		if w.heldBy(b) {
			if refused := s.indebted(w); refused != nil {
				return refused
			}
		}
	}
	for _, w := range s.sortedWals() {
		if w.heldBy(b) {
			w.release()
		}
	}
	s.fenceNow(b)
	b.deregistered = true
	return &metadatapb.Result{}
}

// indebted refuses to release a WAL that still has an open range, an owed range or bytes of a hole.
func (s *State) indebted(w *wal) *metadatapb.Result {
	if w.open > 0 {
		return refuse(metadatapb.Refusal_REFUSAL_OWED, "WAL %s has %d open ranges", w.id, w.open)
	}
	if owed := s.Owed(w.id); len(owed) > 0 {
		return refuse(metadatapb.Refusal_REFUSAL_OWED, "WAL %s owes %d ranges, the first of stream %d from %d",
			w.id, len(owed), owed[0].Stream, owed[0].From)
	}
	if id, pinned := s.pinned(w); pinned {
		return refuse(metadatapb.Refusal_REFUSAL_OWED, "WAL %s holds bytes of a hole in stream %d", w.id, id)
	}
	return nil
}

// release freezes w for ever.
func (w *wal) release() {
	w.state = metadatapb.WalState_WAL_STATE_RELEASED
	w.held, w.holder, w.holderEpoch, w.resumed = false, 0, 0, false
}
