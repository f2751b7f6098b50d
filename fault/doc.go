// Package fault is faults as values. A Plan is a list of steps: when, to whom, what, for how long. It prints, parses
// and replays: a failing run becomes a plan, a plan becomes shorter, and the shortest is kept for ever.
//
// It is not the simulator, which injects the same faults from the inside and at rates; it names them for both.
// Wrap carries a plan out on a real host: disk, clock and store, through the same seams that the broker uses.
//
// # The catalogue
//
// A Kind is one fault. Its ID begins with its place in the catalogue, as in "D6.sync-error": D disk, N network, O
// object store, C clock, P process, K client. IDs stand in plans and reports; they are never changed.
//
// # Invariants
//
//  1. Parse(p.String()) equals p, for every plan.
//  2. A step fires at its Nth opportunity at or after At, and at no other.
//  3. A step without an opportunity does nothing, and is reported as not fired.
//
// Concurrency: plans and steps are values. A Wrapped host may be used by any task, like the host it wraps.
package fault
