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
// A node of a cluster has no volume wal: each WAL has a volume of its own, cluster/<uuid>, which other nodes reach too.
//
// # A node of a cluster
//
// With Config.ClusterListen the node is one of several, and does what Config.Roles says:
//
//	place     which cluster: its identity says; or it founds one; or it asks the nodes of Join
//	          (a known node is refused if one of them belongs to another cluster)
//	open      its controller, which joins the others, or leads them from the first entry on
//	settle    its identity is written
//	serve     it answers other nodes
//	follow    its replica shows the cluster as it is; a broker that lives with its id on another disk refuses it
//	broker    registers, recovers what it may, keeps its lease
//
// It stops in the other direction: leadership goes to another controller, the broker leaves, the controller stays while
// brokers that leave too need it for a quorum, then connections end.
//
// # States
//
//	starting ─▶ serving ─▶ draining ─▶ stopped
//	    │           └──▶ failed (dead WAL, lost fence, fenced epoch, dead controller): nothing is acknowledged any more
//	    └──▶ refused: nothing was touched
//
// Invariants:
//
//  1. OneProcess: a data directory is used by one process at a time; the lock is taken first.
//  2. KeptIdentity: node id, disk uuid and cluster id never change once written.
//  3. FoundedOnce: a node founds a cluster only by a decision that was durable before the cluster's first byte, so that
//     a start that died between goes on with it; a node without an identity that others can place never founds one.
//
// Concurrency: Start and Stop are called once each, by one task; the rest is safe for many.
package node
