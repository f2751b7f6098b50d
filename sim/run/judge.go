package run

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
)

// JudgeAgain judges a history with every checker by itself, then with all of them, and returns what each found and
// how long it took, as a file of evidence and for people.
func JudgeAgain(h *check.History) (*CheckFile, string) {
	f := &CheckFile{Build: ThisBuild(), Ops: len(h.Ops)}
	for i := range h.Logs {
		f.Records += len(h.Logs[i].Values)
	}
	row := func(name, decides string, judge func() (found, judged int)) {
		begin := time.Now()
		found, judged := judge()
		f.Checkers = append(f.Checkers, CheckerRow{name, decides, judged, found, rounded(time.Since(begin).Seconds())})
	}
	row("Sweep", "every answer against the final log", func() (int, int) { return check.Sweep(h).Total, len(h.Ops) })
	row("Resolve", "unknown outcomes: applied, or never", func() (int, int) { return 0, len(check.Resolve(h)) })
	row("Linear", "an order of the operations on each partition (porcupine)", func() (int, int) {
		v := check.Linear(h)
		return v.Total, v.Counts.Linearized
	})
	row("Jepsen", "the anomalies of Jepsen's Kafka workload", func() (int, int) {
		check.Jepsen(h)
		return 0, len(h.Ops)
	})
	row("Registers", "group offsets, generations, topics, producer ids", func() (int, int) {
		v := check.Registers(h)
		return v.Total, v.Counts.OffsetsChecked
	})
	begin := time.Now()
	v := check.Judge(h, check.Counts{})
	f.Counts, f.Found, f.Seconds = v.Counts, v.Total, rounded(time.Since(begin).Seconds())
	for i := range f.Checkers {
		if f.Checkers[i].Checker == "Jepsen" {
			f.Checkers[i].Found = jepsenFound(v)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d operations, %d records in the final logs\n", f.Ops, f.Records)
	fmt.Fprintf(&b, "%-12s %10s %8s %10s  %s\n", "checker", "judged", "found", "seconds", "decides")
	for _, c := range f.Checkers {
		fmt.Fprintf(&b, "%-12s %10d %8d %10.4f  %s\n", c.Checker, c.Judged, c.Found, c.Seconds, c.Decides)
	}
	fmt.Fprintf(&b, "all in %.4f s: %s\n", f.Seconds, v)
	return f, b.String()
}

// jepsenFound counts the violations that have Jepsen's names, which are not written like ours.
func jepsenFound(v *check.Verdict) (n int) {
	for _, w := range v.Violations {
		if name := string(w.Kind); name == strings.ToLower(name) || strings.HasPrefix(name, "G") {
			n++
		}
	}
	return n
}
