package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weirmq/weir/sim/workload"
)

const (
	stderrMax = 256 << 10       // bytes of a child's stderr that are kept
	quitDelay = 5 * time.Second // a late child has to print its stacks
)

// Program is how one seed is started in a process of its own: Args, then
//
//	--seed N --json [--trace [--first N --last N]] [--save DIR]
//
// and how a plan is: ReplayArgs, then
//
//	FILE --json [--save DIR]
//
// Both must run Child.
type Program struct {
	Path       string
	Args       []string
	ReplayArgs []string
	Env        []string // besides that of this process
}

// ChildOptions are what a parent asks of a child.
type ChildOptions struct {
	Seed        uint64
	Trace       bool
	First, Last uint64 // events of the trace; Last 0 = all
	Keep        func(*workload.Result, []Life)
}

// Child runs one seed for a sweep and writes its result to out as one line of JSON, after the lines of
// the trace if that is wanted. It returns whether the seed passed.
func Child(run Func, c ChildOptions, out io.Writer) (bool, error) {
	w := bufio.NewWriterSize(out, 64<<10)
	o := SeedOptions{Seed: c.Seed, First: c.First, Last: c.Last, Keep: c.Keep}
	if c.Trace {
		o.Trace = w
	}
	o.Traced = func() { // the rest of the run is of no interest
		_ = w.Flush()
		os.Exit(0)
	}
	o.Stuck = func(r *Result, stacks []byte) {
		_ = writeJSON(w, r)
		_ = w.Flush()
		_, _ = os.Stderr.Write(stacks)
		os.Exit(1)
	}
	r := Seed(run, o)
	if err := writeJSON(w, r); err != nil {
		return false, fmt.Errorf("write the result: %w", err)
	}
	if err := w.Flush(); err != nil {
		return false, fmt.Errorf("write the result: %w", err)
	}
	return r.OK(), nil
}

// writeJSON writes r as one line.
func writeJSON(w io.Writer, r *Result) error { return json.NewEncoder(w).Encode(r) }

// side is one of the two processes of a double run. Whatever is not the seed's differs between them: how
// many processors, when garbage is collected, where things lie in memory, how maps are ordered.
type side struct {
	name string
	env  []string
}

var sides = [2]side{
	{"GOMAXPROCS=1", []string{"GOMAXPROCS=1", "GOGC=200"}},
	{"GOMAXPROCS=2", []string{"GOMAXPROCS=2", "GOGC=600"}},
}

// command is the child for one seed; ctx ends it.
func (p Program) command(ctx context.Context, seed uint64, s side, flags ...string) *exec.Cmd {
	args := append([]string(nil), p.Args...)
	args = append(args, "--seed", strconv.FormatUint(seed, 10), "--json")
	return p.start(ctx, append(args, flags...), s)
}

func (p Program) start(ctx context.Context, args []string, s side) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	cmd.Env = append(append(cmd.Env, p.Env...), s.env...)
	return cmd
}

// result runs a child and returns its result; without one, a result that says why.
func (p Program) result(ctx context.Context, seed uint64, s side, timeout time.Duration, flags ...string) *Result {
	return resultOf(ctx, seed, s, timeout, func(ctx context.Context) *exec.Cmd {
		return p.command(ctx, seed, s, flags...)
	})
}

// replay runs a plan in a child. seed is the plan's.
func (p Program) replay(ctx context.Context, file string, seed uint64, timeout time.Duration, flags ...string) *Result {
	return resultOf(ctx, seed, sides[0], timeout, func(ctx context.Context) *exec.Cmd {
		args := append(append([]string(nil), p.ReplayArgs...), file, "--json")
		return p.start(ctx, append(args, flags...), sides[0])
	})
}

func resultOf(ctx context.Context, seed uint64, s side, timeout time.Duration,
	command func(context.Context) *exec.Cmd) *Result {
	late, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := command(late)
	var out bytes.Buffer
	said := &limited{max: stderrMax}
	cmd.Stdout, cmd.Stderr = &out, said
	cmd.WaitDelay = quitDelay
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // prints its stacks
	ended := cmd.Run()
	if r, err := parseResult(out.Bytes(), seed); err == nil {
		if r.Incomplete {
			r.Failure += "\n" + said.String()
		}
		return r
	}
	r := &Result{Seed: seed, Incomplete: true, Oracle: OracleDead}
	switch {
	case ctx.Err() != nil:
		r.Failure = "interrupted"
	case late.Err() != nil:
		r.Oracle = OracleStuck
		r.Failure = fmt.Sprintf("no result within %v, %s\n%s", timeout, s.name, said)
	default:
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		r.Failure = fmt.Sprintf("the process ended without a result, %s (%v): %s\n%s", s.name, ended, first, said)
	}
	return r
}

var errNoResult = errors.New("no line of JSON with the seed's result")

// parseResult reads the last line of a child's output.
func parseResult(out []byte, seed uint64) (*Result, error) {
	out = bytes.TrimRight(out, "\n")
	line := out[bytes.LastIndexByte(out, '\n')+1:]
	r := &Result{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoResult, err)
	}
	if r.Seed != seed || (r.Hash == 0 && !r.Incomplete && r.OK()) {
		return nil, errNoResult
	}
	return r, nil
}

// limited keeps the first max bytes written to it: a crash begins with its cause.
type limited struct {
	buf bytes.Buffer
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	l.buf.Write(p[:min(len(p), l.max-l.buf.Len())])
	return len(p), nil
}

func (l *limited) String() string { return l.buf.String() }
