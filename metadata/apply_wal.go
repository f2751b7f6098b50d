package metadata

import (
	"github.com/weirmq/weir/metadata/metadatapb"
)

func (w *wal) heldBy(b *broker) bool {
	return b != nil && b.live && w.held && w.holder == b.id && w.holderEpoch == b.epoch
}

func (w *wal) result() *metadatapb.WalResult {
	return &metadatapb.WalResult{Wal: bytesOf(w.id), State: w.state, Generation: w.generation}
}

func (w *wal) answer() *metadatapb.Result {
	return &metadatapb.Result{Body: &metadatapb.Result_Wal{Wal: w.result()}}
}

// holding returns the WAL id if (broker, epoch) is live and holds it, else the refusal.
func (s *State) holding(id []byte, brokerID int32, epoch int64) (*wal, *metadatapb.Result) {
	b := s.live(brokerID, epoch)
	if b == nil {
		return nil, s.notLive(brokerID, epoch)
	}
	u, ok := uuidOf(id)
	if !ok {
		return nil, invalid("a WAL uuid has 16 bytes")
	}
	w := s.wals[u]
	if w == nil {
		return nil, refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_WAL, "no WAL %s", u)
	}
	if !w.heldBy(b) {
		return nil, refuse(metadatapb.Refusal_REFUSAL_NOT_HOLDER, "broker %d epoch %d does not hold WAL %s",
			brokerID, epoch, u)
	}
	return w, nil
}

// current returns the WAL id if somebody holds it at generation, else the refusal.
func (s *State) current(id []byte, generation int64) (*wal, *metadatapb.Result) {
	u, ok := uuidOf(id)
	if !ok {
		return nil, invalid("a WAL uuid has 16 bytes")
	}
	w := s.wals[u]
	if w == nil {
		return nil, refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_WAL, "no WAL %s", u)
	}
	if w.generation != generation {
		return nil, refuse(metadatapb.Refusal_REFUSAL_GENERATION, "WAL %s is at generation %d, not %d",
			u, w.generation, generation)
	}
	if !w.held {
		return nil, refuse(metadatapb.Refusal_REFUSAL_NOT_HOLDER, "nobody holds WAL %s", u)
	}
	return w, nil
}

func (s *State) createWal(c *metadatapb.CreateWal) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	id, ok1 := uuidOf(c.GetWal())
	volume, ok2 := uuidOf(c.GetVolume())
	if !ok1 || !ok2 {
		return invalid("CreateWal needs a uuid and a volume of 16 bytes each")
	}
	if w := s.wals[id]; w != nil {
		if w.heldBy(b) && w.broker == b.id && w.volume == volume && w.capacity == c.GetCapacity() {
			return w.answer()
		}
		return refuse(metadatapb.Refusal_REFUSAL_EXISTS, "WAL uuid %s is known", id)
	}
	w := &wal{
		id: id, broker: b.id, volume: volume, capacity: c.GetCapacity(),
		state: metadatapb.WalState_WAL_STATE_FRESH, generation: 1,
		held: true, holder: b.id, holderEpoch: b.epoch, resumed: true,
		streams: map[uint64]int{},
	}
	s.wals[id] = w
	return w.answer()
}

func (s *State) openWal(c *metadatapb.OpenWal) *metadatapb.Result {
	w, refused := s.holding(c.GetWal(), c.GetBroker(), c.GetEpoch())
	if refused != nil {
		return refused
	}
	switch w.state {
	case metadatapb.WalState_WAL_STATE_OPEN:
		return w.answer()
	case metadatapb.WalState_WAL_STATE_FRESH:
		w.state, w.opened = metadatapb.WalState_WAL_STATE_OPEN, s.index
		return w.answer()
	}
	return refuse(metadatapb.Refusal_REFUSAL_WAL_STATE, "WAL %s is neither fresh nor open", w.id)
}

func (s *State) reportWal(c *metadatapb.ReportWal) *metadatapb.Result {
	w, refused := s.holding(c.GetWal(), c.GetBroker(), c.GetEpoch())
	if refused != nil {
		return refused
	}
	if w.generation != c.GetGeneration() {
		return refuse(metadatapb.Refusal_REFUSAL_GENERATION, "WAL %s is at generation %d, not %d",
			w.id, w.generation, c.GetGeneration())
	}
	w.note(c.GetTrim(), c.GetDurable())
	if c.GetClean() {
		w.clean = w.durable == c.GetDurable()
	}
	return w.answer()
}

// note takes over what a holder says about its WAL. Evidence of durability beyond a clean end voids it.
func (w *wal) note(trim, durable uint64) {
	if durable > w.durable {
		w.durable, w.clean = durable, false
	}
	w.trim = max(w.trim, trim)
}

func (s *State) assignRecoverer(c *metadatapb.AssignRecoverer) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	id, ok := uuidOf(c.GetWal())
	w := s.wals[id]
	if !ok || w == nil {
		return refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_WAL, "no WAL %s", id)
	}
	if w.state != metadatapb.WalState_WAL_STATE_RECOVERING || w.lost {
		return refuse(metadatapb.Refusal_REFUSAL_WAL_STATE, "WAL %s is not to be recovered", id)
	}
	if w.heldBy(b) {
		return w.answer()
	}
	if w.held {
		return refuse(metadatapb.Refusal_REFUSAL_HELD, "broker %d epoch %d holds WAL %s", w.holder, w.holderEpoch, id)
	}
	w.held, w.holder, w.holderEpoch, w.resumed = true, b.id, b.epoch, false
	w.generation++
	w.old = w.open
	return w.answer()
}

func (s *State) releaseWal(c *metadatapb.ReleaseWal) *metadatapb.Result {
	id, _ := uuidOf(c.GetWal())
	if w := s.wals[id]; w != nil && w.state == metadatapb.WalState_WAL_STATE_RELEASED &&
		w.generation == c.GetGeneration() {
		return w.answer()
	}
	w, refused := s.current(c.GetWal(), c.GetGeneration())
	if refused != nil {
		return refused
	}
	if refused := s.indebted(w); refused != nil {
		return refused
	}
	holder := w.holder
	w.release()
	s.redirect(holder)
	return w.answer()
}

// pinned returns a stream with a hole on w that is neither accepted nor quarantined.
func (s *State) pinned(w *wal) (uint64, bool) {
	for _, id := range w.sortedStreams() {
		for _, h := range s.streams[id].holes {
			if h.wal == w.id && !h.discharged() {
				return id, true
			}
		}
	}
	return 0, false
}
