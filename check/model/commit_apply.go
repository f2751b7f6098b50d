package model

// commitEntry is the entry of s in a commit: offsets, and which range they are of.
type commitEntry struct {
	of, low, high int8
}

// commitJudged is the verdict on the entry of s.
func commitJudged(s commitState, e commitEntry, off Rules) int8 {
	committed, next := s.committed, s.committed
	if e.of == 2 {
		committed = s.end + s.nCommitted
		next = committed
		if off.Has(commitPerRange) && s.committed < s.end {
			next = s.committed
		}
	}
	if !off.Has(commitLogStart) {
		next = max(next, s.logStart)
	}
	switch {
	case e.high <= committed:
		return entryAlready
	case e.high <= s.logStart:
		return entryGone
	case e.low > next:
		return entryRefused
	case e.of == 1 && s.sealed && e.high > s.end && !off.Has(commitSealedEnd):
		return entryRefused
	}
	return entryAccepted
}

// commitJudgedT is the verdict on the entry of t.
func commitJudgedT(s commitState, off Rules) int8 {
	switch {
	case s.tDeleted:
		return entryGone
	case s.tDone:
		return entryAlready
	case s.sealed && s.tEnd == 0 && !off.Has(commitSealedEnd):
		return entryRefused
	}
	return entryAccepted
}

// commitApplies applies a commit; its writer hears the answer or does not.
func commitApplies(s commitState, message int8, off Rules, emit func(Step, commitState)) {
	writer, run := commitMessage(message)
	e := commitEntry{of: 1, low: (run[0] + 1) / 2, high: (run[1] + 1) / 2}
	hasT := run[0] <= 1 && run[1] >= 2
	if writer == commitGens {
		e, hasT = commitEntry{of: 2, low: s.end + run[0], high: s.end + run[1]}, false
	}
	holds := writer == commitGens || writer == 0 && !s.fenced || writer > 0 && s.held && s.gen == writer+1

	vs, vt := int8(entryNone), int8(entryNone)
	rightS, rightT := vs, vt // the verdicts with every rule on
	if e.low < e.high {
		vs, rightS = commitJudged(s, e, off), commitJudged(s, e, 0)
	}
	if hasT {
		vt, rightT = commitJudgedT(s, off), commitJudgedT(s, 0)
	}
	if off.Has(commitPerEntry) && hasT && e.low < e.high && (vs >= entryGone) != (vt >= entryGone) {
		vs, vt = entryRefused, entryRefused
	}
	if !holds && !off.Has(commitHolder) {
		vs, vt = min(vs, 1)*entryRefused, min(vt, 1)*entryRefused
	}
	to := s
	if vs == entryAccepted {
		commitCovers(&to, e, off)
	}
	to.tDone = s.tDone || vt == entryAccepted
	to.pinned = holds && (vs == entryRefused || vt == entryRefused) && rightS != entryRefused && rightT != entryRefused
	step := Step{Act: commitApply, A: message, C: vs + entryVerdicts*vt}
	if to != s {
		emit(step, to)
	}
	step.B = 1
	trims := func(v int8) bool { return v < entryRefused || off.Has(commitTrimAccepted) }
	for place := run[0]; place < run[1]; place++ {
		switch {
		case writer == commitGens && trims(vs):
			to.nDone[place] = true
		case writer == 0 && !s.dead && (place == 1 && trims(vt) || place != 1 && trims(vs)):
			to.done[place] = true
		}
	}
	if to != s {
		emit(step, to)
	}
}

// commitCovers lets the entry take effect.
func commitCovers(s *commitState, e commitEntry, off Rules) {
	committed := &s.committed
	first := s.committed
	if e.of == 2 {
		committed, first = &s.nCommitted, s.end+s.nCommitted
	}
	if off.Has(commitFromCommitted) {
		first = e.low
	}
	for offset := max(e.low, first); offset < e.high; offset++ {
		s.tangle = s.tangle || s.cover[offset] != 0
		s.cover[offset] = e.of
	}
	*committed = e.high
	if e.of == 2 {
		*committed = e.high - s.end
	}
}
