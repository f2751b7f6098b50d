package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// errMoved is returned by reads of the log for bytes that were discharged meanwhile: objects have them.
var errMoved = errors.New("stream: the entry left the log")

// slabRun is a hold on the slab of neighbouring entries, so that a run of them is looked up once.
type slabRun struct {
	r        *rangeLog
	slab     *wal.Slab // nil if nothing is held
	from, to int64     // the offsets of r's entries in it
	scratch  []byte    // for entries that are in no slab
}

func (h *slabRun) release() {
	if h.slab != nil {
		h.slab.Release(wal.HolderUpload)
		h.slab, h.r = nil, nil
	}
}

// withEntry shows fn the bytes of an entry that is durable: from its slab, which hold keeps afterwards for
// its neighbours, else from the log with checksums verified. fn must not keep them.
func (e *Engine) withEntry(sc *host.Scope, r *rangeLog, en *entry, hold *slabRun, fn func([]byte)) error {
	if hold.r != r || en.base < hold.from || en.base >= hold.to {
		hold.release()
		e.holdRun(r, en.base, hold)
	}
	if hold.slab != nil {
		fn(hold.slab.Bytes(en.at.Off, en.at.Len))
		return nil
	}
	if cap(hold.scratch) < int(en.at.Len) {
		hold.scratch = make([]byte, en.at.Len)
	}
	p := hold.scratch[:en.at.Len]
	if err := e.readLog(sc, r, en.base, en.end(), en.place(), p, false); err != nil {
		return err
	}
	fn(p)
	return nil
}

// holdRunMax bounds the entries of a run, and so the time under the lock.
const holdRunMax = 256

// holdRun holds the slab of the entry at base and of those behind it, if it is in one.
func (e *Engine) holdRun(r *rangeLog, base int64, hold *slabRun) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := r.find(base)
	if i == len(r.entries) || r.entries[i].base != base || r.entries[i].at.Slab == nil {
		return
	}
	slab, j := r.entries[i].at.Slab, i+1
	for j < len(r.entries) && j < i+holdRunMax && r.entries[j].at.Slab == slab {
		j++
	}
	slab.Hold(wal.HolderUpload)
	hold.r, hold.slab, hold.from, hold.to = r, slab, base, r.entries[j-1].end()
}

// readLog reads bytes of r's offsets [from, to) from the log, or with have only judges whether what was read
// just now may be believed. Damage is noted as a hole of the range and
// returned as a DamageError; errMoved when the log was trimmed past them.
func (e *Engine) readLog(sc *host.Scope, r *rangeLog, from, to int64, at wal.Extent, dst []byte, have bool) error {
	var err error
	if !have {
		err = e.readPatiently(sc, at, dst)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.LogReads++
	e.stats.LogReadBytes += uint64(len(dst))
	if e.trimmed > at.Frame || errors.Is(err, wal.ErrTrimmed) {
		return errMoved
	}
	if err == nil {
		if from <= r.unread && r.unread < to {
			r.unreadFrom = 0
		}
		return nil
	}
	var d *wal.DamageError
	if !errors.As(err, &d) && !(errors.Is(err, host.ErrIO) && e.unreadable(r, from, to)) {
		return fmt.Errorf("stream: read offsets [%d, %d) of stream %d from the log: %w", from, to, r.st.id, err)
	}
	pos := at.Position()
	if d != nil {
		pos = d.Position
	}
	if to > from { // not of an opening state, which older ones can replace
		e.puncture(r, &HoleError{ID: r.st.id, Epoch: r.epoch, From: from, To: to,
			Why: fmt.Sprintf("the log is damaged at position %d: %v", pos, err)})
	}
	return &DamageError{Position: int64(pos), ID: r.st.id, Epoch: r.epoch, From: from, To: to,
		Why: "bytes of the entry do not match their CRC or cannot be read", Err: err}
}

const (
	// ioPatience is for how long a volume may fail to read an entry until its bytes are called lost.
	ioPatience = 30 * time.Second
	// rescuePatience is the same for a dead log, from when its rescue began: what is in memory only must be uploaded
	// before the rescue's time is over (rule 15), and one entry that cannot be read keeps all others back.
	rescuePatience = 5 * time.Second
)

// unreadable notes that r's entries [from, to) could not be read, and tells whether that has been so for long. Of
// several it is the lowest that counts, whoever reads the others meanwhile: what follows is lost with it. The caller
// holds e.mu.
func (e *Engine) unreadable(r *rangeLog, from, to int64) bool {
	now := e.h.Now()
	switch {
	case from < to && to <= r.discharged:
		return false // objects have them
	case r.unreadFrom == 0 || from < r.unread || r.unread < r.discharged || now.Sub(r.unreadLast) >= ioPatience:
		r.unread, r.unreadFrom = from, now
	case from > r.unread:
		return e.rescuing(now)
	}
	r.unreadLast = now
	return now.Sub(r.unreadFrom) >= ioPatience || e.rescuing(now)
}

// rescuing tells that a rescue has begun some time ago. The caller holds e.mu.
func (e *Engine) rescuing(now host.Time) bool {
	return e.rescue != 0 && now.Sub(e.rescue) >= rescuePatience
}

// readPatiently reads from the log, again when the volume fails to: a hole is for good, an I/O error need not be.
func (e *Engine) readPatiently(sc *host.Scope, at wal.Extent, dst []byte) error {
	const tries = 5
	for i := 1; ; i++ {
		err := e.log.ReadAt(sc, at, dst)
		if i == tries || !errors.Is(err, host.ErrIO) {
			return err
		}
		probe.Hit(probe.StreamLogReadAgain)
		if e := e.h.Sleep(sc, time.Duration(i)*10*time.Millisecond); e != nil {
			return e
		}
	}
}

// puncture gives r a hole, unless it has one at or below. The caller holds e.mu.
func (e *Engine) puncture(r *rangeLog, hole *HoleError) {
	if r.hole != nil && r.hole.From <= hole.From || r.st.gone {
		return
	}
	probe.Hit(probe.StreamHoleMet)
	e.stats.Holes++
	e.stick(r, func() { r.hole, r.marked = hole, false })
	e.h.Log().Error("stream: offsets are lost; the range is not committed past them", "stream", uint64(hole.ID),
		"epoch", int32(hole.Epoch), "from", hole.From, "to", hole.To, "why", hole.Why)
	e.work.Signal()
}
