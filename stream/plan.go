package stream

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// plan is one object on its way: made, put, committed. Until its answer is applied it stays the same under
// the same key, so that a put or commit of unknown outcome is repeated and not replaced.
type plan struct {
	seq   uint64
	key   string
	parts []part // by stream and epoch
	bytes int64  // of records
	body  *body
	put   bool // the put had a known good outcome
}

// part is what one range has in a plan.
type part struct {
	r          *rangeLog
	start, end int64
	entries    []entry // the range's own, not a copy: their slabs are looked up again, under the mutex
	state      []byte  // checkpoint at end
}

// scope tells what a plan takes.
type scope uint8

const (
	takeData   scope = iota // durable entries, oldest first
	takeStates              // and the state records of ranges that have nothing else
)

// makePlan chooses what goes in the next object; nil when there is nothing. The caller holds uploading.
func (e *Engine) makePlan(sc *host.Scope, what scope) (*plan, error) {
	p := &plan{parts: e.choose(what)}
	if len(p.parts) == 0 {
		return nil, nil
	}
	if err := e.checkpoints(sc, p); err != nil || len(p.parts) == 0 {
		e.unpin()
		return nil, err
	}
	p.seq, p.key = e.cat.NextKey()
	p.body = e.layout(p)
	return p, nil
}

// choose picks the entries below a position of the log that bounds the object, and pins the log there.
func (e *Engine) choose(what scope) []part {
	e.mu.Lock()
	defer e.mu.Unlock()
	cut := e.ring.cut(e.cfg.ObjectBytes)
	var parts []part
	for _, r := range e.owing {
		i, stop := r.find(r.discharged), r.stop()
		j := i + sort.Search(len(r.entries)-i, func(k int) bool {
			return r.entries[i+k].end() > stop || r.entries[i+k].at.Frame >= cut
		})
		pt := part{r: r, start: r.committed, end: r.committed, entries: r.entries[i:j:j]}
		switch {
		case j > i:
			pt.start, pt.end = r.entries[i].base, r.entries[j-1].end()
			e.pin = min(e.pin, r.entries[i].at.Frame)
		case what == takeData || !r.stateDue || !r.stated || r.refused || r.hole != nil:
			continue
		}
		if r.stateDue {
			e.pin = min(e.pin, r.state.Frame)
		}
		parts = append(parts, pt)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.r.st.id, b.r.st.id), cmp.Compare(a.r.epoch, b.r.epoch))
	})
	return parts
}

func (e *Engine) unpin() {
	e.mu.Lock()
	e.pin = noPin
	e.mu.Unlock()
	e.trim()
}

// checkpoints gives each part the state at its end; a part that runs into damage ends before it.
func (e *Engine) checkpoints(sc *host.Scope, p *plan) error {
	var scratch []byte
	kept := p.parts[:0]
	for _, pt := range p.parts {
		if ok, err := e.complete(sc, &pt, &scratch); err != nil {
			return err
		} else if !ok {
			continue
		}
		kept = append(kept, pt)
		for i := range pt.entries {
			p.bytes += int64(pt.entries[i].at.Len)
		}
	}
	p.parts = kept
	return nil
}

// complete gives pt its checkpoint and reports whether anything of it can be committed.
func (e *Engine) complete(sc *host.Scope, pt *part, scratch *[]byte) (bool, error) {
	n := len(pt.entries)
	err := e.checkpoint(sc, pt, scratch)
	if lost(err) {
		if pt.cutAt(e, pt.r); n > 0 && len(pt.entries) == 0 {
			return false, nil // the range has a hole where it is to go on
		}
		if len(pt.entries) < n {
			err = e.checkpoint(sc, pt, scratch)
		}
	}
	if lost(err) || errors.Is(err, errState) {
		e.refuse(pt.r, err)
		return false, nil
	}
	return err == nil, err
}

// lost tells whether err says that bytes are gone for good, so that asking again does not help.
func lost(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, ErrHole) }

// cutAt drops the entries of pt from r's hole on.
func (pt *part) cutAt(e *Engine, r *rangeLog) {
	e.mu.Lock()
	defer e.mu.Unlock()
	stop := r.stop()
	for n := len(pt.entries); n > 0 && pt.entries[n-1].end() > stop; n-- {
		pt.entries = pt.entries[:n-1]
	}
	if n := len(pt.entries); n > 0 {
		pt.end = pt.entries[n-1].end()
	}
}

// errState says that a range's state cannot be had: a bug, not the world's doing.
var errState = errors.New("stream: no state to make a checkpoint of")

// checkpoint moves the range's shadow to the part's end and takes its snapshot.
func (e *Engine) checkpoint(sc *host.Scope, pt *part, scratch *[]byte) error {
	r := pt.r
	if r.shadow == nil || r.shadowAt < pt.start || r.shadowAt > pt.end {
		if err := e.restoreShadow(sc, r, pt.start); err != nil {
			return err
		}
	}
	for i := range pt.entries {
		en := &pt.entries[i]
		if en.base < r.shadowAt {
			continue
		}
		err := e.withEntry(sc, r, en, scratch, func(data []byte) { r.shadow.Apply(en.base, en.count, data) })
		if err != nil {
			return err
		}
		r.shadowAt = en.end()
	}
	pt.state = r.shadow.Snapshot()
	if pt.state == nil {
		pt.state = []byte{}
	}
	return nil
}

// restoreShadow gives r a shadow at offset at, from the newest state at or below it and the entries between.
func (e *Engine) restoreShadow(sc *host.Scope, r *rangeLog, at int64) error {
	state, from, err := e.stateAt(sc, r.st.id, r.epoch, at)
	if err != nil && !errors.Is(err, ErrNoObject) {
		return err // with ErrNoObject the state is an empty stream's, at offset 0
	}
	if e.cfg.NewShadow == nil {
		return fmt.Errorf("%w: stream %d epoch %d was opened without a shadow and Config.NewShadow is nil",
			errState, r.st.id, r.epoch)
	}
	shadow, err := e.cfg.NewShadow(r.st.id, r.epoch, from, state)
	if err != nil {
		return fmt.Errorf("%w: stream %d epoch %d at offset %d: %w", errState, r.st.id, r.epoch, from, err)
	}
	err = e.replay(sc, r.st.id, from, at, func(base int64, count uint32, data []byte) error {
		shadow.Apply(base, count, data)
		return nil
	})
	if err != nil {
		return err
	}
	r.shadow, r.shadowAt = shadow, at
	return nil
}

// Checkpoint returns the newest state known of a stream and its offset: a committed checkpoint or a range's
// opening state in the log. ErrNoObject when there is none: the state is that of an empty stream.
func (e *Engine) Checkpoint(sc *host.Scope, id ID) (state []byte, at int64, err error) {
	return e.stateAt(sc, id, math.MaxInt32, math.MaxInt64)
}

// stateAt returns the newest state at or below offset upTo; of those in the log, one of epoch or below.
func (e *Engine) stateAt(sc *host.Scope, id ID, epoch Epoch, upTo int64) ([]byte, int64, error) {
	loc, lerr := e.cat.Checkpoint(id, upTo)
	if lerr != nil && !errors.Is(lerr, ErrNoObject) {
		return nil, 0, lerr
	}
	r, at, in := e.loggedState(id, epoch, upTo)
	if r != nil && (lerr != nil || at > loc.Start) {
		state := make([]byte, in.Len)
		err := e.readLog(sc, r, at, at, in, state, false)
		if err == nil || lerr != nil && !errors.Is(err, errMoved) {
			return state, at, err
		}
		// Trimmed meanwhile, or damaged: an older state and the entries after it say the same.
	}
	if lerr != nil {
		return nil, 0, lerr
	}
	state, err := e.readCheckpoint(sc, id, loc)
	return state, loc.Start, err
}

// loggedState finds the newest opening state in the log at or below offset upTo.
func (e *Engine) loggedState(id ID, epoch Epoch, upTo int64) (*rangeLog, int64, wal.Extent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.streams[id]; st != nil {
		for i := len(st.ranges) - 1; i >= 0; i-- {
			if r := st.ranges[i]; r.start <= upTo && r.epoch <= epoch && r.stated && r.stateDue {
				return r, r.start, r.state
			}
		}
	}
	return nil, 0, wal.Extent{}
}
