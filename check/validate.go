package check

import (
	"fmt"
	"math"
)

// offsetMax leaves room for positions, which are twice an offset and one more.
const offsetMax = 1 << 60

func validSpans(what string, spans []Span) error {
	for _, s := range spans {
		if s.From < 0 || s.To < s.From || s.To > offsetMax {
			return fmt.Errorf("%s offsets [%d, %d)", what, s.From, s.To)
		}
	}
	return nil
}

func (l *Log) validate() error {
	if l.Start < 0 || l.Start > offsetMax {
		return fmt.Errorf("log starts at %d", l.Start)
	}
	for i, e := range l.Epochs {
		if i > 0 && (e.Epoch <= l.Epochs[i-1].Epoch || e.From < l.Epochs[i-1].From) {
			return fmt.Errorf("epoch %d from %d after epoch %d from %d", e.Epoch, e.From, l.Epochs[i-1].Epoch,
				l.Epochs[i-1].From)
		}
	}
	if err := validSpans("offline", l.Offline); err != nil {
		return err
	}
	return validSpans("deleted", l.Deleted)
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
	switch o.Kind.nature() {
	case unknownNature:
		return fmt.Errorf("operation %q", o.Kind)
	case ofGroup:
		if o.Group == "" {
			return fmt.Errorf("%s without a group", o.Kind)
		}
	case ofTopic:
		if o.Topic == "" {
			return fmt.Errorf("%s without a topic", o.Kind)
		}
	}
	return o.validateKind()
}

func (o *Op) validateKind() error {
	switch {
	case o.Kind == Produce && len(o.Values) == 0:
		return fmt.Errorf("produce without values")
	case o.NextSequence < 0 && o.NextSequence != math.MinInt32:
		return fmt.Errorf("next sequence %d", o.NextSequence)
	case o.Kind == Fetch:
		for _, mark := range []int64{o.HighWatermark, o.LogStart, o.LastStable} {
			if mark < NoMark || mark > offsetMax {
				return fmt.Errorf("fetch with a mark at %d", mark)
			}
		}
	case o.Kind == TxnEnd && o.Txn == 0:
		return fmt.Errorf("end of no transaction")
	case (o.Kind == CreateTopic || o.Kind == DescribeTopic) && o.Partitions < 0:
		return fmt.Errorf("%d partitions", o.Partitions)
	}
	return nil
}
