// Package model proves the protocol's rules within small bounds, and shows what
// each rule is for. A model is a little machine that does what brokers, controllers,
// volumes and the object store may do, in every order, with crashes, late messages
// and frozen clocks wherever they can happen. Explore walks all of its states,
// breadth first. With every rule on, no state may break an invariant; with one rule
// off, the walk ends at the nearest state that does, and the way to it is the
// shortest counterexample: a story that says why the rule is there.
//
// It is not a test of weir's code: a model is written from the protocol alone and
// imports nothing of ours. The stories are replayed against the code elsewhere, in the
// simulator, with the same rule switched off there.
//
// # What a verdict is worth
//
// A model is small on purpose: two or three brokers, a handful of records, a stream or
// two, few crashes. Safe means safe within those bounds. It says nothing of
// liveness, of several models composed, or of what a model leaves out; each
// model's About says what that is. A safe verdict counts only with its goals: states
// that must be reachable, so that a model that does nothing does not pass.
//
// # States
//
// A state is a comparable value: small integers in arrays and structs, no pointers.
// Two states that differ only in what no longer matters should be made equal before
// they are emitted (a dead broker's memory zeroed, times counted from now), or the
// walk does not end. Next emits the same successors in the same order each time: a
// trace is found again by walking it a second time.
//
// # Invariants
//
//  1. All rules on: no reachable state is broken, every goal is reachable, and every
//     kind of step is taken at least once.
//  2. A case that is declared unsafe is found broken, by the invariant it names, after
//     the number of steps it names: BFS order makes the counterexample shortest.
//  3. The number of states is the same in every run, on every machine.
//
// # Concurrency
//
// None: a walk is one function on one task.
package model
