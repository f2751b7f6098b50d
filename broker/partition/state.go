package partition

import (
	"fmt"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/internal/probe"
)

// State is what the batches of a log tell, up to and excluding offset End.
type State struct {
	end              int64
	maxTimestamp     int64 // -1 if none
	maxTimestampBase int64 // base offset of the first batch that has it; -1
	epochs           []EpochStart
	producers        producers
	aborted          []Aborted
}

// Aborted is an aborted transaction that readers of committed records must skip.
type Aborted struct {
	ProducerID  int64
	First, Last int64 // offsets of its first record and of its marker
	LastStable  int64 // last stable offset when it ended
}

// NewState is the state of an empty log.
func NewState() *State { return newState(MaxProducers) }

func newState(limit int) *State {
	return &State{maxTimestamp: -1, maxTimestampBase: noOffset, producers: newProducers(limit)}
}

// End is the offset that the state is of.
func (s *State) End() int64 { return s.end }

// LeaderEpoch is the newest epoch with a batch in the log, -1 for none.
func (s *State) LeaderEpoch() int32 {
	if len(s.epochs) == 0 {
		return -1
	}
	return s.epochs[len(s.epochs)-1].Epoch
}

// Epochs is the epoch history, oldest first. It belongs to the state.
func (s *State) Epochs() []EpochStart { return s.epochs }

// Apply replays one placed batch. Offsets between the state's end and the batch are a gap that was
// accepted; a batch below the end or of an older epoch is refused with ErrOrder.
func (s *State) Apply(b batch.Batch) error {
	base, delta, epoch := b.BaseOffset(), b.LastOffsetDelta(), b.LeaderEpoch()
	if base < s.end || delta < 0 {
		return fmt.Errorf("apply batch at offset %d, last delta %d, to state at %d: %w", base, delta, s.end, ErrOrder)
	}
	if epoch < s.LeaderEpoch() {
		return fmt.Errorf("apply batch at offset %d of leader epoch %d after %d: %w",
			base, epoch, s.LeaderEpoch(), ErrOrder)
	}
	s.noteEpoch(epoch, base)
	if ts := b.MaxTimestamp(); ts > s.maxTimestamp {
		s.maxTimestamp, s.maxTimestampBase = ts, base
	}
	if b.ProducerID() >= 0 && !b.Control() {
		s.producers.note(b)
	}
	s.end = b.NextOffset()
	return nil
}

// ApplyAll replays the batches that data holds, one behind the other.
func (s *State) ApplyAll(data []byte) error {
	for len(data) > 0 {
		b, err := batch.Parse(data)
		if err != nil {
			return fmt.Errorf("replay at offset %d: %w", s.end, err)
		}
		if err := s.Apply(b); err != nil {
			return err
		}
		data = data[len(b):]
	}
	return nil
}

// SkipTo moves the end over a gap: offsets that were lost and are never given out again.
func (s *State) SkipTo(offset int64) error {
	if offset < s.end {
		return fmt.Errorf("skip to offset %d with state at %d: %w", offset, s.end, ErrOrder)
	}
	if s.end > 0 && offset > s.end {
		probe.Hit(probe.PartitionSkipped)
	}
	s.end = offset
	return nil
}
