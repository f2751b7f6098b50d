// Package objectwal is the write-ahead log without a disk: each commit is one object, written by put-if-absent, and the
// store itself is the fence. It has the surface of package wal, and its entries, extents and recoveries.
//
// It is not a store of record: what it holds is uploaded to objects by its user, and trimmed. It knows nothing of
// metadata: who may recover a log, from which trim, and what metadata carries, its callers say. The store must have a
// put-if-absent that is conditional; objectstore.Probe finds out.
//
// docs/format/objectwal.md draws the object.
//
// # Life of an object
//
//	filling    Append places entries straight into the slab that it is put from
//	pending    full, or old enough; its sequence is fixed
//	sealed     table, checksums and header are in memory: its bytes never change again
//	in flight  put, and put again with the same bytes until the store has answered; several are at a time
//	stored     the store has it; those before it may still be in flight
//	durable    it and all before it are stored, and the lease is held: the drafts hear it, in append order
//	trimmed    nobody needs it
//	deleted    metadata carries a trim above it, and its key is gone
//
// # Life of a log
//
//	open       takes appends; Create began it, and nobody ever goes on in another one's
//	dead       a tombstone, damage or a refusal of the store ended it: what was in flight hears ErrDead
//	closed     all is durable, and a tombstone of its own ends it
//	foreign    ended by Fence, which put a tombstone at the first gap: read, never written
//
// # Positions
//
// A position is the sequence of an object times 16 MiB plus the place in that object. So the trim that metadata carries
// for any WAL says at which sequence a walk begins. The capacity counts objects in the same unit.
//
// # Invariants
//
//	J1 SequenceImmutable  all attempts to put a sequence carry the same bytes, checked before each
//	J2 AckOrder           Durable is called in append order, of an object when it and all before it are stored
//	J3 TombstoneStays     no tombstone is deleted, and nothing at or above one is acknowledged
//	J4 TrimBelowCommit    a key is deleted only below a trim that metadata carries
//	J5 FrameFits          an object stays within its slab and its entry limit
//
// # Concurrency
//
// All exported methods may be called from any task. Tasks in the scope given to Create: "objectwal.commit", which alone
// seals, acknowledges and ends the log; "objectwal.put", one for each object in flight; "objectwal.delete". Lock
// order: Log.mu, the slab pool's, the line's; none is held across a call to the store or a callback but Draft.Place.
package objectwal
