package run

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	contextLines = 6       // common events printed before the first that differs
	lockstepMax  = 3       // pairs of runs before a difference counts as gone
	lineMax      = 1 << 20 // bytes of a line, the result's included
)

// double runs a seed in two processes, side by side as far as there are slots, and says so if they went different
// ways. flags are given to the first of the two.
func (p Program) double(ctx context.Context, seed uint64, timeout time.Duration, slots slots, flags ...string) *Result {
	var a, b *Result
	var both sync.WaitGroup
	both.Go(func() { slots.with(func() { a = p.result(ctx, seed, sides[0], timeout, flags...) }) })
	both.Go(func() { slots.with(func() { b = p.result(ctx, seed, sides[1], timeout) }) })
	both.Wait()
	if a.Incomplete {
		return a
	}
	if b.Incomplete {
		return b
	}
	why := compare(a, b)
	if why == "" {
		return a
	}
	a.Parted, a.Oracle = true, OracleParted
	from, upto := window(a, b)
	why += "\n" + p.locate(ctx, seed, timeout, from, upto)
	for i, r := range []*Result{a, b} {
		if !r.OK() {
			why += fmt.Sprintf("\n%s also failed: %s", sides[i].name, r.Failure)
		}
	}
	a.Failure = why
	return a
}

// slots bounds how many processes run at a time; nil is no bound.
type slots chan struct{}

func (s slots) with(do func()) {
	if s != nil {
		s <- struct{}{}
		defer func() { <-s }()
	}
	do()
}

// window returns the events between which two runs parted: after from, up to upto.
func window(a, b *Result) (from, upto uint64) {
	n := 0
	for n < min(len(a.Checkpoints), len(b.Checkpoints)) && a.Checkpoints[n] == b.Checkpoints[n] {
		n++
	}
	return uint64(n) * checkpointEvery, min(uint64(n+1)*checkpointEvery, max(a.Events, b.Events))
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
	from, upto := window(a, b)
	return fmt.Sprintf("two processes with one seed went different ways, between events %d and %d\n"+
		"%s: hash %s after %d events\n%s: hash %s after %d events", from, upto,
		sides[0].name, a.Hash, a.Events, sides[1].name, b.Hash, b.Events)
}

func verdictWord(r *Result) string {
	if r.OK() {
		return "passed"
	}
	return "failed"
}

// locate runs the two sides again, event for event side by side, and describes the first difference. It traces the
// window in which the checkpoints say that they parted. Runs that chance drives apart part somewhere else each time,
// before the window or behind it: then whole traces are compared. What counts is what they were doing.
func (p Program) locate(ctx context.Context, seed uint64, timeout time.Duration, from, upto uint64) string {
	first := ""
	for attempt := range lockstepMax + 1 {
		var flags []string
		if attempt == 0 {
			flags = []string{"--first", strconv.FormatUint(from+1, 10), "--last", strconv.FormatUint(upto, 10)}
		}
		d, err := p.lockstep(ctx, seed, timeout, flags...)
		if err != nil {
			return "the first differing event could not be found: " + err.Error()
		}
		if d == nil {
			continue
		}
		if d.n > 0 || from == 0 && attempt == 0 || attempt > 0 {
			return d.String() + d.hint(seed)
		}
		first = d.String() + d.hint(seed) // parted before the window
	}
	if first != "" {
		return first
	}
	return fmt.Sprintf("%d more pairs of runs went the same way: the difference comes and goes", lockstepMax+1)
}

func (p Program) lockstep(ctx context.Context, seed uint64, timeout time.Duration,
	flags ...string) (*difference, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	var traces [2]*bufio.Reader
	for i, s := range sides {
		cmd := p.command(ctx, seed, s, append([]string{"--trace"}, flags...)...)
		out, err := startTraced(cmd)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", p.Path, err)
		}
		defer func() {
			cancel()
			_ = cmd.Wait() // it was killed, or ended
		}()
		traces[i] = bufio.NewReaderSize(out, lineMax)
	}
	d := firstDifference(traces[0], traces[1])
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return d, nil
}

func startTraced(cmd *exec.Cmd) (io.Reader, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return out, cmd.Start()
}

// difference is where two traces part.
type difference struct {
	n      int      // common events before it
	before []string // the last of them
	sides  [2]string
}

// firstDifference reads two traces in lockstep and returns where they part, nil if they do not.
func firstDifference(a, b *bufio.Reader) *difference {
	var before [contextLines][]byte
	for n := 0; ; n++ {
		x, y := nextEvent(a), nextEvent(b)
		if x == nil && y == nil {
			return nil
		}
		if bytes.Equal(x, y) {
			before[n%contextLines] = append(before[n%contextLines][:0], x...)
			continue
		}
		d := &difference{n: n, sides: [2]string{orEnd(x), orEnd(y)}}
		for i := max(0, n-contextLines); i < n; i++ {
			d.before = append(d.before, string(before[i%contextLines]))
		}
		return d
	}
}

// String prints the difference with what led to it.
func (d *difference) String() string {
	var t strings.Builder
	t.WriteString("first differing event of two more runs (event, virtual seconds, kind, who a b, hash, task, what):\n")
	for _, line := range d.before {
		fmt.Fprintf(&t, "    %s\n", line)
	}
	fmt.Fprintf(&t, "  < %s   %s\n  > %s   %s", d.sides[0], sides[0].name, d.sides[1], sides[1].name)
	return t.String()
}

// hint is the command that shows the world just before the difference, "" if the runs end there.
func (d *difference) hint(seed uint64) string {
	number, _, _ := strings.Cut(d.sides[0], " ")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("\nthe world before it: weir sim run --seed %d --until %d", seed, max(1, n-1))
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
