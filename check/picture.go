package check

import (
	"bytes"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// pictureOpsMax bounds a picture: no browser draws more, and no eye follows.
const pictureOpsMax = 5_000

// Annotation is something that happened beside the operations, drawn on their
// timeline: a fault, a crash, a recovery.
type Annotation struct {
	Tag        string // the row it is drawn in, as in "node b1"
	Start, End int64  // of the history's clock; End 0: a moment
	Text       string
	Details    string // shown on request
}

// Picture draws a partition's operations, one row a client, with the order that
// porcupine found, or as far as it found one. It is one HTML page that needs nothing
// else. A longer history is drawn around its first violation in the partition.
func Picture(h *History, p Partition, annotations []Annotation) ([]byte, error) {
	x := buildIndex(h, &Verdict{})
	n, known := x.number[p]
	if !known {
		return nil, fmt.Errorf("draw %s: the history has no final log of it", p)
	}
	l := x.linearizer(n)
	ops, start := l.drawn(x.firstWrong(n))
	result, info := searchVerbose(l.model(start), ops)
	drawn := make([]porcupine.Annotation, 0, len(annotations)+1)
	for _, a := range annotations {
		drawn = append(drawn, porcupine.Annotation{Tag: a.Tag, Start: a.Start, End: max(a.End, a.Start), Description: a.Text,
			Details: a.Details, BackgroundColor: "#ffccbc"})
	}
	if len(ops) > 0 {
		drawn = append(drawn, porcupine.Annotation{Tag: "verdict", Start: ops[0].Call, Description: string(result)})
	}
	info.AddAnnotations(drawn)
	var page bytes.Buffer
	if err := porcupine.Visualize(l.model(start), info, &page); err != nil {
		return nil, fmt.Errorf("draw %s: %w", p, err)
	}
	return page.Bytes(), nil
}

// firstWrong is the operation of the partition's first violation, -1 if there is none.
func (x *index) firstWrong(n int) int {
	v := &Verdict{}
	x.sweep(v)
	for _, w := range v.Violations {
		if w.Partition == x.parts[n].Partition && len(w.Ops) > 0 {
			return w.Ops[0]
		}
	}
	return -1
}

// drawn are the operations to draw, and the state before them.
func (l *linearizer) drawn(around int) ([]porcupine.Operation, logState) {
	from := 0
	if len(l.ops) > pictureOpsMax && around >= 0 {
		for i := range l.ops {
			if l.ops[i].op.Input.(*logOp).index == around {
				from = max(0, i-pictureOpsMax/2)
				break
			}
		}
	}
	state := logState{next: l.log.Start}
	for _, w := range l.ops[:from] {
		if in := w.op.Input.(*logOp); in.append {
			state = in.after(state)
		}
	}
	state.hash = l.prefix(state.next)
	rest := l.ops[from:min(from+pictureOpsMax, len(l.ops))]
	return onRows(rest), state
}

// onRows gives every client, and every operation without an answer, a row of its own, and times that can be
// drawn: one that was never answered ends with the last.
func onRows(ops []positioned) []porcupine.Operation {
	var out []porcupine.Operation
	rows := map[int]int{}
	first, last := int64(NoReturn), int64(0)
	for _, w := range ops {
		if w.op.Call != always {
			first, last = min(first, w.op.Call), max(last, w.op.Call)
		}
		if w.op.Return != NoReturn {
			last = max(last, w.op.Return)
		}
	}
	for _, w := range ops {
		op := w.op
		if _, known := rows[op.ClientId]; !known {
			rows[op.ClientId] = len(rows)
		}
		op.ClientId = rows[op.ClientId]
		op.Call = max(op.Call, min(first, last))
		op.Return = max(min(op.Return, last+1), op.Call)
		out = append(out, op)
	}
	return out
}
