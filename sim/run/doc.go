// Package run runs seeds: one in this process, or many in processes of their own.
//
// It is the one part of the simulator that belongs to the real machine: processes, wall time, signals
// and progress. It is not the run itself (sim/workload) and decides nothing in it.
//
// # One seed
//
// Seed runs it under a watchdog: a world in which no event happens for a while of wall time is stuck in a
// loop or a lock that the scheduler cannot see, and the stacks of all goroutines say where.
//
// # Many seeds
//
//	Sweep ─┬─ worker ── child: seed N, GOMAXPROCS=1 ─┐
//	       │            child: seed N, GOMAXPROCS=2 ─┴─ hashes equal? ── no ── both again, in lockstep
//	       ├─ worker ── …                                                      └─ first differing event
//	       └─ collector: results in the order of their seeds ── Summary
//
// A child is this program again, told to print its result as one line of JSON. It carries the hash after
// every 1,024 events, so that two runs that went different ways are known to have parted between two
// event numbers even if they agree when they are run again.
//
// # Invariants
//
//  1. A seed's Result depends on the seed and the program alone, except for Wall.
//  2. A Summary depends on the results alone, not on the order in which they came.
//  3. A seed without a result (killed, crashed, late) has failed.
//  4. No more than Sweep.Jobs seeds are under way at a time, and no child outlives Sweep.Run.
//
// Concurrency: Seed must not run twice at a time in one process, because a world owns process-wide state.
// Sweep.Run may use several goroutines; its Events are called by one of them at a time.
package run
