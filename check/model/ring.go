package model

import "fmt"

// Bounds of the model ring: frames that the ring holds, positions written in all, crashes, writes in flight.
const (
	ringPlaces  = 3
	ringWritten = 7
	ringCrashes = 2
	ringFlight  = 2
)

const (
	ringOneInFlight = iota
	ringEpoch
	ringChain
	ringCopy
	ringReuse
	ringBothSlots
	ringSearch
	ringKnown
	ringSyncRead
	ringNoSlotRot
	ringNoFrameRot
)

const (
	ringWrite = iota
	ringSync
	ringTrim
	ringSuper
	ringSuperSync
	ringCrash
	ringScan
)

// What became of a frame's record: not decided, acked or shown to readers, dropped by a scan.
const (
	recordOpen = iota
	recordAcked
	recordDropped
)

// What a scan came to.
const (
	scanWentOn  = iota
	scanRefused // something was damaged, and it says so
	scanRefusedFalsely
	scanBelowD
	scanLostAcked
	scanRaisedDropped
)

// torn is the id of what is left of a frame that is not whole.
const torn = -1

// ringFrame is a frame as its header tells it, and what became of its record.
type ringFrame struct {
	id    int8 // the checksum of the header: no two frames that matter at one time share it; 0 = no frame
	at    int8 // position
	chain int8 // the id of the frame before it
	epoch int8
	known int8 // KD: everything below was durable when it was sealed
	fate  int8
	soft  bool // only in the cache of the machine
}

type ringSlot struct {
	trim, chain, epoch int8 // the chain value and the epoch are those at the trim
	known              int8 // D
	bad                bool
}

// ringState is a ring of frames of one length, its two superblock slots, and the memory of the
// broker that writes it, or, while that is down, what is true of the world.
type ringState struct {
	disk    [ringPlaces]ringFrame
	flight  [ringFlight]ringFrame // written and not acked, in order
	synced  [ringFlight]bool      // on the medium for sure
	slots   [2]ringSlot
	newest  int8
	super   ringSlot // the superblock write in flight
	superTo int8     // to which slot, from 1; 0 = none

	end     int8      // of the log
	durable int8      // everything below is durable, and acked
	trim    int8      // everything below is in objects, which metadata knows
	last    ringFrame // the last frame: its id and epoch
	trimmed ringFrame // the last frame below the trim: its id and epoch

	epoch   int8
	crashes int8
	down    bool
	rotten  int8 // 0 = nothing, 1 = a slot, 2 = a frame
	rottenD int8 // the D that was on the medium when a frame rotted
	verdict int8 // of the last scan
}

func ring() *Model[ringState] {
	return &Model[ringState]{
		Name: "ring",
		About: "One broker with a ring of three frames and two superblock slots: seven positions, so it wraps twice, " +
			"one or two writes in flight, two crashes with restart by the same broker. At a crash each write that is " +
			"not synced lands, does not, or leaves a torn frame; at most one slot or one acked frame rots, in all. All " +
			"frames have one length, the worst case for stale ones; a checksum is a number that no two frames share. " +
			"D lives in the superblock, the trim in metadata too. Left out: damage that can be told from a tear " +
			"(rule 17), the clean mark, recovery by another broker, what comes after the last scan.",
		Rules:  ringRules(),
		Acts:   []string{"write", "sync", "trim", "write superblock", "sync superblock", "crash", "scan"},
		Start:  ringState{slots: [2]ringSlot{{}, {bad: true}}},
		Next:   ringNext,
		Broken: ringBroken,
		Say:    ringSay,
		Goals: []Goal[ringState]{
			{"the ring wrapped and was recovered after both crashes", func(s ringState) bool {
				return s.crashes == ringCrashes && s.verdict == scanWentOn && s.end == ringWritten
			}},
			{"a scan begins at the older slot, the newer one being torn", func(s ringState) bool {
				return s.down && s.trim > 1 && s.slots[0].trim == 1 && s.slots[1].bad
			}},
			{"a frame that had landed was recovered though it was never acked", func(s ringState) bool {
				return s.crashes == 1 && !s.down && s.end == 1 && s.disk[0].epoch == 0 && s.slots[0].known == 0
			}},
		},
		Cases: ringCases(),
	}
}

func ringRules() []Rule {
	return []Rule{
		{Number: "13", Name: "one-in-flight", Says: "a frame is written when the one before it is synced"},
		{Number: "12", Name: "epoch", Says: "the epoch of a frame is not below that of the frame before it"},
		{Number: "12", Name: "chain", Says: "a frame carries the checksum of the header before it"},
		{Number: "12", Name: "copy", Says: "the superblock carries the chain value and the epoch at its trim"},
		{Number: "14", Name: "reuse-synced", Says: "space is reused when a superblock that frees it is synced"},
		{Number: "14", Name: "both-slots", Says: "space is reused when both slots carry the trim that frees it"},
		{Number: "16", Name: "search", Says: "a scan's end is held against the KD of later frames"},
		{Number: "16", Name: "known", Says: "a scan's end is held against D in the superblock"},
		{Number: "18", Name: "sync-read", Says: "what a scan read is synced before it is used"},
		{Number: "14", Name: "no-slot-rot", Says: "superblock slots do not rot", Assumed: true},
		{Number: "16", Name: "no-frame-rot", Says: "acked frames do not rot", Assumed: true},
	}
}

func ringBroken(s ringState) string {
	switch s.verdict {
	case scanRefusedFalsely:
		return "FalseRefusal"
	case scanBelowD:
		return "TailEvidence"
	case scanLostAcked:
		return "AckedDurable"
	case scanRaisedDropped:
		return "NoResurrection"
	}
	return ""
}

func ringCases() []Case {
	both := []string{"one-in-flight"}
	two := func(more ...string) []string { return append(both[:1:1], more...) }
	return []Case{
		{Off: two(), Why: "two in flight need no other rules than one"},
		{Off: []string{"epoch", "chain"}, Why: "with one in flight no frame outlives the one before it"},
		{Off: two("epoch"), Why: "the chain alone tells a dropped frame from the next one"},
		{Off: two("chain"), Why: "the epoch alone tells a dropped frame from the next one"},
		{Off: two("epoch", "chain"), Broken: "NoResurrection", Steps: 7,
			Why: "what is written over the frame that did not land fits the dropped one behind it"},
		{Off: two("copy"), Broken: "NoResurrection", Steps: 10,
			Why: "behind the trim the dropped frame is the first that a scan sees, and nothing says what comes before it"},
		{Off: []string{"reuse-synced"}, Broken: "FalseRefusal", Steps: 10,
			Why: "the superblock still points at what was overwritten: a crash looks like damage"},
		{Off: []string{"reuse-synced", "search", "known"}, Broken: "AckedDurable", Steps: 10,
			Why: "the superblock still points at what was overwritten, and the log looks empty"},
		{Off: []string{"both-slots"}, Why: "one slot is enough as long as none rots"},
		{Off: []string{"no-slot-rot"}, Why: "either slot alone starts a right scan"},
		{Off: two("no-slot-rot"), Why: "either slot alone starts a right scan"},
		{Off: []string{"both-slots", "no-slot-rot"}, Broken: "FalseRefusal", Steps: 12,
			Why: "the slot that did not rot points at what was overwritten"},
		{Off: []string{"both-slots", "no-slot-rot", "search", "known"}, Broken: "AckedDurable", Steps: 12,
			Why: "the slot that did not rot points at what was overwritten, and the log looks empty"},
		{Off: []string{"search"}, Why: "the search is there for damage"},
		{Off: []string{"known"}, Why: "D is there for damage"},
		{Off: []string{"sync-read"}, Broken: "AckedDurable", Steps: 5,
			Why: "readers were shown what only the machine's cache had"},
		{Off: []string{"no-frame-rot"},
			Why: "damage below D is refused; above it, the last frame is lost: a stated non-claim"},
		{Off: two("no-frame-rot"), Why: "damage below D is refused; above it, at most two frames are lost"},
		{Off: []string{"no-frame-rot", "known"}, Broken: "TailEvidence", Steps: 5,
			Why: "a rotten last frame looks torn"},
		{Off: []string{"no-frame-rot", "search"}, Broken: "AckedDurable", Steps: 6,
			Why: "a rotten frame looks torn, and what was acked behind it is dropped with it"},
	}
}

func ringSay(step Step) string {
	slot := func(i int8) string { return pick(i, "first", "second") }
	switch step.Act {
	case ringWrite:
		over := ""
		if step.A >= ringPlaces {
			over = fmt.Sprintf(", over position %d", step.A-ringPlaces)
		}
		return fmt.Sprintf("B writes a frame at position %d in epoch %d%s: known durable is %d", step.A, step.B, over, step.C)
	case ringSync:
		return fmt.Sprintf("the write at position %d is synced; acked is all below %d", step.A, step.B)
	case ringTrim:
		return fmt.Sprintf("objects hold all below %d: B moves the trim there in memory", step.A)
	case ringSuper:
		return fmt.Sprintf("B writes the %s slot: trim %d, D %d", slot(step.A), step.B, step.C)
	case ringSuperSync:
		return fmt.Sprintf("the %s slot is synced", slot(step.A))
	case ringCrash:
		return "B crashes" + ringSayCrash(step)
	default:
		return fmt.Sprintf("B starts again and scans from %d: ", step.A) + pick(step.C,
			fmt.Sprintf("the log ends at %d", step.B),
			fmt.Sprintf("the log ends at %d, which cannot be: it refuses, something rotted", step.B),
			fmt.Sprintf("the log ends at %d, which cannot be: it refuses, and no frame is damaged", step.B),
			fmt.Sprintf("the log ends at %d, below D, which nobody asked", step.B),
			fmt.Sprintf("the log ends at %d, and what was acked is not in it", step.B),
			fmt.Sprintf("the log ends at %d, with a frame that an earlier scan dropped", step.B))
	}
}

func ringSayCrash(step Step) string {
	text := ""
	for i, fate := range []int8{step.A % 5, step.A / 5} {
		if fate > 0 {
			text += fmt.Sprintf("; the write at position %d ", step.B/4+int8(i)) +
				pick(fate-1, "lands", "does not land", "is torn", "stays in the machine's cache")
		}
	}
	if step.B%4 > 0 {
		text += "; the superblock " + pick(step.B%4-1, "lands", "does not land", "is torn")
	}
	switch {
	case step.C < 0:
		text += "; what only the machine's cache had is gone"
	case step.C > 2:
		text += fmt.Sprintf("; the frame at position %d rots", step.C-3)
	case step.C > 0:
		text += "; the " + pick(step.C-1, "first", "second") + " slot rots"
	}
	return text
}
