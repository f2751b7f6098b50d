// Package group is the classic consumer group coordinator as a state machine: who is a member, which
// generation it is, who leads, what is assigned to whom, which offsets are committed.
//
// It is not a log and not a server: it does no I/O, has no clock and starts no tasks. It never looks into
// subscriptions, assignments or offset metadata; to it they are bytes. It knows no wire versions: where
// versions differ in meaning, events carry the meaning (Join.RequireKnownID, Join.SkipAssignment).
//
// # Pieces
//
//   - machine: live membership of one group. Lost at a restart except for what its records say.
//   - [Store]: durable state of one coordinator partition: for each group its last stable membership and
//     its committed offsets. A pure function of the records applied.
//   - [Coordinator]: the machines of one coordinator partition over their Store; what the broker drives.
//   - [Shadow]: a Store that follows the log behind the broker, for checkpoints.
//
// # States
//
//	          join                    all joined, or timeout
//	Empty ───────────▶ PreparingRebalance ───────────▶ CompletingRebalance
//	  ▲                  ▲     │ nobody joined             │ leader's sync is durable
//	  └──────────────────┼─────┘                           ▼
//	                     └──── join, leave, expiry ───── Stable        (delete: Empty ──▶ Dead)
//
// # The caller's part
//
//  1. Step events of one coordinator partition under one lock; carry out the effects in their order.
//  2. Append the record of every [Persist] to the partition's log, in order, and Step [Persisted] once
//     the acknowledgement condition holds. If an append fails: Stop, reload from the log.
//  3. Step [Tick] at the time a [SetTimer] names. Early, late and repeated ticks are harmless.
//  4. Send each [Reply]. Before answering with committed offsets or a description, check fence and lease.
//
// # Invariants
//
//  1. Each token gets exactly one reply: superseded and abandoned requests are answered too.
//  2. A reply that depends on a record comes after that record is durable, and reads of committed offsets
//     see durable records only.
//  3. The generation of a group only grows while its Coordinator lives and while its records do.
//  4. In Stable and CompletingRebalance the leader is a member. Only members hold assignments.
//  5. No offset is committed by a member of an older generation, nor while an assignment is awaited.
//  6. A Store after records r1…rn equals Restore of any snapshot taken between, and the rest applied.
//
// # Concurrency
//
// None: callers lock. Nothing here blocks. Effects may hold slices of events: callers do not reuse them.
package group
