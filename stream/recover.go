package stream

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// Open is the End of a range that is not closed.
const Open int64 = -1

// RangeInfo is what metadata says of one range in the recovered log. All ranges that metadata has on this log
// must be told: entries of any other are taken for deleted.
type RangeInfo struct {
	ID        ID
	Epoch     Epoch
	Start     int64
	End       int64 // exclusive; Open when it is not closed
	Committed int64 // its committed end; at least Start
	LogStart  int64 // of the stream
	// Checkpointed says that metadata refers to a committed checkpoint of this range: its opening state in
	// the log is discharged.
	Checkpointed bool
}

// Recovered is what the log holds of one range.
type Recovered struct {
	ID    ID
	Epoch Epoch
	Start int64
	End   int64 // max of the scan's end and the committed end: where to close a range that is open
	// Hole is not nil when offsets of the range are lost or may be: it stays unopened, and what lies below
	// Hole.From is served and committed.
	Hole *HoleError
}

// Recover takes over what the log's scan found, before Start and before any append: for each range it skips
// what is committed, drops what lies beyond a sealed end, and checks that the rest tiles the offsets up to
// the end. The entries become readable from the log by position. The answers are in the order of stream
// and offset.
func (e *Engine) Recover(rec *wal.Recovery, ranges []RangeInfo) ([]Recovered, error) {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b RangeInfo) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Epoch, b.Epoch))
	})
	scans := map[rangeKey]*scan{}
	for _, info := range ranges {
		key := rangeKey{info.ID, info.Epoch}
		if scans[key] != nil || info.Committed < info.Start || info.End != Open && info.End < info.Committed {
			return nil, fmt.Errorf("%w: range of stream %d epoch %d: start %d, committed %d, end %d, or listed twice",
				ErrStuck, info.ID, info.Epoch, info.Start, info.Committed, info.End)
		}
		scans[key] = newScan(info)
	}
	kept := make([]*scan, len(rec.Entries))
	for i := range rec.Entries {
		if s := scans[rangeKey{rec.Entries[i].Stream, rec.Entries[i].Epoch}]; s != nil && s.take(&rec.Entries[i]) {
			kept[i] = s
		}
	}
	for i := range rec.Damage {
		d := &rec.Damage[i]
		for j := range d.Lost {
			if s := scans[rangeKey{d.Lost[j].Stream, d.Lost[j].Epoch}]; s != nil {
				s.lose(&d.Lost[j])
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.takeOver(rec, ranges, scans, kept), nil
}

type rangeKey struct {
	id    ID
	epoch Epoch
}

// takeOver builds the index of what scans kept. The caller holds e.mu.
func (e *Engine) takeOver(rec *wal.Recovery, ranges []RangeInfo, scans map[rangeKey]*scan, kept []*scan) []Recovered {
	out := make([]Recovered, 0, len(ranges))
	holed := false
	for _, info := range ranges {
		s := scans[rangeKey{info.ID, info.Epoch}]
		s.finish(rec.Damage)
		invariant.Check(s.r.end >= info.Committed, invariant.EndNotBelowCommitted,
			"stream %d epoch %d recovered to %d, committed to %d", info.ID, info.Epoch, s.r.end, info.Committed)
		st := e.streams[info.ID]
		if st == nil {
			st = &streamLog{id: info.ID}
			e.streams[info.ID] = st
		}
		st.logStart = max(st.logStart, info.LogStart)
		s.r.st = st
		st.add(s.r)
		if s.r.hole != nil {
			holed = true
			probe.Hit(probe.StreamHoleRecovered)
			e.stats.Holes++
			e.owe(s.r) // it is told to metadata from there
			e.h.Log().Error("stream: recovery found a hole; the range stays closed", "hole", s.r.hole.Error())
		}
		out = append(out, Recovered{ID: info.ID, Epoch: info.Epoch, Start: info.Start, End: s.r.end, Hole: s.r.hole})
	}
	for i, s := range kept {
		if s == nil {
			e.stats.RecoveredDone++
			continue
		}
		e.keep(s.r, &rec.Entries[i])
	}
	if holed {
		e.damaged = slices.Clone(rec.Damage)
		slices.SortFunc(e.damaged, func(a, b wal.Damage) int { return cmp.Compare(a.From, b.From) })
	}
	e.newest = max(e.newest, rec.End)
	e.recount()
	for _, info := range ranges {
		if st := e.streams[info.ID]; st != nil {
			st.prune()
		}
	}
	return out
}

// keep puts one entry in the index, in log order.
func (e *Engine) keep(r *rangeLog, f *wal.Found) {
	e.stats.Recovered++
	if f.Kind == wal.KindState {
		r.state, r.stated, r.stateDue = f.Extent, true, true
		e.ring.add(f.Frame, 0, 0)
	} else {
		r.entries = append(r.entries, entry{base: f.Base, count: f.Count, maxTs: f.MaxTimestamp, at: f.Extent})
		if f.Head != nil {
			r.heads = append(r.heads, head{base: f.Base, count: f.Count, size: f.Length, bytes: f.Head})
		}
		e.entries++
		n := r.load(&r.entries[len(r.entries)-1])
		r.pending += int64(n)
		e.ring.add(f.Frame, n, 0)
	}
	e.owe(r)
}

// scan follows one range through the entries of a recovery.
type scan struct {
	info    RangeInfo
	r       *rangeLog
	floor   int64 // the first entry must begin at or below it
	next    int64 // where the next entry is expected; -1 before the first
	newest  wal.Position
	seen    bool // any entry of the range, kept or not
	overlap bool
}

func newScan(info RangeInfo) *scan {
	at := max(info.Committed, info.Start)
	if mutant.On(mutant.EndBelowCommitted) {
		at = info.Start
	}
	r := &rangeLog{epoch: info.Epoch, start: info.Start, closed: true,
		end: at, durable: at, committed: at, discharged: at}
	return &scan{info: info, floor: max(at, info.LogStart), next: -1, r: r}
}

// take judges the next entry of the range and reports whether it is kept.
func (s *scan) take(f *wal.Found) bool {
	s.seen, s.newest = true, max(s.newest, f.Frame)
	end := f.Base + int64(f.Count)
	if f.Kind == wal.KindState {
		if s.info.Checkpointed {
			probe.Hit(probe.StreamStateDischarged)
		}
		return !s.info.Checkpointed && s.info.Committed == s.info.Start && f.Base == s.info.Start
	}
	if s.info.End != Open && f.Base >= s.info.End {
		probe.Hit(probe.StreamBeyondSeal)
	}
	if end <= s.info.Committed || s.info.End != Open && f.Base >= s.info.End || s.overlap {
		return false
	}
	if s.info.End != Open && end > s.info.End {
		s.puncture(f.Base, s.info.End, "an entry crosses the sealed end of the range")
		s.overlap = true
		return false
	}
	switch want := max(s.next, 0); {
	case s.next < 0 && f.Base > s.floor:
		s.puncture(s.floor, f.Base, "the log begins after the committed end")
	case s.next >= 0 && f.Base > want:
		s.puncture(want, f.Base, "the log skips them")
	case s.next >= 0 && f.Base < want:
		s.puncture(want, s.info.End, fmt.Sprintf("the log has another entry at offset %d, below them", f.Base))
		s.overlap = true
		return false
	}
	s.next = end
	s.r.end, s.r.durable = max(s.r.end, end), max(s.r.durable, end)
	return true
}

// lose notes an entry that a damaged frame lists.
func (s *scan) lose(f *wal.Found) {
	s.seen, s.newest = true, max(s.newest, f.Frame)
	end := f.Base + int64(f.Count)
	beyond := s.info.End != Open && f.Base >= s.info.End
	if f.Kind == wal.KindState || end <= max(s.info.Committed, s.info.LogStart) || beyond {
		return
	}
	s.puncture(f.Base, end, fmt.Sprintf("the log is damaged at position %d", f.Position()))
}

// puncture keeps the lowest hole.
func (s *scan) puncture(from, to int64, why string) {
	if s.r.hole == nil || from < s.r.hole.From {
		s.r.hole = &HoleError{ID: s.info.ID, Epoch: s.info.Epoch, From: from, To: to, Why: why}
	}
}

// finish compares the end with what metadata and damage say of it.
func (s *scan) finish(damage []wal.Damage) {
	if mutant.On(mutant.RecoveryNextOffset) && s.info.End == Open && s.next >= 0 {
		s.r.end++
		s.r.durable++
	}
	if s.info.End == Open && s.r.end < s.info.LogStart {
		probe.Hit(probe.StreamEndIsLogStart)
		s.r.end = s.info.LogStart // the log start offset was at most the end when it was set
		s.r.durable = s.r.end
	}
	if s.info.End != Open && s.r.end < min(s.info.End, s.info.LogStart) {
		s.r.end = min(s.info.End, s.info.LogStart) // what lies below it is gone, and nothing is owed
		s.r.durable = s.r.end
	}
	known := s.info.End != Open && s.r.end >= s.info.End
	if s.info.End != Open && !known {
		s.puncture(s.r.end, s.info.End, fmt.Sprintf("the log ends before the sealed end %d", s.info.End))
	}
	for i := range damage {
		d := &damage[i]
		if d.Listed || known || s.seen && s.newest >= d.To {
			continue // its end is known, or its entries tile across the damage
		}
		s.puncture(s.r.end, s.info.End, fmt.Sprintf("the log is damaged at positions [%d, %d): %s; "+
			"nothing behind shows that none of the range was there", d.From, d.To, d.Why))
	}
	if s.r.hole != nil && s.r.hole.To == s.r.hole.From {
		s.r.hole.To = Unknown
	}
}
