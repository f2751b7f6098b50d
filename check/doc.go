// Package check judges what clients of a log saw: history in, verdict out. The
// simulator and the tests against real processes hand it the same histories, so
// the verdict does not depend on where a history comes from. It imports nothing
// of weir: a checker that shares code with what it checks shares its mistakes.
//
// It records nothing, injects nothing, opens no file and reads no clock: every time
// is a number in the history. Each partition of a history ends with its final log,
// read back after faults have ended. From that everything else follows:
//
//	history ──┬─▶ Sweep      every answer against the final log, O(n log n); marks, ledgers, what was durable
//	          ├─▶ Resolve    unknown outcomes become "applied here" or "never"
//	          ├─▶ Linear     the resolved history, judged again by porcupine
//	          ├─▶ Jepsen     the anomalies of Jepsen's Kafka workload, by Jepsen's names
//	          └─▶ Registers  committed offsets, generations, topics, keys of metadata, producer ids
//	Judge = all of them, and the demand that the history was not vacuous
//
// What is checked, by the Kind of a violation:
//
//	Lost              acknowledged or read, and not in the final log at that offset
//	Moved             in the final log, at another offset than the answer said
//	OffsetReused      one offset was given to two values
//	Resurrected       a definite failure, and yet in the log or read
//	Duplicated        more often in the log than its producer may have sent it
//	Torn              a part of one batch, or a batch with another's record inside
//	Phantom           a value that nobody produced
//	Misplaced         in another partition than it was produced to
//	NotASlice         a fetch that skipped or repeated a record of the final log
//	RealTime          an operation that took effect before an earlier one's answer, or after a later one's
//	Undeleted         shown, or there at the end, after its deletion was answered
//	OutOfSequence     a producer's batches stand in another order than their sequences, or with a gap
//	ShownEarly        acknowledged, read, or below a shown end, before it was on a synced medium
//	MarkRegressed     high watermark, log start offset or last stable offset went back in real time
//	BeyondMark        records or marks of one fetch above its high watermark or last stable offset
//	NotLinear         porcupine found no order of operations on a partition or a register
//	StaleOffset       a committed offset that no order of commits explains
//	StaleGeneration   something of a group's generation was answered after a newer one was established
//	TwoLeaders        members of one generation were told different leaders
//	StaleMetadata     a topic or key of metadata that no order of changes explains
//	ReusedProducerID  one producer id and epoch for two
//	Undecided         a checker met its bound: no verdict is a failed verdict
//	Vacuous           too few operations of a kind to have proved anything
//	Malformed         a history that contradicts itself before any log is looked at
//
// And by Jepsen's names, over the order of versions that the final log and all
// answers give, holes left out:
//
//	inconsistent-offsets  one offset has two values
//	duplicate             one value at two offsets; allowed where its producer sent it that often without idempotence
//	lost-write            acknowledged, never read, and something above it was read
//	unseen                acknowledged, and neither read by anybody nor in the final log
//	aborted-read          (G1a) a value of a definite failure, or, for who reads committed, of an aborted transaction
//	precommitted-read     a transaction read its own write
//	poll-skip             from one fetch of a session to the next, a record is left out; allowed to a group's member
//	nonmonotonic-poll     … or the second begins at or below the first's last; allowed to a group's member
//	int-poll-skip         the same within one fetch or transaction
//	int-nonmonotonic-poll … in another order
//	nonmonotonic-send     a client's later send stands at or below its earlier one, which had been answered
//	int-send-skip         within one batch or transaction, another's record between; allowed
//	int-nonmonotonic-send … or in another order
//	G0                    transactions wrote around each other; allowed
//	G0-process            … with the order of one client's operations; allowed
//	G0-realtime           … with the order of real time; allowed
//	G1c                   information went round in a circle; allowed if some of it is only the order of writes
//	G1c-process           … with the order of one client's operations
//	G1c-realtime          … with the order of real time
//
// Allowed occurrences are counted and shown in Verdict.Anomalies, and so are lags and
// deliveries; only the others are violations. Sweep is the stricter of the two where
// both look for the same: Torn has no int-send-skip to allow.
//
// Three classes of reads are told apart. ListEnd, a fetch's high watermark and
// FetchCommitted must be linearizable. The records of a Fetch may be stale, but are
// always a slice of the final log and never show what was produced after it returned.
//
// Offsets that weir itself reports as damaged are excused in one case: the history is
// declared Beyond what is promised to be survived, and the final log has nothing at
// them. What lies below the log start offset is excused as far as somebody deleted it.
//
// A group's generation is established once a SyncGroup or a commit of it was
// answered; one that was only joined may be undone by a crash and come again. A group
// that was deleted begins anew: use another name.
//
// Concurrency: functions read their arguments only and may run side by side.
// Porcupine starts goroutines and ends them before a function returns.
package check
