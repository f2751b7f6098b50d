package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/sim/workload"
)

// WithCanary returns what runs a seed and then lies: one acknowledged produce of its history is given another offset,
// before the checkers judge it once more. Every seed must fail then. A pipeline in which it passes is dead: its
// silence says nothing.
func WithCanary(run Func) Func {
	return func(o workload.Options) *workload.Result {
		r := run(o)
		if r.Err != nil || r.History == nil || !lie(r.History) {
			return r
		}
		r.Verdict = check.Judge(r.History, check.Counts{})
		if !r.Verdict.OK() {
			kind := check.Undecided
			if len(r.Verdict.Violations) > 0 {
				kind = r.Verdict.Violations[0].Kind
			}
			r.Oracle = "history:" + string(kind)
			r.Err = fmt.Errorf("%s: the canary's lie was found: %s", r.Oracle, r.Verdict)
		}
		return r
	}
}

// lie moves the answer of the produce in the middle of the history by one offset.
func lie(h *check.History) bool {
	var acked []int
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == check.Produce && op.Outcome == check.OK {
			acked = append(acked, i)
		}
	}
	if len(acked) == 0 {
		return false
	}
	h.Ops[acked[len(acked)/2]].Offset++
	return true
}

// SendCanary sends the first seed of the range through the sweep's processes with a lie in its history.
func (s Sweep) SendCanary(ctx context.Context) *Canary {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = childTimeout
	}
	r := s.Program.result(ctx, s.Range.First, sides[0], timeout, "--canary")
	failed := !r.OK() && strings.HasPrefix(r.Oracle, "history:")
	return &Canary{Seed: r.Seed, Failed: failed, Oracle: r.Oracle, Cause: r.Cause()}
}
