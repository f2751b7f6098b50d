// Package oshost is the real machine: it implements package host over goroutines, the operating system's
// clock, TCP and files. It is for Linux; elsewhere it builds and works with weaker promises (see below).
//
// It is not the place for policy: which folder is a volume's, who may hold it and what is served on which
// address come from the caller. TLS is not ended here yet: connections are plain TCP, Peer.Name is "".
//
// Volumes below "cluster/" outlive machines. They are directories that the brokers of one machine share, or, after
// ExecVolumes, what an operator's program attaches: then such a volume is opened only between its attach and its
// detach. A program is a child in a process group of its own, with none of our descriptors (O5).
//
// # States
//
// A Host is live from New on. Close ends it, once: the root scope gets its outcome, disk calls under way
// finish, then every file, lock, connection and listener is closed and later calls return host.ErrKilled.
// Tasks are told by their scopes and are not interrupted; Wait waits for them.
//
// # Invariants
//
//	O1 OneToken     a Parker's channel carries a token only while its task is committed to taking it
//	O2 TimeGoesOn   Now never goes back, and on Linux counts time spent in suspend (CLOCK_BOOTTIME)
//	O3 SyncIsFinal  syncs of one File run one at a time and after a failed one every call returns ErrIO
//	O4 LocksLast    Close gives locks back only after the last disk call of the incarnation returned
//	O5 NotInherited every descriptor is close-on-exec, so that a lock dies with its process
//
// # Other systems
//
// Without Linux there is no Direct (Align is 1), Now stops in suspend, and NetworkFS knows no names.
//
// Concurrency: everything is safe for use by many goroutines within the limits host states.
package oshost
