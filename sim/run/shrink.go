package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/shrink"
	"github.com/weirmq/weir/sim/workload"
)

// Shrinker makes a failing seed or plan small. Each candidate runs in a process of its own; it fails if the same
// oracle finds the same sort of thing.
type Shrinker struct {
	Program  Program
	Control  *Program      // with it every candidate must pass: the program without the planted bug; nil = no such demand
	Jobs     int           // candidates tried at a time [1]
	Budget   int           // candidates tried at most [1,000]
	Timeout  time.Duration // wall time of a candidate [120 s]
	Progress func(shrink.Progress)
}

// Shrunk is what came of it.
type Shrunk struct {
	Plan   workload.Plan
	Size   PlanSize
	Result *Result // of the shrunk plan
	Begin  *Result // of the failure that was to be made small
}

// errOther: what would be made small is another failure than the one that was found.
var errOther = errors.New("another oracle")

// errPasses: there is nothing to make small.
var errPasses = errors.New("it passes: there is no failure to make smaller")

// Seed makes a failing seed small.
func (s Shrinker) Seed(ctx context.Context, seed uint64) (*Shrunk, error) {
	dir, err := os.MkdirTemp("", "weir-shrink-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s = s.withDefaults()
	begin := s.Program.result(ctx, seed, sides[0], s.Timeout, "--save", dir)
	if begin.OK() {
		return nil, fmt.Errorf("seed %d: %w", seed, errPasses)
	}
	plan, err := LoadPlan(filepath.Join(dir, PlanFile))
	if err != nil {
		return nil, fmt.Errorf("seed %d failed without leaving a plan, so it cannot be made smaller: %w\n%s",
			seed, err, begin.Failure)
	}
	return s.shrink(ctx, dir, plan, begin)
}

// Plan makes a failing plan small.
func (s Shrinker) Plan(ctx context.Context, plan workload.Plan) (*Shrunk, error) {
	dir, err := os.MkdirTemp("", "weir-shrink-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return s.withDefaults().shrink(ctx, dir, plan, nil)
}

func (s Shrinker) withDefaults() Shrinker {
	s.Jobs = max(1, s.Jobs)
	if s.Timeout <= 0 {
		s.Timeout = childTimeout
	}
	return s
}

// shrink replays the plan once: what is made small must fail as a plan. begin is how it failed as a seed; nil = it
// never was one.
func (s Shrinker) shrink(ctx context.Context, dir string, plan workload.Plan, begin *Result) (*Shrunk, error) {
	replayed, err := s.try(ctx, filepath.Join(dir, "begin.json"), plan)
	if err != nil {
		return nil, err
	}
	if replayed.OK() {
		if begin != nil {
			return nil, fmt.Errorf("seed %d fails (%s) and its plan does not: %w", plan.Seed, begin.Oracle, errPasses)
		}
		return nil, errPasses
	}
	if begin == nil {
		begin = replayed
	}
	if begin.class() != replayed.class() { // what is made small must be what was found
		return nil, fmt.Errorf("seed %d fails (%s) and its plan fails otherwise (%s): %w", plan.Seed, begin.class(),
			replayed.class(), errOther)
	}
	var broken error
	last := replayed
	search := shrink.Plan(plan, func() host.Time { return found(last) }, func(candidates []workload.Plan) int {
		at, r, err := s.first(ctx, dir, candidates, begin.class())
		if err != nil {
			broken = err
		}
		if at >= 0 {
			last = r
		}
		return at
	}, shrink.Options{Budget: s.Budget, Batch: s.Jobs, Progress: s.Progress})
	if err := errors.Join(broken, ctx.Err()); err != nil {
		return nil, err
	}
	out := &Shrunk{Plan: search.Best(), Begin: begin}
	out.Size = PlanSize{
		Ops: len(out.Plan.Ops), Faults: len(out.Plan.Faults), OpsWas: len(plan.Ops), FaultsWas: len(plan.Faults),
		Tried: search.Tried(),
	}
	if out.Result, err = s.try(ctx, filepath.Join(dir, "end.json"), out.Plan); err != nil {
		return nil, err
	}
	for i := range uint64(noiseSeeds) {
		other := out.Plan
		other.Seed += 100 + i
		r, err := s.try(ctx, filepath.Join(dir, "end.json"), other)
		if err != nil {
			return nil, err
		}
		if r.class() == begin.class() {
			out.Size.Noise++
		}
	}
	return out, nil
}

// class tells failures apart: the oracle, and of one that finds many things the first words of what it says, without
// numbers. Work that stops and an offset that is out of range are not the same because a client noticed both.
func (r *Result) class() string {
	switch r.Oracle {
	case "online:Answer", "liveness", "readback", "world", "panic":
	default:
		return r.Oracle
	}
	_, what, found := strings.Cut(r.Cause(), ": "+r.Oracle+": ")
	if !found {
		what = r.Cause()
	}
	words := strings.Fields(what)
	return r.Oracle + ": " + digits.ReplaceAllString(strings.Join(words[:min(len(words), classWords)], " "), "#")
}

const classWords = 4

var digits = regexp.MustCompile(`[0-9]+`)

// noiseSeeds is under how many other seeds a shrunk plan is replayed, to tell whether its failure needs one order of
// things: a plan that fails under all of them guards the code when that changes.
const noiseSeeds = 5

// found returns when a failure was found; nothing comes after one that was found at no time.
func found(r *Result) host.Time {
	if r.Incomplete || r.At == 0 {
		return host.Time(time.Hour)
	}
	return host.Time(r.At)
}

// first runs candidates side by side and returns the first that the oracle still finds, -1 if there is none, and what
// it came to.
func (s Shrinker) first(ctx context.Context, dir string, candidates []workload.Plan, class string,
) (int, *Result, error) {
	found := make([]bool, len(candidates))
	results := make([]*Result, len(candidates))
	errs := make([]error, len(candidates))
	var all sync.WaitGroup
	for i, plan := range candidates {
		all.Go(func() {
			file := filepath.Join(dir, fmt.Sprintf("candidate-%d.json", i))
			r, err := s.try(ctx, file, plan)
			results[i], errs[i] = r, err
			found[i] = err == nil && !r.OK() && r.class() == class && s.passes(ctx, file, plan.Seed)
		})
	}
	all.Wait()
	for i := range found {
		if errs[i] != nil {
			return -1, nil, errs[i]
		}
		if found[i] {
			return i, results[i], nil
		}
	}
	return -1, nil, nil
}

func (s Shrinker) try(ctx context.Context, file string, plan workload.Plan) (*Result, error) {
	if err := SavePlan(file, plan); err != nil {
		return nil, err
	}
	r := s.Program.replay(ctx, file, plan.Seed, s.Timeout)
	return r, ctx.Err()
}

// passes tells whether the plan passes with the control.
func (s Shrinker) passes(ctx context.Context, file string, seed uint64) bool {
	return s.Control == nil || s.Control.replay(ctx, file, seed, s.Timeout).OK()
}
