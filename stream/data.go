package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// errMoved is returned by reads of the log for bytes that were discharged meanwhile: objects have them.
var errMoved = errors.New("stream: the entry left the log")

// withEntry shows fn the bytes of an entry that is durable: from its slab, held meanwhile, else from the log
// into *scratch. fn must not keep them.
func (e *Engine) withEntry(sc *host.Scope, r *rangeLog, en *entry, scratch *[]byte, fn func([]byte)) error {
	if slab := e.slabOf(r, en.base); slab != nil {
		defer slab.Release(wal.HolderUpload)
		fn(slab.Bytes(en.at.Off, en.at.Len))
		return nil
	}
	if cap(*scratch) < int(en.at.Len) {
		*scratch = make([]byte, en.at.Len)
	}
	p := (*scratch)[:en.at.Len]
	if err := e.readLog(sc, r, en.base, en.end(), en.place(), p, false); err != nil {
		return err
	}
	fn(p)
	return nil
}

// slabOf returns the slab that holds the entry at base, held for an upload, or nil.
func (e *Engine) slabOf(r *rangeLog, base int64) *wal.Slab {
	e.mu.Lock()
	defer e.mu.Unlock()
	en := r.at(base)
	if en == nil || en.at.Slab == nil {
		return nil
	}
	en.at.Slab.Hold(wal.HolderUpload)
	return en.at.Slab
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
		return nil
	}
	var d *wal.DamageError
	if !errors.As(err, &d) && !errors.Is(err, host.ErrIO) {
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

// readPatiently reads from the log, again when the volume fails to: a hole is for good, an I/O error need not be.
func (e *Engine) readPatiently(sc *host.Scope, at wal.Extent, dst []byte) error {
	const tries = 5
	for i := 1; ; i++ {
		err := e.log.ReadAt(sc, at, dst)
		if i == tries || !errors.Is(err, host.ErrIO) {
			return err
		}
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
	e.stats.Holes++
	e.stick(r, func() { r.hole, r.marked = hole, false })
	e.h.Log().Error("stream: offsets are lost; the range is not committed past them", "stream", uint64(hole.ID),
		"epoch", int32(hole.Epoch), "from", hole.From, "to", hole.To, "why", hole.Why)
	e.work.Signal()
}
