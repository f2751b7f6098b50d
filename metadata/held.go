package metadata

import "slices"

// HeldBy returns by uuid the WALs that a broker epoch holds: its own, and those it recovers for others.
func (s *State) HeldBy(id int32, epoch int64) []WAL {
	var ids []UUID
	for _, w := range s.wals {
		if w.held && w.holder == id && w.holderEpoch == epoch {
			ids = append(ids, w.id)
		}
	}
	slices.SortFunc(ids, func(a, b UUID) int { return slices.Compare(a[:], b[:]) })
	list := make([]WAL, 0, len(ids))
	for _, id := range ids {
		w, _ := s.WAL(id)
		list = append(list, w)
	}
	return list
}

// Pinned reports whether a WAL has a hole that is neither accepted nor quarantined.
func (s *State) Pinned(id UUID) bool {
	w := s.wals[id]
	if w == nil {
		return false
	}
	_, pinned := s.pinned(w)
	return pinned
}
