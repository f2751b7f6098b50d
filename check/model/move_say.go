package model

import "fmt"

// moveSay tells a step of the move model as a line of a story.
func moveSay(s Step) string {
	name := func(b int8) string { return []string{"O", "N", "M"}[b%moveBrokers] }
	switch s.Act {
	case moveBegin:
		return fmt.Sprintf("BeginMove(epoch %d, to %s) is applied: the partition is to leave %s",
			s.C, name(s.B), name(s.A))
	case moveSeal:
		return fmt.Sprintf("Seal(epoch %d) reaches %s, which takes no more appends", s.B, name(s.A))
	case moveAnswer:
		return fmt.Sprintf("%s answers Seal(epoch %d): the end is %d", name(s.A), s.B, s.C)
	case moveSealAndOpen:
		line := fmt.Sprintf("SealAndOpen(epoch %d, end %d, to %s) is applied", max(s.A, -s.A), s.B, name(s.C))
		if s.A < 0 {
			line += " without an answer"
		}
		return line + moveSayOpened(s.C)
	case moveOpen:
		how := "sees that metadata gives it"
		if s.B < 0 {
			how = "hears of the answer and opens"
		}
		return fmt.Sprintf("%s %s epoch %d, and holds the state at %d", name(s.A), how, max(s.B, -s.B), s.C)
	case moveAppend:
		if s.B < 0 {
			return fmt.Sprintf("%s serves again: it puts record %d into a frame, in epoch %d", name(s.A), s.C, -s.B)
		}
		return fmt.Sprintf("%s puts record %d into a frame, in epoch %d", name(s.A), s.C, s.B)
	case moveDurable:
		return fmt.Sprintf("record %d is durable in the WAL of %s", s.B, name(s.A))
	case moveAck:
		return fmt.Sprintf("%s acks all below %d in epoch %d", name(s.A), s.C, s.B)
	case moveFence:
		return fmt.Sprintf("Fence(%s) is applied", name(s.A))
	case moveScan:
		return fmt.Sprintf("R writes the fence word of %s's WAL and reads the WAL: it ends at %d, %s", name(s.A), s.B,
			[]string{"and the state at its end is nowhere", "and R has the state there"}[s.C])
	case moveSealRecovered:
		return fmt.Sprintf("SealRecovered(epoch %d, end %d, to %s) is applied", s.A, s.B, name(s.C)) +
			moveSayOpened(s.C)
	case moveLose:
		return fmt.Sprintf("the volume of %s is lost, and with it every state up to the end of epoch %d",
			name(s.B), s.A)
	}
	return ""
}

// moveSayOpened tells what a command did that was applied: the next epoch and its owner.
func moveSayOpened(made int8) string {
	epoch := made / moveBrokers
	return fmt.Sprintf(": epoch %d ends there, epoch %d begins", epoch-1, epoch)
}
