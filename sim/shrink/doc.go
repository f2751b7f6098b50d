// Package shrink makes a failing plan small: delta debugging. It takes parts of the plan away, makes its numbers
// smaller and its settings plainer, and keeps each change with which the plan still fails in the same way.
//
// It runs nothing itself. A Test tells of candidates which is the first that fails; sim/run makes one that runs each
// in a process of its own. What "the same way" is, the Test decides: the same oracle.
//
//	failing plan ─▶ Drop (lists: faults, clients, operations) ─▶ Lower (numbers) ─▶ Simplify (settings) ─▶ again
//	                  │ candidates, in batches
//	                  ▼
//	                Test: the first that fails becomes the plan
//
// Passes repeat until a whole round changes nothing, or the budget of candidates is used up.
//
// # Invariants
//
//  1. What Best returns has failed: it is the plan given, or a candidate that the Test named.
//  2. A Drop that ends within the budget leaves a 1-minimal list: without any one of its elements the plan passes.
//  3. What comes out depends on the plan, the Test and the budget alone, not on how many candidates are tried at a
//     time: of a batch the first that fails counts, and those behind it were never tried.
//
// Concurrency: a Search belongs to one goroutine. Its Test may use more.
package shrink
