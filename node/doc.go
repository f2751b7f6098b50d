// Package node puts one weir process together from a host and a configuration: the identity and lock of
// its data, a controller, an object store, a broker. It holds no rule of its own; the command line, the
// simulator and tests all start a weir through it.
//
// # Volumes
//
//	node    identity (node id, disk uuid) and the lock that proves the last run dead
//	meta    the controller's Raft log
//	wal     the ring that holds what no object holds yet
//	store   the embedded object store, where no other is configured
//
// # States
//
//	starting ─▶ serving ─▶ draining ─▶ stopped
//	    │           └──▶ failed (dead WAL, lost fence): nothing is acknowledged any more
//	    └──▶ refused: nothing was touched
//
// Invariants:
//
//  1. OneProcess: a data directory is used by one process at a time; the lock is taken first.
//  2. KeptIdentity: node id, disk uuid and cluster id never change once written.
//
// Concurrency: Start and Stop are called once each, by one task; the rest is safe for many.
package node
