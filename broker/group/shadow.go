package group

import "github.com/weirmq/weir/internal/invariant"

// Shadow follows a coordinator partition's log behind the broker, at the end of what is committed to
// objects, so that each commit can carry the state there.
type Shadow struct {
	store *Store
	end   int64
}

// NewShadow begins at the snapshot given, which is of offset end.
func NewShadow(snapshot []byte, end int64) (*Shadow, error) {
	s, err := Restore(snapshot)
	if err != nil {
		return nil, err
	}
	return &Shadow{s, end}, nil
}

// Apply replays data, records at count offsets from base on. They come in order and from our own log.
func (s *Shadow) Apply(base int64, count uint32, data []byte) {
	if !invariant.Holds(base >= s.end, invariant.StateAtStart) {
		invariant.Fail(invariant.StateAtStart, "replay groups at offset %d with state at %d", base, s.end)
	}
	if err := s.store.Apply(data); err != nil {
		invariant.Fail(invariant.StateMatchesLog, "replay groups at offset %d: %v", base, err)
	}
	s.end = base + int64(count)
}

// End is the offset that Snapshot would be of.
func (s *Shadow) End() int64 { return s.end }

// Snapshot encodes the state at End.
func (s *Shadow) Snapshot() []byte { return s.store.Snapshot() }
