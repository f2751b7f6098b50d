package run

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/weirmq/weir/check"
)

// JepsenJSON is written by package jepsen, and read by the report.
const JepsenJSON = "jepsen.json"

// JepsenFile is what a run of real processes under real faults came to.
type JepsenFile struct {
	Command  string       `json:"command"`
	Build    Build        `json:"build"`
	Shape    string       `json:"shape"` // nodes, roles, lease, store
	Seed     uint64       `json:"seed"`  // of the faults
	Timeline *Timeline    `json:"timeline"`
	Latency  []Latency    `json:"latency"`
	Kinds    []KindRow    `json:"kinds"`
	Away     []AwayRow    `json:"away"`
	Faults   []Tally      `json:"faults"` // how often each was done
	Counts   check.Counts `json:"counts"`
	Found    int          `json:"found"`    // violations
	Said     []string     `json:"said"`     // the first of them
	Failures []string     `json:"failures"` // what applications or the test itself were told that must not happen
}

// Latency is how long the answered operations of one kind took that ended in each bin of the timeline, in seconds; 0
// where none ended.
type Latency struct {
	Op  check.Kind `json:"op"`
	P50 []float64  `json:"p50_s"`
	P99 []float64  `json:"p99_s"`
	Max []float64  `json:"max_s"`
}

// KindRow is all operations of one kind.
type KindRow struct {
	Op      check.Kind `json:"op"`
	OK      int        `json:"ok"`
	Failed  int        `json:"failed"`
	Unknown int        `json:"unknown"`
	P50     float64    `json:"p50_s"` // of those that were answered
	P99     float64    `json:"p99_s"`
	P999    float64    `json:"p999_s"`
	Max     float64    `json:"max_s"`
}

// AwayRow is the longest time in which no produce to a partition was acknowledged.
type AwayRow struct {
	Partition string  `json:"partition"`
	From      float64 `json:"from_s"`
	Seconds   float64 `json:"seconds"`
}

const jepsenBins = 240

// NewJepsen sums a history up. Faults, verdict and what describes the run are the caller's to add.
func NewJepsen(h *check.History) *JepsenFile {
	f := &JepsenFile{Build: ThisBuild(), Away: away(h), Said: []string{}, Failures: []string{}, Faults: []Tally{}}
	end := int64(1)
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Return != check.NoReturn {
			end = max(end, op.Return)
		}
	}
	length := float64(end) / 1e9
	f.Timeline = &Timeline{
		Length: length, Bin: length / jepsenBins,
		OK: make([]int, jepsenBins), Failed: make([]int, jepsenBins), Open: make([]int, jepsenBins),
		Bands: []Band{}, Marks: []Mark{},
	}
	took := map[check.Kind][]stamped{}
	rows := map[check.Kind]*KindRow{}
	for i := range h.Ops {
		op := &h.Ops[i]
		f.Timeline.count(op)
		row := rows[op.Kind]
		if row == nil {
			row = &KindRow{Op: op.Kind}
			rows[op.Kind] = row
		}
		switch op.Outcome {
		case check.OK:
			row.OK++
			took[op.Kind] = append(took[op.Kind], stamped{float64(op.Return) / 1e9, float64(op.Return-op.Call) / 1e9})
		case check.Failed:
			row.Failed++
		default:
			row.Unknown++
		}
	}
	for _, kind := range []check.Kind{check.Produce, check.Fetch, check.ListEnd, check.Commit, check.FetchCommitted} {
		if row := rows[kind]; row != nil {
			f.Kinds = append(f.Kinds, row.filled(took[kind]))
			f.Latency = append(f.Latency, latency(kind, took[kind], f.Timeline.Bin))
		}
	}
	return f
}

// stamped is an operation that took so long and ended at a time, in seconds.
type stamped struct{ at, took float64 }

func (r *KindRow) filled(list []stamped) KindRow {
	times := make([]float64, len(list))
	for i, s := range list {
		times[i] = s.took
	}
	slices.Sort(times)
	r.P50, r.P99, r.P999, r.Max = quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999), quantile(times, 1)
	return *r
}

// quantile of a sorted list, 0 of an empty one.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

func latency(kind check.Kind, list []stamped, bin float64) Latency {
	var bins [jepsenBins][]float64
	for _, s := range list {
		i := min(jepsenBins-1, int(s.at/bin))
		bins[i] = append(bins[i], s.took)
	}
	l := Latency{Op: kind}
	for _, times := range bins {
		slices.Sort(times)
		l.P50 = append(l.P50, quantile(times, 0.5))
		l.P99 = append(l.P99, quantile(times, 0.99))
		l.Max = append(l.Max, quantile(times, 1))
	}
	return l
}

// away finds, for each partition, the longest time between two acknowledgements.
func away(h *check.History) []AwayRow {
	acks := map[check.Partition][]int64{}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == check.Produce && op.Outcome == check.OK {
			acks[op.Partition] = append(acks[op.Partition], op.Return)
		}
	}
	rows := []AwayRow{}
	for p, times := range acks {
		slices.Sort(times)
		worst := AwayRow{Partition: p.String()}
		for i := 1; i < len(times); i++ {
			if gap := float64(times[i]-times[i-1]) / 1e9; gap > worst.Seconds {
				worst.From, worst.Seconds = float64(times[i-1])/1e9, gap
			}
		}
		rows = append(rows, worst)
	}
	slices.SortFunc(rows, func(a, b AwayRow) int { return cmp.Compare(a.Partition, b.Partition) })
	return rows
}

// Judge adds the verdict of the checkers.
func (f *JepsenFile) Judge(v *check.Verdict) {
	const said = 20
	f.Counts, f.Found = v.Counts, v.Total
	for _, w := range v.Violations[:min(said, len(v.Violations))] {
		f.Said = append(f.Said, w.String())
	}
}

// Verdict is the run in one sentence.
func (f *JepsenFile) Verdict() string {
	if f.Found == 0 && len(f.Failures) == 0 {
		return "The history was found right, and no application was told of an error."
	}
	return fmt.Sprintf("Violations in the history: %d. Failures that applications or the test itself were told: %d.",
		f.Found, len(f.Failures))
}
