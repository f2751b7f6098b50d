// Package hosttest is the contract of package host as tests. Both machines pass it: host/oshost for real
// and sim under a seed. What a test here asserts, code above host may rely on; what no test here asserts
// is not promised.
//
// It is not a test of speed, and it does not measure time: it asks what order things happen in and never
// how long they take, so that a slow machine cannot fail it.
//
// A host's own test calls [Run] with a function that makes a [Runner].
//
// # Invariants
//
//	T1 NoFatal   nothing here calls testing.T inside a task: a task reports into a [T], by value
//	T2 Joined    every task a scenario starts has returned before the scenario returns
//	T3 Anyhow    every assertion holds under every schedule; waiting for others to come to a point only
//	             makes it sharper
//
// Concurrency: a [T] may be used by all tasks of a scenario.
package hosttest
