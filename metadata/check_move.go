package metadata

import "github.com/weirmq/weir/internal/invariant"

// checkMoves looks at moves, at brokers on their way out, and at which partitions have no owner.
func (s *State) checkMoves() error {
	for _, b := range s.Brokers() {
		if b.Draining && !b.Live || b.Deregistered && b.Live {
			return broken(invariant.MoveTarget, "broker %d epoch %d drains and is not live, or the reverse", b.ID, b.Epoch)
		}
	}
	for _, id := range s.sortedMoves() {
		st, m := s.streams[id], s.moves[id]
		if st == nil || st.last().end != Open || s.topics[st.topic].deleting {
			return broken(invariant.MoveTarget, "stream %d moves and has no open range, or is being deleted", id)
		}
		if m.begun == 0 || m.begun > s.index || s.live(m.from, m.fromEpoch) == nil && !s.fenced(m.from, m.fromEpoch) {
			return broken(invariant.MoveTarget, "stream %d moves since index %d from broker %d epoch %d, which never were",
				id, m.begun, m.from, m.fromEpoch)
		}
		if m.toEpoch != 0 && (s.live(m.to, m.toEpoch) == nil || s.target(m.to, nil) == nil) {
			return broken(invariant.MoveTarget, "stream %d moves to broker %d epoch %d, which cannot take it",
				id, m.to, m.toEpoch)
		}
	}
	closed := 0
	for _, id := range s.sortedStreams() {
		if s.streams[id].last().end != Open {
			closed++
			if !s.unowned[id] {
				return broken(invariant.RangesTile, "stream %d is closed and does not count as such", id)
			}
		}
	}
	if closed != len(s.unowned) {
		return broken(invariant.RangesTile, "%d streams count as closed, %d are", len(s.unowned), closed)
	}
	return nil
}
