package metadata

// StreamsOn returns, sorted, the streams that have a range on a WAL, open or closed.
func (s *State) StreamsOn(id UUID) []uint64 {
	if w := s.wals[id]; w != nil {
		return w.sortedStreams()
	}
	return nil
}
