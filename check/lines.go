package check

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MarshalJSON writes a record as [offset, value].
func (r Record) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", r.Offset, uint64(r.Value)), nil
}

// UnmarshalJSON reads a record written by MarshalJSON.
func (r *Record) UnmarshalJSON(p []byte) error {
	return pair(p, "a record has an offset and a value", &r.Offset, &r.Value)
}

// MarshalJSON writes a span as [from, to].
func (s Span) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "[%d,%d]", s.From, s.To), nil }

// UnmarshalJSON reads a span written by MarshalJSON.
func (s *Span) UnmarshalJSON(p []byte) error {
	return pair(p, "a span has two offsets", &s.From, &s.To)
}

// MarshalJSON writes an epoch's start as [epoch, from].
func (e EpochStart) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", e.Epoch, e.From), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *EpochStart) UnmarshalJSON(p []byte) error {
	return pair(p, "an epoch has a number and an offset", &e.Epoch, &e.From)
}

// MarshalJSON writes a value's first durable time as [value, time].
func (d Durable) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", uint64(d.Value), d.At), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Durable) UnmarshalJSON(p []byte) error {
	return pair(p, "durable has a value and a time", &d.Value, &d.At)
}

func pair(p []byte, what string, a, b any) error {
	var numbers []json.Number
	if err := json.Unmarshal(p, &numbers); err != nil {
		return err
	}
	if len(numbers) != 2 {
		return fmt.Errorf("%s, not %d numbers", what, len(numbers))
	}
	return errors.Join(json.Unmarshal([]byte(numbers[0]), a), json.Unmarshal([]byte(numbers[1]), b))
}

// opLine is an operation as a line: a mark that the answer did not tell is absent.
type opLine struct {
	*Op
	HighWatermark *int64 `json:"high_watermark,omitempty"`
	LogStart      *int64 `json:"log_start,omitempty"`
	LastStable    *int64 `json:"last_stable,omitempty"`
}

func lineOf(op *Op) opLine {
	line := opLine{Op: op}
	if op.Kind == Fetch {
		line.HighWatermark = known(&op.HighWatermark)
		line.LogStart = known(&op.LogStart)
		line.LastStable = known(&op.LastStable)
	}
	return line
}

func known(mark *int64) *int64 {
	if *mark == NoMark {
		return nil
	}
	return mark
}

// decode reads a line into op.
func (op *Op) decode(line []byte) error {
	in := opLine{Op: op}
	if err := strictly(line, &in); err != nil {
		return err
	}
	if op.Kind != Fetch {
		if in.HighWatermark != nil || in.LogStart != nil || in.LastStable != nil {
			return fmt.Errorf("marks of a %s", op.Kind)
		}
		return nil
	}
	op.HighWatermark, op.LogStart, op.LastStable = told(in.HighWatermark), told(in.LogStart), told(in.LastStable)
	return nil
}

func told(mark *int64) int64 {
	if mark == nil {
		return NoMark
	}
	return *mark
}

// runLine is what holds for the whole run.
type runLine struct {
	Run run `json:"run"`
}

type run struct {
	Beyond     bool    `json:"beyond,omitempty"`
	Recoveries []int64 `json:"recoveries,omitempty"`
}

// durableLine is a part of DurableAt.
type durableLine struct {
	Durable []Durable `json:"durable"`
}
