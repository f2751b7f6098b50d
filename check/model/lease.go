package model

import "fmt"

// The rules of the lease model, by index.
const (
	leaseRound = iota
	leaseSuppress
	leaseNoForward
	leaseCarries
	leaseFirstEntry
	leaseWaits
	leaseGrantWait
	leaseFromSend
	leaseAnswered
	leaseAfterSync
	leaseWord
	leaseWordAfterSync
	leaseWordFirst
	leaseClock
)

func leaseRules() []Rule {
	return []Rule{
		leaseRound: {Number: "2", Name: "quorum-round",
			Says: "a controller grants a lease only after a round of its own term, begun when the heartbeat was there, " +
				"reached a quorum"},
		leaseSuppress: {Number: "3", Name: "decision-suppresses-grants",
			Says: "from the moment it decides to fence a broker a controller grants that broker nothing"},
		leaseNoForward: {Number: "4", Name: "no-forwarding",
			Says: "a controller that is no longer the leader throws its command away and hands it to nobody"},
		leaseCarries: {Number: "4", Name: "command-carries-term",
			Says: "Apply refuses a Fence that stands in the log of another term than it was decided in"},
		leaseFirstEntry: {Number: "2", Name: "first-entry-applied",
			Says: "a new leader grants nothing before it has applied the first entry of its term, and so all before it"},
		leaseWaits: {Number: "3", Name: "new-leader-waits",
			Says: "a leader counts the start of its own term as if it had granted then: it decides L later at the soonest"},
		leaseGrantWait: {Number: "3", Name: "wait-after-grant",
			Says: "a controller decides to fence a broker L after its own last grant to it at the soonest"},
		leaseFromSend: {Number: "2", Name: "lease-from-send",
			Says: "a broker counts its lease from when it sent the heartbeat, not from when the answer came"},
		leaseAnswered: {Number: "2", Name: "lease-of-the-answered",
			Says: "a broker counts its lease from the very heartbeat that is answered, not from the last one it sent"},
		leaseAfterSync: {Number: "6", Name: "lease-after-sync",
			Says: "a broker looks at its lease after the sync, not before the write"},
		leaseWord: {Number: "6", Name: "fence-word",
			Says: "the provider has a fence word: who takes over writes it, and the holder reads it again before each ack"},
		leaseWordAfterSync: {Number: "6", Name: "word-after-sync",
			Says: "a broker reads the fence word after the sync, not before the write"},
		leaseWordFirst: {Number: "7", Name: "word-before-scan",
			Says: "who takes over writes the fence word before it reads the WAL"},
		leaseClock: {Number: "6", Name: "clock-runs", Assumed: true,
			Says: "a broker's clock never stands still: no machine is paused, saved or migrated"},
	}
}

// lease is the lease of a broker's session, the fence that ends it, and
// the change of controllers between the two.
func lease() *Model[leaseState] {
	return &Model[leaseState]{
		Name: "lease",
		About: fmt.Sprintf("One broker B5 with one WAL, one recoverer R, and controllers of which %d stand for "+
			"election, up to term %d. A lease is %d ticks; a controller's clock may always stand still. "+
			"A quorum is abstract: a round or a commit of term t succeeds until a quorum has voted in a later term, "+
			"and an entry that was not committed by then may come back with any later leader until the first entry of "+
			"such a term is committed. The log holds first entries and Fence. Records and heartbeats have neither "+
			"number nor end; %d heartbeats are under way at a time, and B5 may always give one up and send another. "+
			"Left out: the margin and drift of clocks (a clock runs or stands still), the assignment of R and its "+
			"failover, proof of death, other brokers, changes of membership.",
			leaseControllers, leaseTerms, leaseTicks, leaseBeats),
		Rules:  leaseRules(),
		Acts:   leaseActs(),
		Start:  leaseState{newest: 1, kept: 1, lead: [leaseControllers]leaseLeader{{term: 1, ready: 1, age: leaseTicks}}},
		Next:   leaseNext,
		Broken: leaseBroken,
		Say:    leaseSay,
		Goals:  leaseGoals(),
		Cases:  leaseCases(),
	}
}

func leaseBroken(s leaseState) string {
	if s.phase == phaseLost {
		return "AckedDurable"
	}
	return ""
}

func leaseGoals() []Goal[leaseState] {
	return []Goal[leaseState]{
		{"an acked record is in what R reads", func(s leaseState) bool {
			return s.phase == phaseAcked && s.reader == readerRead
		}},
		{"a leader of term 2 or later grants a lease", func(s leaseState) bool {
			b := s.beats[leaseBeats-1] // granted ones are last
			return b.stage == beatGranted && s.lead[b.to].term > 1
		}},
		{"Fence is applied in term 3", func(s leaseState) bool {
			return s.newest == 3 && s.lead[s.leader()].sees == seesFenced
		}},
		{"a record is durable and parked, for the lease is over", func(s leaseState) bool {
			return s.phase == phaseChecked && s.lease == 0
		}},
		{"a record is durable after R has read, and is not acked", func(s leaseState) bool {
			return s.phase == phaseSynced && s.missed == 1
		}},
		{"B5 finds another's fence word and ends", func(s leaseState) bool { return s.phase == phaseDead }},
		{"two controllers think that they lead", func(s leaseState) bool {
			return s.lead[0].term > 0 && s.lead[1].term > 0 && s.phase != phaseDead
		}},
	}
}
