package model

import "fmt"

// The rules of the move model, by index.
const (
	moveWait = iota
	moveFinal
	moveEpoch
	moveEpochR
	moveApplied
	moveAnswered
	moveWord
	moveStateTag
	moveStateFirst
)

func moveRules() []Rule {
	return []Rule{
		moveWait: {Number: "24", Name: "answer-waits",
			Says: "an owner answers Seal when each append that is in a frame is durable"},
		moveFinal: {Number: "24", Name: "answer-is-final",
			Says: "an owner that answered never appends again under that epoch"},
		moveEpoch: {Number: "23, 24", Name: "epoch-checked",
			Says: "SealAndOpen closes the range of the epoch that it names, or nothing: the first applied wins"},
		moveEpochR: {Number: "18, 23", Name: "recovered-epoch-checked",
			Says: "SealRecovered closes the range of the epoch that it names, or skips it"},
		moveApplied: {Number: "22", Name: "open-on-applied",
			Says: "a broker opens a range when it sees the command applied that gives it the range, not on the answer"},
		moveAnswered: {Number: "25", Name: "no-forced-seal",
			Says: "a live owner's range is closed only at an end that the owner answered"},
		moveWord: {Number: "6, 24", Name: "word-before-answer",
			Says: "an append is parked, and answered for, only after the fence word was read once it was durable"},
		moveStateTag: {Number: "26", Name: "state-is-tagged",
			Says: "a broker opens a range only with the state of the epoch before it, at exactly the range's start"},
		moveStateFirst: {Number: "26", Name: "state-first",
			Says: "the state is the first record of the new range, durable before the first ack"},
	}
}

// move is the way of a partition from broker to broker, with a failover in the middle of it.
func move() *Model[moveState] {
	start := moveState{last: 1}
	start.brokers[0] = moveBroker{epoch: 1, wrote: 1}
	return &Model[moveState]{
		Name: "move",
		About: fmt.Sprintf("One partition, brokers O, N and M, %d leader epochs, %d records, %d fences, one lost volume. "+
			"A message that was sent once may come at any later time and any number of times, or never; and what any "+
			"leader, or the waiting owner, could once propose may be applied at any later time: so leaders come and go "+
			"and have no memory here. A fence is one step, and so is R's word with its scan: the lease model is about "+
			"what lies between. Records have no content: state is the offset that it belongs to. Left out: brokers that "+
			"come back, a second recoverer, uploads and owed reads, parked requests, deadlines.",
			moveEpochs, moveRecords, moveFences),
		Rules: moveRules(),
		Acts:  moveActs(),
		Start: start,
		Next:  moveNext, Broken: moveBroken, Say: moveSay,
		Goals: moveGoals(),
		Cases: moveCases(),
	}
}

func moveBroken(s moveState) string {
	for b, k := range s.brokers {
		if k.epoch == 0 {
			continue
		}
		end, closed := s.closed(k.epoch)
		switch {
		case k.acked > k.start && k.epoch <= s.last && s.at(k.epoch).owner != int8(b):
			return "OneWriter"
		case closed && k.acked > end:
			return "SealFinal"
		case k.state != k.start:
			return "StateAtStart"
		}
	}
	for epoch := int8(1); epoch <= s.last; epoch++ {
		r := s.at(epoch)
		end, closed := s.closed(epoch)
		switch {
		case closed && r.found > 0 && r.found-1 < end:
			return "CoveredOnce"
		case r.found-1 > r.start && r.whole == 0:
			return "StateAtStart"
		}
	}
	return ""
}

func moveGoals() []Goal[moveState] {
	served := func(s moveState, b int, from int8) bool {
		k := s.brokers[b]
		return k.epoch >= from && k.acked > k.start
	}
	return []Goal[moveState]{
		{"a new owner acks while every broker lives", func(s moveState) bool {
			return s.fences() == 0 && served(s, 1, 2)
		}},
		{"a new owner acks after a fence", func(s moveState) bool {
			return s.brokers[0].fenced == brokerCut && served(s, 1, 2)
		}},
		{"O acks again after a move away and back", func(s moveState) bool {
			return s.fences() == 0 && s.last == 3 && s.at(2).owner == 1 && served(s, 0, 3)
		}},
		{"a move ends where it began", func(s moveState) bool {
			return s.last == 2 && s.at(2).owner == 0 && served(s, 0, 2)
		}},
		{"the answer wins although a recoverer has read the WAL", func(s moveState) bool {
			return s.last == 2 && s.at(1).found > 0 && s.at(1).answers != 0 && s.brokers[0].epoch == 1
		}},
		{"a fenced owner's end is past what it acked", func(s moveState) bool {
			return s.last == 1 && s.at(1).found-1 > s.brokers[0].acked
		}},
		{"the second owner fails too, and the third acks from a state that only its WAL had", func(s moveState) bool {
			return s.gone > 0 && s.fences() == 2 && s.last == 3 && s.at(3).owner == 2 && served(s, 2, 3)
		}},
	}
}

func moveCases() []Case {
	broken := func(invariant string, steps int, rule, why string) Case {
		return Case{Off: []string{rule}, Broken: invariant, Steps: steps, Why: why}
	}
	return []Case{
		broken("SealFinal", 7, "answer-waits",
			"an append that was in a frame when the owner answered is acked past the end of its range"),
		broken("SealFinal", 7, "answer-is-final",
			"an owner that serves again after it answered acks past the end that is then applied"),
		broken("SealFinal", 9, "epoch-checked",
			"a late copy of the command closes the next range too, at an end that its owner has acked past"),
		broken("SealFinal", 8, "recovered-epoch-checked",
			"a recoverer's late command closes the range of the live owner that came after"),
		broken("OneWriter", 8, "open-on-applied",
			"the partition went elsewhere in the end, and two brokers ack the same offset in the same epoch"),
		broken("SealFinal", 5, "no-forced-seal", "a live owner that knows nothing of it acks past the end"),
		broken("CoveredOnce", 8, "word-before-answer",
			"a zombie answers for a record that the recoverer did not read: a hole where nothing was acked"),
		broken("StateAtStart", 10, "state-is-tagged",
			"the state of an earlier epoch comes late and is taken for that of a later one"),
		broken("StateAtStart", 9, "state-first",
			"the WAL has every record of its range, and with the volume before it lost nobody can open the next one"),
	}
}
