package model

// The kinds of steps of the lease model.
const (
	leaseTick = iota
	leaseElect
	leaseReady
	leaseDecide
	leasePropose
	leaseCommit
	leaseBeatSend
	leaseTake
	leaseGrant
	leaseAnswer
	leaseWrite
	leaseSync
	leaseReadWord
	leaseAck
	leaseWriteWord
	leaseScan
)

func leaseActs() []string {
	return []string{
		leaseTick: "tick", leaseElect: "elect", leaseReady: "first entry", leaseDecide: "decide",
		leasePropose: "propose", leaseCommit: "apply Fence",
		leaseBeatSend: "heartbeat", leaseTake: "take heartbeat", leaseGrant: "grant", leaseAnswer: "answer",
		leaseWrite: "write", leaseSync: "sync", leaseReadWord: "read word", leaseAck: "ack",
		leaseWriteWord: "write word", leaseScan: "read WAL",
	}
}

// How a Fence comes into a log.
const (
	proposeOwn = iota // decided in the term in which it is proposed
	proposeForwarded
	proposeQueued
)

// leaseNext emits what may happen next: to the clocks, among the controllers, at B5 and at R.
func leaseNext(s leaseState, off Rules, emit func(Step, leaseState)) {
	if s.phase == phaseDead || s.phase == phaseLost {
		return
	}
	then := func(step Step, to leaseState) {
		if to = to.settled(off); to != s {
			emit(step, to)
		}
	}
	leaseTime(s, off, then)
	for i := range int8(leaseControllers) {
		leaseElection(s, off, (s.leader()+1+i)%leaseControllers, then)
	}
	for c := range int8(leaseControllers) {
		if s.lead[c].term > 0 {
			leaseFencing(s, off, c, then)
			leaseGranting(s, off, c, then)
		}
	}
	leaseBeating(s, off, then)
	leaseAppending(s, off, then)
	leaseTakeover(s, off, then)
}

// leaseTime lets a tick pass. A controller's clock may stand still meanwhile: that is
// always allowed. B5's may if clocks do.
func leaseTime(s leaseState, off Rules, then func(Step, leaseState)) {
	for still := range int8(1 << (leaseControllers + 1)) {
		to := s
		if still&1 == 0 {
			for i := range to.beats {
				to.beats[i].age++
			}
			to.lease = max(to.lease-1, 0)
		} else if !off.Has(leaseClock) {
			continue
		}
		idle := int8(0) // clocks that nobody looks at
		for c := range to.lead {
			l := &to.lead[c]
			switch {
			case l.term == 0 || l.age == leaseTicks:
				idle |= 2 << c
			case still&(2<<c) == 0:
				l.age++
			}
		}
		if still&idle == 0 {
			then(Step{Act: leaseTick, A: still}, to)
		}
	}
}

// leaseElection lets a quorum vote for c. What is committed is in c's log, though c need
// not have applied it; what is not committed may be there.
func leaseElection(s leaseState, off Rules, c int8, then func(Step, leaseState)) {
	if s.newest == leaseTerms {
		return
	}
	again := s.leader() == c
	held := s.entry
	stale := s.lead[c].stale
	if s.lead[c].sees == seesDecided && s.fenced == 0 && off.Has(leaseCarries) {
		stale = 1 // with terms carried it would be refused: nothing
	}
	s.newest++
	s.lead[c] = leaseLeader{term: s.newest, stale: stale}
	if off.Has(leaseWaits) {
		s.lead[c].age = leaseTicks
	}
	for i := range s.beats {
		if s.beats[i].to == c && s.beats[i].stage == beatTaken {
			s.beats[i] = leaseBeat{} // it forgets what it was asked as the leader of another term
		}
	}
	if held != 0 {
		s.entry = entryBefore
		then(Step{Act: leaseElect, A: c, B: s.newest, C: 1}, s)
	}
	if again && held&(entryBefore|entryAfter) != 0 {
		return // it has its own log
	}
	s.entry = 0
	if held != 0 {
		s.entry = entryAdrift
	}
	then(Step{Act: leaseElect, A: c, B: s.newest}, s)
}

// leaseFencing is a leader's way to Fence: ready, decide, propose, apply. A leader that
// was deposed and does not know it goes on as far as it can without a quorum.
func leaseFencing(s leaseState, off Rules, c int8, then func(Step, leaseState)) {
	l := s.lead[c]
	newest := l.term == s.newest
	if newest && l.ready == 0 {
		to := s
		to.lead[c].ready, to.kept = 1, l.term
		if s.fenced == 1 || s.entry&entryBefore != 0 {
			to.fenced, to.lead[c].sees = 1, seesFenced
		}
		to.entry = s.entry & entryAfter
		then(Step{Act: leaseReady, A: c, B: l.term, C: to.fenced}, to)
	}
	if l.sees == seesLive && (l.age == leaseTicks || off.Has(leaseGrantWait)) && s.fenced == 0 {
		to := s
		to.lead[c].sees = seesDecided
		early := int8(0)
		if l.age < leaseTicks {
			early = 1
		}
		then(Step{Act: leaseDecide, A: c, B: l.term, C: early}, to)
	}
	if l.sees == seesDecided && s.fenced == 0 {
		to := s
		to.lead[c].sees = seesProposed
		switch {
		case newest:
			to.entry |= entryAfter
		case l.term >= s.kept: // else its log lacks what is committed, and nobody votes for it before it is cut
			to.entry |= entryAdrift
		}
		then(Step{Act: leasePropose, A: c, B: l.term, C: proposeOwn}, to)
	}
	leaseOldCommand(s, off, c, then)
	if newest && l.ready == 1 && s.entry&entryAfter != 0 {
		to := s
		to.fenced, to.lead[c].sees = 1, seesFenced
		then(Step{Act: leaseCommit, A: c, B: l.term}, to)
	}
}

// leaseOldCommand brings a Fence that c decided in an earlier term into the newest leader's log:
// c forwards it, or finds it in its queue when it leads again. An Apply that looks at the
// term refuses it.
func leaseOldCommand(s leaseState, off Rules, c int8, then func(Step, leaseState)) {
	l := &s.lead[c]
	leads := l.term == s.newest
	decided := !leads && l.sees == seesDecided && s.fenced == 0
	if l.stale == 0 && !decided || !leads && !off.Has(leaseNoForward) {
		return
	}
	l.stale = 0
	if decided {
		l.sees = seesProposed
	}
	if off.Has(leaseCarries) {
		s.entry |= entryAfter
	}
	how := int8(proposeForwarded)
	if leads {
		how = proposeQueued
	}
	then(Step{Act: leasePropose, A: c, B: s.newest, C: how}, s)
}

// leaseGranting is a leader's way to a grant: it takes a heartbeat, asks a quorum, answers.
func leaseGranting(s leaseState, off Rules, c int8, then func(Step, leaseState)) {
	l := s.lead[c]
	asked := int8(1)
	if off.Has(leaseRound) {
		asked = 0
	}
	live := l.sees == seesLive || l.sees != seesFenced && off.Has(leaseSuppress)
	for i, b := range s.beats {
		to := s
		switch {
		case b.stage == beatSent && (l.term == s.newest || asked == 0):
			to.beats[i].stage, to.beats[i].to = beatTaken, c
			then(Step{Act: leaseTake, A: c, B: l.term, C: asked}, to)
		case b.stage == beatTaken && b.to == c && live && (l.ready == 1 || off.Has(leaseFirstEntry)):
			to.beats[i].stage = beatGranted
			to.lead[c].age = 0
			then(Step{Act: leaseGrant, A: c, B: l.term, C: leaseTicks - b.age}, to)
		}
	}
}
