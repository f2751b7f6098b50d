// Package workload runs the real node in a simulated world under clients and faults, and judges what the
// clients saw. One seed is one run; the same seed gives the same run, event for event.
//
// It is not the simulated machine (package sim), not the verdict's rules (package check), not the second reader of
// disks (package fsck) and not the runner of many seeds in many processes (sim/run).
//
// # A run is a plan
//
// A seed draws Settings (which clients, which sizes, which faults how often) and, for each client from a stream of
// its own, every operation before anything runs. While it runs the world shows each fault and crash as an explicit
// step. Settings, operations and steps are a Plan: Replay takes it and gives the hash of the seed it came from.
//
// # Two phases
//
//	safety    clients work under faults; a supervisor starts the node again after a fault that must end it
//	liveness  the core (node, store, one machine of clients) is healed; what troubles the other clients stays for
//	          ever. Every partition takes a record and serves it, offsets work, everything is read, kill -9, read
//	          again, nothing in the store for nothing, nothing waits for its upload, a stop in order, fsck
//
// A run whose damage is beyond the promise (BeyondSettings) ends otherwise: weir must say what is damaged.
//
// Clients speak the Kafka protocol over simulated connections with a small codec of their own over kmsg:
// the broker's parsing is under test too.
//
// # Oracles, from the cheapest; Result.Oracle names the one that found the first failure
//
//	online:AckedDurable  an acknowledged record's bytes have been on synced media or in a completed put
//	online:AckedFenced   nothing is acknowledged that became durable after the WAL was taken over
//	online:NodeEnded     the node ends by itself only after a fault that must end it; store and network never
//	online:RetryStorm    a put that fails is not repeated without waiting
//	online:Answer        no client gets an answer that Kafka does not allow
//	invariant:Name       the named invariants inside the node
//	disk:Audit, fsck:…   what a power loss would leave is right, at each crash, at drawn instants and after the stop
//	liveness, readback, store:Orphans
//	history:Kind         check.Judge over the whole history with the final log and the times of durability
//
// Concurrency: a run belongs to one goroutine; tasks in it are the world's.
package workload
