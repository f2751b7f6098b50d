package metadata

import (
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// move is a move of a stream's open last range, from BeginMove until the range is closed, by whichever
// command is applied first.
type move struct {
	from      int32 // who owned the range when it began
	fromEpoch int64
	to        int32 // of use only with toEpoch
	toEpoch   int64 // 0: to nobody
	begun     uint64
}

// leadsTo reports whether m goes where a BeginMove asks for.
func (m *move) leadsTo(to *int32) bool {
	if to == nil {
		return m.toEpoch == 0
	}
	return m.toEpoch != 0 && m.to == *to
}

func (m *move) answer(st *stream) *metadatapb.Result {
	r := &metadatapb.MoveResult{Stream: st.id, LeaderEpoch: st.last().epoch, To: m.target(), Begun: m.begun}
	return &metadatapb.Result{Body: &metadatapb.Result_Move{Move: r}}
}

// target is the broker as a field of a message; nobody is an absent field.
func (m *move) target() *int32 {
	if m.toEpoch == 0 {
		return nil
	}
	to := m.to
	return &to
}

// beginMove records a move. Who answers the seal has to know that it was begun, so that every later leader
// drives it on: a seal that nobody remembers would strand the partition.
func (s *State) beginMove(c *metadatapb.BeginMove) *metadatapb.Result {
	st, refused := s.streamOf(c.GetStream())
	if refused != nil {
		return refused
	}
	r := st.last()
	w := s.wals[r.wal]
	switch {
	case r.epoch != c.GetLeaderEpoch():
		return refuse(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, "stream %d is at epoch %d, not %d",
			st.id, r.epoch, c.GetLeaderEpoch())
	case r.end != Open:
		return refuse(metadatapb.Refusal_REFUSAL_SEALED, "stream %d epoch %d is sealed at %d", st.id, r.epoch, r.end)
	case s.topics[st.topic].deleting:
		return refuse(metadatapb.Refusal_REFUSAL_DELETING, "the topic of stream %d is being deleted", st.id)
	case st.blocked(r.epoch):
		return refuse(metadatapb.Refusal_REFUSAL_HOLE, "stream %d epoch %d has a hole", st.id, r.epoch)
	case !w.owns(r):
		return refuse(metadatapb.Refusal_REFUSAL_NOT_OWNED, "stream %d epoch %d waits for the recovery of WAL %s",
			st.id, r.epoch, w.id)
	}
	if m := s.moves[st.id]; m != nil {
		if m.leadsTo(c.To) {
			return m.answer(st)
		}
		return refuse(metadatapb.Refusal_REFUSAL_MOVING, "a move of stream %d epoch %d began at index %d",
			st.id, r.epoch, m.begun)
	}
	m := &move{from: w.holder, fromEpoch: w.holderEpoch, begun: s.index}
	if refused := s.aim(m, w, c.To); refused != nil {
		return refused
	}
	s.moves[st.id] = m
	return m.answer(st)
}

// owns reports whether w's holder may append to r, a range on w.
func (w *wal) owns(r *rng) bool {
	return r.end == Open && w.held && w.resumed && r.generation == w.generation
}

// aim gives a new move from w's holder its target, or refuses it.
func (s *State) aim(m *move, w *wal, to *int32) *metadatapb.Result {
	if to == nil {
		seats := s.seatsBut(m.from)
		if !s.brokers[m.from].draining || len(seats) > 0 {
			return refuse(metadatapb.Refusal_REFUSAL_NO_TARGET,
				"broker %d gives a partition up to nobody only when it drains and no other broker can take it", m.from)
		}
		return nil
	}
	next := s.target(*to, nil)
	if next == nil {
		return noTarget(*to)
	}
	if next == w {
		return refuse(metadatapb.Refusal_REFUSAL_NO_TARGET, "broker %d owns it, on WAL %s", *to, w.id)
	}
	m.to, m.toEpoch = *to, next.holderEpoch
	return nil
}

// redirect gives every move to broker id, if that cannot take partitions any more, the target that placement
// picks: another broker than the owner, or else the owner itself, or else nobody. The move stays: its owner
// may have sealed the range already.
func (s *State) redirect(id int32) {
	if len(s.moves) == 0 || s.target(id, nil) != nil {
		return
	}
	h := seated(s.Seats())
	for _, sid := range s.sortedMoves() {
		m := s.moves[sid]
		if m.toEpoch == 0 || m.to != id {
			continue
		}
		at := h.best(func(x Seat) bool { return x.Broker != m.from })
		if at < 0 {
			at = h.best(func(Seat) bool { return true })
		}
		m.to, m.toEpoch = 0, 0
		if at >= 0 {
			m.to, m.toEpoch = h.seats[at].Broker, s.brokers[h.seats[at].Broker].epoch
			h.take(at)
		}
	}
}

func (s *State) sortedMoves() []uint64 {
	ids := make([]uint64, 0, len(s.moves))
	for id := range s.moves {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
