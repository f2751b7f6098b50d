package model

const (
	holderNewFile = iota
	holderProof
	holderRegistered
	holderFenceWord
	holderWordFirst
	holderAfterRelease
	holderNoLateWipe
	holderNamesUUID
)

const (
	holderPwrite = iota
	holderLand
	holderAck
	holderDie
	holderFence
	holderAssign
	holderWord
	holderScan
	holderSeal
	holderRelease
	holderWipe
	holderCollect
	holderTakeRing
	holderTakeFile
	holderServe
)

// Who holds the ring, as metadata has it.
const (
	heldByNobody = iota
	heldByOld
	heldByRecoverer
	heldByNext
)

// The old broker: B5, with one record on its way into the ring.
const (
	oldIdle = iota
	oldInPwrite
	oldWritten
	oldAcked
	oldStopped
	oldDead
)

// The recoverer.
const (
	recovererNone = iota
	recovererAssigned
	recovererWord
	recovererScanned
	recovererSealed
	recovererReleased
)

// Where the next broker writes.
const (
	nextNowhere = iota
	nextInRing
	nextByLock // in the ring too, and metadata knows nothing of it
	nextInFile
)

// What a place of the ring holds, and what was saved to objects: B5's record or the next broker's.
const (
	recordOld  = 1
	recordNext = 2
)

// holderState is one volume with the old ring and perhaps a new file beside it.
type holderState struct {
	ring     [2]int8 // the records in the ring, by place
	gone     bool    // the ring was destroyed
	file     int8    // the new file: 0 = not there, 1 = empty, recordNext, -1 = destroyed
	word     int8    // the generation in the ring's fence word
	gen      int8
	holder   int8
	fenced   bool
	released bool

	old       int8
	recoverer int8
	saved     int8 // the records that the recoverer found, as a set
	next      int8
	at        int8 // where the next broker goes on in the ring
	served    bool // the next broker acked its record
}

func holder() *Model[holderState] {
	return &Model[holderState]{
		Name: "holder",
		About: "One ring of two places on one volume: B5 writes one record and may be stopped inside the write for ever; " +
			"it may be fenced whenever anybody likes (its lease is worth nothing here). A recoverer, a restarted or other " +
			"broker that writes one record in the ring or in a new file of the same volume, a collector. Left out: a " +
			"second recoverer, the bytes within a write, leases, ranges of several streams.",
		Rules: []Rule{
			{Number: "8", Name: "new-file", Says: "who is not the restarted owner starts a new WAL in a new file"},
			{Number: "8", Name: "proof", Says: "the owner goes on in its ring only with proof that its old process is dead"},
			{Number: "5", Name: "registered", Says: "only the holder that metadata names writes to a ring"},
			{Number: "6", Name: "fence-word", Says: "an ack is given only after the fence word was read again"},
			{Number: "7", Name: "word-first", Says: "the recoverer writes the fence word before it scans"},
			{Number: "9", Name: "after-release", Says: "the collector destroys a ring only after its release"},
			{Number: "9", Name: "no-late-wipe", Says: "a recoverer that has released a ring wipes nothing any more"},
			{Number: "9", Name: "names-uuid", Says: "what destroys names the WAL it means, not the place where it lay"},
		},
		Acts: []string{"pwrite", "land", "ack", "die", "fence", "assign", "word", "scan", "seal", "release", "wipe",
			"collect", "take the ring", "take a file", "serve"},
		Start:  holderState{word: 1, gen: 1, holder: heldByOld},
		Next:   holderNext,
		Broken: holderBroken,
		Say:    holderSay,
		Goals: []Goal[holderState]{
			{"the old record was acked and recovered", func(s holderState) bool {
				return s.old == oldAcked && s.saved == recordOld && s.released
			}},
			{"the restarted owner acked behind its old record in the same ring", func(s holderState) bool {
				return s.next == nextInRing && s.served && s.at == 1
			}},
			{"a zombie's write landed in a released ring, and the next broker serves from its file",
				func(s holderState) bool {
					return s.released && s.saved == 0 && s.ring[0] == recordOld && s.next == nextInFile && s.served
				}},
		},
		Cases: holderCases(),
	}
}

func holderCases() []Case {
	return []Case{
		{Off: []string{"new-file"}, Broken: "AckedDurable", Steps: 10,
			Why: "a write that was stopped in the kernel lands on what the ring's next user has acked"},
		{Off: []string{"proof"}, Broken: "AckedDurable", Steps: 4,
			Why: "the old process is not dead: its write lands on what the new one has acked"},
		{Off: []string{"registered"}, Broken: "AckedDurable", Steps: 9,
			Why: "a free lock does not say that nobody recovers the ring: what is acked behind the scan is not recovered"},
		{Off: []string{"fence-word"}, Broken: "AckedDurable", Steps: 8,
			Why: "the write lands and is acked after the recoverer has read"},
		{Off: []string{"word-first"}, Broken: "AckedDurable", Steps: 8,
			Why: "between the scan and the fence word there is room for an ack"},
		{Off: []string{"after-release"}, Broken: "AckedDurable", Steps: 5,
			Why: "a dead epoch's ring may hold the only copy"},
		{Off: []string{"no-late-wipe"},
			Why: "a late wipe is harmless as long as it names the WAL it means"},
		{Off: []string{"names-uuid"}, Broken: "AckedDurable", Steps: 8,
			Why: "the volume has a new user by the time the old ring is wiped"},
	}
}

func holderNext(s holderState, off Rules, emit func(Step, holderState)) {
	holderOld(s, off, emit)
	holderMetadata(s, emit)
	holderRecoverer(s, off, emit)
	holderDestroy(s, off, emit)
	holderNextBroker(s, off, emit)
}

// holderOld is what B5 does, or its kernel behind its back.
func holderOld(s holderState, off Rules, emit func(Step, holderState)) {
	to := s
	switch s.old {
	case oldIdle:
		to.old = oldInPwrite
		emit(Step{Act: holderPwrite}, to)
	case oldInPwrite:
		to.old = oldWritten
		if !s.gone {
			to.ring[0] = recordOld
		}
		emit(Step{Act: holderLand}, to)
	case oldWritten:
		to.old = oldStopped
		if !s.gone && s.word == 1 || off.Has(holderFenceWord) {
			to.old = oldAcked
		}
		emit(Step{Act: holderAck, A: to.old - oldAcked}, to)
	}
	if s.old == oldInPwrite || s.old == oldWritten {
		to = s
		to.old = oldDead
		emit(Step{Act: holderDie}, to)
	}
}

func holderMetadata(s holderState, emit func(Step, holderState)) {
	if !s.fenced && s.holder == heldByOld {
		to := s
		to.fenced, to.holder = true, heldByNobody
		emit(Step{Act: holderFence}, to)
	}
	if s.fenced && s.holder == heldByNobody && !s.released {
		to := s
		to.holder, to.gen, to.recoverer = heldByRecoverer, s.gen+1, recovererAssigned
		emit(Step{Act: holderAssign}, to)
	}
}

// holderRecoverer is the recoverer at its work. Nobody takes the ring from it here.
func holderRecoverer(s holderState, off Rules, emit func(Step, holderState)) {
	early := off.Has(holderWordFirst)
	to := s
	if s.recoverer == recovererAssigned && !early || early && s.recoverer == recovererScanned && s.word < s.gen {
		to.word = s.gen
		to.recoverer = max(s.recoverer, recovererWord)
		emit(Step{Act: holderWord}, to)
		if early {
			return
		}
	}
	to = s
	switch {
	case s.recoverer == recovererWord || early && s.recoverer == recovererAssigned:
		to.recoverer = recovererScanned
		found := int8(0)
		for found < 2 && !s.gone && s.ring[found] != 0 {
			to.saved |= s.ring[found]
			found++
		}
		emit(Step{Act: holderScan, A: found}, to)
	case s.recoverer == recovererScanned:
		to.recoverer = recovererSealed
		emit(Step{Act: holderSeal}, to)
	case s.recoverer == recovererSealed:
		to.recoverer, to.holder, to.released = recovererReleased, heldByNobody, true
		emit(Step{Act: holderRelease}, to)
	}
}

// holderDestroy is the recoverer's wipe and the collector's unlink, each as often and as late as it likes.
func holderDestroy(s holderState, off Rules, emit func(Step, holderState)) {
	to := s
	to.gone, to.ring = true, [2]int8{}
	all := int8(0)
	if off.Has(holderNamesUUID) && s.file > 0 {
		to.file, all = -1, 1
	}
	if to == s {
		return
	}
	if s.recoverer == recovererSealed || off.Has(holderNoLateWipe) && s.recoverer == recovererReleased {
		emit(Step{Act: holderWipe, A: all}, to)
	}
	if s.released || off.Has(holderAfterRelease) && s.fenced {
		emit(Step{Act: holderCollect, A: all}, to)
	}
}

// holderNextBroker is B6, which is B restarted, or N, another broker: it finds itself a WAL and acks one record.
func holderNextBroker(s holderState, off Rules, emit func(Step, holderState)) {
	end := int8(0)
	if s.ring[0] != 0 {
		end = 1
	}
	if s.next == nextNowhere {
		to := s
		to.next, to.file = nextInFile, 1
		emit(Step{Act: holderTakeFile}, to)

		dead := s.old == oldDead || off.Has(holderProof)
		to = s
		to.at, to.next, to.word = end, nextInRing, s.gen+1
		to.gen, to.fenced, to.holder = s.gen+1, true, heldByNext
		if dead && !s.gone && !s.released && s.holder != heldByRecoverer {
			emit(Step{Act: holderTakeRing, A: 0, B: end}, to)
		}
		to.released = false
		if off.Has(holderNewFile) && !s.gone && s.released {
			emit(Step{Act: holderTakeRing, A: 1, B: end}, to)
		}
		to = s
		to.at, to.next = end, nextByLock
		if off.Has(holderRegistered) && dead && !s.gone {
			emit(Step{Act: holderTakeRing, A: 2, B: end}, to)
		}
		return
	}
	to := s
	to.served = true
	switch {
	case s.served:
	case s.next == nextInFile && s.file == 1:
		to.file = recordNext
		emit(Step{Act: holderServe, A: 1}, to)
	case s.next != nextInFile && !s.gone:
		to.ring[s.at] = recordNext
		emit(Step{Act: holderServe}, to)
	}
}

// holderBroken: an acked record is in the file, in the ring, or saved; and once the recoverer
// has sealed, what was in the ring counts only if saved.
func holderBroken(s holderState) string {
	sealed := s.recoverer >= recovererSealed
	inRing := func(at, record int8) bool { return !s.gone && s.ring[at] == record }
	if s.old == oldAcked && s.saved&recordOld == 0 && (sealed || !inRing(0, recordOld)) {
		return "AckedDurable"
	}
	if !s.served || s.saved&recordNext != 0 {
		return ""
	}
	switch s.next {
	case nextInFile:
		if s.file != recordNext {
			return "AckedDurable"
		}
	case nextByLock:
		if sealed || !inRing(s.at, recordNext) {
			return "AckedDurable"
		}
	default:
		if !inRing(s.at, recordNext) {
			return "AckedDurable"
		}
	}
	return ""
}

func holderSay(step Step) string {
	switch step.Act {
	case holderPwrite:
		return "B5 begins to write its record at the ring's first place, and stops inside the write"
	case holderLand:
		return "B5's write goes on: it lands in the ring's first place"
	case holderAck:
		return "B5 " + pick(step.A, "acks its record", "reads another's fence word and ends")
	case holderDie:
		return "B5's process dies, and its write with it unless it has landed"
	case holderFence:
		return "B5's epoch is fenced, whether it lives or not"
	case holderAssign:
		return "R is made the recoverer of the ring, at the next generation"
	case holderWord:
		return "R writes its fence word"
	case holderScan:
		return "R scans the ring: " + pick(step.A, "it is empty", "it ends after one record", "it ends after two records")
	case holderSeal:
		return "R uploads what it found and seals there"
	case holderRelease:
		return "R releases the ring"
	case holderWipe:
		return "R wipes " + pick(step.A, "the ring", "the whole volume")
	case holderCollect:
		return "the collector destroys " + pick(step.A, "the ring", "the whole volume")
	case holderTakeRing:
		return pick(step.A, "B6, restarted, takes its ring again", "N takes the released ring",
			"B6, restarted, finds the ring's lock free and takes it without a word to metadata") +
			pick(step.B, ", at the first place", ", behind B5's record")
	case holderTakeFile:
		return "the next broker creates a WAL of its own in a new file of the volume"
	default:
		return pick(step.A, "the ring's new user", "the next broker") + " writes its record and acks it"
	}
}
