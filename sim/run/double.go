package run

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	contextLines = 6       // common events printed before the first that differs
	lockstepMax  = 3       // pairs of runs before a difference counts as gone
	lineMax      = 1 << 20 // bytes of a line, the result's included
)

// double runs a seed in two processes and says so if they went different ways.
func (p Program) double(ctx context.Context, seed uint64, timeout time.Duration) *Result {
	a := p.result(ctx, seed, sides[0], timeout)
	if a.Incomplete {
		return a
	}
	b := p.result(ctx, seed, sides[1], timeout)
	if b.Incomplete {
		return b
	}
	why := compare(a, b)
	if why == "" {
		return a
	}
	a.Parted = true
	why += "\n" + p.locate(ctx, seed, timeout)
	for i, r := range []*Result{a, b} {
		if !r.OK() {
			why += fmt.Sprintf("\n%s also failed: %s", sides[i].name, r.Failure)
		}
	}
	a.Failure = why
	return a
}

// compare returns how the results of the two sides contradict each other, or "".
func compare(a, b *Result) string {
	if a.Hash == b.Hash && a.Events == b.Events {
		if a.OK() == b.OK() {
			return ""
		}
		return fmt.Sprintf("two processes with one seed did the same and came to different verdicts: %s %s, %s %s",
			sides[0].name, verdictWord(a), sides[1].name, verdictWord(b))
	}
	n := 0
	for n < min(len(a.Checkpoints), len(b.Checkpoints)) && a.Checkpoints[n] == b.Checkpoints[n] {
		n++
	}
	until := min((n+1)*checkpointEvery, int(max(a.Events, b.Events)))
	return fmt.Sprintf("two processes with one seed went different ways, between events %d and %d\n"+
		"%s: hash %s after %d events\n%s: hash %s after %d events", n*checkpointEvery, until,
		sides[0].name, a.Hash, a.Events, sides[1].name, b.Hash, b.Events)
}

func verdictWord(r *Result) string {
	if r.OK() {
		return "passed"
	}
	return "failed"
}

// locate runs the two sides again, event for event side by side, and describes the first difference.
// Runs that chance drives apart part somewhere else each time: what counts is what they were doing.
func (p Program) locate(ctx context.Context, seed uint64, timeout time.Duration) string {
	for range lockstepMax {
		text, err := p.lockstep(ctx, seed, timeout)
		if err != nil {
			return "the first differing event could not be found: " + err.Error()
		}
		if text != "" {
			return text
		}
	}
	return fmt.Sprintf("%d more pairs of runs went the same way: the difference comes and goes", lockstepMax)
}

func (p Program) lockstep(ctx context.Context, seed uint64, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	var traces [2]*bufio.Reader
	for i, s := range sides {
		cmd := p.command(ctx, seed, s, "--trace")
		out, err := startTraced(cmd)
		if err != nil {
			return "", fmt.Errorf("start %s: %w", p.Path, err)
		}
		defer func() {
			cancel()
			_ = cmd.Wait() // it was killed, or ended
		}()
		traces[i] = bufio.NewReaderSize(out, lineMax)
	}
	text := firstDifference(traces[0], traces[1])
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return text, nil
}

func startTraced(cmd *exec.Cmd) (io.Reader, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return out, cmd.Start()
}

// firstDifference reads two traces in lockstep and shows where they part, "" if they do not.
func firstDifference(a, b *bufio.Reader) string {
	var before [contextLines][]byte
	for n := 0; ; n++ {
		x, y := nextEvent(a), nextEvent(b)
		if x == nil && y == nil {
			return ""
		}
		if bytes.Equal(x, y) {
			before[n%contextLines] = append(before[n%contextLines][:0], x...)
			continue
		}
		var t strings.Builder
		t.WriteString("first differing event of two more runs (event, virtual seconds, kind, who a b in hex, hash, task):\n")
		for i := max(0, n-contextLines); i < n; i++ {
			fmt.Fprintf(&t, "    %s\n", before[i%contextLines])
		}
		fmt.Fprintf(&t, "  < %s   %s\n  > %s   %s", orEnd(x), sides[0].name, orEnd(y), sides[1].name)
		return t.String()
	}
}

// nextEvent returns the next line of a trace, valid until the next call; nil at its end. The line of the
// result, and one cut off, are no events.
func nextEvent(r *bufio.Reader) []byte {
	line, err := r.ReadSlice('\n')
	if err != nil || line[0] == '{' {
		return nil
	}
	return line[:len(line)-1]
}

func orEnd(line []byte) string {
	if line == nil {
		return "the run ended"
	}
	return string(line)
}
