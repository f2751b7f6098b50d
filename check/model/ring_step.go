package model

func ringNext(s ringState, off Rules, emitted func(Step, ringState)) {
	emit := func(step Step, to ringState) { emitted(step, ringCanonical(to)) }
	switch {
	case s.verdict != scanWentOn || !s.down && s.crashes == ringCrashes: // nothing can break any more
	case s.down:
		step, to := ringScanned(s, off)
		emit(step, to)
	default:
		ringWrites(s, off, emit)
		ringSupers(s, emit)
		ringCrashed(s, off, emit)
	}
}

func ringWrites(s ringState, off Rules, emit func(Step, ringState)) {
	n := int8(0) // frames in flight
	for n < ringFlight && s.flight[n].id != 0 {
		n++
	}
	room := n == 0 || n < ringFlight && off.Has(ringOneInFlight)
	if room && s.end < ringWritten && s.end < s.trim+ringPlaces && s.end-ringPlaces < ringFreed(s, off) {
		to := s
		f := ringFrame{id: ringFresh(s), at: s.end, chain: s.last.id, epoch: s.epoch, known: s.durable}
		to.flight[n], to.last, to.end = f, ringFrame{id: f.id, epoch: f.epoch}, s.end+1
		emit(Step{Act: ringWrite, A: f.at, B: f.epoch, C: f.known}, to)
	}
	for i := int8(0); i < n; i++ {
		if !s.synced[i] {
			to := s
			to.synced[i] = true
			for j := range to.disk {
				to.disk[j].soft = false
			}
			to.disk[s.flight[i].at%ringPlaces] = s.flight[i]
			to = ringAcked(to)
			emit(Step{Act: ringSync, A: s.flight[i].at, B: to.durable}, to)
		}
	}
	if s.trim < s.durable {
		to := s
		f := s.disk[s.trim%ringPlaces]
		to.trim, to.trimmed = s.trim+1, ringFrame{id: f.id, epoch: f.epoch}
		emit(Step{Act: ringTrim, A: to.trim}, to)
	}
}

// ringAcked takes the frames from flight that are synced and have none before them that is not.
func ringAcked(s ringState) ringState {
	for s.synced[0] {
		s.disk[s.flight[0].at%ringPlaces].fate = recordAcked
		s.durable = s.flight[0].at + 1
		s.flight[0], s.flight[1] = s.flight[1], ringFrame{}
		s.synced[0], s.synced[1] = s.synced[1], false
	}
	return s
}

// ringFreed is the position below which space may be written again.
func ringFreed(s ringState, off Rules) int8 {
	older := s.slots[1-s.newest]
	switch {
	case off.Has(ringReuse):
		return s.trim
	case off.Has(ringBothSlots):
		return s.slots[s.newest].trim
	case older.bad:
		return 0
	}
	return min(older.trim, s.slots[s.newest].trim)
}

// ringFresh is an id that nothing bears and nothing refers to.
func ringFresh(s ringState) int8 {
	fresh := int8(1)
	for _, id := range ringIDs(&s) {
		fresh = max(fresh, *id+1)
	}
	return fresh
}

// ringIDs are all places of s where an id stands.
func ringIDs(s *ringState) []*int8 {
	ids := make([]*int8, 0, 2*ringPlaces+2*ringFlight+5)
	for i := range s.disk {
		ids = append(ids, &s.disk[i].id, &s.disk[i].chain)
	}
	for i := range s.flight {
		ids = append(ids, &s.flight[i].id, &s.flight[i].chain)
	}
	return append(ids, &s.slots[0].chain, &s.slots[1].chain, &s.super.chain, &s.last.id, &s.trimmed.id)
}

// ringCanonical makes states equal that differ only in what cannot matter: frames before
// everything that a scan can start from, and which number a checksum is.
func ringCanonical(s ringState) ringState {
	first := s.slots[s.newest].trim
	if older := s.slots[1-s.newest]; !older.bad {
		first = min(first, older.trim)
	}
	for i, f := range s.disk {
		if f.id > 0 && f.at < first {
			s.disk[i] = ringFrame{}
		}
	}
	var renamed [32]int8
	next := int8(1)
	for _, id := range ringIDs(&s) {
		if *id <= 0 {
			continue
		}
		if renamed[*id] == 0 {
			renamed[*id] = next
			next++
		}
		*id = renamed[*id]
	}
	return s
}

// ringSupers writes the older slot, whenever that would change something.
func ringSupers(s ringState, emit func(Step, ringState)) {
	to := s
	if s.superTo != 0 {
		at := s.superTo - 1
		to.slots[at], to.newest, to.super, to.superTo = s.super, at, ringSlot{}, 0
		emit(Step{Act: ringSuperSync, A: at}, to)
		return
	}
	older := 1 - s.newest
	next := ringSlot{trim: s.trim, chain: s.trimmed.id, epoch: s.trimmed.epoch, known: s.durable}
	if s.slots[older] != next {
		to.super, to.superTo = next, older+1
		emit(Step{Act: ringSuper, A: older, B: next.trim, C: next.known}, to)
	}
}

// ringCrashed: every write in flight lands, does not, or is torn; and something may rot.
func ringCrashed(s ringState, off Rules, emit func(Step, ringState)) {
	base := s
	base.flight, base.synced = [ringFlight]ringFrame{}, [ringFlight]bool{}
	base.super, base.superTo = ringSlot{}, 0
	base.end, base.last, base.trimmed = 0, ringFrame{}, ringFrame{}
	base.crashes, base.down = s.crashes+1, true
	cache := int8(0)
	for i, f := range base.disk {
		if f.soft { // the machine goes down with the process this time
			base.disk[i], cache = ringFrame{id: torn}, -1
		}
	}
	for a := int8(0); a < 25; a++ {
		to, can := base, true
		for i, fate := range [ringFlight]int8{a % 5, a / 5} {
			f := s.flight[i]
			can = can && (fate > 0) == (f.id != 0 && !s.synced[i])
			switch fate {
			case 1:
				to.disk[f.at%ringPlaces] = f
			case 3:
				to.disk[f.at%ringPlaces] = ringFrame{id: torn}
			case 4:
				f.soft = true
				to.disk[f.at%ringPlaces] = f
				can = can && off.Has(ringSyncRead)
			}
		}
		for b := int8(0); b < 4 && can; b++ {
			if (b > 0) != (s.superTo != 0) {
				continue
			}
			then := to
			switch b {
			case 1:
				then.slots[s.superTo-1], then.newest = s.super, s.superTo-1
			case 3:
				then.slots[s.superTo-1] = ringSlot{bad: true}
			}
			step := Step{Act: ringCrash, A: a, B: b + 4*s.flight[0].at, C: cache}
			emit(step, then)
			ringRots(then, step, off, emit)
		}
	}
}

// ringRots spoils one slot, or one frame that was acked and is not in objects.
func ringRots(s ringState, step Step, off Rules, emit func(Step, ringState)) {
	if s.rotten != 0 {
		return
	}
	for i := int8(0); i < 2 && off.Has(ringNoSlotRot); i++ {
		if !s.slots[i].bad {
			to := s
			to.rotten, to.slots[i] = 1, ringSlot{bad: true}
			step.C = 1 + i
			emit(step, to)
		}
	}
	for at := s.trim; at < s.durable && off.Has(ringNoFrameRot); at++ {
		to := s
		to.rotten, to.disk[at%ringPlaces] = 2, ringFrame{id: torn}
		to.rottenD = s.slots[s.newest].known
		step.C = 3 + at
		emit(step, to)
	}
}
