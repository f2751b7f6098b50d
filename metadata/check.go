package metadata

import (
	"fmt"
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Check verifies every invariant of the package comment that one state can show and returns the first that
// does not hold, by name. It looks at everything; it is for tests, simulation and after Restore.
func (s *State) Check() error {
	counts := map[ObjectID]map[uint64]uint32{}
	use := func(id ObjectID, stream uint64) {
		if counts[id] == nil {
			counts[id] = map[uint64]uint32{}
		}
		counts[id][stream]++
	}
	walUse := map[UUID]*wal{}
	for _, w := range s.sortedWals() {
		walUse[w.id] = &wal{streams: map[uint64]int{}}
		if err := s.checkWal(w); err != nil {
			return err
		}
	}
	for _, id := range s.sortedStreams() {
		st := s.streams[id]
		if err := s.checkStream(st, use, walUse); err != nil {
			return err
		}
	}
	for _, w := range s.sortedWals() {
		u := walUse[w.id]
		if u.open != w.open || u.old != w.old || !sameCounts(u.streams, w.streams) {
			return broken(invariant.OneHolder, "WAL %s counts %d open and %d old ranges, there are %d and %d",
				w.id, w.open, w.old, u.open, u.old)
		}
	}
	if err := s.checkObjects(counts); err != nil {
		return err
	}
	if err := s.checkTopics(); err != nil {
		return err
	}
	return s.checkMoves()
}

func broken(name invariant.Name, format string, args ...any) error {
	return fmt.Errorf("invariant %s: %s", name, fmt.Sprintf(format, args...))
}

func sameCounts(a, b map[uint64]int) bool {
	same := len(a) == len(b)
	keys := make([]uint64, 0, len(a))
	for k := range a {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		same = same && a[k] == b[k]
	}
	return same
}

func (s *State) sortedStreams() []uint64 {
	ids := make([]uint64, 0, len(s.streams))
	for id := range s.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (s *State) checkWal(w *wal) error {
	b := s.brokers[w.holder]
	if w.held && !w.heldBy(b) {
		return broken(invariant.OneHolder, "WAL %s is held by broker %d epoch %d, which is not live",
			w.id, w.holder, w.holderEpoch)
	}
	switch w.state {
	case metadatapb.WalState_WAL_STATE_FRESH, metadatapb.WalState_WAL_STATE_OPEN:
		if !w.held || !w.resumed || w.holder != w.broker || w.old > 0 {
			return broken(invariant.OneHolder, "WAL %s is writable, but not by who created it", w.id)
		}
	case metadatapb.WalState_WAL_STATE_RELEASED:
		if w.held || w.open > 0 {
			return broken(invariant.OneHolder, "WAL %s is released and has a holder or an open range", w.id)
		}
	case metadatapb.WalState_WAL_STATE_RECOVERING:
	default:
		return broken(invariant.OneHolder, "WAL %s has no state", w.id)
	}
	return nil
}

func (s *State) checkStream(st *stream, use func(ObjectID, uint64), walUse map[UUID]*wal) error {
	if st.id == 0 || st.id >= s.nextStream {
		return broken(invariant.IDNeverReused, "stream %d, the next one to issue is %d", st.id, s.nextStream)
	}
	if len(st.ranges) == 0 || st.epoch != st.last().epoch {
		return broken(invariant.RangesTile, "stream %d has no range of its epoch %d", st.id, st.epoch)
	}
	if st.ranges[0].start > st.logStart {
		return broken(invariant.RangesTile, "stream %d starts at %d, its first range at %d",
			st.id, st.logStart, st.ranges[0].start)
	}
	for i, r := range st.ranges {
		u := walUse[r.wal]
		if u == nil {
			return broken(invariant.CoveredOnce, "stream %d epoch %d is on unknown WAL %s", st.id, r.epoch, r.wal)
		}
		u.streams[st.id]++
		if r.end == Open {
			u.open++
			if r.generation < s.wals[r.wal].generation {
				u.old++
			}
		}
		if i > 0 && !st.follows(st.ranges[i-1], r) {
			return broken(invariant.RangesTile, "stream %d: [%d, %d) of epoch %d, then epoch %d from %d", st.id,
				st.ranges[i-1].start, st.ranges[i-1].end, st.ranges[i-1].epoch, r.epoch, r.start)
		}
		if err := s.checkRange(st, r, use); err != nil {
			return err
		}
	}
	for i, h := range st.holes {
		if !h.quarantine.IsZero() {
			use(h.quarantine, st.id)
		}
		if i > 0 && st.holes[i-1].from > h.from || h.to != Open && h.to <= h.from {
			return broken(invariant.FailClosed, "stream %d has its holes out of order", st.id)
		}
	}
	return nil
}

// follows reports whether b begins where a ends, or past an accepted gap there, at a higher epoch.
func (st *stream) follows(a, b *rng) bool {
	if a.end == Open || a.epoch >= b.epoch {
		return false
	}
	if a.end == b.start {
		return true
	}
	for _, h := range st.holes {
		if h.accepted && h.epoch == a.epoch && h.from == a.end && h.to == b.start {
			return true
		}
	}
	return false
}

func (s *State) checkRange(st *stream, r *rng, use func(ObjectID, uint64)) error {
	if r.committed < r.start || r.end != Open && r.end < r.committed {
		return broken(invariant.EndNotBelowCommitted, "stream %d epoch %d: start %d, committed %d, end %d",
			st.id, r.epoch, r.start, r.committed, r.end)
	}
	if r.checkpointAt >= 0 {
		use(r.checkpoint, st.id)
		if r.checkpointAt > r.committed || r.checkpointAt < r.start {
			return broken(invariant.CommitContiguous, "stream %d epoch %d has a checkpoint at %d, committed %d",
				st.id, r.epoch, r.checkpointAt, r.committed)
		}
	}
	at := max(st.logStart, r.start)
	for i, x := range r.refs {
		use(x.object, st.id)
		if x.start >= x.end || i > 0 && x.start < r.refs[i-1].end {
			return broken(invariant.CoveredOnce, "stream %d epoch %d has [%d, %d) in object %s twice",
				st.id, r.epoch, x.start, x.end, x.object)
		}
		if at = st.skip(r, at); x.start > at || x.end <= at {
			return broken(invariant.CommitContiguous, "stream %d epoch %d: object %s holds [%d, %d), wanted %d",
				st.id, r.epoch, x.object, x.start, x.end, at)
		}
		if st.overlap(r.epoch, x.start, x.end) {
			return broken(invariant.FailClosed, "stream %d epoch %d: [%d, %d) is in object %s and in a hole",
				st.id, r.epoch, x.start, x.end, x.object)
		}
		at = x.end
	}
	if at = st.skip(r, at); at < r.committed {
		return broken(invariant.CommitContiguous, "stream %d epoch %d: objects end at %d, committed %d",
			st.id, r.epoch, at, r.committed)
	}
	if w := s.wals[r.wal]; w.lost && !st.covered(r.epoch, st.frontier(r), r.end) {
		return broken(invariant.CoveredOnce, "stream %d epoch %d is owed from %d by WAL %s, which is lost",
			st.id, r.epoch, st.frontier(r), r.wal)
	}
	released := s.wals[r.wal].state == metadatapb.WalState_WAL_STATE_RELEASED
	if released && (r.end == Open || st.frontier(r) < r.end) {
		return broken(invariant.CoveredOnce, "stream %d epoch %d is owed from %d by WAL %s, which is released",
			st.id, r.epoch, st.frontier(r), r.wal)
	}
	return nil
}

// skip moves at past the discharged holes of r that begin there.
func (st *stream) skip(r *rng, at int64) int64 {
	for _, h := range st.holes {
		if h.epoch == r.epoch && h.discharged() && h.to != Open && h.from <= at && at < h.to {
			at = h.to
		}
	}
	return at
}

func (s *State) checkObjects(counts map[ObjectID]map[uint64]uint32) error {
	ids := make([]ObjectID, 0, len(s.objects))
	dead := 0
	for id := range s.objects {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ObjectID.Compare)
	for _, id := range ids {
		o := s.objects[id]
		if o.destroyedIndex != 0 {
			dead++
		}
		same := len(o.live) == len(counts[id]) && (len(o.live) == 0) == (o.destroyedIndex != 0)
		for _, x := range o.live {
			same = same && x.count > 0 && counts[id][x.stream] == x.count
		}
		if !same {
			return broken(invariant.ObjectReferencedExists, "object %s does not count its references", id)
		}
		if b := s.brokers[id.Broker]; b == nil || id.Epoch > b.epoch {
			return broken(invariant.IDNeverReused, "object %s is of an epoch that was never issued", id)
		}
		delete(counts, id)
	}
	if len(counts) > 0 || dead != s.dead {
		return broken(invariant.ObjectReferencedExists,
			"%d objects are referred to and not known; %d destroyed, not %d", len(counts), dead, s.dead)
	}
	return nil
}

func (s *State) checkTopics() error {
	streams, named := 0, 0
	for _, t := range s.Topics() {
		if s.names[fold(t.Name)] == t.ID {
			named++
		}
		for p, id := range t.Streams {
			st := s.streams[id]
			if st == nil || st.topic != t.ID || int(st.partition) != p {
				return broken(invariant.IDNeverReused, "topic %s partition %d is not stream %d", t.Name, p, id)
			}
			streams++
		}
	}
	if streams != len(s.streams) || named != len(s.names) || named != len(s.topics) {
		return broken(invariant.IDNeverReused, "%d streams in topics, %d known; %d names for %d topics",
			streams, len(s.streams), len(s.names), len(s.topics))
	}
	for _, b := range s.Brokers() {
		if b.Epoch < 1 || b.Epoch >= s.nextBrokerEpoch {
			return broken(invariant.IDNeverReused, "broker %d epoch %d, the next one is %d",
				b.ID, b.Epoch, s.nextBrokerEpoch)
		}
	}
	return nil
}
