package stream

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// Holed is a range whose hole pins the log until Quarantined tells that its bytes have a copy.
type Holed struct {
	Hole HoleError
	// From and To bound what the log has of the range from the hole on, and all damage that recovery found:
	// what was lost lies in there, if anywhere. Whole frames; they stay readable until Quarantined.
	From, To wal.Position
}

// Holed lists the ranges that wait for Quarantined: closed, with everything below the hole committed.
func (e *Engine) Holed() []Holed {
	limit := e.log.Durable()
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Holed
	for _, r := range e.owing {
		if r.hole == nil || r.quarantined || r.refused || !r.closed || r.durable < r.end ||
			r.discharged < min(r.hole.From, r.durable) {
			continue
		}
		h := Holed{Hole: *r.hole, From: noPin}
		take := func(from, to wal.Position) { h.From, h.To = min(h.From, from), max(h.To, min(to, limit)) }
		if i := r.find(r.discharged); i < len(r.entries) {
			take(r.entries[i].at.Frame, e.ring.after(r.entries[len(r.entries)-1].at.Frame, limit))
		}
		if r.stateDue {
			take(r.state.Frame, e.ring.after(r.state.Frame, limit))
		}
		for _, d := range e.damaged {
			take(d.From, d.To)
		}
		if h.From == noPin { // the log has nothing of it
			h.From, h.To = limit, limit
		}
		list = append(list, h)
	}
	return list
}

// Quarantined notes that metadata holds a quarantine object for what the hole of a range left in the log:
// that pins the log no longer. What lies below the hole must be committed by then (Flush), else nothing
// changes.
func (e *Engine) Quarantined(id ID, epoch Epoch) {
	e.mu.Lock()
	holed := false
	if st := e.streams[id]; st != nil {
		for _, r := range slices.Clone(st.ranges) {
			if r.epoch == epoch && r.hole != nil && r.discharged >= min(r.hole.From, r.durable) {
				e.discharge(r, r.end)
				e.dischargeState(r)
				r.marked, r.quarantined = true, true
				probe.Hit(probe.StreamQuarantined)
			}
		}
	}
	e.recount()
	for _, r := range e.owing {
		holed = holed || r.hole != nil && !r.quarantined
	}
	if !holed {
		e.damaged = nil
	}
	e.mu.Unlock()
	e.trim()
}

// giveUpPinning lets what damage has left in the log be quarantined where it pins half of the ring: a full ring stops
// every partition. The caller holds e.mu.
//
//   - A range with a hole takes no more appends. Until then what is produced to it can still be read.
//   - A closed range that cannot be committed, for an object that its state is built from is damaged, becomes a hole.
//     Restored in time the object would still have helped it.
func (e *Engine) giveUpPinning() {
	for _, r := range slices.Clone(e.owing) {
		if first := e.firstOwed(r); first == noPin || first+e.ringBytes/2 >= e.newest {
			continue
		}
		switch {
		case r.hole != nil && r.marked && !r.closed:
			probe.Hit(probe.StreamHoledClosed)
			r.closed = true
			e.h.Log().Error("stream: a range with a hole pins the write-ahead log; it is closed", "stream",
				uint64(r.st.id), "epoch", int32(r.epoch), "end", r.end, "hole", r.hole.Error())
		case r.stateless && r.closed && r.durable == r.end:
			probe.Hit(probe.StreamStatelessGivenUp)
			e.puncture(r, &HoleError{ID: r.st.id, Epoch: r.epoch, From: r.discharged, To: Unknown,
				Why: "the state they follow was lost with an object, and they pin the write-ahead log"})
			// Only now: what is refused and what lies in a hole are both out of the account, and leave it once.
			r.refused, r.stateless = false, false
			e.stats.RefusedRanges--
		}
	}
}

// firstOwed is the first frame with something that r owes, noPin if there is none. The caller holds e.mu.
func (e *Engine) firstOwed(r *rangeLog) wal.Position {
	first := noPin
	if i := r.find(r.discharged); i < len(r.entries) {
		first = r.entries[i].at.Frame
	}
	if r.stateDue {
		first = min(first, r.state.Frame)
	}
	return first
}

// errOutstanding is returned by GiveUp while an upload uses a key below.
var errOutstanding = errors.New("stream: an upload under a lower key is on its way")

// GiveUp gives up a key that the owner took from the catalog for an object of its own. Giving a key up does so
// with all below it, so that an upload under a lower one must end first: until then this fails, to be repeated.
func (e *Engine) GiveUp(sc *host.Scope, seq uint64) error {
	if err := e.uploading.Acquire(sc, 1); err != nil {
		return err
	}
	defer e.uploading.Release(1)
	if p := e.plan; p != nil && p.seq < seq {
		probe.Hit(probe.StreamGiveUpWaits)
		return fmt.Errorf("%w: %s", errOutstanding, p.key)
	}
	return e.cat.GiveUp(sc, seq)
}
