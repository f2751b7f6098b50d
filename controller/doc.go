// Package controller drives the Raft log that package metadata is the state machine of: it keeps the log on
// a WAL of its own, proposes commands, applies what is committed, and answers with what Apply answered. It
// implements [metadata.Service].
//
// It decides nothing about brokers, topics or streams (metadata does), knows nothing of Kafka, and never
// imports package broker. Members talk over package rpc ([Config].Pool, [Controller.Register]), in the messages of
// package api; a single member needs neither. It decides no lease, it drives package lease.
//
// # States
//
//	born      the volume was blank: a log was formatted, with a new cluster id and a new Raft id
//	replayed  snapshot and log were read back; nothing is applied beyond the snapshot yet
//	leading   this member leads, and has applied the first entry of its term: proposals are taken
//	following somebody else leads, or nobody: proposals fail at once with [ErrNotLeader], before they exist
//	joining   its disk was blank and it knows nobody: it asks the addresses of Config.Join to be added
//	removed   it was a member: it takes no part, and never asks to be added again
//	dead      the log failed, or Raft found a contradiction: every proposal fails, Config.Dead was called
//	closed    Close ended it in order
//
// A single member campaigns at once when it is opened, and without a pool it has no ticks and does nothing while
// nothing is proposed.
//
// # Membership
//
//	blank ──▶ learner ──▶ voter ──▶ removed
//	   Join      caught up     Leave
//
// Each step is an entry of the log, one at a time; those that change who votes go through a joint membership. The
// leader drives towards what Join and Leave asked for, and makes voters of learners by itself. Before the first
// change there is a snapshot, so that whoever joins gets a membership to begin with. An address travels in the
// change that it comes with, and in every snapshot.
//
// # Reads and leases
//
// A read, and a heartbeat that asks for a lease, wait for a quorum round that began after they arrived: all that
// wait go with one round, and one is under way at a time. Only a leader that has applied the first entry of its term
// begins any. A fence that a lease's end decides is proposed in the term of the decision.
//
// # Invariants
//
//	C1 AckedDurable  a result is given only for a command whose entry is synced in the log
//	C2 ApplyOrder    committed entries are applied in order, each once, snapshot and replay included
//	C3 MemberIsDisk  the Raft id is drawn from the uuid of the disk: an empty disk is a new member (rule 1)
//	C4 TrimBelowSnapshot  the WAL is trimmed only below a snapshot that is durable and every entry behind it
//	C5 OneTerm       a command marked ° carries the term in which Propose was called, or the caller's own
//	C6 NotForwarded  a member that does not lead never passes a proposal on (rule 4)
//	C7 ConfWithApplied  a membership is durable, with the index at which it came into force, before anything is
//	                 sent because of it; a member that restarts is back in it before it votes or leads
//	C8 OneChange     a change of membership is proposed only when the one before is applied, and out of joint
//	C9 GrantByLeader a lease is granted in the term of a round that began after its heartbeat arrived (rule 2)
//	C10 ForThisDisk  a message for another Raft id at this address is dropped (rule 1)
//
// # Concurrency
//
// One task, "controller.raft", owns Raft, the log and a queue of events; it alone applies. Propose, Read and
// Wait may be called from any task. While the log syncs one batch, proposals gather in the queue and become
// the next batch: one append and one sync for all of them. With peers, "controller.tick" pushes ticks,
// "controller.join" tells the cluster of a new member or address, and a task "controller.snapshot" carries each
// snapshot. What a transport cannot send at once is dropped.
//
// docs/format/raftlog.md draws the records in the log, docs/format/controller.md what members say to each other.
package controller
