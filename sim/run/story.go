package run

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/workload"
)

const (
	storyColumns = 120
	nodeColumn   = 12 // where the node's name begins
	eventColumn  = 26
)

// Story is a run as people read it: what happened when and to whom, in the order of time, and why the run failed.
type Story struct {
	Lines   []Line
	Title   string
	Failure string // "" if the run passed
	Oracle  string
}

// Line is one event of a story.
type Line struct {
	At    host.Time
	Node  string
	Event string
	Mark  bool // it is part of what the verdict complains of
}

// Tell makes the story of a run from its history, its faults and the lives of its machines.
func Tell(r *workload.Result, lives []Life) Story {
	s := Story{Oracle: r.Oracle, Title: fmt.Sprintf("seed %d", r.Seed)}
	for _, l := range lives {
		if l.Machine != workload.NodeMachine {
			continue
		}
		event := "starts"
		if !l.Up {
			event = "dies"
		}
		s.Lines = append(s.Lines, Line{At: l.At, Node: l.Machine, Event: event})
	}
	if r.Plan != nil {
		for _, step := range r.Plan.Faults {
			s.Lines = append(s.Lines, Line{At: step.At, Node: step.Target, Event: describeFault(step)})
		}
	}
	marked := complaints(r.Verdict)
	if r.History != nil {
		for i := range r.History.Ops {
			op := &r.History.Ops[i]
			s.Lines = append(s.Lines, Line{
				At: host.Time(op.Call), Node: fmt.Sprintf("client %d", op.Client), Event: describeOp(op), Mark: marked[i],
			})
		}
	}
	slices.SortStableFunc(s.Lines, func(a, b Line) int { return cmp.Compare(a.At, b.At) })
	if r.Err != nil {
		s.Failure = r.Err.Error()
		if v := r.Verdict; v != nil && len(v.Violations) > 0 {
			s.Failure = v.Violations[0].String()
		}
		s.Lines = append(s.Lines, Line{At: r.At, Node: "verdict", Event: r.Oracle, Mark: true})
	}
	return s
}

// complaints are the operations that the first violation names.
func complaints(v *check.Verdict) map[int]bool {
	marked := map[int]bool{}
	if v != nil && len(v.Violations) > 0 {
		for _, i := range v.Violations[0].Ops {
			marked[i] = true
		}
	}
	return marked
}

func describeFault(s fault.Step) string {
	text := s.Kind.String()
	if s.For > 0 {
		text += " for " + s.For.String()
	}
	if s.Nth > 1 {
		text += fmt.Sprintf(", opportunity %d", s.Nth)
	}
	return text
}

// describeOp is an operation and what became of it, in one line.
func describeOp(op *check.Op) string {
	var b strings.Builder
	b.WriteString(string(op.Kind))
	if op.Group != "" {
		b.WriteString(" " + op.Group)
	}
	if op.Topic != "" {
		b.WriteString(" " + op.Partition.String())
	}
	switch op.Kind {
	case check.Produce:
		fmt.Fprintf(&b, " %s", values(op.Values))
		if op.Attempts > 1 {
			fmt.Fprintf(&b, " in %d attempts", op.Attempts)
		}
	case check.Fetch:
		fmt.Fprintf(&b, " from %d", op.Offset)
	case check.Commit:
		fmt.Fprintf(&b, " %d", op.Offset)
	}
	b.WriteString(" -> " + outcome(op))
	if op.Outcome == check.OK && op.Return != check.NoReturn {
		fmt.Fprintf(&b, " (%s)", time.Duration(op.Return-op.Call).Round(time.Microsecond))
	}
	return b.String()
}

func outcome(op *check.Op) string {
	if op.Outcome != check.OK {
		if op.Code != 0 {
			return string(op.Outcome) + ", code " + strconv.Itoa(int(op.Code))
		}
		return string(op.Outcome)
	}
	switch op.Kind {
	case check.Produce:
		return fmt.Sprintf("acknowledged at %d", op.Offset)
	case check.Fetch:
		if len(op.Records) == 0 {
			return "nothing"
		}
		first, last := op.Records[0], op.Records[len(op.Records)-1]
		return fmt.Sprintf("%d records, %d=%s to %d=%s", len(op.Records), first.Offset, first.Value, last.Offset, last.Value)
	case check.ListEnd, check.FetchCommitted:
		return strconv.FormatInt(op.Offset, 10)
	}
	return "ok"
}

func values(vs []check.Value) string {
	if len(vs) == 1 {
		return vs[0].String()
	}
	if len(vs) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s to %s", vs[0], vs[len(vs)-1])
}

// String prints the story in columns of at most 120 characters: time, node, event.
func (s Story) String() string {
	var b strings.Builder
	b.WriteString(s.Title + "\n\n")
	fmt.Fprintf(&b, "%-*s%-*s%s\n", nodeColumn, "seconds", eventColumn-nodeColumn, "node", "event")
	for _, l := range s.Lines {
		mark := ' '
		if l.Mark {
			mark = '!'
		}
		node := l.Node
		if len(node) >= eventColumn-nodeColumn {
			node = node[:eventColumn-nodeColumn-1]
		}
		text := wrap(l.Event, storyColumns-eventColumn-2)
		fmt.Fprintf(&b, "%-*s%-*s%c %s\n", nodeColumn, clock(l.At), eventColumn-nodeColumn, node, mark, text[0])
		for _, more := range text[1:] {
			fmt.Fprintf(&b, "%*s%s\n", eventColumn+4, "", more)
		}
	}
	if s.Failure != "" {
		b.WriteByte('\n')
		for line := range strings.Lines(s.Failure) {
			for _, part := range wrap(strings.TrimRight(line, "\n"), storyColumns) {
				b.WriteString(part + "\n")
			}
		}
	}
	return b.String()
}

func clock(t host.Time) string {
	return fmt.Sprintf("%.6f", time.Duration(min(t, math.MaxInt64)).Seconds())
}

// wrap breaks a text at spaces into lines of at most width characters; a longer word is cut.
func wrap(text string, width int) []string {
	var lines []string
	for len(text) > width {
		at := strings.LastIndexByte(text[:width+1], ' ')
		if at <= 0 {
			at = width
		}
		lines = append(lines, text[:at])
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}
