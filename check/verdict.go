package check

import (
	"fmt"
	"strings"
)

// ViolationKind names what went wrong; the package comment explains each.
type ViolationKind string

// The violations.
const (
	Lost         ViolationKind = "Lost"
	Moved        ViolationKind = "Moved"
	OffsetReused ViolationKind = "OffsetReused"
	Resurrected  ViolationKind = "Resurrected"
	Duplicated   ViolationKind = "Duplicated"
	Torn         ViolationKind = "Torn"
	Phantom      ViolationKind = "Phantom"
	Misplaced    ViolationKind = "Misplaced"
	NotASlice    ViolationKind = "NotASlice"
	RealTime     ViolationKind = "RealTime"
	NotLinear    ViolationKind = "NotLinear"
	StaleOffset  ViolationKind = "StaleOffset"
	Undecided    ViolationKind = "Undecided"
	Vacuous      ViolationKind = "Vacuous"
	Malformed    ViolationKind = "Malformed"

	Undeleted        ViolationKind = "Undeleted"
	OutOfSequence    ViolationKind = "OutOfSequence"
	ShownEarly       ViolationKind = "ShownEarly"
	MarkRegressed    ViolationKind = "MarkRegressed"
	BeyondMark       ViolationKind = "BeyondMark"
	StaleGeneration  ViolationKind = "StaleGeneration"
	TwoLeaders       ViolationKind = "TwoLeaders"
	StaleMetadata    ViolationKind = "StaleMetadata"
	ReusedProducerID ViolationKind = "ReusedProducerID"
)

// The violations that Jepsen found, by Jepsen's names.
const (
	InconsistentOffsets ViolationKind = "inconsistent-offsets"
	Duplicate           ViolationKind = "duplicate"
	LostWrite           ViolationKind = "lost-write"
	Unseen              ViolationKind = "unseen"
	AbortedRead         ViolationKind = "aborted-read"
	PrecommittedRead    ViolationKind = "precommitted-read"
	PollSkip            ViolationKind = "poll-skip"
	NonmonotonicPoll    ViolationKind = "nonmonotonic-poll"
	IntPollSkip         ViolationKind = "int-poll-skip"
	IntNonmonotonicPoll ViolationKind = "int-nonmonotonic-poll"
	NonmonotonicSend    ViolationKind = "nonmonotonic-send"
	IntSendSkip         ViolationKind = "int-send-skip"
	IntNonmonotonicSend ViolationKind = "int-nonmonotonic-send"
	G0                  ViolationKind = "G0"
	G0Process           ViolationKind = "G0-process"
	G0Realtime          ViolationKind = "G0-realtime"
	G1c                 ViolationKind = "G1c"
	G1cProcess          ViolationKind = "G1c-process"
	G1cRealtime         ViolationKind = "G1c-realtime"
)

// violationsMax bounds what a verdict keeps: the first ones tell the story, and a
// lost log would otherwise print every record of it.
const violationsMax = 100

// Violation is one broken promise.
type Violation struct {
	Kind      ViolationKind
	Partition Partition
	Text      string
	Ops       []int // indexes into History.Ops of those that contradict each other or the log
}

// String is one line: kind, partition, text.
func (v Violation) String() string {
	if v.Partition == (Partition{}) {
		return string(v.Kind) + ": " + v.Text
	}
	return string(v.Kind) + " " + v.Partition.String() + ": " + v.Text
}

// Counts say how much a history exercised. All are operations, but those named
// Records.
type Counts struct {
	Acked          int `json:"acked"`           // produces acknowledged
	AckedRecords   int `json:"acked_records"`   //
	Failed         int `json:"failed"`          // produces that failed for certain
	Unknown        int `json:"unknown"`         // produces with unknown outcome …
	UnknownApplied int `json:"unknown_applied"` // … of which the final log has these
	Fetches        int `json:"fetches"`         // fetches answered
	ReadRecords    int `json:"read_records"`    //
	ListEnds       int `json:"list_ends"`       // ends listed
	Commits        int `json:"commits"`         // offset commits acknowledged
	CommitsRead    int `json:"commits_read"`    // committed offsets fetched
	Linearized     int `json:"linearized"`      // operations that porcupine put in order
	OffsetsChecked int `json:"offsets_checked"` // commits and fetches of them that porcupine put in order
	FinalRecords   int `json:"final_records"`   // records in the final logs

	Fenced         int `json:"fenced"`          // commits refused that named a generation
	Generations    int `json:"generations"`     // of groups that a sync or commit established
	Joins          int `json:"joins"`           // joins answered
	Assigned       int `json:"assigned"`        // assigns answered
	Sessions       int `json:"sessions"`        // of consumers, with a fetch answered
	PollPairs      int `json:"poll_pairs"`      // fetches that were held against the one before in their session
	Marks          int `json:"marks"`           // fetches whose marks were judged
	DurableChecked int `json:"durable_checked"` // answers held against what was durable
	Recoveries     int `json:"recoveries"`      // of a broker
	Recovered      int `json:"recovered"`       // records acknowledged before the last of them
	Sequences      int `json:"sequences"`       // batches whose sequence was judged
	Deletes        int `json:"deletes"`         // DeleteRecords answered
	Trimmed        int `json:"trimmed"`         // records acknowledged that were deleted
	Offline        int `json:"offline"`         // records acknowledged whose loss was excused
	Producers      int `json:"producers"`       // producer ids given out
	Topics         int `json:"topics"`          // topics whose register was judged
	MetadataOps    int `json:"metadata_ops"`    // operations on registers of metadata that porcupine put in order
	Transactions   int `json:"transactions"`    //
}

// Verdict is what the checkers found.
type Verdict struct {
	Counts     Counts
	Violations []Violation // the first violationsMax, in the order found
	Total      int         // all violations

	Anomalies *Anomalies // what the Jepsen pass found, allowed or not; nil if it did not run
}

// OK tells whether nothing was found.
func (v *Verdict) OK() bool { return v.Total == 0 }

// String prints the counts, and one line for each violation kept.
func (v *Verdict) String() string {
	c := v.Counts
	var b strings.Builder
	fmt.Fprintf(&b,
		"acked=%d failed=%d unknown=%d applied=%d fetches=%d read=%d ends=%d commits=%d/%d linearized=%d violations=%d",
		c.Acked, c.Failed, c.Unknown, c.UnknownApplied, c.Fetches, c.ReadRecords, c.ListEnds, c.Commits, c.CommitsRead,
		c.Linearized+c.OffsetsChecked, v.Total)
	for _, w := range v.Violations {
		b.WriteString("\n  " + w.String())
	}
	return b.String()
}

func (v *Verdict) add(kind ViolationKind, p Partition, ops []int, format string, args ...any) {
	v.Total++
	if len(v.Violations) < violationsMax {
		v.Violations = append(v.Violations, Violation{kind, p, fmt.Sprintf(format, args...), ops})
	}
}

// merge adds what another checker found about the same history. Each count is
// filled by one checker only.
func (v *Verdict) merge(w *Verdict) {
	v.Total += w.Total
	room := violationsMax - len(v.Violations)
	v.Violations = append(v.Violations, w.Violations[:min(room, len(w.Violations))]...)
	v.Counts.addAll(&w.Counts)
	if w.Anomalies != nil {
		v.Anomalies = w.Anomalies
	}
}

// columns lists every count with its name, for sums and demands.
func (c *Counts) columns() []column {
	return []column{
		{"acked", &c.Acked}, {"acked records", &c.AckedRecords}, {"failed", &c.Failed}, {"unknown", &c.Unknown},
		{"unknown applied", &c.UnknownApplied}, {"fetches", &c.Fetches}, {"read records", &c.ReadRecords},
		{"ends listed", &c.ListEnds}, {"commits", &c.Commits}, {"commits read", &c.CommitsRead},
		{"linearized", &c.Linearized}, {"offsets checked", &c.OffsetsChecked}, {"final records", &c.FinalRecords},
		{"fenced", &c.Fenced}, {"generations", &c.Generations}, {"joins", &c.Joins}, {"assigned", &c.Assigned},
		{"sessions", &c.Sessions}, {"poll pairs", &c.PollPairs}, {"marks", &c.Marks},
		{"durable checked", &c.DurableChecked}, {"recoveries", &c.Recoveries}, {"recovered", &c.Recovered},
		{"sequences", &c.Sequences}, {"deletes", &c.Deletes}, {"trimmed", &c.Trimmed}, {"offline", &c.Offline},
		{"producers", &c.Producers}, {"topics", &c.Topics}, {"metadata ops", &c.MetadataOps},
		{"transactions", &c.Transactions},
	}
}

type column struct {
	name  string
	count *int
}

func (c *Counts) addAll(d *Counts) {
	from := d.columns()
	for i, to := range c.columns() {
		*to.count += *from[i].count
	}
}

// Add sums counts over histories, for a report over many seeds.
func (c *Counts) Add(d Counts) { c.addAll(&d) }

// demand adds a Vacuous violation for each count below its least.
func (v *Verdict) demand(least Counts) {
	want := least.columns()
	for i, have := range v.Counts.columns() {
		if *have.count < *want[i].count {
			v.add(Vacuous, Partition{}, nil, "%s: %d, at least %d needed to prove anything",
				have.name, *have.count, *want[i].count)
		}
	}
}
