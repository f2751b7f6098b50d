package run

import (
	"strconv"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// words says in words what the numbers of an event mean, "" where they mean no more than themselves: an op and where
// it struck, a fault, a machine.
func words(e sim.Event) string {
	switch e.Kind {
	case sim.KindBoot, sim.KindKill:
		return e.Machine + " incarnation " + strconv.FormatUint(e.A, 10)
	case sim.KindDisk:
		if op := e.A >> 56; op != 0 {
			return sim.Op(op).String() + " at " + strconv.FormatUint(e.A&(1<<56-1), 10)
		}
		return sim.Op(e.A >> 32).String()
	case sim.KindStore:
		if op := e.A >> 56; op != 0 {
			return sim.Op(op).String()
		}
		if e.A <= uint64(sim.OpStoreDelete) {
			return sim.Op(e.A).String()
		}
	case sim.KindNet: // other numbers are hashes of names, or small
		switch n := e.A >> 8; {
		case n == 0 || n > 1<<32:
		case e.A&0xff == 1:
			return "received " + strconv.FormatUint(n, 10) + " bytes"
		case e.A&0xff == 2:
			return "sent " + strconv.FormatUint(n, 10) + " bytes"
		}
	case sim.KindFault:
		return faultWords(e)
	}
	return ""
}

// faultWords names a fault. A fault that was drawn has a seed of 64 bits, one that was counted has no target; other
// numbers belong to a flipped byte.
func faultWords(e sim.Event) string {
	kind := fault.Kind(e.A & 0xff)
	switch {
	case e.A&^uint64(0x1ff) != 0 || int(kind) >= len(fault.Kinds()) || e.Who != 0 && e.B <= 0xff:
		return ""
	case e.A>>8 == 1:
		return kind.String() + " ends"
	}
	return kind.String()
}
