package metadata

import (
	"cmp"
	"slices"
	"sort"
)

// Covering returns the object that holds offset of a stream, or else the first object above it. It looks at
// offsets from the log start offset on. ok is false if the stream has no object at or above offset. The cost
// is logarithmic.
func (s *State) Covering(streamID uint64, offset int64) (c Coverage, ok bool) {
	st := s.streams[streamID]
	if st == nil {
		return Coverage{}, false
	}
	offset = max(offset, st.logStart)
	i := sort.Search(len(st.ranges), func(i int) bool {
		return st.ranges[i].end == Open || st.ranges[i].end > offset
	})
	for ; i < len(st.ranges); i++ {
		r := st.ranges[i]
		j := sort.Search(len(r.refs), func(j int) bool { return r.refs[j].end > offset })
		if j < len(r.refs) {
			return s.coverage(r, r.refs[j]), true
		}
	}
	return Coverage{}, false
}

func (s *State) coverage(r *rng, x ref) Coverage {
	o := s.objects[x.object]
	return Coverage{
		Start: x.start, End: x.end, LeaderEpoch: r.epoch, MaxTimestamp: x.maxTimestamp,
		Object: x.object, Size: o.size, CRC: o.crc,
	}
}

// Coverages returns the parts of a stream that lie in objects, from the one that holds offset, in order, at
// most limit of them.
func (s *State) Coverages(streamID uint64, offset int64, limit int) []Coverage {
	var list []Coverage
	for len(list) < limit {
		c, ok := s.Covering(streamID, offset)
		if !ok {
			break
		}
		list = append(list, c)
		offset = c.End
	}
	return list
}

// ByTimestamp returns the first part of a stream, at or above offset, whose records may be as young as ts
// (its largest timestamp is not below ts). It looks at every object of the stream.
func (s *State) ByTimestamp(streamID uint64, offset, ts int64) (Coverage, bool) {
	st := s.streams[streamID]
	if st == nil {
		return Coverage{}, false
	}
	for _, r := range st.ranges {
		for _, x := range r.refs {
			if x.end > max(offset, st.logStart) && x.maxTimestamp >= ts {
				return s.coverage(r, x), true
			}
		}
	}
	return Coverage{}, false
}

// Object returns a live object's size in bytes and CRC.
func (s *State) Object(id ObjectID) (size uint64, crc uint32, ok bool) {
	o := s.objects[id]
	if o == nil || o.destroyedIndex != 0 {
		return 0, 0, false
	}
	return o.size, o.crc, true
}

// Objects returns the live objects by id: what the store must hold.
func (s *State) Objects() []ObjectID {
	list := make([]ObjectID, 0, len(s.objects)-s.dead)
	for id, o := range s.objects {
		if o.destroyedIndex == 0 {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, ObjectID.Compare)
	return list
}

// Garbage reports whether the bytes at a key may be deleted because nothing refers to them and nothing ever
// will (rule 34). An object that was live once is never garbage: Destroyed names it until it is forgotten;
// after that its key is garbage as any other.
func (s *State) Garbage(id ObjectID) bool {
	if s.objects[id] != nil {
		return false
	}
	if s.fenced(id.Broker, id.Epoch) {
		return true
	}
	b := s.live(id.Broker, id.Epoch)
	return b != nil && id.Seq < b.low
}

// Destroyed returns the destroyed objects in the order in which they were destroyed.
func (s *State) Destroyed() []Destroyed {
	list := make([]Destroyed, 0, s.dead)
	for id, o := range s.objects {
		if o.destroyedIndex != 0 {
			list = append(list, Destroyed{ID: id, Index: o.destroyedIndex, WallMs: o.destroyedMs})
		}
	}
	slices.SortFunc(list, func(a, b Destroyed) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), a.ID.Compare(b.ID))
	})
	return list
}

// OpenOn returns the open ranges of a WAL by stream: all of them have to be sealed when it is recovered,
// whether or not the scan finds them.
func (s *State) OpenOn(id UUID) []OwedRange {
	w := s.wals[id]
	if w == nil {
		return nil
	}
	var list []OwedRange
	for _, sid := range w.sortedStreams() {
		st := s.streams[sid]
		if r := st.last(); r.end == Open && r.wal == id {
			list = append(list, OwedRange{Stream: sid, LeaderEpoch: r.epoch, From: st.frontier(r), To: Open})
		}
	}
	return list
}

// Owed returns what closed ranges a WAL still owes, by stream and offset.
func (s *State) Owed(id UUID) []OwedRange {
	w := s.wals[id]
	if w == nil {
		return nil
	}
	var list []OwedRange
	for _, sid := range w.sortedStreams() {
		st := s.streams[sid]
		for _, r := range st.ranges {
			if from := st.frontier(r); r.wal == id && r.end != Open && from < r.end {
				list = append(list, OwedRange{Stream: sid, LeaderEpoch: r.epoch, From: from, To: r.end})
			}
		}
	}
	return list
}

// EpochEnd answers OffsetForLeaderEpoch from the leader epoch history: the largest epoch not above epoch
// that has records, or is the last, and where it ends (Open: the caller's log end). An epoch before the
// history is answered with itself and the history's start; one after it is not ok.
func (s *State) EpochEnd(streamID uint64, epoch int32) (found int32, end int64, ok bool) {
	st := s.streams[streamID]
	if st == nil || epoch > st.last().epoch || epoch < 0 {
		return -1, Open, false
	}
	for i := len(st.ranges) - 1; i >= 0; i-- {
		r := st.ranges[i]
		if r.epoch <= epoch && (i == len(st.ranges)-1 || r.end > r.start) {
			return r.epoch, r.end, true
		}
	}
	return epoch, max(st.ranges[0].start, st.logStart), true
}
