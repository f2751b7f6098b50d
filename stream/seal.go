package stream

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// Seal ends the range here for good and returns where (PROTOCOL rule 24). Appends fail with ErrClosed from the call
// on, and never were in the log; when Seal returns, all those placed before are durable and their owners have been
// told. The end is final, and the same at every call. An error says that there is no such end: the log died with
// appends in flight, or sc ended; then the range takes no appends all the same.
//
// What a sealed range owes is uploaded before all else.
func (s *Stream) Seal(sc *host.Scope) (int64, error) {
	e, r := s.e, s.r
	e.mu.Lock()
	defer e.mu.Unlock()
	r.closed = true
	r.sealing.Store(true)
	if !r.quiet() {
		probe.Hit(probe.StreamSealWaits)
	}
	for !r.quiet() && !mutant.On(mutant.SealInFlight) {
		if err := e.seals.Wait(sc, 0); err != nil {
			return 0, fmt.Errorf("stream: seal stream %d epoch %d: %w", r.st.id, r.epoch, err)
		}
	}
	switch {
	case r.lost:
		return 0, fmt.Errorf("stream: seal stream %d epoch %d: %w: %w", r.st.id, r.epoch, ErrDead, e.dead)
	case mutant.On(mutant.SealInFlight):
		return r.durable, nil
	}
	if r.sealedAt == 0 {
		r.sealedAt = e.h.Now()
		e.work.Signal()
	}
	return r.end, nil
}

// quiet tells that nothing of r is in flight: no append is being placed, what is placed is durable, or lost, and
// whoever appended it has been told. The caller holds e.mu.
func (r *rangeLog) quiet() bool { return r.placing == 0 && r.durable == r.end && r.telling.Load() == 0 }

// over tells that r, the last range here, has ended, so that what c reads may go on in other logs. The caller holds
// e.mu.
func (r *rangeLog) over(c *cursor) bool { return r.quiet() && (r.sealed() || r.closed && c.inner) }

// sealed tells that r is closed for good at r.end. The caller holds e.mu.
func (r *rangeLog) sealed() bool { return r.sealedAt != 0 }

// placed notes that an append of r was placed, or will not be. The caller holds e.mu.
func (e *Engine) placed(r *rangeLog) {
	if r.placing--; r.sealing.Load() {
		e.seals.Broadcast()
	}
}

// heard notes that the owner of an append of r has heard of its outcome.
func (e *Engine) heard(r *rangeLog) {
	if r.telling.Add(-1); r.sealing.Load() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.seals.Broadcast()
	}
}

// firstSealed is when the first of the sealed ranges was that have something to upload, 0 if none has. The caller
// holds e.mu.
func (e *Engine) firstSealed() (at host.Time) {
	for _, r := range e.owing {
		if r.sealed() && r.pending > 0 && (at == 0 || r.sealedAt < at) {
			at = r.sealedAt
		}
	}
	return at
}

// chooseSealed picks what sealed ranges owe, about size bytes of it, and pins the log there. The caller holds e.mu.
func (e *Engine) chooseSealed(size int64) (parts []part) {
	left, now := size, e.h.Now()
	for _, r := range e.owing {
		i, stop := r.find(r.discharged), r.stop()
		if e.failing(r, now) {
			continue
		}
		if !r.sealed() || r.pending == 0 || left <= 0 || i == len(r.entries) || r.entries[i].end() > stop {
			continue
		}
		j := i
		for ; j < len(r.entries) && r.entries[j].end() <= stop && left > 0; j++ {
			left -= int64(r.entries[j].at.Len)
		}
		parts = append(parts, part{r: r, start: r.entries[i].base, end: r.entries[j-1].end(), entries: r.entries[i:j:j]})
		e.pin = min(e.pin, r.entries[i].at.Frame)
		if r.stateDue {
			e.pin = min(e.pin, r.state.Frame)
		}
	}
	if len(parts) > 0 {
		probe.Hit(probe.StreamOwedFirst)
	}
	sortParts(parts)
	return parts
}
