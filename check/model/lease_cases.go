package model

import "fmt"

// leaseSay tells a step of the lease model as a line of a story.
func leaseSay(s Step) string {
	c, term := s.A+1, s.B
	switch s.Act {
	case leaseTick:
		return leaseSayTick(s.A)
	case leaseElect:
		return fmt.Sprintf("C%d is elected for term %d%s", c, term,
			[]string{"", ", with the Fence that nobody committed in its log"}[s.C])
	case leaseReady:
		return fmt.Sprintf("C%d applies the first entry of term %d%s", c, term,
			[]string{"", ", and the Fence of B5 that stood before it"}[s.C])
	case leaseDecide:
		return fmt.Sprintf([]string{"C%d, leader of term %d, knows of no grant in the last %d ticks and decides to fence B5",
			"C%d, leader of term %d, does not wait for %d ticks and decides to fence B5"}[s.C], c, term, leaseTicks)
	case leasePropose:
		return fmt.Sprintf([]string{"C%d writes Fence(B5) into its log of term %d",
			"C%d, deposed, hands the Fence(B5) that it decided to the leader of term %d",
			"C%d still has a Fence(B5) of an earlier term in its queue and writes it into its log of term %d"}[s.C],
			c, term)
	case leaseCommit:
		return fmt.Sprintf("a quorum has Fence(B5): C%d applies it in term %d", c, term)
	case leaseBeatSend:
		return "B5 sends a heartbeat"
	case leaseTake:
		return fmt.Sprintf("C%d takes the heartbeat in term %d and asks %s", c, term, []string{"nobody", "a quorum"}[s.C])
	case leaseGrant:
		return fmt.Sprintf("C%d grants B5 a lease in term %d: %s of it left", c, term, leaseSayTicks(s.C))
	case leaseAnswer:
		return fmt.Sprintf("the answer of C%d reaches B5, which holds its lease with %s left", c, leaseSayTicks(s.B))
	case leaseWrite:
		return "B5 " + []string{"", "sees that its lease is held, and ", "sees that the fence word is its own, and ",
			"sees that its lease is held and the fence word its own, and "}[s.A] + "writes a record"
	case leaseSync:
		return "the record is durable"
	case leaseReadWord:
		return []string{"B5 reads the fence word: its own", "B5 reads the fence word: another's; B5 ends"}[s.A]
	case leaseAck:
		return fmt.Sprintf("B5 acks the record with %s of its lease left%s", leaseSayTicks(s.A),
			[]string{"", ": R has not read it"}[s.B])
	case leaseWriteWord:
		return "R writes the fence word"
	case leaseScan:
		return "R reads the WAL"
	}
	return ""
}

// leaseCases is what the lease model claims. With the fence word on every lease rule is redundant, so a
// lease rule alone is taken away where the provider has no such word.
func leaseCases() []Case {
	lost := func(steps int, why string, off ...string) Case {
		return Case{Off: off, Broken: "AckedDurable", Steps: steps, Why: why}
	}
	noWord := func(steps int, why string, off ...string) Case {
		return lost(steps, why, append([]string{"fence-word"}, off...)...)
	}
	return []Case{
		{Off: []string{"clock-runs"},
			Why: "a clock that stands still makes the lease worthless, and the fence word stops B5 all the same"},
		{Off: []string{"clock-runs", "quorum-round", "decision-suppresses-grants", "no-forwarding",
			"command-carries-term", "first-entry-applied", "new-leader-waits", "wait-after-grant",
			"lease-from-send", "lease-of-the-answered", "lease-after-sync"},
			Why: "with the fence word no acked record needs the lease"},
		{Off: []string{"fence-word"},
			Why: "where the provider has no fence word the lease alone is enough, as long as no clock stands still"},
		noWord(13, "B5's machine is paused, B5 is fenced and its WAL read; then it goes on, by a clock that says "+
			"that its lease is held: no margin covers a clock that stands still", "clock-runs"),
		noWord(15, "a deposed controller that does not know it grants a lease that the new one never counted",
			"quorum-round"),
		noWord(11, "a lease is renewed between the decision and Fence: the fence comes in the middle of it",
			"decision-suppresses-grants"),
		{Off: []string{"fence-word", "no-forwarding"},
			Why: "a Fence that reaches the next leader is refused by Apply: it carries the term in which it was decided"},
		noWord(13, "a controller decides, loses its term, wins a later one, grants, and then proposes what it decided",
			"command-carries-term"),
		noWord(13, "a deposed controller hands its Fence to the new leader, which has just renewed the lease",
			"no-forwarding", "command-carries-term"),
		noWord(12, "the last leader's Fence stands in the new leader's log: it renews the lease and then applies it",
			"first-entry-applied"),
		noWord(13, "a new leader knows nothing of the last leader's grants and decides at once", "new-leader-waits"),
		noWord(11, "a leader fences a broker to which it has granted a lease just now", "wait-after-grant"),
		noWord(13, "the answer is late, and B5's lease begins when it comes: after the controller counts it as over",
			"lease-from-send"),
		noWord(14, "the late answer to one heartbeat is taken for the answer to the next, which was sent later",
			"lease-of-the-answered"),
		noWord(13, "the sync takes longer than what was left of the lease", "lease-after-sync"),
		lost(14, "a word that was read before the write says nothing of the time of the sync",
			"word-after-sync", "clock-runs"),
		lost(14, "B5 finds its own word still there after R has read the WAL", "word-before-scan", "clock-runs"),
	}
}

func leaseSayTicks(n int8) string {
	switch n {
	case 0:
		return "nothing"
	case 1:
		return "1 tick"
	}
	return fmt.Sprintf("%d ticks", n)
}

func leaseSayTick(still int8) string {
	line := "a tick passes"
	for i, who := range []string{"B5", "C1", "C2", "C3"} {
		if still&(1<<i) != 0 {
			line += ", " + who + "'s clock stands still"
		}
	}
	return line
}
