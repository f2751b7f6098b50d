package model

// leaseBeating is B5's side of its session: it sends heartbeats, giving up the last one, and
// takes answers.
func leaseBeating(s leaseState, off Rules, then func(Step, leaseState)) {
	for i, b := range s.beats {
		to := s
		to.beats[i] = leaseBeat{stage: beatSent}
		then(Step{Act: leaseBeatSend}, to)
		if b.stage != beatGranted {
			continue
		}
		to.beats[i] = leaseBeat{}
		to.lease = max(s.lease, leaseTicks-s.counted(i, off))
		then(Step{Act: leaseAnswer, A: b.to, B: to.lease}, to)
	}
}

// counted is how old a lease is when heartbeat i is answered.
func (s *leaseState) counted(i int, off Rules) int8 {
	age := s.beats[i].age
	for _, b := range s.beats {
		if off.Has(leaseAnswered) && b.stage != beatNone {
			age = min(age, b.age)
		}
	}
	if off.Has(leaseFromSend) {
		return 0
	}
	return age
}

// leaseAppending is B5's ack path: write, sync, fence word, lease, ack.
func leaseAppending(s leaseState, off Rules, then func(Step, leaseState)) {
	taken := s.reader == readerWord || s.reader == readerRead
	word := !off.Has(leaseWord)
	switch s.phase {
	case phaseIdle, phaseAcked:
		early := int8(0) // what it looks at too early: 1 the lease, 2 the word
		if off.Has(leaseAfterSync) {
			early |= 1
		}
		if word && off.Has(leaseWordAfterSync) {
			early |= 2
		}
		if early&1 != 0 && s.lease == 0 || early&2 != 0 && taken {
			return
		}
		s.phase = phaseWritten
		then(Step{Act: leaseWrite, A: early}, s)
	case phaseWritten:
		s.phase = phaseSynced
		if s.reader == readerRead || s.reader == readerLate {
			s.missed = 1
		}
		then(Step{Act: leaseSync}, s)
	case phaseSynced:
		switch {
		case !word || off.Has(leaseWordAfterSync):
			leaseAcking(s, off, then)
		case taken:
			s.phase = phaseDead
			then(Step{Act: leaseReadWord, A: 1}, s)
		default:
			s.phase = phaseChecked
			then(Step{Act: leaseReadWord}, s)
		}
	case phaseChecked:
		leaseAcking(s, off, then)
	}
}

func leaseAcking(s leaseState, off Rules, then func(Step, leaseState)) {
	if s.lease == 0 && !off.Has(leaseAfterSync) {
		return // parked
	}
	lost := s.missed
	s.phase = phaseAcked
	if lost == 1 {
		s.phase = phaseLost
	}
	then(Step{Act: leaseAck, A: s.lease, B: lost}, s)
}

// leaseTakeover is R: after Fence is applied it writes the fence word and reads the WAL.
func leaseTakeover(s leaseState, off Rules, then func(Step, leaseState)) {
	if s.fenced == 0 {
		return
	}
	word, late := !off.Has(leaseWord), off.Has(leaseWordFirst)
	from := s.reader
	switch {
	case word && (from == readerNone && !late || from == readerLate):
		s.reader = readerWord
		if from == readerLate {
			s.reader = readerRead
		}
		then(Step{Act: leaseWriteWord}, s)
	case from == readerNone && word:
		s.reader = readerLate
		then(Step{Act: leaseScan}, s)
	case from == readerNone, from == readerWord:
		s.reader = readerRead
		then(Step{Act: leaseScan}, s)
	}
}
