package partition

import (
	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/internal/invariant"
)

// Shadow follows a log behind its leader, at the end of what is committed to objects, so that each commit
// can carry the state there. It replays the same bytes with the same code.
type Shadow struct{ state *State }

// NewShadow begins at the snapshot given, usually the one that its range opened with.
func NewShadow(snapshot []byte) (*Shadow, error) {
	s, err := Restore(snapshot)
	if err != nil {
		return nil, err
	}
	return &Shadow{state: s}, nil
}

// Apply replays data: count offsets from base on. Entries come in order and from our own log, so a batch
// that does not fit is a bug.
func (s *Shadow) Apply(base int64, count uint32, data []byte) {
	if !invariant.Holds(base >= s.state.end, invariant.StateAtStart) {
		invariant.Fail(invariant.StateAtStart, "replay at offset %d with state at %d", base, s.state.end)
	}
	if err := s.state.ApplyAll(data); err != nil {
		invariant.Fail(invariant.StateMatchesLog, "replay at offset %d: %v", base, err)
	}
	if end := base + int64(count); !invariant.Holds(s.state.end == end, invariant.StateMatchesLog) {
		invariant.Fail(invariant.StateMatchesLog, "replay to offset %d left the state at %d", end, s.state.end)
	}
}

// ApplyHead is Apply for an entry of size bytes of which only the beginning is at hand. A batch's header says
// all that the state needs; it reports false if the head is no header of exactly that entry.
func (s *Shadow) ApplyHead(base int64, count uint32, head []byte, size int) bool {
	if len(head) < batch.HeaderSize {
		return false
	}
	b := batch.Batch(head)
	if b.Size() != size || b.BaseOffset() != base || b.NextOffset() != base+int64(count) {
		return false
	}
	if err := s.state.Apply(b); err != nil {
		invariant.Fail(invariant.StateAtStart, "replay at offset %d: %v", base, err)
	}
	return true
}

// End is the offset that Snapshot would be of.
func (s *Shadow) End() int64 { return s.state.end }

// Snapshot encodes the state at End.
func (s *Shadow) Snapshot() []byte { return s.state.Snapshot() }
