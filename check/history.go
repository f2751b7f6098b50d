package check

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
)

// Value identifies one produced record in the whole history. Give each client a
// number and count: ValueOf. Zero is no record.
type Value uint64

// ValueOf is the seq-th value of a client; seq starts at 1.
func ValueOf(client int32, seq uint32) Value { return Value(uint64(uint32(client))<<32 | uint64(seq)) }

// String prints client and sequence, as in "c3#17".
func (v Value) String() string {
	return "c" + strconv.FormatUint(uint64(v>>32), 10) + "#" + strconv.FormatUint(uint64(v&math.MaxUint32), 10)
}

// Kind says what an operation asked for.
type Kind string

// The operations of a client. The words stand in history files; never change them.
const (
	Produce        Kind = "produce"
	Fetch          Kind = "fetch"
	ListEnd        Kind = "list-end" // ListOffsets(latest): the high watermark
	Commit         Kind = "commit"
	FetchCommitted Kind = "fetch-committed"
)

// Outcome says what the client knows of an operation's effect.
type Outcome string

// The outcomes. The words stand in history files; never change them.
const (
	OK      Outcome = "ok"      // the answer said so
	Failed  Outcome = "failed"  // definite: it had and will have no effect
	Unknown Outcome = "unknown" // no answer, or one that leaves it open
)

// NoReturn is the Return of an operation that never ended.
const NoReturn = math.MaxInt64

// Partition names one log.
type Partition struct {
	Topic string `json:"topic"`
	Index int32  `json:"partition"`
}

// String prints topic and index, as in "orders/3".
func (p Partition) String() string { return p.Topic + "/" + strconv.Itoa(int(p.Index)) }

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// Record is one record that a fetch returned.
type Record struct {
	Offset int64
	Value  Value
}

// Op is one operation of one client, from its call to its answer. All times are
// nanoseconds of one clock that every client of the history shares.
type Op struct {
	Kind    Kind    `json:"op"`
	Outcome Outcome `json:"outcome"`
	Client  int32   `json:"client"`
	Call    int64   `json:"call"`
	Return  int64   `json:"return"` // NoReturn if it never ended; ignored when Outcome is Unknown
	Partition

	// Offset is the base offset that an acknowledged produce got, the offset that a
	// fetch asked for, the end that ListEnd returned, or the committed offset (-1:
	// none) of Commit and FetchCommitted.
	Offset int64 `json:"offset"`

	// Values are the records of a produce, in the order of its batch. A produce is
	// one batch: all of it is in the log, side by side, or nothing.
	Values []Value `json:"values,omitempty"`
	// Idempotent says that the producer's retries carry the same sequence.
	Idempotent bool `json:"idempotent,omitempty"`
	// Attempts is how often the produce was sent; 0 means once. Without Idempotent
	// each attempt may have been appended.
	Attempts int `json:"attempts,omitempty"`

	// Records are what a fetch returned at Offset and above. Records of its first
	// batch below Offset are dropped, as every client does.
	Records []Record `json:"records,omitempty"`

	Group string `json:"group,omitempty"` // of Commit and FetchCommitted
}

// Log is a partition as it was read back at the end: Values[i] is at offset
// Start+i, zero where an offset holds no record of a client.
type Log struct {
	Partition
	Start  int64   `json:"start"` // log start offset; what lies below cannot be judged
	Values []Value `json:"log"`
}

// End is the offset after the last.
func (l *Log) End() int64 { return l.Start + int64(len(l.Values)) }

// at returns the value at an offset, zero if there is none.
func (l *Log) at(offset int64) Value {
	if offset < l.Start || offset >= l.End() {
		return 0
	}
	return l.Values[offset-l.Start]
}

// History is everything that clients did and what was left at the end: one Log
// for each partition that an operation names.
type History struct {
	Ops  []Op
	Logs []Log
}

// offsetMax leaves room for positions, which are twice an offset and one more.
const offsetMax = 1 << 60

func (l *Log) validate() error {
	if l.Start < 0 || l.Start > offsetMax {
		return fmt.Errorf("log starts at %d", l.Start)
	}
	return nil
}

// validate returns what is wrong with the operation by itself.
func (o *Op) validate() error {
	switch o.Outcome {
	case OK, Failed, Unknown:
	default:
		return fmt.Errorf("outcome %q", o.Outcome)
	}
	if o.Offset < noOffset || o.Offset > offsetMax {
		return fmt.Errorf("offset %d", o.Offset)
	}
	for _, r := range o.Records {
		if r.Offset < 0 || r.Offset > offsetMax {
			return fmt.Errorf("record at offset %d", r.Offset)
		}
	}
	if o.Call > o.Return && o.Outcome != Unknown {
		return fmt.Errorf("returned at %d before its call at %d", o.Return, o.Call)
	}
	switch o.Kind {
	case Produce:
		if len(o.Values) == 0 {
			return fmt.Errorf("produce without values")
		}
	case Commit, FetchCommitted:
		if o.Group == "" {
			return fmt.Errorf("%s without a group", o.Kind)
		}
	case Fetch, ListEnd:
	default:
		return fmt.Errorf("operation %q", o.Kind)
	}
	return nil
}

// end is the offset after the last one that a fetch saw.
func (o *Op) end() int64 {
	if n := len(o.Records); n > 0 {
		return o.Records[n-1].Offset + 1
	}
	return o.Offset
}
