package check

import "math"

// Limits of one search. porcupine keeps a bit set of a window's operations for each
// state it has seen, so memory grows with the square of the window, and time with
// the operations that are open at once.
const (
	windowOpsMax     = 20_000
	windowClientsMax = 16
	windowOpsLeast   = 1_000 // however many clients
)

// windows cuts a partition's operations, in the order of their positions. A history
// that has an order has it in every window, so a cut anywhere raises no false alarm.
// It may hide an order that contradicts itself across the cut, but not where the log
// was quiet: everything before had returned when anything after was called. So the
// last quiet point of a window's second half is taken, if there is one.
func windows(ops []positioned) [][]positioned {
	called := make([]int64, len(ops)+1) // first call of ops[i:]
	called[len(ops)] = math.MaxInt64
	for i := len(ops) - 1; i >= 0; i-- {
		called[i] = min(called[i+1], ops[i].op.Call)
	}
	var out [][]positioned
	for len(ops) > 0 {
		n := windowEnd(ops, called)
		out = append(out, ops[:n])
		ops, called = ops[n:], called[n:]
	}
	return out
}

func windowEnd(ops []positioned, called []int64) int {
	clients := map[int]bool{}
	returned := int64(math.MinInt64)
	quiet := 0
	for i := range ops {
		if i > 0 && returned < called[i] {
			quiet = i
		}
		if c := ops[i].op.ClientId; c < unknownClients {
			clients[c] = true
		}
		if i == windowOpsMax || i >= windowOpsLeast && len(clients) > windowClientsMax {
			if quiet > i/2 {
				return quiet
			}
			return i
		}
		returned = max(returned, ops[i].op.Return)
	}
	return len(ops)
}
