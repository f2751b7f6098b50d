package run

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Sweep runs many seeds, each in a process of its own, or in two.
type Sweep struct {
	Range   Range
	Program Program
	Jobs    int           // seeds under way at a time; 0 = as many as there are processors
	Double  bool          // each seed in two processes, and their hashes compared
	Timeout time.Duration // wall time of one process; 0 = 120 s
	Done    func(*Result) // called after each seed, by one goroutine at a time, in the order they end

	// Each is called with every result in the order of the seeds, by one goroutine.
	Each  func(*Result)
	slots slots
}

const childTimeout = 120 * time.Second

// Run runs every seed and sums them up. When ctx ends it kills the children and sums up what is done.
func (s Sweep) Run(ctx context.Context) *Summary {
	if s.Jobs <= 0 {
		s.Jobs = runtime.GOMAXPROCS(0)
	}
	if s.Timeout <= 0 {
		s.Timeout = childTimeout
	}
	s.slots = make(slots, s.Jobs)
	begin := time.Now()
	seeds := make(chan uint64)
	results := make(chan *Result)
	go s.hand(ctx, seeds)
	var workers sync.WaitGroup
	for range min(s.Jobs, s.Range.Len()) {
		workers.Go(func() {
			for seed := range seeds {
				results <- s.one(ctx, seed)
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	sum := s.collect(ctx, results)
	sum.Elapsed = time.Since(begin)
	return sum
}

// hand gives out the seeds in order.
func (s Sweep) hand(ctx context.Context, seeds chan<- uint64) {
	defer close(seeds)
	for i := range s.Range.Len() {
		select {
		case seeds <- s.Range.First + uint64(i):
		case <-ctx.Done():
			return
		}
	}
}

func (s Sweep) one(ctx context.Context, seed uint64) *Result {
	var r *Result
	if s.Double {
		r = s.Program.double(ctx, seed, s.Timeout, s.slots)
	} else {
		s.slots.with(func() { r = s.Program.result(ctx, seed, sides[0], s.Timeout) })
	}
	r.Checkpoints = nil // they have served
	return r
}

// collect adds the results to the summary in the order of their seeds: the combined hash depends on it.
func (s Sweep) collect(ctx context.Context, results <-chan *Result) *Summary {
	sum := NewSummary(s.Range, s.Double)
	early := map[uint64]*Result{}
	next := s.Range.First
	for r := range results {
		if ctx.Err() != nil && r.Incomplete {
			continue // killed by us
		}
		if s.Done != nil {
			s.Done(r)
		}
		early[r.Seed] = r
		for early[next] != nil {
			s.add(sum, early[next])
			delete(early, next)
			next++
		}
	}
	for seed := next; len(early) > 0; seed++ { // only when interrupted: some seeds are missing
		if r := early[seed]; r != nil {
			s.add(sum, r)
			delete(early, seed)
		}
	}
	return sum
}

func (s Sweep) add(sum *Summary, r *Result) {
	sum.Add(r)
	if s.Each != nil {
		s.Each(r)
	}
}
