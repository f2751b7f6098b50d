// Package wal is the volume write-ahead log: a ring of frames on one preallocated file, appended to by
// many tasks, written and synced by one. It groups whatever waits into a frame, writes it once, syncs
// once, and tells the drafts in order.
//
// It is not a stream: it knows stream ids and leader epochs only as what the table of a frame says, and
// nothing of Kafka, objects or metadata. Who holds a WAL, and when it may be trimmed, others decide.
//
// docs/format/wal.md draws superblock, frame and fence word.
//
// # Life of a frame
//
//	filling    Append places entries straight into the slab the frame is written from
//	pending    full or taken by the commit task; its size, and so its successor's position, is fixed
//	sealed     padding, table, block checksums and header are in memory; its bytes never change again
//	in flight  being written, then synced; there is one at a time
//	durable    synced, and the fence still holds: the drafts hear it, in append order
//	trimmed    nobody needs it; its space is reused once both superblock slots say so
//
// # Life of a log
//
//	open       takes appends
//	dead       the first failed write, sync or fence ended it: no write and no sync ever follows; the drafts
//	           in flight hear ErrDead (their outcome is not known); reads go on
//	closed     everything placed is durable, the clean mark is written
//	foreign    opened by OpenReadOnly to recover it for its holder, who is dead: read, never written
//
// Recovery is a scan from the trim position. What becomes of what it meets is decided by the table in
// table.go alone. A torn tail is dropped and counted; damage to anything that was known durable, or that
// no crash can have made, is named with its position, and the scan resumes behind it.
//
// # Invariants
//
//	W1 OneFrameInFlight      one frame is written and synced at a time; a frame's KD is the durable end
//	W2 AckOrder              Durable is called in append order
//	W3 ReuseAfterSuperblock  a byte of the ring is overwritten only when both slots carry a trim above it
//	W4 TailEvidence          no scan ends below the best evidence D without naming damage
//	W5 RecoveredIsSynced     a Recovery is returned only after a sync of what was scanned
//	W6 NoResurrection        what a recovery dropped never appears later: chain and epoch, in the slots too
//	W7 PlaceOnce             a draft is placed at most once, by its own Append before that returns: one that
//	                         failed or timed out placed nothing and never will
//	W8 FrameFits             a frame stays within its slab, its ring space and its entry limit
//	W9 RingReserve           the last sixteenth of the ring is for AppendReserved alone
//	W10 SlabHolders          a slab is freed when its last holder lets go, and never before
//	W11 SealedFrame          a sealed frame's bytes never change while anybody holds its slab
//	W12 FenceWord            the fence is read after each sync and before anybody hears of it
//	W13 NoForeignWrite       no byte of a log that OpenReadOnly opened is changed
//
// And two that need no name elsewhere: after the first error nothing is written or synced, and no byte is
// written before the ring there was searched for later frames.
//
// # Concurrency
//
// All exported methods may be called from any task. Two tasks run in the scope given to Open:
// "wal.commit", the only one that writes frames and superblocks and calls Sync, and "wal.ahead", which
// searches and zeroes in front of it. Lock order: Log.mu, SlabPool.mu, line.mu; none is held across I/O or
// a callback other than Draft.Place.
package wal
