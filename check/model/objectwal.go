package model

import "fmt"

// Bounds of the model objectwal: sequences, writes in flight, attempts of one sequence under way, recoverers.
const (
	walSequences  = 3
	walFlight     = 2
	walAttempts   = 2
	walRecoverers = 2
)

const (
	walLease = iota
	walFirstGap
	walInOrder
	walTrimRecorded
	walFromTrim
	walAfterFence
	walTombstoneStays
	walSameBytes
	walCompare
)

const (
	walPut = iota
	walRetry
	walLand
	walAck
	walCommit
	walDelete
	walFence
	walBegin
	walStep
	walDie
	walRecover
)

// What a key holds: the bytes of the first attempt, those of a retry that grew, or the end of the log.
const (
	keyAbsent = iota
	keyFirst
	keyGrown
	keyTombstone
)

// Where the recoverer is.
const (
	walkNone = iota
	walkOn
	walkDone
	walkCommitted
)

// walKey is one sequence: its key in the store, its attempts in the network, what the writer and
// the recoverer know of it, and what of it is in objects that metadata refers to.
type walKey struct {
	stored   int8
	under    [2]int8 // attempts under way, with the first bytes and with the grown ones
	tomb     bool    // a dead recoverer's tombstone is under way
	sent     int8    // the bytes the writer sent last
	known    bool    // the writer holds it for stored
	acked    int8    // the bytes that it acked
	found    int8    // the bytes that the recoverer read
	inObject int8
}

type walState struct {
	keys      [walSequences]walKey
	next      int8 // the writer's next sequence
	stopped   bool // the writer saw that it is fenced, or damage
	fenced    bool
	committed int8 // sequences below are in objects
	trim      int8 // in metadata
	walk      int8
	at        int8 // of the walk; at its end, the end of the log
	walkers   int8 // recoverers so far
}

func objectwal() *Model[walState] {
	return &Model[walState]{
		Name: "objectwal",
		About: "One writer with three sequences, two of them in flight, and each put up to twice under way: any " +
			"attempt lands as late as it likes and its answer may be lost. The writer acks, commits and deletes; it is " +
			"fenced at any time and goes on till it sees a tombstone. Two recoverers in turn walk the keys; the first " +
			"may die with its tombstone still under way. Left out: a clean shutdown, which is a walk of the writer's " +
			"own; a store that breaks its word.",
		Rules: walRules(),
		Acts: []string{"put", "retry", "land", "ack", "commit", "delete", "fence", "begin walk", "walk", "die",
			"commit recovered"},
		Next:   walNext,
		Broken: walBroken,
		Say:    walSay,
		Goals: []Goal[walState]{
			{"an acked sequence was recovered, and one in flight was cut off", func(s walState) bool {
				return s.walk == walkCommitted && s.keys[0].acked > 0 && s.at == 1 && s.keys[2].stored > 0
			}},
			{"a late put lands on a key that was trimmed", func(s walState) bool {
				return s.walk == walkNone && s.trim == 2 && s.keys[0].stored == keyFirst && s.keys[1].stored == keyAbsent
			}},
			{"the second recoverer ends at the tombstone of the first", func(s walState) bool {
				return s.walkers == 2 && s.walk == walkCommitted && s.at == 1 && s.stopped
			}},
			{"all is recovered", func(s walState) bool { return s.walk == walkCommitted && s.at == walSequences }},
		},
		Cases: walCases(),
	}
}

func walRules() []Rule {
	return []Rule{
		{Number: "6", Name: "lease", Says: "the writer acks only while its lease holds: never after the fence"},
		{Number: "20", Name: "first-gap", Says: "the tombstone is put at the first gap, not behind the last key"},
		{Number: "19", Name: "in-order", Says: "a sequence is acked only when all before it are stored"},
		{Number: "20", Name: "trim-recorded", Says: "the trim is in metadata before a key is deleted"},
		{Number: "20", Name: "from-trim", Says: "the walk begins at the trim in metadata, not at LIST's first key"},
		{Number: "20", Name: "after-fence", Says: "the trim is read after the fence"},
		{Number: "20", Name: "tombstone-stays", Says: "a tombstone is never deleted"},
		{Number: "19", Name: "same-bytes", Says: "the bytes of a sequence are fixed at its first attempt"},
		{Number: "19", Name: "compare", Says: "a key that is taken counts as stored only if it holds the same bytes"},
	}
}

func walCases() []Case {
	return []Case{
		{Off: []string{"lease"}, Why: "the store itself is the fence"},
		{Off: []string{"first-gap"}, Why: "the lease alone stops the ack"},
		{Off: []string{"lease", "first-gap"}, Broken: "AckedDurable", Steps: 8,
			Why: "a put that was in flight fills the gap before the tombstone, and its writer takes it for a win"},
		{Off: []string{"in-order"}, Broken: "AckedDurable", Steps: 7,
			Why: "what was acked behind a gap is behind the tombstone"},
		{Off: []string{"trim-recorded"}, Broken: "AckedDurable", Steps: 11,
			Why: "at a key that was trimmed the put succeeds: the log looks empty"},
		{Off: []string{"from-trim"}, Broken: "AckedDurable", Steps: 11,
			Why: "LIST's first key is deleted before the walk comes to it: the log looks empty"},
		{Off: []string{"lease", "from-trim"}, Broken: "AckedDurable", Steps: 9,
			Why: "LIST's first key is not the log's first"},
		{Off: []string{"after-fence"}, Broken: "AckedDurable", Steps: 11,
			Why: "the trim moves between its reading and the fence: the walk begins at a deleted key"},
		{Off: []string{"tombstone-stays"}, Why: "the lease alone stops the ack"},
		{Off: []string{"lease", "tombstone-stays"}, Broken: "AckedDurable", Steps: 8,
			Why: "with the tombstone gone a put still in flight succeeds"},
		{Off: []string{"same-bytes"}, Why: "the writer sees other bytes than it sent last, and stops"},
		{Off: []string{"compare"}, Why: "as long as all attempts carry the same bytes"},
		{Off: []string{"same-bytes", "compare"}, Broken: "AckedDurable", Steps: 5,
			Why: "what is stored is the smaller batch of the first attempt; what is acked is the bigger one"},
	}
}

func walNext(s walState, off Rules, emit func(Step, walState)) {
	waiting := 0 // sequences that the writer does not know to be stored
	for _, k := range s.keys {
		if k.sent > 0 && !k.known {
			waiting++
		}
	}
	if s.next < walSequences && waiting < walFlight && !s.stopped {
		to := s
		to.keys[s.next].sent, to.keys[s.next].under[0], to.next = keyFirst, 1, s.next+1
		emit(Step{Act: walPut, A: s.next}, to)
	}
	for i := int8(0); i < walSequences; i++ {
		if !s.stopped {
			walWriter(s, i, off, emit)
		}
		walLands(s, i, off, emit)
		walDeletes(s, i, off, emit)
	}
	if !s.fenced {
		to := s
		to.fenced = true
		emit(Step{Act: walFence}, to)
	}
	walRecoverer(s, off, emit)
}

// walWriter is what the writer does with sequence i of its own accord.
func walWriter(s walState, i int8, off Rules, emit func(Step, walState)) {
	k := s.keys[i]
	if k.sent > 0 && !k.known && k.under[0]+k.under[1] < walAttempts {
		to := s
		if off.Has(walSameBytes) {
			to.keys[i].sent = keyGrown
		}
		to.keys[i].under[to.keys[i].sent-1]++
		emit(Step{Act: walRetry, A: i, B: to.keys[i].sent - k.sent}, to)
	}
	before := i == 0 || s.keys[i-1].acked > 0 || off.Has(walInOrder)
	if k.known && k.acked == 0 && before && (!s.fenced || off.Has(walLease)) {
		to := s
		to.keys[i].acked = k.sent
		emit(Step{Act: walAck, A: i}, to)
	}
	if k.acked > 0 && s.committed == i && !s.fenced {
		to := s
		to.keys[i].inObject, to.committed = k.acked, i+1
		if !off.Has(walTrimRecorded) {
			to.trim = i + 1
		}
		emit(Step{Act: walCommit, A: i, B: to.trim}, to)
	}
}

// walLands: an attempt reaches the store, and the writer hears of it or does not. The answer to
// an attempt that it has replaced by other bytes it does not hear.
func walLands(s walState, i int8, off Rules, emit func(Step, walState)) {
	k := s.keys[i]
	if k.tomb {
		to := s
		to.keys[i].tomb = false
		if k.stored == keyAbsent {
			to.keys[i].stored = keyTombstone
		}
		emit(Step{Act: walLand, A: i, C: 7}, to)
	}
	for bytes := int8(keyFirst); bytes <= keyGrown; bytes++ {
		if k.under[bytes-1] == 0 {
			continue
		}
		to := s
		to.keys[i].under[bytes-1]--
		how := int8(0) // it was refused
		if k.stored == keyAbsent {
			to.keys[i].stored, how = bytes, 1
		}
		emit(Step{Act: walLand, A: i, B: bytes, C: how}, to)
		if s.stopped || bytes != k.sent || k.known {
			continue
		}
		now := to.keys[i].stored
		switch {
		case now == bytes:
			to.keys[i].known, how = true, how+2
		case now == keyTombstone:
			to.stopped, how = true, 4
		case off.Has(walCompare):
			to.keys[i].known, how = true, 5
		default:
			to.stopped, how = true, 6
		}
		emit(Step{Act: walLand, A: i, B: bytes, C: how}, to)
	}
}

func walDeletes(s walState, i int8, off Rules, emit func(Step, walState)) {
	stored := s.keys[i].stored
	mayTombstone := stored == keyTombstone && off.Has(walTombstoneStays) && s.walk == walkCommitted
	if i < s.committed && (stored == keyFirst || stored == keyGrown) || mayTombstone {
		to := s
		to.keys[i].stored = keyAbsent
		emit(Step{Act: walDelete, A: i, B: stored / keyTombstone}, to)
	}
}

func walRecoverer(s walState, off Rules, emit func(Step, walState)) {
	to := s
	switch s.walk {
	case walkNone:
		if s.walkers == walRecoverers || !s.fenced && !off.Has(walAfterFence) {
			return
		}
		to.walk, to.at, to.walkers = walkOn, walStart(s, off), s.walkers+1
		emit(Step{Act: walBegin, A: to.at}, to)
	case walkOn:
		if s.fenced {
			walWalks(s, off, emit)
		}
	case walkDone:
		for i := s.committed; i < s.at; i++ {
			to.keys[i].inObject = s.keys[i].found
		}
		to.walk, to.committed, to.trim = walkCommitted, max(s.committed, s.at), max(s.trim, s.at)
		emit(Step{Act: walRecover, A: s.at}, to)
	}
	if s.walkers < walRecoverers && (s.walk == walkOn || s.walk == walkDone) {
		to = s
		to.walk, to.at = walkNone, 0
		for i := range to.keys {
			to.keys[i].found = 0
		}
		emit(Step{Act: walDie}, to)
		if s.walk == walkOn && s.fenced && s.at < walSequences {
			to.keys[s.at].tomb = true
			emit(Step{Act: walDie, A: 1, B: s.at}, to)
		}
	}
}

// walStart is where a walk begins.
func walStart(s walState, off Rules) int8 {
	if off.Has(walFromTrim) {
		for i, k := range s.keys {
			if k.stored != keyAbsent {
				return int8(i)
			}
		}
	}
	return s.trim
}

// walWalks is one step of the walk, or with LIST for a guide all of it.
func walWalks(s walState, off Rules, emit func(Step, walState)) {
	to := s
	end := s.at
	if off.Has(walFirstGap) {
		for i := s.at; i < walSequences; i++ {
			if stored := s.keys[i].stored; stored == keyFirst || stored == keyGrown {
				to.keys[i].found, end = stored, i+1
			}
		}
	} else if end < walSequences && (s.keys[end].stored == keyFirst || s.keys[end].stored == keyGrown) {
		to.keys[end].found, to.at = s.keys[end].stored, end+1
		emit(Step{Act: walStep, A: end}, to)
		return
	}
	how := int8(1)
	if end < walSequences && s.keys[end].stored == keyTombstone {
		how = 2
	} else if end < walSequences {
		to.keys[end].stored = keyTombstone
	}
	to.walk, to.at = walkDone, end
	emit(Step{Act: walStep, A: end, B: how}, to)
}

// walBroken: what was acked is in an object, or recovered, or, as long as nobody has
// recovered the log, stored.
func walBroken(s walState) string {
	for i, k := range s.keys {
		if k.acked == 0 {
			continue
		}
		has := k.stored
		switch {
		case int8(i) < s.committed:
			has = k.inObject
		case s.walk >= walkDone:
			has = k.found
		}
		if has != k.acked || int8(i) >= s.committed && s.walk >= walkDone && int8(i) >= s.at {
			return "AckedDurable"
		}
	}
	return ""
}

func walSay(step Step) string {
	key := fmt.Sprintf("sequence %d", step.A)
	switch step.Act {
	case walPut:
		return "the writer puts " + key
	case walRetry:
		return "the writer hears nothing and puts " + key + " again" + pick(step.B, "", ", with more records in it")
	case walLand:
		if step.C == 7 {
			return "the dead recoverer's tombstone arrives at " + key
		}
		return "a put of " + key + pick(step.B, "", "", " with more records") + pick(step.C,
			" is refused, and the answer is lost", " lands, and the answer is lost",
			" is refused; the writer reads the same bytes there: stored", " lands, and the writer hears so",
			" is refused; the writer reads a tombstone and ends",
			" is refused; the writer reads its own id there: stored",
			" is refused; the writer reads other bytes and ends")
	case walAck:
		return "the writer acks " + key
	case walCommit:
		return fmt.Sprintf("an object with %s is committed; the trim in metadata is %d", key, step.B)
	case walDelete:
		return pick(step.B, key+" is deleted from the store", "the tombstone at "+key+" is deleted")
	case walFence:
		return "the writer is fenced"
	case walBegin:
		return "a recoverer begins its walk at " + key
	case walStep:
		return "the recoverer " + pick(step.B, "reads "+key, "puts its tombstone at "+key+": the log ends there",
			"finds a tombstone at "+key+": the log ends there")
	case walDie:
		return "the recoverer dies" + pick(step.A, "", fmt.Sprintf(", its tombstone for sequence %d under way", step.B))
	default:
		return fmt.Sprintf("the recoverer commits what it read: all below %d", step.A)
	}
}
