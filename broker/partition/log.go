package partition

import (
	"fmt"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// Log is one partition as its leader sees it, at one leader epoch.
type Log struct {
	epoch    int32
	start    int64  // where this epoch began
	logStart int64  // oldest offset that may be read
	hw       int64  // everything below is durable and acknowledged; moved by Durable
	state    *State // at the log end offset
	closed   bool   // an append failed

	// The largest timestamp is shown to clients only once its batch is durable.
	shown   stamp
	pending []stamp // rising timestamps of appends in flight, oldest first
}

// stamp is a batch that raised the largest timestamp.
type stamp struct{ timestamp, base, end int64 }

// Open starts leader epoch epoch at offset start with the state at exactly start, which the log then
// owns. Everything below start is durable. logStart ≤ start.
func Open(epoch int32, start, logStart int64, state *State) (*Log, error) {
	switch {
	case state.end != start:
		return nil, fmt.Errorf("open partition at offset %d with state at %d: %w", start, state.end, ErrStateAt)
	case logStart > start || logStart < 0:
		return nil, fmt.Errorf("open partition at offset %d, log start offset %d: %w",
			start, logStart, ErrOffsetOutOfRange)
	case epoch < state.LeaderEpoch():
		return nil, fmt.Errorf("open partition at leader epoch %d, its log has %d: %w",
			epoch, state.LeaderEpoch(), ErrOrder)
	}
	if mutant.On(mutant.DedupLostAtRestart) {
		state.producers = newProducers(MaxProducers)
	}
	return &Log{
		epoch: epoch, start: start, logStart: logStart, hw: start, state: state,
		shown: stamp{timestamp: state.maxTimestamp, base: state.maxTimestampBase, end: start},
	}, nil
}

// LeaderEpoch is the epoch that batches are stamped with.
func (l *Log) LeaderEpoch() int32 { return l.epoch }

// LogStart is the log start offset.
func (l *Log) LogStart() int64 { return l.logStart }

// HighWatermark is the end of what is durable.
func (l *Log) HighWatermark() int64 { return l.hw }

// LogEnd is the log end offset: the next batch's first offset.
func (l *Log) LogEnd() int64 { return l.state.end }

// LastStable is the last stable offset: where readers of committed records stop.
func (l *Log) LastStable() int64 { return min(l.hw, l.state.firstOpen()) }

// Closed reports whether Fail was called.
func (l *Log) Closed() bool { return l.closed }

// State is the state at the log end offset. It belongs to the log and changes with every append.
func (l *Log) State() *State { return l.state }

// MaxTimestamp returns the largest timestamp (Unix milliseconds) of durable batches and the base offset
// of the first batch that has it. ok is false if there is none, or if that batch begins below the log
// start offset: the caller must then look through what is left.
func (l *Log) MaxTimestamp() (timestamp, base int64, ok bool) {
	ok = l.shown.timestamp >= 0 && l.shown.base >= l.logStart
	return l.shown.timestamp, l.shown.base, ok
}

// Decision is the outcome of a batch that was not refused.
type Decision struct {
	Duplicate bool  // the batch was appended before; nothing is appended now
	Base      int64 // offset of its first record
	// End is the offset after its last record. Answer only once the high watermark is there: a
	// duplicate's original may still be in flight (DuplicateWaits).
	End           int64
	LogAppendTime int64 // Unix milliseconds; -1 if the timestamps are the producer's
}

// Check decides about a verified batch without changing anything.
func (l *Log) Check(b batch.Batch) (Decision, error) {
	if l.closed {
		return Decision{}, fmt.Errorf("append at offset %d: %w", l.state.end, ErrClosed)
	}
	if b.Transactional() {
		probe.Hit(probe.PartitionTransaction)
		return Decision{}, fmt.Errorf("append for producer %d: %w", b.ProducerID(), ErrTransaction)
	}
	d := Decision{Base: l.state.end, End: l.state.end + int64(b.LastOffsetDelta()) + 1, LogAppendTime: -1}
	if b.LogAppendTime() {
		d.LogAppendTime = b.MaxTimestamp()
	}
	if b.ProducerID() < 0 {
		return d, nil
	}
	p := l.state.producers.get(b.ProducerID())
	if dup, ok := p.find(b); ok {
		d.Duplicate, d.Base, d.End = true, dup.base, dup.base+int64(dup.count)
		if b.LogAppendTime() {
			d.LogAppendTime = dup.timestamp
		}
		return d, nil
	}
	return d, p.admits(b)
}

// Append checks b and, unless it is refused or a duplicate, places it: base offset and leader epoch are
// written into its bytes, which must be the ones that go to the log.
func (l *Log) Append(b batch.Batch) (Decision, error) {
	d, err := l.Check(b)
	if err != nil || d.Duplicate {
		return d, err
	}
	b.SetBaseOffset(d.Base)
	b.SetLeaderEpoch(l.epoch)
	before := l.state.maxTimestamp
	if err := l.state.Apply(b); err != nil {
		invariant.Fail(invariant.LogOrder, "append of our own batch: %v", err)
	}
	if l.state.maxTimestamp > before {
		l.pending = append(l.pending, stamp{l.state.maxTimestamp, d.Base, d.End})
	}
	return d, nil
}

// Durable moves the high watermark to end, the end of an append whose acknowledgement condition holds,
// and reports whether it moved. A failed log stays where it is.
func (l *Log) Durable(end int64) bool {
	if !invariant.Holds(end <= l.state.end, invariant.AckedDurable) {
		invariant.Fail(invariant.AckedDurable, "durable to %d, log end offset %d", end, l.state.end)
	}
	if l.closed {
		probe.Hit(probe.PartitionLateDurable)
	}
	if l.closed || end <= l.hw {
		return false
	}
	l.hw = end
	n := 0
	for n < len(l.pending) && l.pending[n].end <= end {
		l.shown = l.pending[n]
		n++
	}
	l.pending = append(l.pending[:0], l.pending[n:]...)
	return true
}

// Fail closes the log after an append that was placed has failed: the state is ahead of the bytes.
func (l *Log) Fail() { l.closed = true }

// TrimTo raises the log start offset and reports whether it moved. The offset must not lie above the
// high watermark.
func (l *Log) TrimTo(offset int64) (bool, error) {
	if offset < 0 || offset > l.hw {
		return false, fmt.Errorf("trim to offset %d, high watermark %d: %w", offset, l.hw, ErrOffsetOutOfRange)
	}
	if offset <= l.logStart {
		return false, nil
	}
	l.logStart = offset
	return true, nil
}

// CheckLeaderEpoch compares the leader epoch that a client believes in with ours; -1 is no belief.
func (l *Log) CheckLeaderEpoch(current int32) error {
	switch {
	case current < 0 || current == l.epoch:
		return nil
	case current < l.epoch:
		probe.Hit(probe.PartitionFencedReader)
		return fmt.Errorf("leader epoch %d, partition at %d: %w", current, l.epoch, ErrFencedLeaderEpoch)
	}
	probe.Hit(probe.PartitionNewerReader)
	return fmt.Errorf("leader epoch %d, partition at %d: %w", current, l.epoch, ErrUnknownLeaderEpoch)
}

// CheckFetch refuses offsets that cannot be read. The high watermark itself can: nothing is there yet.
func (l *Log) CheckFetch(offset int64) error {
	if offset < l.logStart || offset > l.hw {
		return fmt.Errorf("fetch at offset %d of [%d, %d]: %w", offset, l.logStart, l.hw, ErrOffsetOutOfRange)
	}
	return nil
}

// FetchEnd is where a reader stops: the last stable offset or the high watermark.
func (l *Log) FetchEnd(committed bool) int64 {
	if committed {
		return l.LastStable()
	}
	return l.hw
}
