package partition

// MaxEpochs bounds the epoch history; the oldest epochs are dropped first.
const MaxEpochs = 1024

// EpochStart says at which offset the first batch of a leader epoch lies.
type EpochStart struct {
	Epoch int32
	Start int64
}

// noteEpoch records that a batch of this epoch lies at base.
func (s *State) noteEpoch(epoch int32, base int64) {
	if epoch <= s.LeaderEpoch() {
		return
	}
	s.epochs = append(s.epochs, EpochStart{epoch, base})
	if n := len(s.epochs) - MaxEpochs; n > 0 {
		s.epochs = append(s.epochs[:0], s.epochs[n:]...)
	}
}

// OffsetForLeaderEpoch answers a client that read records of epoch requested: the largest epoch ≤ it
// that the log holds and where that epoch ends, the high watermark for ours. A client that read further
// must truncate to there. Epochs that we do not know yet give (-1, -1).
//
// An epoch below all that is left gives requested itself and the first offset that is left.
func (l *Log) OffsetForLeaderEpoch(requested int32) (epoch int32, end int64) {
	switch {
	case requested < 0 || requested > l.epoch:
		return -1, -1
	case requested == l.epoch:
		return l.epoch, l.hw
	}
	// The next epoch's start is this one's end. Ours has no batch, and so no entry, at first.
	floor, end := int32(-1), l.start
	for _, e := range l.state.epochs {
		if e.Epoch > requested {
			end = e.Start
			break
		}
		floor = e.Epoch
	}
	if floor < 0 || end <= l.logStart {
		return requested, max(end, l.logStart)
	}
	return floor, end
}

// EpochAt is the leader epoch of the batch at offset, -1 if the history does not reach back so far.
func (l *Log) EpochAt(offset int64) int32 {
	if offset >= l.state.end {
		return l.epoch
	}
	epoch := int32(-1)
	for _, e := range l.state.epochs {
		if e.Start > offset {
			break
		}
		epoch = e.Epoch
	}
	return epoch
}
