package run

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// childEnv makes this test binary the child of a sweep: it names the life that the child runs.
const childEnv = "WEIR_SIM_TEST_CHILD"

func TestMain(m *testing.M) {
	name := os.Getenv(childEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	if name == "plan" {
		plan, err := LoadPlan(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = Child(Replay(plan), ChildOptions{Seed: plan.Seed}, os.Stdout)
		os.Exit(0)
	}
	flags := flag.NewFlagSet("child", flag.ExitOnError)
	seed := flags.Uint64("seed", 0, "")
	trace := flags.Bool("trace", false, "")
	first, last := flags.Uint64("first", 0, ""), flags.Uint64("last", 0, "")
	flags.Bool("json", false, "")
	_ = flags.Parse(os.Args[1:])
	c := ChildOptions{Seed: *seed, Trace: *trace, First: *first, Last: *last}
	if name == "real" {
		_, _ = Child(workload.Run, c, os.Stdout)
		os.Exit(0)
	}
	_, err := Child(func(o workload.Options) *workload.Result { return world(o, lives[name]) }, c, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// testProgram is this binary as a child that runs the named life.
func testProgram(t *testing.T, name string) Program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Program{Path: self, Env: []string{childEnv + "=" + name}}
}

// life is what the one task of a child's world does.
type life func(o workload.Options, h host.Host, sc *host.Scope) error

const thinks = 2000

var lives = map[string]life{
	"honest": func(_ workload.Options, h host.Host, sc *host.Scope) error {
		r := h.Rand("think")
		for range thinks {
			if err := h.Sleep(sc, time.Duration(1+r.IntN(1000))); err != nil {
				return err
			}
		}
		return nil
	},
	// The bug: the order of a map decides how long the task thinks, from the 1,000th time on.
	"map range": func(_ workload.Options, h host.Host, sc *host.Scope) error {
		times := map[int]time.Duration{}
		for i := range 16 {
			times[i] = time.Duration(1 + i)
		}
		for n := range thinks {
			think := times[0]
			if n >= 1000 {
				for _, think = range times {
					break
				}
			}
			if err := h.Sleep(sc, think); err != nil {
				return err
			}
		}
		return nil
	},
	// The bug: how many processors there are decides.
	"processors": func(_ workload.Options, h host.Host, sc *host.Scope) error {
		for n := range thinks {
			think := time.Microsecond
			if n == 1500 && os.Getenv("GOMAXPROCS") == "2" {
				think *= 2
			}
			if err := h.Sleep(sc, think); err != nil {
				return err
			}
		}
		return nil
	},
	"odd seeds fail": func(o workload.Options, h host.Host, sc *host.Scope) error {
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		if o.Seed%2 == 1 {
			return errors.New("a planted cause\nand its details")
		}
		return nil
	},
	"other verdict": func(workload.Options, host.Host, *host.Scope) error {
		if os.Getenv("GOMAXPROCS") == "2" {
			return errors.New("a planted cause")
		}
		return nil
	},
	"exit":  func(workload.Options, host.Host, *host.Scope) error { panic(exitNow()) },
	"never": func(workload.Options, host.Host, *host.Scope) error { time.Sleep(time.Hour); return nil },
}

func exitNow() string {
	fmt.Fprintln(os.Stderr, "fatal: a planted crash")
	os.Exit(7)
	return ""
}

// world runs l in a world as workload.Run runs the node.
func world(o workload.Options, l life) *workload.Result {
	w := sim.New(sim.Config{Seed: o.Seed, Watch: o.Watch, Sites: o.Sites, Log: o.Log,
		Hooks: sim.Hooks{OnEvent: o.OnEvent}})
	defer w.Close()
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error { return l(o, h, sc) })
	return &workload.Result{
		Seed: o.Seed, Hash: w.Hash(), Events: w.Events(), Virtual: w.Now().Sub(0), Ops: 10, Fired: w.Fired(),
		Crashes: []string{fmt.Sprintf("site %d", o.Seed%2)}, Objects: 2, Restarts: 3, Err: err,
		Verdict: &check.Verdict{Counts: check.Counts{Acked: 1, Unknown: 2, ReadRecords: 3}},
	}
}

func TestAChildsResultIsTheRunsOwn(t *testing.T) {
	p := testProgram(t, "honest")
	got := p.result(t.Context(), 7, sides[0], time.Minute)
	want := Seed(func(o workload.Options) *workload.Result { return world(o, lives["honest"]) }, SeedOptions{Seed: 7})
	require.NotZero(t, want.Hash)
	require.Greater(t, len(want.Checkpoints), 2)
	got.Wall = want.Wall
	require.Equal(t, want, got)
}

func TestAChildThatFailsSaysWhy(t *testing.T) {
	for _, c := range []struct {
		life       string
		timeout    time.Duration
		incomplete bool
		cause      string
		details    string
	}{
		{"odd seeds fail", time.Minute, false, "a planted cause", "and its details"},
		{"exit", time.Minute, true, "the process ended without a result, GOMAXPROCS=1 (exit status 7): " +
			"fatal: a planted crash", "fatal"},
		{"never", time.Second, true, "no result within 1s, GOMAXPROCS=1", "time.Sleep"},
	} {
		r := testProgram(t, c.life).result(t.Context(), 1, sides[0], c.timeout)
		require.Equal(t, c.cause, r.Cause(), c.life)
		require.Contains(t, r.Failure, c.details, c.life)
		require.Equal(t, c.incomplete, r.Incomplete, c.life)
		require.Equal(t, uint64(1), r.Seed)
	}
}

func TestAProgramThatCannotStartIsAFailure(t *testing.T) {
	r := Program{Path: "/nowhere/weir"}.result(t.Context(), 1, sides[0], time.Minute)
	require.Contains(t, r.Cause(), "/nowhere/weir")
	require.False(t, r.OK())
}

func TestOnlyTheResultOfTheSeedIsAResult(t *testing.T) {
	for _, out := range []string{
		"", "\n", "garbage\n", "{}\n", `{"seed":2,"hash":"00000000000000ff"}`, `{"seed":1,"hash":"ff"}`,
		`{"seed":1,"hash":"00000000000000ff"}` + "\nmore\n", `{"seed":1}`,
	} {
		_, err := parseResult([]byte(out), 1)
		require.ErrorIs(t, err, errNoResult, out)
	}
	for _, out := range []string{
		`{"seed":1,"hash":"00000000000000ff"}`, "1 0.1 pick\n" + `{"seed":1,"hash":"00000000000000ff"}` + "\n",
		`{"seed":1,"incomplete":true,"failure":"stuck"}`, `{"seed":1,"failure":"without crashes: x"}`,
	} {
		_, err := parseResult([]byte(out), 1)
		require.NoError(t, err, out)
	}
}

func TestAResultSurvivesJSON(t *testing.T) {
	r := Result{Seed: 1<<64 - 1, Hash: 0xfedcba9876543210, Checkpoints: []Hash{1, 2}, Fired: []Fired{{"torn sector", 3}},
		Crashes: []string{"wal.sync write"}, Failure: "x", Parted: true, Counts: check.Counts{Acked: 5}}
	var out strings.Builder
	require.NoError(t, writeJSON(&out, &r))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	got, err := parseResult([]byte(out.String()), r.Seed)
	require.NoError(t, err)
	require.Equal(t, &r, got)
	require.Equal(t, "fedcba9876543210", r.Hash.String())
}
