package run

import (
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/workload"
)

// Timeline is a run as a picture: how much was done when, and what went wrong meanwhile. Times are seconds of virtual
// time.
type Timeline struct {
	Length float64 `json:"length_s"`
	Bin    float64 `json:"bin_s"` // width of the bins
	OK     []int   `json:"ok"`    // operations that ended in each bin, by outcome
	Failed []int   `json:"failed"`
	Open   []int   `json:"unknown"`
	Bands  []Band  `json:"bands"` // faults that lasted
	Marks  []Mark  `json:"marks"` // crashes, starts and the failure
}

// Band is a fault that lasted.
type Band struct {
	Fault string  `json:"fault"`
	From  float64 `json:"from_s"`
	To    float64 `json:"to_s"`
}

// Mark is an instant.
type Mark struct {
	At   float64 `json:"at_s"`
	Kind string  `json:"kind"` // "crash", "start", "fault" or "failure"
	Text string  `json:"text"`
}

const timelineBins = 120

// NewTimeline is the timeline of a run.
func NewTimeline(r *workload.Result, lives []Life) *Timeline {
	length := max(r.Virtual.Seconds(), 0.001)
	t := &Timeline{
		Length: length, Bin: length / timelineBins,
		OK: make([]int, timelineBins), Failed: make([]int, timelineBins), Open: make([]int, timelineBins),
	}
	if r.History != nil {
		for i := range r.History.Ops {
			t.count(&r.History.Ops[i])
		}
	}
	for _, l := range lives {
		switch {
		case l.Machine != workload.NodeMachine:
		case l.Up:
			t.Marks = append(t.Marks, Mark{seconds(l.At), "start", l.Machine + " starts"})
		default:
			t.Marks = append(t.Marks, Mark{seconds(l.At), "crash", l.Machine + " dies"})
		}
	}
	if r.Plan != nil {
		for _, s := range r.Plan.Faults {
			if s.Kind.Info().Window {
				t.Bands = append(t.Bands, Band{s.Kind.String(), seconds(s.At), seconds(s.Ends())})
			} else {
				t.Marks = append(t.Marks, Mark{seconds(s.At), "fault", s.Kind.String()})
			}
		}
	}
	if r.Err != nil {
		t.Marks = append(t.Marks, Mark{seconds(r.At), "failure", r.Oracle})
	}
	return t
}

// count puts an operation into the bin in which it ended, one without an end into that of its call.
func (t *Timeline) count(op *check.Op) {
	at := op.Return
	if op.Outcome == check.Unknown || at == check.NoReturn {
		at = op.Call
	}
	bin := min(len(t.OK)-1, max(0, int(seconds(host.Time(at))/t.Bin)))
	switch op.Outcome {
	case check.OK:
		t.OK[bin]++
	case check.Failed:
		t.Failed[bin]++
	default:
		t.Open[bin]++
	}
}

func seconds(t host.Time) float64 { return t.Sub(0).Seconds() }
