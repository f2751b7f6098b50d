package stream

import (
	"errors"
	"fmt"
	"math"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// What a range owes that ended elsewhere is in no object yet and not in this log: its log's holder has it (PROTOCOL
// rule 27). Config.Owed asks for it; ReadOwed is what a holder answers with.

// OwedRead asks for entries of a stream from the one that holds From on.
type OwedRead struct {
	ID       ID
	From     int64
	Limit    int64 // above From; no entry that ends past it
	MaxBytes int   // at least one entry, though
}

// OwedEntry is one entry as it was appended.
type OwedEntry struct {
	Base         int64
	Count        uint32
	MaxTimestamp int64
	Data         []byte
}

// ErrNotNow is returned by Config.Owed, and then by reads, when the log that holds an offset cannot be asked now:
// nobody holds it, or its holder does not answer.
var ErrNotNow = errors.New("stream: the log that holds it cannot be read now")

// fromElsewhere adds what another log owes from c.pos on.
func (e *Engine) fromElsewhere(sc *host.Scope, c *cursor) (bool, error) {
	if e.cfg.Owed == nil || e.held(c.id, c.pos) {
		return false, e.unheld(c)
	}
	if err := c.budget(sc, e); err != nil {
		return false, err
	}
	entries, err := e.cfg.Owed(sc, OwedRead{ID: c.id, From: c.pos, Limit: c.limit, MaxBytes: max(c.left, 1)})
	if errors.Is(err, ErrNoObject) {
		return false, e.unheld(c)
	}
	if mutant.On(mutant.OwedSkipped) && errors.Is(err, ErrNotNow) && e.skip(c) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("stream: read offset %d of stream %d: %w", c.pos, c.id, err)
	}
	if len(entries) == 0 {
		probe.Hit(probe.StreamOwedMoved)
		return false, errMoved
	}
	probe.Hit(probe.StreamOwedRead)
	n := 0
	for i := range entries {
		x := &entries[i]
		if !c.fits(len(x.Data), x.Base+int64(x.Count)) {
			return false, nil
		}
		c.add(x.Base, x.Count, x.Data)
		n++
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.OwedReads += uint64(n)
	return true, nil
}

// skip is a planted bug: it moves c to what this log has next.
func (e *Engine) skip(c *cursor) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.streams[c.id]; st != nil && st.last().start > c.pos {
		c.pos = st.last().start
		return true
	}
	return false
}

// held tells whether offset at belongs to a range of this log.
func (e *Engine) held(id ID, at int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.streams[id]
	if st == nil {
		return false
	}
	r := st.rangeAt(at)
	return r != nil && at < r.end
}

// walkElsewhere is walk over what another log owes from pos on. It returns where that ends.
func (e *Engine) walkElsewhere(
	sc *host.Scope, id ID, pos, limit int64, want wantFunc, visit visitFunc,
) (int64, bool, error) {
	c := &cursor{id: id, pos: pos, limit: limit, left: e.cfg.BlockBytes}
	if e.cfg.Owed == nil || e.held(id, pos) {
		return pos, false, e.unheld(c)
	}
	c.rd = e.newRead()
	defer c.rd.Release()
	if err := c.budget(sc, e); err != nil {
		return pos, false, err
	}
	entries, err := e.cfg.Owed(sc, OwedRead{ID: id, From: pos, Limit: limit, MaxBytes: c.left})
	if errors.Is(err, ErrNoObject) {
		return pos, false, e.unheld(c)
	}
	if err != nil {
		return pos, false, fmt.Errorf("stream: read offset %d of stream %d: %w", pos, id, err)
	}
	for i := range entries {
		x := &entries[i]
		if want(x.MaxTimestamp) && !visit(x.Base, x.MaxTimestamp) {
			return pos, true, nil
		}
		pos = x.Base + int64(x.Count)
	}
	return pos, false, nil
}

// ErrNotSealed is returned by ReadOwed for a range that takes appends here.
var ErrNotSealed = errors.New("stream: the range is not closed here")

// ReadOwed returns durable entries of one closed range of this log, from the one that holds offset from on, none that
// ends past limit, at most entriesMax, and at most maxBytes of them but at least one. It never looks into objects and
// never asks Config.Owed: who asks is answered with what this log has, or with nothing if it has let go of the offset.
// The entries' bytes belong to the Read, which is to be released.
func (e *Engine) ReadOwed(
	sc *host.Scope, id ID, epoch Epoch, from, limit int64, maxBytes, entriesMax int,
) (*Read, []OwedEntry, error) {
	c := &cursor{id: id, pos: from, limit: limit, left: maxBytes, inner: true, alone: true}
	stamps, err := e.ownsOwed(c, epoch, entriesMax)
	if err != nil {
		return nil, nil, err
	}
	rd, err := e.run(sc, c)
	if err != nil {
		return nil, nil, err
	}
	probe.Hit(probe.StreamOwedServed)
	entries := make([]OwedEntry, 0, len(rd.Chunks))
	for i := range rd.Chunks {
		ch := &rd.Chunks[i]
		entries = append(entries, OwedEntry{Base: ch.Base, Count: ch.Count, MaxTimestamp: math.MaxInt64, Data: ch.Data})
		if i < len(stamps) {
			entries[i].MaxTimestamp = stamps[i]
		}
	}
	return rd, entries, nil
}

// ownsOwed confines c to the entries that the range of epoch has in this log and returns their timestamps.
func (e *Engine) ownsOwed(c *cursor, epoch Epoch, entriesMax int) (stamps []int64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.streams[c.id]
	if st == nil {
		c.limit = c.pos
		return nil, nil
	}
	r := st.rangeAt(c.pos)
	if r == nil || r.epoch != epoch {
		c.limit = c.pos
		return nil, nil
	}
	if !r.closed {
		return nil, ErrNotSealed
	}
	i := r.find(c.pos)
	c.limit = min(c.limit, r.durable)
	for ; i < len(r.entries) && len(stamps) < entriesMax && r.entries[i].end() <= c.limit; i++ {
		stamps = append(stamps, r.entries[i].maxTs)
	}
	if i < len(r.entries) {
		c.limit = min(c.limit, r.entries[i].base)
	}
	return stamps, nil
}
