// Package metadata is what a whole cluster agrees on: brokers and their epochs, write-ahead logs (WALs) and
// who holds them, topics, streams with their ranges, objects, low sequences, and the counters that ids come
// from. It is a state machine without I/O: [State.Apply] takes a command from the Raft log and is pure, so
// every controller that applies the same log has the same state, byte for byte ([State.Snapshot]).
//
// It is not the driver of that log (package controller), does not talk to anybody, and decides nothing by a
// clock: wall times in it are for people.
//
// # States
//
// A broker epoch is live from Register to Fence or Deregister, and never again after it. While live it may be
// draining: it keeps what it has and takes nothing more. It deregisters once it owes nothing, which releases
// its WALs; one that is fenced leaves its WALs to recoverers.
//
// A WAL is fresh (created), open (its holder may write), recovering (its holder, if any, reads what is owed;
// a holder that restarted on its own WAL with proof of death has resumed it and goes on in the same ring
// once the old ranges are sealed) and released (for ever). A lost one was given up by an operator: nobody
// holds it again, all it owed is holes, and it is released with the last of them.
//
// A stream is a log start offset plus ranges (leader epoch, WAL, start, end or open, committed). A range is
// open or closed; what a closed or open range holds past its committed end is owed by its WAL. A hole makes
// part of a range unreadable; it is discharged, in that it no longer holds up the commits behind it, when it
// is accepted by an operator or its bytes lie in a quarantine object.
//
// A stream moves from BeginMove until its open last range is closed, by whichever command is applied first:
// SealAndOpen at the end that the owner answered, or SealRecovered after the owner was fenced. The target of a
// move can take partitions (it is live, does not drain, has an open WAL); when it cannot any more, placement
// picks another broker than the owner, or else the owner, or else nobody, and the move stays, because its owner
// may have sealed the range already. A move binds nobody to its target: what opens the next range names any
// broker that can take it, or none, and a closed stream waits for OpenRange.
//
// An object is live while something refers to it (data of a range, a range's checkpoint, a quarantine), then
// destroyed, then forgotten. A key that was never referred to is garbage once its epoch is fenced or its
// sequence is below the epoch's low sequence.
//
// A topic is there, or marked deleting, or gone; its streams go with it.
//
// # Invariants
//
// [State.Check] verifies them all, [State.Apply] asserts the cheap ones.
//
//	 1 ApplyOrder              commands are applied by index, each once
//	 2 IDNeverReused           epochs, stream ids, WAL uuids, keys and producer ids are issued once
//	 3 RangesTile              ranges tile the offsets but for accepted gaps, epochs rise, the last may be open
//	 4 SealFinal               a closed end never changes
//	 5 EndNotBelowCommitted    start ≤ committed ≤ end
//	 6 CommitContiguous        live references cover [max(logStart, start), committed) of each range
//	 7 CoveredOnce             an offset from logStart on is in one object, a WAL not released, or a hole
//	 8 ObjectReferencedExists  what is referred to is a live object, and its counts are exact
//	 9 GarbageForever          a key judged garbage is never referred to later
//	10 OneHolder               a WAL has one holder, and that is a live broker epoch
//	11 LogStartGrows           the log start offset never falls
//	12 MoveTarget              partitions and moves go to live brokers that do not drain, or to nobody
//
// Concurrency: a State belongs to whoever guards it; it has no locks. Accessors return copies.
package metadata
