// Package objectstore is the narrow view weir has of an object store: put, put-if-absent, exact ranged
// get, head, list after, delete. Package filestore implements it over a host volume, s3store over S3,
// sim in memory with faults; storetest holds the one conformance suite they all pass.
//
// It is not a file system and not a general bucket client: no append, no rename, no directories, no
// metadata beyond the size, no open-ended read. What weir needs and no store has is built above it. The
// package also holds what every store goes through: [WithRetry], [WithMeter], [WithPrefix], [Probe], and
// [Config], the settings of a store as people write them.
//
// # States
//
// A key is absent or holds exactly one complete object. Put replaces, PutIfAbsent decides a race, Delete
// makes absent. No call ever shows part of an object.
//
// An error is one of: a definite answer ([ErrNotFound], [ErrExists], [ErrRange]); terminal
// ([ErrTerminal]: no retry helps); an ended scope; or transient, which is every other error. After a
// transient error or an ended scope the outcome of a Put, PutIfAbsent or Delete is unknown: it may have
// happened, not have happened, or happen later.
//
// # Invariants
//
//	O1 Atomic        an object is seen whole or not at all, also after a crash in the middle of a Put
//	O2 AckedDurable  once a Put returned nil the object survives every crash until it is replaced or deleted
//	O3 OneWinner     of any number of PutIfAbsent calls for an absent key at most one returns nil
//	O4 ExactRange    GetRange fills all of dst or returns an error; it never returns fewer bytes
//	O5 KeyOrder      List returns keys in strictly ascending byte order, each greater than after
//
// Concurrency: a Store is safe for use by many tasks. A Body is used by one call at a time.
package objectstore
