package model

// ringFound is what a scan read: frames from start to end.
type ringFound struct {
	start, end int8
	last       ringFrame // the last frame accepted, or what the superblock tells of it
	trimmed    ringFrame // the frame before the trim that metadata knows
	refuse     bool
}

// ringRead is the scan itself: it looks at nothing but the medium, and at the trim in metadata.
func ringRead(s ringState, off Rules) ringFound {
	from := s.newest
	if s.slots[from].bad {
		from = 1 - from
	}
	slot := s.slots[from]
	if slot.bad {
		return ringFound{refuse: true}
	}
	found := ringFound{start: slot.trim, end: slot.trim, last: ringFrame{id: slot.chain, epoch: slot.epoch}}
	for {
		if found.end == s.trim {
			found.trimmed = found.last
		}
		f := s.disk[found.end%ringPlaces]
		blind := found.end == found.start && off.Has(ringCopy) // nothing says what the first frame follows
		if f.id <= 0 || f.at != found.end ||
			!blind && !off.Has(ringChain) && f.chain != found.last.id ||
			!blind && !off.Has(ringEpoch) && f.epoch < found.last.epoch {
			break
		}
		found.end, found.last = found.end+1, ringFrame{id: f.id, epoch: f.epoch}
	}
	if !off.Has(ringKnown) && (slot.known > found.end || s.trim > found.end) {
		found.refuse = true
	}
	for _, f := range s.disk {
		later := f.id > 0 && f.at >= found.end && f.at < found.start+ringPlaces &&
			(off.Has(ringEpoch) || f.epoch >= found.last.epoch)
		if later && f.known > found.end && !off.Has(ringSearch) {
			found.refuse = true
		}
	}
	return found
}

// ringScanned is a restart: the scan, and what is true of it.
func ringScanned(s ringState, off Rules) (Step, ringState) {
	found := ringRead(s, off)
	to := s
	flight := int8(1)
	if off.Has(ringOneInFlight) {
		flight = ringFlight
	}
	to.verdict = ringJudge(s, found, flight)
	step := Step{Act: ringScan, A: found.start, B: found.end, C: to.verdict}
	if to.verdict != scanWentOn {
		return step, to
	}
	for i, f := range to.disk {
		switch {
		case f.id <= 0 || f.at < found.start:
		case f.at < found.end:
			to.disk[i].fate = recordAcked
		default:
			to.disk[i].fate = recordDropped
		}
	}
	if s.crashes == ringCrashes { // nothing comes after it: what tells the ends apart is enough
		return step, ringState{crashes: s.crashes, end: found.end, trim: s.trim}
	}
	if s.slots[s.newest].bad {
		to.newest = 1 - s.newest
	}
	to.down, to.epoch, to.rottenD = false, s.epoch+1, 0
	to.end, to.durable, to.last, to.trimmed = found.end, found.end, found.last, found.trimmed
	if found.end < s.trim { // all that is behind the trim is in objects: the log is empty and begins where it ends
		to.trim, to.trimmed = found.end, found.last
	}
	return step, to
}

// ringJudge holds a scan against the truth.
func ringJudge(s ringState, found ringFound, flight int8) int8 {
	if found.refuse {
		oneSlot := s.rotten == 1 && (!s.slots[0].bad || !s.slots[1].bad)
		if s.rotten == 0 || oneSlot {
			return scanRefusedFalsely
		}
		return scanRefused
	}
	for at := found.start; at < found.end; at++ {
		switch fate := s.disk[at%ringPlaces].fate; {
		case fate == recordDropped:
			return scanRaisedDropped
		case fate == recordOpen && at >= s.trim && at < s.durable:
			return scanLostAcked
		}
	}
	for _, slot := range s.slots {
		if found.end < slot.known && s.trim < slot.known { // a bad slot knows nothing
			return scanBelowD
		}
	}
	if found.end >= s.durable || s.trim == s.durable {
		return scanWentOn
	}
	// What rots above D, and the frames that were in flight with it, may go unnoticed: a stated non-claim.
	if s.rotten == 2 && found.end >= s.rottenD && s.durable-found.end <= flight {
		return scanWentOn
	}
	return scanLostAcked
}
