// Package cluster runs several real nodes in a simulated world under clients and faults, and judges what the clients
// saw: worlds of 1–5 controllers and 1–8 brokers. One seed is one run; the same seed gives the same run, event for
// event.
//
// It is not the world of one node (sim/workload), from which it has the clients, the plan and the verdict; not the
// simulated machine (sim), not the rules of the verdict (check), and not the runner of many seeds (sim/run).
//
// # A world
//
//	n1 … nN   machines with the roles controller, broker or both; what belongs to one dies with it, but for its disks
//	cluster/… volumes of WALs: they belong to no machine, and every broker may attach them
//	clients   on machines of their own; they bootstrap from a list, follow Metadata and go to the leader
//	store     one object store for all
//
// A supervisor starts a node again that ended, after a drawn time or never. What befalls nodes at a time is a list of
// workload.Strike in the settings, so that a plan has it and a replay does it again; what befalls links, clocks, the
// store and disks are fault steps as in every other run.
//
// # Phases
//
//	birth     the first controller forms a cluster, the others join; the judged topic is created
//	safety    clients work, strikes and faults do their worst
//	liveness  everything that goes wrong ends, nodes that are gone stay gone; each partition takes a record and serves
//	          it, everything is read back, and again after all nodes were killed; no WAL waits for a recoverer, no
//	          partition is without an owner, nothing waits for its upload, no object is there for nothing
//	end       every node stops in order
//
// # Oracles, besides those of sim/workload
//
//	online:AckedDurable   an acknowledged record's bytes have been on synced media or in a completed put
//	online:AckedFenced    nothing is acknowledged that became durable in a WAL after another broker had taken it over
//	online:LeaseNested    nor that a broker made durable after its epoch was fenced, unless its clock runs badly
//	online:NodeEnded      a node ends by itself only after a fault that must end it, or because its epoch was fenced
//	liveness:…            what the second phase demands
//	vacuous               a run that was to move, fail over or drain did none of it
//
// Concurrency: a run belongs to one goroutine; tasks in it are the world's.
package cluster
