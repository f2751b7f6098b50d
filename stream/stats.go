package stream

import "github.com/weirmq/weir/wal"

// Stats counts what an engine did since it was made, and what it holds.
type Stats struct {
	Appends, AppendBytes uint64
	IndexWaits           uint64 // appends that waited for room in the index

	TailReads, ObjectReads uint64 // entries
	OwedReads              uint64 // entries that another log owes
	LogReads, LogReadBytes uint64
	BlockHits              uint64 // blocks found in the block cache
	Gets, GetBytes         uint64 // reads from the store

	Puts, PutErrors, PutBytes uint64
	Commits                   uint64
	Verdicts                  [Refused + 1]uint64 // by Verdict; entry 0 counts those that are none
	RefusedRanges             uint64              // ranges that are not committed any more
	Holes                     uint64              // found by recovery or by a read
	Evictions                 uint64              // slabs let go
	Recovered                 uint64              // entries taken over from recovery
	RecoveredDone             uint64              // entries recovery found that owe nothing

	// State at the time of the call.
	Streams, OwingRanges int
	IndexEntries         int
	CacheSlabs           int
	PendingBytes         int64 // wait for upload
	Trim                 wal.Position
}

// Stats returns a copy of the counters.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Streams, s.OwingRanges, s.IndexEntries = len(e.streams), len(e.owing), e.entries
	s.CacheSlabs, s.PendingBytes, s.Trim = len(e.slabs), e.pending, e.trimmed
	return s
}
