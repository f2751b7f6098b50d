// Package check judges what clients of a log saw: history in, verdict out. The
// simulator and the tests against real processes hand it the same histories, so
// the verdict does not depend on where a history comes from. It imports nothing
// of weir: a checker that shares code with what it checks shares its mistakes.
//
// It records nothing, injects nothing and reads no clock: every time is a number
// in the history. Each partition of a history ends with its final log, read back
// after faults have ended. From that everything else follows:
//
//	history ──┬─▶ Sweep    every answer against the final log, O(n log n)
//	          ├─▶ Resolve  unknown outcomes become "applied here" or "never"
//	          ├─▶ Linear   the resolved history, judged again by porcupine
//	          └─▶ Offsets  committed group offsets as registers
//	Judge = all of them, and the demand that the history was not vacuous
//
// What is checked, by the Kind of a violation:
//
//	Lost         acknowledged or read, and not in the final log at that offset
//	Moved        in the final log, at another offset than the answer said
//	OffsetReused one offset was given to two values
//	Resurrected  a definite failure, and yet in the log or read
//	Duplicated   more often in the log than its producer may have sent it
//	Torn         a part of one batch, or a batch with another's record inside
//	Phantom      a value that nobody produced
//	Misplaced    in another partition than it was produced to
//	NotASlice    a fetch that skipped or repeated a record of the final log
//	RealTime     an operation that took effect before an earlier one's answer, or after a later one's
//	NotLinear    porcupine found no order of a partition's operations
//	StaleOffset  a committed offset that no order of commits explains
//	Undecided    a checker ran out of time: no verdict is a failed verdict
//	Vacuous      too few operations of a kind to have proved anything
//	Malformed    a history that contradicts itself before any log is looked at
//
// Three classes of reads are told apart. ListEnd and FetchCommitted must be
// linearizable. A Fetch may be stale, but is always a slice of the final log and
// never shows what was produced after it returned.
//
// Concurrency: functions read their arguments only and may run side by side.
// Linear starts goroutines (porcupine's) and ends them before it returns.
package check
