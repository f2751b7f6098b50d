package stream

import (
	"slices"
	"sync/atomic"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/wal"
)

// entry is one data entry of the log that the index knows. base, maxTs and the place in the log never
// change; at.Slab is nil once it was evicted and, like the slice it lies in, guarded by the engine's mutex.
type entry struct {
	base  int64
	maxTs int64
	at    wal.Extent
	count uint32
}

func (en *entry) end() int64 { return en.base + int64(en.count) }

// place is where en's bytes are in the log, whether or not a slab holds them too.
func (en *entry) place() wal.Extent {
	return wal.Extent{Off: en.at.Off, Len: en.at.Len, Frame: en.at.Frame, FrameOff: en.at.FrameOff}
}

// streamLog is all the index knows of one stream.
type streamLog struct {
	id       ID
	logStart int64
	ranges   []*rangeLog // by start, epochs rising; those with nothing left in memory may be gone
	gone     bool        // dropped: its entries owe nothing
}

// rangeLog is one (stream, leader epoch) in this log. All but shadow and shadowAt is guarded by the
// engine's mutex.
type rangeLog struct {
	st     *streamLog
	epoch  Epoch
	start  int64
	end    int64 // offset the next entry gets
	closed bool  // takes no more appends

	placing  int          // appends that are between the look at closed and their entry
	lost     bool         // the log died with appends of it in flight
	sealedAt host.Time    // when Seal gave its answer; 0 = it has not
	sealing  atomic.Bool  // Seal waits, or has answered
	telling  atomic.Int32 // appends that are durable, or lost, and whose owners are being told

	durable    int64   // below it entries are durable
	committed  int64   // below it objects hold the range, by applied answers
	discharged int64   // below it the log owes nothing: committed, or gone
	pending    int64   // bytes of entries that wait for upload
	entries    []entry // tile their offsets; from the first one still owed or held in a slab

	heads []head // of recovered entries, until the owner's state was built from them

	state    wal.Extent // of the opening state's entry
	stated   bool       // the opening state is durable
	stateDue bool       // and owed

	unread     int64     // the volume failed to read the entry there
	unreadFrom host.Time // since then; 0 = it did not
	unreadLast host.Time // … the last time

	hole   *HoleError // nothing at or past hole.From is committed
	marked bool       // metadata knows of the hole
	// quarantined: what the log still has of the range is in a quarantine object and owes nothing.
	quarantined bool
	refused     bool       // nothing of it is uploaded until restart: metadata refused it, or
	stateless   bool       // its state was lost, so that no checkpoint can be made
	owing       bool       // is on the engine's list
	slab        *cacheSlab // newest slab that holds entries of it

	// Used only by the task that holds Engine.uploading.
	shadow   Shadow
	shadowAt int64
}

// find returns the index of the first entry that ends past offset.
func (r *rangeLog) find(offset int64) int {
	i, _ := slices.BinarySearchFunc(r.entries, offset, func(en entry, offset int64) int {
		if en.end() <= offset {
			return -1
		}
		return 1
	})
	return i
}

// at returns the entry that holds offset, nil if the index has none.
func (r *rangeLog) at(offset int64) *entry {
	if i := r.find(offset); i < len(r.entries) && r.entries[i].base <= offset {
		return &r.entries[i]
	}
	return nil
}

// stop is the offset up to which entries can be committed.
func (r *rangeLog) stop() int64 {
	if r.refused {
		return r.discharged
	}
	if r.hole != nil {
		return min(r.durable, r.hole.From)
	}
	if mutant.On(mutant.UploadUndurable) {
		return r.end
	}
	return r.durable
}

// rangeAt returns the range of st that may hold offset: the last one that starts at or below it.
func (st *streamLog) rangeAt(offset int64) *rangeLog {
	for i := len(st.ranges) - 1; i >= 0; i-- {
		if st.ranges[i].start <= offset {
			return st.ranges[i]
		}
	}
	return nil
}

// last returns the newest range, nil if there is none.
func (st *streamLog) last() *rangeLog {
	if len(st.ranges) == 0 {
		return nil
	}
	return st.ranges[len(st.ranges)-1]
}

// add puts r behind the other ranges.
func (st *streamLog) add(r *rangeLog) {
	if p := st.last(); p != nil {
		invariant.Check(p.closed, invariant.SealFinal, "stream %d epoch %d opens while epoch %d is open",
			st.id, r.epoch, p.epoch)
		invariant.Check(r.epoch > p.epoch && r.start >= p.end, invariant.EpochOrder,
			"stream %d epoch %d at offset %d follows epoch %d that ends at %d",
			st.id, r.epoch, r.start, p.epoch, p.end)
	}
	st.ranges = append(st.ranges, r)
}

// prune drops closed ranges of which nothing is left in memory, never the last one.
func (st *streamLog) prune() {
	last := st.last()
	st.ranges = slices.DeleteFunc(st.ranges, func(r *rangeLog) bool {
		return r != last && r.closed && !r.owing && len(r.entries) == 0 && r.hole == nil
	})
}

// forget drops leading entries that are discharged and in no slab.
func (r *rangeLog) forget() int {
	n := 0
	for n < len(r.entries) && r.entries[n].at.Slab == nil && r.entries[n].end() <= r.discharged {
		n++
	}
	if r.entries = r.entries[n:]; len(r.entries) == 0 {
		r.entries = nil
	}
	return n
}
