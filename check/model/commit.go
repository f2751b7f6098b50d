package model

import "fmt"

// Bounds of the model commit: positions of O's WAL, records of N, generations of O's WAL.
const (
	commitPlaces  = 3
	commitRecords = 1
	commitGens    = 3
)

const (
	commitPerEntry = iota
	commitPerRange
	commitLogStart
	commitFromCommitted
	commitSealedEnd
	commitHolder
	commitDurable
	commitEndMax
	commitTrimAccepted
)

const (
	commitWrite = iota
	commitSync
	commitDie
	commitFence
	commitAssign
	commitSeal
	commitRelease
	commitTrimStream
	commitDelete
	commitAppend
	commitApply
	commitTrim
)

// How an entry of a commit is judged.
const (
	entryNone = iota
	entryAccepted
	entryAlready
	entryGone
	entryRefused
	entryVerdicts
)

// commitState is two streams and two WALs. O's WAL holds, by position: record 0 of s, record 0 of
// t, record 1 of s. N's WAL holds records of s from where O's range ends.
type commitState struct {
	written, durable, acked int8 // positions of O's WAL

	uploaded int8 // O may have uploaded what is below
	dead     bool // O's process
	fenced   bool
	gen      int8 // of O's WAL; from 2 on a recoverer's
	held     bool // a recoverer lives and holds it
	trim     int8
	done     [commitPlaces]bool // positions that O may trim, as far as it knows
	released bool
	// The positions that each recoverer's scan read.
	from, found [commitGens - 1]int8

	sealed     bool
	end, tEnd  int8 // of O's range of s, and of its range of t
	committed  int8 // of O's range of s
	tDone      bool // t's record is in an object
	tDeleted   bool
	logStart   int8 // of s
	records    int8 // of N's range
	nCommitted int8
	nTrim      int8
	nDone      [commitRecords]bool
	// By offset of s: from which range a live object has it.
	cover  [commitPlaces - 1 + commitRecords]int8
	tangle bool // two live objects have one offset
	pinned bool // a commit was refused for another's sake
}

func commit() *Model[commitState] {
	return &Model[commitState]{
		Name: "commit",
		About: "Stream s moves from O to N, stream t stays in O's WAL: three records of O, one of N. O's writes are " +
			"synced late, it dies or is fenced and goes on; two recoverers in turn scan, seal, commit and release. " +
			"Objects of any run of records, which the writer uploads as soon as it may; their commits are applied in " +
			"any order, late and again, and the answers may be lost. DeleteRecords and the deletion of t at any time. " +
			"Pinned stands for a loss of liveness: a commit was refused though its own range allows it. Left out: keys " +
			"and their low sequence (model sweep), checkpoints, holes, compaction, a crash of N. O acks nothing after " +
			"the fence (models lease and holder).",
		Rules:  commitRules(),
		Acts:   commitActs(),
		Start:  commitState{gen: 1},
		Next:   commitNext,
		Broken: commitBroken,
		Say:    commitSay,
		Goals: []Goal[commitState]{
			{"N trimmed all while O's range is still owed", func(s commitState) bool {
				return s.nTrim == commitRecords && s.end > 0 && s.committed == 0 && s.logStart == 0
			}},
			{"the second recoverer released the WAL, part of it committed by O", func(s commitState) bool {
				return s.released && s.gen == commitGens && s.end == 2 && s.from[1] == 1 && s.logStart == 0
			}},
			{"records before the log start were never committed", func(s commitState) bool {
				return s.released && s.committed == 0 && s.end == 2
			}},
			{"a zombie's record lies behind the sealed end", func(s commitState) bool {
				return s.sealed && s.end == 1 && s.durable == commitPlaces && s.records > 0
			}},
		},
		Cases: commitCases(),
	}
}

func commitActs() []string {
	return []string{"write", "sync", "die", "fence", "assign", "seal", "release", "trim stream", "delete", "append",
		"apply", "trim"}
}

func commitRules() []Rule {
	return []Rule{
		{Number: "31", Name: "per-entry", Says: "each entry of a commit is judged by itself"},
		{Number: "31", Name: "per-range", Says: "a commit goes on where its range ends, not where its stream ends"},
		{Number: "31", Name: "log-start", Says: "a commit may begin at the log start, above what is committed"},
		{Number: "31", Name: "from-committed", Says: "a commit takes effect from what is committed already"},
		{Number: "31", Name: "sealed-end", Says: "a commit beyond the sealed end of its range is refused"},
		{Number: "5", Name: "holder", Says: "a commit from a WAL is accepted of its holder at its generation only"},
		{Number: "32", Name: "durable-only", Says: "only durable records are uploaded"},
		{Number: "32", Name: "end-max", Says: "a recovered end is not below what is committed"},
		{Number: "33", Name: "trim-accepted", Says: "the trim stops at an entry that was refused"},
	}
}

func commitCases() []Case {
	return []Case{
		{Off: []string{"trim-accepted"}, Broken: "CoveredOnce", Steps: 5,
			Why: "a refused commit leaves its records in the WAL alone"},
		{Off: []string{"per-entry"}, Broken: "Pinned", Steps: 5,
			Why: "one stream whose records are gone stops all others in its object, for ever"},
		{Off: []string{"per-range"}, Broken: "Pinned", Steps: 7,
			Why: "what O owes stops N, which has nothing to do with it"},
		{Off: []string{"log-start"}, Broken: "Pinned", Steps: 6,
			Why: "what DeleteRecords took is never uploaded, and the commit behind it waits for it"},
		{Off: []string{"from-committed"}, Broken: "CoveredOnce", Steps: 6,
			Why: "an object that reaches back gives its records a second time"},
		{Off: []string{"sealed-end"}, Why: "writers clip their objects, and who does not know the end is fenced"},
		{Off: []string{"holder"}, Why: "the range's end and what is committed stop a fenced writer"},
		{Off: []string{"sealed-end", "holder"}, Broken: "EndNotBelowCommitted", Steps: 6,
			Why: "a fenced writer commits what lies behind the end: offsets that N gives to other records"},
		{Off: []string{"durable-only"}, Why: "the recovered end covers what was committed too early"},
		{Off: []string{"end-max"}, Broken: "EndNotBelowCommitted", Steps: 7,
			Why: "what is committed is trimmed: the scan does not see it"},
		{Off: []string{"durable-only", "end-max"}, Broken: "EndNotBelowCommitted", Steps: 5,
			Why: "what is committed was never on the volume"},
	}
}

// commitBroken holds s against its invariants; t has one record only, which is needed as long as t is there.
func commitBroken(s commitState) string {
	if s.pinned {
		return "Pinned"
	}
	if s.sealed && s.end < s.committed {
		return "EndNotBelowCommitted"
	}
	inWAL := func(place int8) bool { return place >= s.trim && place < s.durable && !s.released }
	needed, tNeeded := (s.acked+1)/2, s.acked > 1
	if s.sealed {
		needed, tNeeded = s.end, s.tEnd > 0
	}
	if tNeeded && !s.tDone && !s.tDeleted && !inWAL(1) || s.tangle {
		return "CoveredOnce"
	}
	for offset := s.logStart; offset < int8(len(s.cover)); offset++ {
		has := s.cover[offset]
		switch {
		case offset < needed && (has == 2 || has == 0 && !inWAL(2*offset)):
			return "CoveredOnce"
		case s.sealed && offset >= s.end && offset < s.end+s.records:
			if has == 1 || has == 0 && offset-s.end < s.nTrim {
				return "CoveredOnce"
			}
		}
		if offset < s.committed && has != 1 || s.sealed && offset >= s.end && offset < s.end+s.nCommitted && has != 2 {
			return "CommitContiguous"
		}
	}
	return ""
}

// commitPairs are the runs of positions that an object can hold.
func commitPairs() [][2]int8 { return [][2]int8{{0, 1}, {1, 2}, {0, 2}, {2, 3}, {1, 3}, {0, 3}} }

func commitSay(step Step) string {
	writer, run := commitMessage(step.A)
	who := pick(writer, "O", "R", "R2", "N")
	switch step.Act {
	case commitWrite:
		return "O writes " + pick(step.A, "record 0 of s", "record 0 of t", "record 1 of s")
	case commitSync:
		return "O's writes are synced" + pick(step.B, " and acked", "; it is fenced and acks nothing")
	case commitDie:
		return fmt.Sprintf("O dies; of its WAL %d records are on the volume", step.A)
	case commitFence:
		return pick(step.A, "O is fenced", "the recoverer is fenced")
	case commitAssign:
		text := pick(step.A-2, "R", "R2") + " is made the recoverer and scans: "
		if step.B == step.C {
			return text + "the WAL is empty"
		}
		return text + fmt.Sprintf("the records from position %d to before %d", step.B, step.C)
	case commitSeal:
		return fmt.Sprintf("the recoverer seals O's range of s at %d; N goes on there", step.A)
	case commitRelease:
		return "the recoverer releases O's WAL: its bytes are gone"
	case commitTrimStream:
		return fmt.Sprintf("DeleteRecords: the log of s starts at %d", step.A)
	case commitDelete:
		return "t is deleted"
	case commitAppend:
		return "N writes, syncs and acks its next record of s"
	case commitApply:
		return who + "'s commit of " + commitRecordsOf(writer, run) + " is applied: " + commitSayVerdicts(step.C) +
			pick(step.B, "; the answer is lost", "; it hears so")
	default:
		return pick(step.A, "O", "N") + fmt.Sprintf(" trims its WAL to %d", step.B)
	}
}

func commitRecordsOf(writer int8, run [2]int8) string {
	text := ""
	for place := run[0]; place < run[1]; place++ {
		if text != "" {
			text += ", "
		}
		if writer == commitGens {
			text += fmt.Sprintf("N's record %d", place)
		} else {
			text += pick(place, "s 0", "t 0", "s 1")
		}
	}
	return text
}

func commitSayVerdicts(code int8) string {
	word := func(v int8) string { return pick(v, "", "accepted", "already there", "gone", "refused") }
	s, t := code%entryVerdicts, code/entryVerdicts
	switch {
	case t == entryNone:
		return "s " + word(s)
	case s == entryNone:
		return "t " + word(t)
	}
	return "s " + word(s) + ", t " + word(t)
}
