// Package partition holds the rules of one topic partition's log as a state machine: which batch may be
// appended, what offset it gets, what a reader may see.
//
// It is not storage: it never sees a record, holds no bytes of batches and does no I/O; package stream
// keeps the bytes. It knows no topics, no wire codes and no clock.
//
// # States
//
// A [Log] is open from [Open] until [Log.Fail]. Open: batches are checked and appended at the log end
// offset; the high watermark follows as they become durable. Failed: nothing is appended any more and the
// high watermark stands still; only opening the partition again from the log revives it.
//
//	log start offset ≤ last stable offset ≤ high watermark ≤ log end offset
//
// [State] is what the batches alone tell: producers, epoch history, largest timestamp, transactions. It is
// a pure function of the batches up to its end, so the state handed to the next leader, the checkpoint
// beside an uploaded object and a replay from offset 0 are the same bytes. Therefore nothing in it
// depends on a clock: a producer is forgotten when [MaxProducers] others have written after it, not after
// a time.
//
// # The caller's part
//
//  1. Check and Append under one lock, in the order of the log's bytes; a [Decision] with Duplicate set
//     means that nothing may be appended.
//  2. Call Durable with the end of each append, in order, once the acknowledgement condition holds.
//  3. Answer a produce, duplicates included, when HighWatermark ≥ Decision.End.
//  4. Call Fail when an append that was placed has failed.
//
// # Invariants
//
//  1. LogOrder: batches get consecutive offsets; the high watermark never moves backwards.
//  2. EpochOrder: leader epochs of batches never fall.
//  3. DuplicateWaits: a duplicate's Decision carries its original's end.
//  4. StateAtStart: a Log opens only on state at exactly its first offset; a snapshot equals a replay.
//
// # Concurrency
//
// None: callers lock. Nothing here blocks.
package partition
