package model

func commitNext(s commitState, off Rules, emitted func(Step, commitState)) {
	emit := func(step Step, to commitState) { emitted(step, commitCanonical(to, off)) }
	commitOwner(s, off, emit)
	commitMetadata(s, off, emit)
	commitRecoverer(s, off, emit)
	commitStreams(s, emit)
	for message := int8(0); message < int8(len(commitPairs()))*(commitGens+1); message++ {
		if commitSent(s, message) {
			commitApplies(s, message, off, emit)
		}
	}
}

// commitCanonical makes states equal that differ only in what cannot matter: commits that will be
// refused whatever happens, and what is in a WAL that was released.
func commitCanonical(s commitState, off Rules) commitState {
	if s.fenced && !off.Has(commitHolder) && !off.Has(commitTrimAccepted) {
		s.uploaded = 0
	}
	if s.released {
		s.written, s.durable, s.acked, s.trim, s.dead, s.done = 0, 0, 0, 0, true, [commitPlaces]bool{}
	}
	return s
}

// commitOwner is O at work, fenced or not, and its death.
func commitOwner(s commitState, off Rules, emit func(Step, commitState)) {
	if s.dead {
		return
	}
	if s.written < commitPlaces {
		to := s
		to.written++
		if off.Has(commitDurable) {
			to.uploaded = to.written
		}
		emit(Step{Act: commitWrite, A: s.written}, to)
	}
	if s.durable < s.written {
		to := s
		to.durable, to.uploaded = s.written, s.written
		fenced := int8(1)
		if !s.fenced {
			to.acked, fenced = s.written, 0
		}
		emit(Step{Act: commitSync, B: fenced}, to)
	}
	if s.trim < commitPlaces && s.done[s.trim] {
		to := s
		to.trim++
		emit(Step{Act: commitTrim, A: 0, B: to.trim}, to)
	}
	for on := s.durable; on <= s.written; on++ {
		to := s
		to.dead, to.durable, to.written, to.done = true, on, on, [commitPlaces]bool{}
		emit(Step{Act: commitDie, A: on}, to)
	}
}

func commitMetadata(s commitState, off Rules, emit func(Step, commitState)) {
	if !s.fenced {
		to := s
		to.fenced = true
		emit(Step{Act: commitFence}, to)
	}
	if s.held && s.gen < commitGens {
		to := s
		to.held = false
		if !s.sealed || !off.Has(commitHolder) { // it has sent nothing, or what it sent will be refused
			to.from, to.found = [commitGens - 1]int8{}, [commitGens - 1]int8{}
		}
		emit(Step{Act: commitFence, A: 1}, to)
	}
	if s.fenced && !s.held && !s.released && s.gen < commitGens {
		to := s
		from, found := s.trim, max(s.trim, s.durable)
		to.held, to.gen, to.from[s.gen-1], to.found[s.gen-1] = true, s.gen+1, from, found
		emit(Step{Act: commitAssign, A: to.gen, B: from, C: found}, to)
	}
}

func commitRecoverer(s commitState, off Rules, emit func(Step, commitState)) {
	if !s.held {
		return
	}
	to := s
	if !s.sealed {
		to.sealed = true
		from, found := s.from[s.gen-2], s.found[s.gen-2]
		switch { // the last record of s that the scan read
		case found == commitPlaces && from < commitPlaces:
			to.end = 2
		case found > 0 && from == 0:
			to.end = 1
		}
		if found > 1 && from < 2 || s.tDone {
			to.tEnd = 1
		}
		if !off.Has(commitEndMax) {
			to.end = max(to.end, s.committed)
		}
		emit(Step{Act: commitSeal, A: to.end}, to)
		return
	}
	if max(s.committed, s.logStart) >= s.end && (s.tEnd == 0 || s.tDone || s.tDeleted) {
		to.released, to.held = true, false
		emit(Step{Act: commitRelease}, to)
	}
}

// commitStreams is what clients do: DeleteRecords up to what is acked, deletion of t, writes to N.
func commitStreams(s commitState, emit func(Step, commitState)) {
	high := (s.acked + 1) / 2
	if s.sealed {
		high = s.end + s.records
	}
	if s.logStart < high {
		to := s
		to.logStart++
		emit(Step{Act: commitTrimStream, A: to.logStart}, to)
	}
	if !s.tDeleted {
		to := s
		to.tDeleted = true
		emit(Step{Act: commitDelete}, to)
	}
	if s.sealed && s.records < commitRecords {
		to := s
		to.records++
		emit(Step{Act: commitAppend}, to)
	}
	if s.nTrim < commitRecords && s.nDone[s.nTrim] {
		to := s
		to.nTrim++
		emit(Step{Act: commitTrim, A: 1, B: to.nTrim}, to)
	}
}

// commitMessage is the writer (O, R, R2, N) of a commit and the run of positions in its object.
func commitMessage(message int8) (writer int8, run [2]int8) {
	pairs := commitPairs()
	return message / int8(len(pairs)), pairs[message%int8(len(pairs))]
}

// commitSent tells whether that commit may be under way. To upload and to propose changes nothing
// by itself, so all is sent that may be, and as early as may be.
func commitSent(s commitState, message int8) bool {
	writer, run := commitMessage(message)
	switch writer {
	case 0:
		return run[1] <= s.uploaded
	case commitGens:
		return run[1] <= s.records
	}
	return s.sealed && run[0] >= s.from[writer-1] && run[1] <= min(s.found[writer-1], commitClip(s))
}

// commitClip is the position of the first record that lies behind the sealed end of its range.
func commitClip(s commitState) int8 {
	switch {
	case s.end == 0:
		return 0
	case s.tEnd == 0:
		return 1
	case s.end == 1:
		return 2
	}
	return commitPlaces
}
