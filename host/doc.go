// Package host is the seam between weir and the machine it runs on: clock, tasks, network, disk and
// randomness. It holds contracts and the small concurrency kit written over them; it holds no machine.
// Package host/oshost is the real machine, package sim the simulated one, and both pass host/hosttest.
//
// Rule: outside the exempt packages (host/oshost, the memberlist adapter, the cloud clients under
// objectstore, sim/run, jepsen, cmd) no code touches the world but through this package. A root test
// holds the list of banned calls; each names its replacement.
//
// # Tasks
//
// Host.Go starts a task. A task blocks only through the host: Sleep, Conn, File, Parker.Park, and the
// kit, which is written over Parker alone: [Mutex], [Semaphore], [Cond], [Group], [Future], [Queue].
// There is no select: a loop owns one Queue of one event type; timers, completions and messages are
// pushed into it by other tasks. A wait for "any of N or a deadline" is one Parker on N waiter lists.
//
// In production a task is a goroutine. In simulation it is a coroutine: one runs at a time and a seeded
// scheduler picks the next, so the same code replays bit for bit.
//
// # Scopes
//
// A [Scope] is a node in a tree of cancellation and deadlines. It wakes parked tasks when it ends; it
// does not interrupt system calls: I/O is cancelled by Close or by a deadline on the connection, and a
// disk call cannot be cancelled.
//
// # Invariants
//
//	H1 OnePermit       a Parker holds at most one permit; permits do not add up
//	H2 DeadHandle      once a host's incarnation is dead every handle it gave out fails
//	H3 NoMutexHeld     no Mutex is held across a blocking call (in simulation: the seed fails)
//	H4 SyncIsFinal     after one failed Sync every later call on that File fails
//	H5 FirstErrorWins  a scope, a future and a group keep the first outcome they were given
//
// Concurrency: everything here is safe for use by many tasks unless its comment says otherwise.
package host
