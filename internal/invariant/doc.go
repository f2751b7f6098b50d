// Package invariant gives every promise that weir's code makes to itself one
// name, checks it in production as in simulation, and counts each evaluation.
//
// The name is the same in the documentation, in the code and in the failure
// message, so that a panic in a log file leads to its paragraph by one search:
//
//	invariant.Check(end >= committed, invariant.EndNotBelowCommitted,
//		"stream %d epoch %d sealed at %d below its committed end %d", id, epoch, end, committed)
//
// panics with
//
//	invariant EndNotBelowCommitted: stream 7 epoch 2 sealed at 40 below its committed end 43
//
// It is not a way to report what the world did: damaged bytes, a full disk or a
// wrong request are errors. A failed invariant is always a bug in weir, and a
// process that goes on after one can only make it worse.
//
// A simulation reads Counts to prove that the checks it relies on were reached:
// an invariant that was never evaluated has protected nothing.
//
// Concurrency: everything here may be called from any task at any time; it
// never blocks. The counters are the only package state; no decision reads them.
package invariant
