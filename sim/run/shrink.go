package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim/shrink"
	"github.com/weirmq/weir/sim/workload"
)

// Shrinker makes a failing seed or plan small. Each candidate runs in a process of its own; it fails if the same
// oracle finds something.
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
	failed := host.Time(replayed.At)
	if replayed.Incomplete || failed == 0 {
		failed = host.Time(time.Hour)
	}
	var broken error
	search := shrink.Plan(plan, failed, func(candidates []workload.Plan) int {
		at, err := s.first(ctx, dir, candidates, replayed.Oracle)
		if err != nil {
			broken = err
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
	out.Result, err = s.try(ctx, filepath.Join(dir, "end.json"), out.Plan)
	return out, err
}

// first runs candidates side by side and returns the first that the oracle still finds, -1 if there is none.
func (s Shrinker) first(ctx context.Context, dir string, candidates []workload.Plan, oracle string) (int, error) {
	found := make([]bool, len(candidates))
	errs := make([]error, len(candidates))
	var all sync.WaitGroup
	for i, plan := range candidates {
		all.Go(func() {
			file := filepath.Join(dir, fmt.Sprintf("candidate-%d.json", i))
			r, err := s.try(ctx, file, plan)
			errs[i] = err
			found[i] = err == nil && !r.OK() && r.Oracle == oracle && s.passes(ctx, file, plan.Seed)
		})
	}
	all.Wait()
	for i := range found {
		if errs[i] != nil {
			return -1, errs[i]
		}
		if found[i] {
			return i, nil
		}
	}
	return -1, nil
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
