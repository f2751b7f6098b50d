package stream

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// Stream is the open range of one stream: what its owner appends to and reads from. Reads cover the whole
// stream, older ranges too.
type Stream struct {
	e *Engine
	r *rangeLog
}

// Append hands d to the log. It waits, unframed, for room in the ring, in the slabs and in the index; on
// ErrTimeout or an ended scope d is never appended afterwards. When it returns nil d has been placed and its
// Durable will be called, or was already.
func (s *Stream) Append(sc *host.Scope, until host.Time, d Draft) error {
	e := s.e
	w, err := e.draft(sc, until)
	if err != nil {
		return err
	}
	w.r, w.d = s.r, d
	if host.Buggify(e.h, "stream.evict.early") {
		e.Evict()
	}
	if err := e.log.Append(sc, until, w); err != nil {
		e.mu.Lock()
		e.recycle(w) // it was never placed: nobody else knows it
		e.mu.Unlock()
		if errors.Is(err, wal.ErrDead) {
			return fmt.Errorf("%w: %w", ErrDead, err)
		}
		return err
	}
	return nil
}

// draft waits for room in the index and takes a wrapper from the pool.
func (e *Engine) draft(sc *host.Scope, until host.Time) (*appendDraft, error) {
	for {
		w, full, err := e.tryDraft()
		if !full {
			return w, err
		}
		probe.Hit(probe.StreamIndexFull)
		if e.Evict() {
			continue
		}
		if err := e.waitRoom(sc, until); err != nil {
			return nil, err
		}
	}
}

func (e *Engine) tryDraft() (w *appendDraft, full bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, false, ErrClosed
	case e.dead != nil:
		return nil, false, fmt.Errorf("%w: %w", ErrDead, e.dead)
	case e.entries >= e.cfg.MaxEntries:
		return nil, true, nil
	}
	if w = e.freeDrafts; w == nil {
		return &appendDraft{e: e}, false, nil
	}
	e.freeDrafts, w.next = w.next, nil
	return w, false, nil
}

func (e *Engine) waitRoom(sc *host.Scope, until host.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.IndexWaits++
	e.work.Signal()
	if e.entries < e.cfg.MaxEntries || e.closed || e.dead != nil {
		return nil
	}
	return e.room.Wait(sc, until)
}

func (e *Engine) recycle(w *appendDraft) {
	*w = appendDraft{e: e, next: e.freeDrafts}
	e.freeDrafts = w
}

// appendDraft is the log's view of an owner's Draft. It is pooled: append allocates nothing.
type appendDraft struct {
	e    *Engine
	r    *rangeLog
	d    Draft
	base int64
	end  int64
	slab *cacheSlab
	next *appendDraft
}

func (w *appendDraft) Size() int { return w.d.Size() }

// Place runs under the log's lock.
func (w *appendDraft) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	e, r := w.e, w.r
	if !e.place(r) {
		return wal.Entry{}, ErrClosed
	}
	m, err := w.d.Place(dst)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.placed(r)
	if err != nil {
		return wal.Entry{}, err
	}
	if !invariant.Holds(!r.sealed() || mutant.On(mutant.SealNotFinal), invariant.SealFinal) {
		invariant.Fail(invariant.SealFinal, "stream %d epoch %d: append at %d after it was sealed", r.st.id, r.epoch, r.end)
	}
	if !invariant.Holds(m.Base == r.end && m.Count > 0, invariant.LogOrder) {
		invariant.Fail(invariant.LogOrder, "stream %d epoch %d: entry of %d records placed at offset %d, log ends at %d",
			r.st.id, r.epoch, m.Count, m.Base, r.end)
	}
	if !invariant.Holds(r.stated, invariant.StateAtStart) {
		invariant.Fail(invariant.StateAtStart, "stream %d epoch %d: append before its state is durable", r.st.id, r.epoch)
	}
	w.base, w.end = m.Base, m.Base+int64(m.Count)
	w.slab = e.hold(r, at.Slab)
	if !r.st.gone {
		r.entries = append(r.entries, entry{base: m.Base, count: m.Count, maxTs: m.MaxTimestamp, at: at})
		e.entries++
		now, n := e.h.Now(), r.load(&r.entries[len(r.entries)-1])
		e.ring.add(at.Frame, n, now)
		if e.pending == 0 {
			e.oldest = now
		}
		e.pending += int64(n)
		r.pending += int64(n)
		e.owe(r)
	}
	r.end, e.newest = w.end, at.Frame
	e.stats.Appends++
	e.stats.AppendBytes += uint64(at.Len)
	return wal.Entry{Stream: r.st.id, Epoch: r.epoch, Kind: wal.KindData, Base: m.Base, Count: m.Count,
		MaxTimestamp: m.MaxTimestamp}, nil
}

// place begins an append of r; not of a closed one.
func (e *Engine) place(r *rangeLog) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.closed && !(mutant.On(mutant.SealNotFinal) && r.sealed()) {
		return false
	}
	r.placing++
	return true
}

// Durable runs in the log's commit task.
func (w *appendDraft) Durable(err error) {
	e, d, r := w.e, w.d, w.r
	defer e.heard(r)
	e.mu.Lock()
	r.telling.Add(1)
	w.slab.undurable--
	if err == nil {
		inOrder := w.base == w.r.durable || mutant.On(mutant.AckOutOfOrder)
		if !invariant.Holds(inOrder, invariant.AckOrder) {
			invariant.Fail(invariant.AckOrder, "stream %d epoch %d: offset %d is durable before %d",
				w.r.st.id, w.r.epoch, w.base, w.r.durable)
		}
		w.r.durable = max(w.r.durable, w.end)
		e.wake()
	} else {
		e.die(err)
		e.unplace(w.r)
		r.lost = true
	}
	e.recycle(w)
	e.mu.Unlock()
	d.Durable(err)
}

// wake wakes stream.upload if there may be something for it. The caller holds e.mu.
func (e *Engine) wake() {
	if e.asleep == 0 || e.pending >= e.cfg.UploadBytes || e.entries >= e.cfg.MaxEntries ||
		e.full() && e.newest-e.looked > e.ringBytes/256 {
		e.work.Signal()
	}
}

// die notes that the log takes no more appends.
func (e *Engine) die(err error) {
	if e.dead == nil {
		e.dead = err
		e.room.Broadcast()
	}
}

// unplace takes entries of unknown outcome out of the index of a dead log: they are never read nor uploaded.
func (e *Engine) unplace(r *rangeLog) {
	i := r.find(r.durable)
	if i < len(r.entries) {
		probe.Hit(probe.StreamOutcomeUnknown)
	}
	e.unload(r, r.entries[i:])
	e.entries -= len(r.entries) - i
	r.entries, r.end, r.closed = r.entries[:i], r.durable, true
	e.recount()
}

// stateDraft is a range's opening state on its way to the log.
type stateDraft struct {
	e     *Engine
	r     *rangeLog
	state []byte
	done  host.Future[struct{}]
}

func (d *stateDraft) Size() int { return len(d.state) }

func (d *stateDraft) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	e, r := d.e, d.r
	copy(dst, d.state)
	e.mu.Lock()
	defer e.mu.Unlock()
	r.state = wal.Extent{Off: at.Off, Len: at.Len, Frame: at.Frame, FrameOff: at.FrameOff}
	if !r.st.gone {
		r.stateDue = true
		e.ring.add(at.Frame, 0, e.h.Now())
		e.owe(r)
	}
	e.newest = at.Frame
	return wal.Entry{Stream: r.st.id, Epoch: r.epoch, Kind: wal.KindState, Base: r.start}, nil
}

func (d *stateDraft) Durable(err error) {
	e := d.e
	e.mu.Lock()
	less := false
	if err == nil {
		d.r.stated = true
		less = e.letGoBelow(d.r.st)
		e.wake()
	} else {
		e.die(err)
		e.dischargeState(d.r)
	}
	e.mu.Unlock()
	if less {
		e.trim()
	}
	d.done.Complete(struct{}{}, err)
}

// DurableEnd is the offset after the last durable entry.
func (s *Stream) DurableEnd() int64 {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return s.r.durable
}

// LogStart is the stream's log start offset as far as this engine was told.
func (s *Stream) LogStart() int64 {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return s.r.st.logStart
}

// Trim moves the stream's log start offset up to offset, in metadata first; it never moves down. Reads below
// it fail from then on.
func (s *Stream) Trim(sc *host.Scope, offset int64) error {
	e := s.e
	start, err := e.cat.Trim(sc, s.r.st.id, s.r.epoch, offset)
	if err != nil {
		return fmt.Errorf("stream: trim stream %d to offset %d: %w", s.r.st.id, offset, err)
	}
	e.mu.Lock()
	s.r.st.logStart = max(s.r.st.logStart, start)
	less := e.letGoBelow(s.r.st)
	e.mu.Unlock()
	if less {
		e.trim()
	}
	return nil
}

// Close ends the range here: later appends fail with ErrClosed, those placed become durable. The index stays,
// for reads and for the upload.
func (s *Stream) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.r.closed = true
}

// Read reads the stream; see Engine.Read.
func (s *Stream) Read(sc *host.Scope, from, limit int64, maxBytes int, strictMax bool) (*Read, error) {
	return s.e.Read(sc, s.r.st.id, from, limit, maxBytes, strictMax)
}
