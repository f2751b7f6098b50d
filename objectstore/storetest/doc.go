// Package storetest is the one conformance suite of objectstore.Store. Every implementation runs it: the
// file store, S3 against a real server, the simulator's store, and the wrappers.
//
// A case is a function that runs inside a task of a host and returns what is wrong as an error. It touches
// no testing.T, starts tasks only through the host and sleeps only through it, so the same cases run on the
// real machine and under the simulator's scheduler. The store under test must not inject faults of its own,
// or must be wrapped in objectstore.WithRetry with patience for them.
//
// Concurrency: a case may run several tasks against its store; no two cases share one.
package storetest
