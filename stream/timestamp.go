package stream

import (
	"errors"

	"github.com/weirmq/weir/host"
)

// OffsetForTimestamp returns the first entry, by offset, whose max timestamp is at least ts: the record asked
// for is in it. nil when no durable entry is that young. Release the answer.
func (s *Stream) OffsetForTimestamp(sc *host.Scope, ts int64) (*Read, error) {
	at := int64(-1)
	err := s.e.walk(sc, s.r.st.id,
		func(maxTs int64) bool { return maxTs >= ts },
		func(base, _ int64) bool { at = base; return false })
	return s.entryAt(sc, at, err)
}

// MaxTimestamp returns the entry with the largest max timestamp, the first of several; nil when the stream
// holds no durable entry. Release the answer.
func (s *Stream) MaxTimestamp(sc *host.Scope) (*Read, error) {
	at, best := int64(-1), int64(minTimestamp)
	err := s.e.walk(sc, s.r.st.id,
		func(maxTs int64) bool { return at < 0 || maxTs > best },
		func(base, maxTs int64) bool { at, best = base, maxTs; return true })
	return s.entryAt(sc, at, err)
}

func (s *Stream) entryAt(sc *host.Scope, at int64, err error) (*Read, error) {
	if err != nil || at < 0 {
		return nil, err
	}
	rd, err := s.Read(sc, at, s.DurableEnd(), 1, false)
	if err == nil && len(rd.Chunks) == 0 {
		rd.Release()
		return nil, nil
	}
	return rd, err
}

type (
	wantFunc  = func(maxTs int64) bool
	visitFunc = func(base, maxTs int64) (more bool)
)

// walk visits the entries from the log start offset on whose max timestamp is wanted, until visit says stop.
// What is wanted is asked for whole objects and blocks first.
func (e *Engine) walk(sc *host.Scope, id ID, want wantFunc, visit visitFunc) error {
	pos, limit := e.bounds(id)
	for pos < limit {
		next, stop := e.walkIndex(id, pos, limit, want, visit)
		if stop {
			return nil
		}
		if next > pos {
			pos = next
			continue
		}
		loc, err := e.cat.Lookup(id, pos)
		switch {
		case err != nil && !errors.Is(err, ErrNoObject):
			return err
		case err == nil && loc.LogStart > pos:
			pos = loc.LogStart
			continue
		case err != nil, loc.Start > pos && !loc.Gap:
			next, stop, err := e.walkElsewhere(sc, id, pos, limit, want, visit)
			if err != nil || stop {
				return err
			}
			pos = next
			continue
		case loc.Gap && loc.Start > pos:
			pos = loc.Start
			continue
		}
		if want(loc.MaxTimestamp) {
			stop, err := e.walkObject(sc, id, pos, loc, want, visit)
			if err != nil || stop {
				return err
			}
		}
		pos = loc.End
	}
	return nil
}

// bounds returns the stream's log start offset and durable end.
func (e *Engine) bounds(id ID) (int64, int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.streams[id]
	if st == nil || st.last() == nil {
		return 0, 0
	}
	return st.logStart, st.last().durable
}

// walkIndex visits the entries that the index has from pos on and returns where they end.
func (e *Engine) walkIndex(id ID, pos, limit int64, want wantFunc, visit visitFunc) (int64, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.streams[id]
	if st == nil {
		return pos, false
	}
	r := st.rangeAt(pos)
	if r == nil || r.hole.covers(pos) {
		return pos, false
	}
	for i := r.find(pos); i < len(r.entries) && r.entries[i].base <= pos && r.entries[i].end() <= limit; i++ {
		en := &r.entries[i]
		if want(en.maxTs) && !visit(en.base, en.maxTs) {
			return pos, true
		}
		pos = en.end()
	}
	return pos, false
}

func (e *Engine) walkObject(
	sc *host.Scope, id ID, pos int64, loc Location, want wantFunc, visit visitFunc,
) (bool, error) {
	blocks, err := e.index(sc, loc)
	if err != nil {
		return false, withID(err, id)
	}
	for _, b := range dataFrom(blocks, id, loc, pos) {
		if !want(b.maxTs) {
			continue
		}
		p, err := e.block(sc, loc, b)
		if err != nil {
			return false, err
		}
		for len(p) > 0 {
			h := getEntryHeader(p)
			p = p[entryHeaderSize+int(h.length):]
			if h.base+int64(h.count) > pos && h.base < loc.End && want(h.maxTs) && !visit(h.base, h.maxTs) {
				return true, nil
			}
		}
	}
	return false, nil
}
