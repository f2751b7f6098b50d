package model

// The kinds of steps of the move model.
const (
	moveBegin = iota
	moveSeal
	moveAnswer
	moveSealAndOpen
	moveOpen
	moveAppend
	moveDurable
	moveAck
	moveFence
	moveScan
	moveSealRecovered
	moveLose
)

func moveActs() []string {
	return []string{
		moveBegin: "BeginMove", moveSeal: "Seal", moveAnswer: "answer", moveSealAndOpen: "SealAndOpen",
		moveOpen: "open", moveAppend: "append", moveDurable: "durable", moveAck: "ack", moveFence: "Fence",
		moveScan: "scan", moveSealRecovered: "SealRecovered", moveLose: "lose volume",
	}
}

// moveNext emits what may happen next: in metadata, at the brokers, at the recoverer and to a volume.
func moveNext(s moveState, off Rules, emit func(Step, moveState)) {
	then := func(step Step, to moveState) {
		if to = to.settled(off); to != s {
			emit(step, to)
		}
	}
	moveCommands(s, off, then)
	for b := range int8(moveBrokers) {
		moveServing(s, off, b, then)
		moveOpening(s, off, b, then)
	}
	moveFailover(s, off, then)
	if s.gone == 0 && s.last > 1 {
		for epoch := int8(1); epoch < s.last; epoch++ {
			to := s
			to.gone = epoch
			then(Step{Act: moveLose, A: epoch, B: s.at(epoch).owner}, to)
		}
	}
}

// moveCommands applies BeginMove, and SealAndOpen as any leader, or the owner itself, may have proposed it
// from any answer that was ever given.
func moveCommands(s moveState, off Rules, then func(Step, moveState)) {
	r := s.at(s.last)
	for b := range int8(moveBrokers) {
		if s.to == 0 && b != r.owner && s.brokers[b].fenced == brokerLive {
			to := s
			to.to, to.at(s.last).begun = b+1, 1
			then(Step{Act: moveBegin, A: r.owner, B: b, C: s.last}, to)
		}
	}
	for epoch := int8(1); epoch <= s.last; epoch++ {
		if epoch != s.last && !off.Has(moveEpoch) {
			continue
		}
		for end := int8(0); end <= moveRecords; end++ {
			if s.at(epoch).answers&(1<<end) != 0 {
				moveClose(s, Step{Act: moveSealAndOpen, A: epoch, B: end}, then)
			}
		}
	}
	if k := s.brokers[r.owner]; s.to > 0 && off.Has(moveAnswered) && k.epoch == s.last {
		for end := k.start; end <= k.acked; end++ { // it knows what the last heartbeat told
			moveClose(s, Step{Act: moveSealAndOpen, A: -s.last, B: end}, then)
		}
	}
}

// moveClose ends the last range at step's end and opens the next one on each broker that lives,
// the target of the move first.
func moveClose(s moveState, step Step, then func(Step, moveState)) {
	if s.last == moveEpochs || step.B < s.at(s.last).start {
		return
	}
	for i := range int8(moveBrokers) {
		b := (max(s.to, 1) - 1 + i) % moveBrokers
		if s.brokers[b].fenced != brokerLive {
			continue
		}
		to := s
		to.last++
		*to.at(to.last) = moveRange{owner: b, start: step.B}
		to.to = 0
		step.C = b + moveBrokers*to.last
		then(step, to)
	}
}

// moveServing is an owner's side: append, durable, ack; and from Seal to its answer.
func moveServing(s moveState, off Rules, b int8, then func(Step, moveState)) {
	k := s.brokers[b]
	if k.epoch == 0 || k.fenced == brokerCut && !off.Has(moveWord) {
		return
	}
	to := s
	t := &to.brokers[b]
	again := k.sealed == sealAnswered && off.Has(moveFinal)
	if k.framed == 0 && k.end < moveRecords && (k.sealed == sealNone || again) && k.fenced != brokerCut {
		t.framed = 1
		step := Step{Act: moveAppend, A: b, B: k.epoch, C: k.end}
		if again {
			step.B = -k.epoch
		}
		then(step, to)
		t.framed = 0
	}
	if k.framed == 1 {
		t.framed, t.end = 0, k.end+1
		then(Step{Act: moveDurable, A: b, B: k.end}, to)
		t.framed, t.end = 1, k.end
	}
	if k.acked < k.end && k.fenced != brokerCut {
		t.acked = k.end
		then(Step{Act: moveAck, A: b, B: k.epoch, C: k.end}, to)
		t.acked = k.acked
	}
	if k.sealed == sealNone && k.epoch <= s.last && s.at(k.epoch).begun == 1 {
		t.sealed = sealTaken
		then(Step{Act: moveSeal, A: b, B: k.epoch}, to)
	}
	if k.sealed != sealNone && (k.framed == 0 || off.Has(moveWait)) && k.epoch <= s.last {
		t.sealed = sealAnswered
		to.at(k.epoch).answers |= 1 << k.end
		then(Step{Act: moveAnswer, A: b, B: k.epoch, C: k.end}, to)
	}
}

// moveOpening lets b open a range that metadata gave it, with a state that it could get.
func moveOpening(s moveState, off Rules, b int8, then func(Step, moveState)) {
	k := s.brokers[b]
	if k.fenced == brokerCut {
		return
	}
	for epoch := k.epoch + 1; epoch <= s.last; epoch++ {
		if r := s.at(epoch); epoch > 1 && r.owner == b {
			moveOpenWith(s, off, b, Step{Act: moveOpen, A: b, B: epoch}, r.start, then)
		}
	}
	if !off.Has(moveApplied) || s.to != b+1 || k.epoch > s.last || s.last == moveEpochs {
		return
	}
	for end := int8(0); end <= moveRecords; end++ {
		if s.at(s.last).answers&(1<<end) != 0 {
			moveOpenWith(s, off, b, Step{Act: moveOpen, A: b, B: -(s.last + 1)}, end, then)
		}
	}
}

func moveOpenWith(s moveState, off Rules, b int8, step Step, start int8, then func(Step, moveState)) {
	epoch := max(step.B, -step.B)
	own := int8(0)
	if k := s.brokers[b]; k.epoch == epoch-1 && k.sealed == sealAnswered {
		own = 1 << k.end // its memory of the range before
	}
	for state := int8(0); state <= moveRecords; state++ {
		had := (s.states(epoch-1)|own)&(1<<state) != 0 && state == start
		for e := int8(1); off.Has(moveStateTag) && e < min(epoch, s.last+1); e++ {
			had = had || s.states(e)&(1<<state) != 0
		}
		if !had {
			continue
		}
		to := s
		to.brokers[b] = moveBroker{epoch: epoch, start: start, state: state, wrote: 1, end: start, acked: start,
			fenced: s.brokers[b].fenced}
		if off.Has(moveStateFirst) {
			to.brokers[b].wrote = 0
		}
		step.C = state
		then(step, to)
	}
}

// moveFailover is Fence as the last resort, and the recoverer: it writes the fence word, reads the
// WAL, and proposes SealRecovered.
func moveFailover(s moveState, off Rules, then func(Step, moveState)) {
	for b := range int8(moveBrokers) {
		if s.brokers[b].fenced == brokerLive && s.fences() < moveFences {
			to := s
			to.brokers[b].fenced = brokerFenced
			if s.to == b+1 {
				to.to = 0
			}
			then(Step{Act: moveFence, A: b}, to)
		}
	}
	r := s.at(s.last)
	if k := s.brokers[r.owner]; k.fenced == brokerFenced {
		to := s
		to.brokers[r.owner].fenced = brokerCut
		found := r.start
		whole := s.states(s.last-1)&(1<<r.start) != 0 || s.last == 1
		if k.epoch == s.last {
			found, whole = k.end, whole || k.wrote == 1
		}
		to.at(s.last).found = found + 1
		if whole {
			to.at(s.last).whole = 1
		}
		then(Step{Act: moveScan, A: r.owner, B: found, C: to.at(s.last).whole}, to)
	}
	for epoch := int8(1); epoch <= s.last; epoch++ {
		if found := s.at(epoch).found; found > 0 && (epoch == s.last || off.Has(moveEpochR)) {
			moveClose(s, Step{Act: moveSealRecovered, A: epoch, B: found - 1}, then)
		}
	}
}
