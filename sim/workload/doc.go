// Package workload runs the real node in a simulated world under clients and faults, and judges what the
// clients saw. One seed is one run; the same seed gives the same run, event for event.
//
// It is not the simulated machine (package sim), not the verdict's rules (package check) and not the
// runner of many seeds in many processes (sim/run).
//
// # A run
//
//	boot the node ─ clients for 20 virtual seconds, crashes and faults ─ heal ─ clients end ─
//	read everything back ─ kill -9, start, read again ─ stop in order, start on a blank WAL volume's
//	absence is refused ─ judge
//
// Clients speak the Kafka protocol over simulated connections with a small codec of their own over kmsg:
// the broker's parsing is under test too.
//
// # Oracles, from the cheapest
//
//  1. AckedDurable, online: when a client hears an acknowledgement, the record's bytes have been on
//     synced media or in a completed put (rule: bytes seen by the disk, not by the broker).
//  2. The named invariants inside the node.
//  3. check.Judge over the whole history with the final log.
//  4. The two read-backs agree.
//
// Concurrency: a run belongs to one goroutine; tasks in it are the world's.
package workload
