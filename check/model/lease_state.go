package model

import (
	"cmp"
	"slices"
)

// Bounds of the lease model.
const (
	leaseControllers = 2 // those that stand for election: more of them only vote
	leaseBeats       = 2 // heartbeats under way at a time
	leaseTicks       = 2 // L, in ticks of true time
	leaseTerms       = 3 // the last term
)

// leaseState is the whole world of the lease model. Times are ages, counted up to
// L and no further, so that it does not matter how long the world has run.
type leaseState struct {
	lead   [leaseControllers]leaseLeader
	newest int8                  // the newest term in which a quorum has voted
	kept   int8                  // the newest term of which a first entry is committed
	entry  int8                  // where a Fence that is not applied yet stands: a set of the entry constants
	fenced int8                  // Fence(B5) is applied
	beats  [leaseBeats]leaseBeat // in order, the empty ones first
	lease  int8                  // what is left of B5's lease by B5's clock, in ticks
	phase  int8                  // of B5's one append under way
	missed int8                  // that append became durable after R had read the WAL
	reader int8
}

// leaseLeader is a controller's memory as the leader of a term.
type leaseLeader struct {
	term  int8 // the last term that it led, and thinks it leads while it has heard of none later; 0: none
	ready int8 // the first entry of that term is applied
	age   int8 // since its last grant, or the start of its term, by its own clock; at most L
	sees  int8 // what it holds of B5
	stale int8 // a Fence that it decided in an earlier term still waits to be proposed
}

// leaseBeat is a heartbeat under way, or its answer.
type leaseBeat struct {
	stage int8
	to    int8 // the controller that took it
	age   int8 // since it was sent, by B5's clock
}

const (
	seesLive     = iota
	seesDecided  // Fence is decided and not yet proposed
	seesProposed // Fence is in its log
	seesFenced   // Fence is applied in its table
)

const (
	entryBefore = 1 << iota // in the newest leader's log, before the first entry of its term
	entryAfter              // there, after it
	entryAdrift             // in the log of another controller that may still be elected with it
)

const (
	beatNone    = iota
	beatSent    // under way to the controllers
	beatTaken   // at a controller, which may grant it
	beatGranted // the answer is under way
)

const (
	phaseIdle    = iota
	phaseWritten // handed to the disk, not known to be durable
	phaseSynced
	phaseChecked // the fence word was B5's own
	phaseAcked
	phaseDead // B5 ended itself
	phaseLost // acked, and not in what R read
)

const (
	readerNone = iota
	readerWord // R has written the fence word
	readerLate // R has read the WAL and not yet written the word: only without word-before-scan
	readerRead
)

// leader is the controller that leads the newest term.
func (s *leaseState) leader() int8 {
	for c := range s.lead {
		if s.lead[c].term == s.newest {
			return int8(c)
		}
	}
	panic("model lease: nobody leads the newest term")
}

func (b leaseBeat) compare(c leaseBeat) int {
	return cmp.Or(cmp.Compare(b.stage, c.stage), cmp.Compare(b.to, c.to), cmp.Compare(b.age, c.age))
}

// settled is s with everything zeroed that can no longer matter.
func (s leaseState) settled(off Rules) leaseState {
	if s.phase == phaseDead {
		return leaseState{phase: phaseDead} // nothing is acked any more
	}
	if s.fenced == 1 {
		s.entry, s.kept = 0, 0
	}
	for c := range s.lead {
		l := &s.lead[c]
		if s.fenced == 1 {
			l.age, l.stale = 0, 0
			if l.sees != seesFenced && off.Has(leaseSuppress) {
				l.sees = seesLive // it grants all the same
			} else if l.sees == seesProposed {
				l.sees = seesDecided // either grants nothing, and another Fence changes nothing
			}
		}
		if l.sees != seesLive {
			l.age = 0
		}
	}
	for i := range s.beats {
		if off.Has(leaseFromSend) {
			s.beats[i].age = 0
		} else if s.beats[i].age == leaseTicks {
			s.beats[i] = leaseBeat{} // its answer would be worth nothing
		}
	}
	slices.SortFunc(s.beats[:], leaseBeat.compare)
	if s.phase != phaseSynced && s.phase != phaseChecked {
		s.missed = 0
	}
	return s
}
