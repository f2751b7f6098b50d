package model

// Bounds of the move model.
const (
	moveBrokers = 3
	moveEpochs  = 4 // the last leader epoch
	moveRecords = 2 // of the whole log
	moveFences  = 2 // brokers that may be fenced
)

// moveState is the whole world of the move model. What was sent once may come at any
// time and any number of times, so a message is only a mark that it was sent.
type moveState struct {
	last    int8                  // leader epoch of the last range, the only one that may be open
	ranges  [moveEpochs]moveRange // by leader epoch - 1
	to      int8                  // the target of the move under way, counted from 1; 0: none
	brokers [moveBrokers]moveBroker
	gone    int8 // every state of the epochs up to this one is lost
}

// moveRange is one range in metadata, and what was said of its end. It ends where the
// next one starts.
type moveRange struct {
	owner   int8
	start   int8
	begun   int8 // a move away from here has begun: Seal is under way to its owner
	answers int8 // the ends that its owner answered, as a set of bits
	found   int8 // the end that a recoverer found in its owner's WAL, plus 1; 0: none
	whole   int8 // that recoverer has the state at that end too
}

// moveBroker is a broker's memory of the range that it serves, or served last.
type moveBroker struct {
	fenced int8
	epoch  int8 // 0: none
	start  int8 // where it thinks that the range starts
	state  int8 // the offset that the state belongs to with which it opened the range
	wrote  int8 // that state is durable in its WAL
	framed int8 // one append is in a frame and not durable yet
	end    int8 // of what is durable
	acked  int8
	sealed int8
}

const (
	brokerLive   = iota
	brokerFenced // Fence is applied, and the broker may not know it
	brokerCut    // the fence word is written and its WAL read
)

const (
	sealNone = iota
	sealTaken
	sealAnswered
)

// at is the range of that epoch.
func (s *moveState) at(epoch int8) *moveRange { return &s.ranges[epoch-1] }

// closed tells whether the range of that epoch is, and where it ends.
func (s *moveState) closed(epoch int8) (end int8, closed bool) {
	if epoch >= s.last {
		return 0, false
	}
	return s.at(epoch + 1).start, true
}

// fences is the number of brokers that were fenced.
func (s *moveState) fences() int {
	n := 0
	for _, b := range s.brokers {
		if b.fenced != brokerLive {
			n++
		}
	}
	return n
}

// states is the offsets at the end of that epoch for which its state can still be had, as a set of bits.
func (s *moveState) states(epoch int8) int8 {
	if epoch == 0 || epoch <= s.gone {
		return 0
	}
	r := s.at(epoch)
	set := r.answers
	if r.found > 0 && r.whole == 1 {
		set |= 1 << (r.found - 1)
	}
	return set
}

// settled is s with everything zeroed that can no longer matter.
func (s moveState) settled(off Rules) moveState {
	for b := range s.brokers {
		if k := &s.brokers[b]; k.fenced == brokerCut && !off.Has(moveWord) {
			k.wrote, k.framed, k.end, k.sealed = 0, 0, k.acked, sealNone
		}
	}
	for epoch := int8(1); epoch < s.last; epoch++ {
		r := s.at(epoch)
		r.begun = 0
		for _, b := range s.brokers {
			if b.epoch == epoch && b.sealed == sealNone && b.fenced != brokerCut {
				r.begun = 1 // it has still to hear of it
			}
		}
		if epoch < s.last-1 && !off.Has(moveEpoch) && !off.Has(moveEpochR) && !off.Has(moveStateTag) {
			r.answers, r.found, r.whole = 0, 0, 0
		}
	}
	return s
}
