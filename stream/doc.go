// Package stream keeps append-only streams over a write-ahead log and an object store: it appends to the
// log, serves the tail from the log's slabs, uploads what is durable in objects shared by many streams,
// has each upload judged entry by entry, and then lets the log trim.
//
// It knows nothing of Kafka and nothing of metadata. What a record is, the owner's [Draft] and [Shadow]
// know; which offsets are committed and where they are, the owner's [Catalog] knows.
//
// # Ranges
//
// A stream is a chain of ranges, one a leader epoch. Each (stream, leader epoch) with entries in this log
// is tracked on its own: recovered on its own, committed on its own, holed on its own. Only the last one
// takes appends. A range's first entry is its opening state; each commit carries a checkpoint, the
// owner's state at the committed end, which discharges that entry.
//
// # An entry's life
//
//	placed    its offset is given and its bytes are in a slab; not readable, its outcome is indefinite
//	durable   readable from the slab; may be evicted, and is then read from the log by position
//	uploaded  in an object that was put with a known outcome; still owed by the log
//	discharged accepted, already there, or gone, by an applied answer; the log may forget it
//	forgotten discharged and evicted; read from objects
//
// # Invariants
//
//	AckOrder           entries of a range become durable in the order of their offsets
//	LogOrder           an entry's base offset is the end of the one before it
//	EpochOrder         leader epochs of a stream rise; offsets of a range follow those of the one before
//	StateAtStart       a range takes no append before its opening state is durable at exactly its start
//	SealFinal          a closed range never grows; what [Stream.Seal] answered is its end for good
//	CommitContiguous   a commit of a range starts where the last accepted one ended, or below the log start
//	TrimBelowCommit    the log is never trimmed past an entry that is not discharged
//	FailClosed         an offset that is in no object, no slab and no log is an error that names it,
//	                   never skipped; other ranges and streams go on
//
// # Concurrency
//
// Everything exported is safe for use by many tasks. One mutex guards the index; it is never held across a
// blocking call. Lock order: the log's lock, then the engine's; the engine calls nothing of the log while
// it holds its own, except counting the holders of a slab up. One upload is under way at a time, by the
// task "stream.upload" or by a caller of Flush or Rescue. Reads of the tail wait for nothing; all other
// reads share a budget of memory of their own.
package stream
