// Package controller drives the Raft log that package metadata is the state machine of: it keeps the log on
// a WAL of its own, proposes commands, applies what is committed, and answers with what Apply answered. It
// implements [metadata.Service].
//
// It decides nothing about brokers, topics or streams (metadata does), knows nothing of Kafka, and never
// imports package broker. It is written for three members; what lies between them is a [Transport], and a
// single member has none.
//
// # States
//
//	born      the volume was blank: a log was formatted, with a new cluster id and a new Raft id
//	replayed  snapshot and log were read back; nothing is applied beyond the snapshot yet
//	leading   this member leads, and has applied the first entry of its term: proposals are taken
//	following somebody else leads, or nobody: proposals fail at once with [ErrNotLeader], before they exist
//	dead      the log failed, or Raft found a contradiction: every proposal fails, Config.Dead was called
//	closed    Close ended it in order
//
// A single member campaigns at once when it is opened, has no ticks, and does nothing while nothing is
// proposed.
//
// # Invariants
//
//	C1 AckedDurable  a result is given only for a command whose entry is synced in the log
//	C2 ApplyOrder    committed entries are applied in order, each once, snapshot and replay included
//	C3 MemberIsDisk  the Raft id is drawn from the uuid of the disk: an empty disk is a new member (rule 1)
//	C4 TrimBelowSnapshot  the WAL is trimmed only below a snapshot that is durable and every entry behind it
//	C5 OneTerm       a command marked ° carries the term in which Propose was called, or the caller's own
//	C6 NotForwarded  a member that does not lead never passes a proposal on (rule 4)
//	C7 ConfWithApplied  the membership is stored with the index it was as of
//
// # Concurrency
//
// One task, "controller.raft", owns Raft, the log and a queue of events; it alone applies. Propose, Read and
// Wait may be called from any task. While the log syncs one batch, proposals gather in the queue and become
// the next batch: one append and one sync for all of them. With peers, "controller.tick" pushes ticks.
//
// docs/format/raftlog.md draws the records in the log.
package controller
