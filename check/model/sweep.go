package model

import "fmt"

// sweepKeys is how many object keys the broker may give out.
const sweepKeys = 3

const (
	sweepLowChecked = iota
	sweepFencedRefused
	sweepNoAge
	sweepOneIndex
	sweepVerified
)

const (
	sweepUpload = iota
	sweepRetry
	sweepLand
	sweepCommit
	sweepGiveUp
	sweepRaise
	sweepFence
	sweepApply
	sweepJudge
	sweepDelete
)

// sweepKey is one object key: what the network carries for it, what the store and metadata hold,
// and what the broker and the sweeper think of it.
type sweepKey struct {
	puts     int8 // copies of its PUT under way
	there    bool // the store has the object
	verified bool // the broker knows that it has
	sent     bool // a CommitObject is under way
	refers   bool // metadata refers to it
	left     bool // the broker gave it up
	seen     bool // the sweeper read that nothing refers to it, and has not read more
	judged   bool // the sweeper will delete it
}

type sweepState struct {
	keys   [sweepKeys]sweepKey
	next   int8 // the first key not given out
	want   int8 // the low sequence of the RaiseLow under way
	low    int8
	fenced bool
}

func sweep() *Model[sweepState] {
	return &Model[sweepState]{
		Name: "sweep",
		About: "One broker epoch with three object keys, each PUT up to twice and late, each commit and RaiseLow " +
			"delayed at will, a fence at any time, and a sweeper that judges any key at any time and deletes later. " +
			"A broker that is fenced goes on as if it were not. Left out: deletion of what was referred to once, " +
			"multipart uploads, several broker epochs.",
		Rules: []Rule{
			{Number: "34", Name: "low-checked", Says: "a commit below the epoch's low sequence is refused when it is applied"},
			{Number: "34", Name: "fenced-refused", Says: "a commit of a fenced epoch is refused when it is applied"},
			{Number: "34", Name: "no-age", Says: "a key is garbage by its epoch or its sequence, never by its age"},
			{Number: "34", Name: "one-index",
				Says: "what refers to a key, the low sequence and the fence are read at one index"},
			{Number: "32", Name: "verified", Says: "only a PUT that is known to have succeeded is committed"},
		},
		Acts: []string{"upload", "retry", "land", "commit", "give up", "raise low", "fence", "apply", "judge", "delete"},
		Next: sweepNext,
		Broken: func(s sweepState) string {
			for _, k := range s.keys {
				if k.refers && !k.there {
					return "ObjectReferencedExists"
				}
			}
			return ""
		},
		Say: sweepSay,
		Goals: []Goal[sweepState]{
			{"the object of an abandoned key is there and the next key is in use", func(s sweepState) bool {
				return s.keys[0].there && s.keys[0].left && s.low > 0 && s.keys[1].refers
			}},
			{"one key is referred to while the sweeper deletes the other", func(s sweepState) bool {
				return s.keys[0].judged && s.keys[1].refers || s.keys[1].judged && s.keys[0].refers
			}},
			{"a key is referred to and its epoch is fenced", func(s sweepState) bool { return s.fenced && s.keys[0].refers }},
		},
		Cases: []Case{
			{Off: []string{"low-checked"}, Broken: "ObjectReferencedExists", Steps: 8,
				Why: "a commit that was delayed takes hold of a key which the sweeper had reason to call garbage"},
			{Off: []string{"fenced-refused"}, Broken: "ObjectReferencedExists", Steps: 7,
				Why: "dead epochs can be swept only because no commit of theirs counts any more"},
			{Off: []string{"no-age"}, Broken: "ObjectReferencedExists", Steps: 6,
				Why: "no age tells an abandoned object from one whose commit is slow"},
			{Off: []string{"one-index"}, Broken: "ObjectReferencedExists", Steps: 8,
				Why: "between two reads the key is committed and the low sequence goes past it"},
			{Off: []string{"verified"}, Broken: "ObjectReferencedExists", Steps: 3,
				Why: "metadata refers to an object that has not arrived"},
		},
	}
}

func sweepNext(s sweepState, off Rules, emit func(Step, sweepState)) {
	if s.next < sweepKeys {
		to := s
		to.keys[s.next].puts, to.next = 1, s.next+1
		emit(Step{Act: sweepUpload, A: s.next}, to)
	}
	if s.want > s.low {
		to := s
		to.low = s.want
		emit(Step{Act: sweepRaise, A: s.want}, to)
	}
	if !s.fenced {
		to := s
		to.fenced = true
		emit(Step{Act: sweepFence}, to)
	}
	for i := int8(0); i < sweepKeys; i++ {
		sweepBroker(s, i, off, emit)
		sweepApplied(s, i, off, emit)
		sweepSweeper(s, i, off, emit)
	}
}

// sweepBroker is what the broker and the network do with key i.
func sweepBroker(s sweepState, i int8, off Rules, emit func(Step, sweepState)) {
	k := s.keys[i]
	if k.puts == 1 && !k.verified && !k.left {
		to := s
		to.keys[i].puts = 2
		emit(Step{Act: sweepRetry, A: i}, to)
	}
	for answered := int8(0); answered < 2 && k.puts > 0; answered++ {
		to := s
		to.keys[i].puts, to.keys[i].there = k.puts-1, true
		to.keys[i].verified = k.verified || answered == 1
		emit(Step{Act: sweepLand, A: i, B: answered}, to)
	}
	if i < s.next && !k.sent && !k.refers && !k.left && (k.verified || off.Has(sweepVerified)) {
		to := s
		to.keys[i].sent = true
		emit(Step{Act: sweepCommit, A: i}, to)
	}
	if i < s.next && s.want <= i {
		to := s
		to.want = i + 1
		for j := int8(0); j <= i; j++ {
			to.keys[j].left = !to.keys[j].refers
		}
		emit(Step{Act: sweepGiveUp, A: i}, to)
	}
}

func sweepApplied(s sweepState, i int8, off Rules, emit func(Step, sweepState)) {
	if !s.keys[i].sent {
		return
	}
	refused := int8(0)
	if i < s.low && !off.Has(sweepLowChecked) || s.fenced && !off.Has(sweepFencedRefused) {
		refused = 1
	}
	to := s
	to.keys[i].sent = false
	to.keys[i].refers = s.keys[i].refers || refused == 0
	emit(Step{Act: sweepApply, A: i, B: refused}, to)
}

// sweepSweeper judges key i whether or not the store has it: a LIST before the read of
// metadata and one behind it are both among these orders.
func sweepSweeper(s sweepState, i int8, off Rules, emit func(Step, sweepState)) {
	k := s.keys[i]
	final := s.fenced || i < s.low || off.Has(sweepNoAge) && k.there
	judge := func(how int8, seen, judged bool) {
		to := s
		to.keys[i].seen, to.keys[i].judged = seen, judged
		emit(Step{Act: sweepJudge, A: i, B: how}, to)
	}
	switch {
	case k.judged:
		to := s
		to.keys[i].judged, to.keys[i].there = false, false
		emit(Step{Act: sweepDelete, A: i}, to)
	case off.Has(sweepOneIndex) && !k.seen && !k.refers && i < s.next:
		judge(1, true, false)
	case off.Has(sweepOneIndex) && k.seen && final:
		judge(2, false, true)
	case !off.Has(sweepOneIndex) && !k.refers && final && i < s.next:
		judge(0, false, true)
	}
}

func sweepSay(step Step) string {
	of := fmt.Sprintf("object %d", step.A)
	switch step.Act {
	case sweepUpload:
		return "the broker sends the PUT of " + of
	case sweepRetry:
		return "the broker hears nothing and sends the PUT of " + of + " again"
	case sweepLand:
		return "a PUT of " + of + " lands" + pick(step.B, ", its answer is lost", " and is answered")
	case sweepCommit:
		return "the broker proposes to commit " + of
	case sweepGiveUp:
		return "the broker gives up " + of + " and what came before it, and proposes RaiseLow"
	case sweepRaise:
		return fmt.Sprintf("RaiseLow is applied: the low sequence is %d", step.A)
	case sweepFence:
		return "the broker's epoch is fenced"
	case sweepApply:
		return "the commit of " + of + " is applied" + pick(step.B, ": metadata refers to it", ": refused")
	case sweepJudge:
		return "the sweeper " + pick(step.B, "reads that nothing refers to "+of+" and that nothing may: garbage",
			"reads that nothing refers to "+of, "reads the low sequence and the fence: "+of+" is garbage")
	default:
		return "the sweeper deletes " + of
	}
}

// pick is the text of that index.
func pick(index int8, texts ...string) string { return texts[index] }
