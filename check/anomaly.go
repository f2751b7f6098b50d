package check

import (
	"cmp"
	"fmt"
	"slices"
)

// examplesMax bounds what is kept of one anomaly: the worst.
const examplesMax = 32

// Anomaly is one of Jepsen's Kafka anomalies, by Jepsen's name.
type Anomaly struct {
	Kind    ViolationKind
	Count   int // that break a promise
	Allowed int // that break none, by Jepsen's default rules
	// Examples are the worst of those that break one, or, if there are none, of the others.
	Examples []Example
}

// Example is one occurrence of an anomaly.
type Example struct {
	Partition Partition
	Text      string
	Ops       []int
	worth     int64 // the higher, the worse
	allowed   bool
}

// Lag is how long a fetch had fallen behind: it showed nothing of a record that
// others had known for so long when it was called.
type Lag struct {
	Partition Partition
	Op        int
	Nanos     int64
}

// Anomalies is what the Jepsen pass found.
type Anomalies struct {
	Found []Anomaly // those with an occurrence, in the order of the package comment
	// Lags are the worst of each partition, worst first. They are no violation.
	Lags []Lag
	// Consumed[i] is how many values the members of a group got i+1 times. More than
	// once is no violation: a rebalance may give a record to two members.
	Consumed []int
}

// jepsenKinds in the order in which they are reported.
var jepsenKinds = []ViolationKind{
	InconsistentOffsets, Duplicate, LostWrite, Unseen, AbortedRead, PrecommittedRead,
	PollSkip, NonmonotonicPoll, IntPollSkip, IntNonmonotonicPoll,
	NonmonotonicSend, IntSendSkip, IntNonmonotonicSend,
	G0, G0Process, G0Realtime, G1c, G1cProcess, G1cRealtime,
}

// jepsen collects the anomalies of one history.
type jepsen struct {
	x     *index
	vs    []*versions // by partition
	found map[ViolationKind][]Example
	out   Anomalies

	failed map[Value]int // values that never committed, and who produced them
	pairs  int           // of a session's fetches that were compared
}

// Jepsen looks for every anomaly of Jepsen's Kafka workload.
func Jepsen(h *History) *Anomalies {
	j := buildIndex(h, &Verdict{}).jepsen()
	return &j.out
}

func (x *index) jepsen() *jepsen {
	j := &jepsen{x: x, found: map[ViolationKind][]Example{}}
	for n := range x.parts {
		j.vs = append(j.vs, x.versionsOf(n))
	}
	for n := range x.parts {
		j.inconsistent(n)
		j.duplicates(n)
		j.losses(n)
		j.reads(n)
		j.insideFetches(n)
		j.insideSends(n)
		j.lags(n)
	}
	j.sessions()
	j.sends()
	j.cycles()
	j.consumed()
	for _, kind := range jepsenKinds {
		if len(j.found[kind]) > 0 {
			j.out.Found = append(j.out.Found, condense(kind, j.found[kind]))
		}
	}
	slices.SortStableFunc(j.out.Lags, func(a, b Lag) int { return cmp.Compare(b.Nanos, a.Nanos) })
	return j
}

// condense keeps the worst examples.
func condense(kind ViolationKind, all []Example) Anomaly {
	a := Anomaly{Kind: kind}
	for _, e := range all {
		if e.allowed {
			a.Allowed++
		} else {
			a.Count++
		}
	}
	slices.SortStableFunc(all, func(a, b Example) int {
		if a.allowed != b.allowed {
			if a.allowed {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.worth, a.worth)
	})
	if a.Count > 0 {
		all = all[:a.Count]
	}
	a.Examples = slices.Clone(all[:min(len(all), examplesMax)])
	return a
}

func (j *jepsen) add(kind ViolationKind, n int, worth int64, ops []int, format string, args ...any) *Example {
	var p Partition
	if n >= 0 {
		p = j.x.parts[n].Partition
	}
	j.found[kind] = append(j.found[kind], Example{Partition: p, Text: fmt.Sprintf(format, args...), Ops: ops,
		worth: worth})
	return &j.found[kind][len(j.found[kind])-1]
}

// report adds what breaks a promise to the verdict.
func (j *jepsen) report(v *Verdict) {
	v.Counts.PollPairs += j.pairs
	v.Anomalies = &j.out
	for _, a := range j.out.Found {
		for i := range a.Count {
			if i < len(a.Examples) {
				e := a.Examples[i]
				v.add(a.Kind, e.Partition, e.Ops, "%s", e.Text)
			} else {
				v.Total++
			}
		}
	}
}
