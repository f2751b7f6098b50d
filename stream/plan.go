package stream

import (
	"cmp"
	"errors"
	"slices"
	"sort"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
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
	if old := e.plan; mutant.On(mutant.PutTimeoutIsFailure) && old != nil {
		p.seq, p.key = old.seq, old.key
	} else {
		p.seq, p.key = e.cat.NextKey()
	}
	p.body = e.layout(p)
	return p, nil
}

// choose picks the entries below a position of the log that bounds the object, and pins the log there.
func (e *Engine) choose(what scope) []part {
	e.mu.Lock()
	defer e.mu.Unlock()
	size := e.cfg.ObjectBytes
	if host.Buggify(e.h, "stream.object.small") {
		size = 1
	}
	if parts := e.chooseSealed(size); len(parts) > 0 {
		return parts // what others read here goes first (rule 27)
	}
	e.planned = e.newest
	cut := e.ring.cut(size)
	var parts []part
	data := false
	for _, r := range e.owing {
		i, stop := r.find(r.discharged), r.stop()
		j := i + sort.Search(len(r.entries)-i, func(k int) bool {
			return r.entries[i+k].end() > stop || r.entries[i+k].at.Frame >= cut
		})
		if mutant.On(mutant.CommitOutOfOrder) && e.stats.PutErrors%2 == 1 {
			i = (i + j) / 2 // another put, of the first half, is not over
		}
		pt := part{r: r, start: r.committed, end: r.committed, entries: r.entries[i:j:j]}
		switch {
		case j > i:
			pt.start, pt.end = r.entries[i].base, r.entries[j-1].end()
			e.pin = min(e.pin, r.entries[i].at.Frame)
		case what == takeData || !r.idleState():
			continue
		}
		data = data || j > i
		if r.stateDue {
			e.pin = min(e.pin, r.state.Frame)
		}
		parts = append(parts, pt)
	}
	if len(parts) > 0 && !data {
		probe.Hit(probe.StreamCheckpointAlone)
	}
	parts = e.readable(parts)
	sortParts(parts)
	return parts
}

// readable leaves out the ranges that could not be read a moment ago, unless there are no others: those must not wait
// until it is known whether these are lost. The caller holds e.mu.
func (e *Engine) readable(parts []part) []part {
	now, kept := e.h.Now(), make([]part, 0, len(parts))
	for _, pt := range parts {
		if !e.failing(pt.r, now) {
			kept = append(kept, pt)
		}
	}
	if len(kept) == 0 || len(kept) == len(parts) {
		return parts
	}
	probe.Hit(probe.StreamUnreadableLeft)
	return kept
}

// failing tells that what r owes could not be read a moment ago. The caller holds e.mu.
func (e *Engine) failing(r *rangeLog, now host.Time) bool {
	return r.unreadFrom != 0 && r.unread >= r.discharged && now < r.unreadLast.Add(e.cfg.RetryMax)
}

func sortParts(parts []part) {
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.r.st.id, b.r.st.id), cmp.Compare(a.r.epoch, b.r.epoch))
	})
}

func (e *Engine) unpin() {
	e.mu.Lock()
	e.pin = noPin
	e.mu.Unlock()
	e.trim()
}

// checkpoints gives each part the state at its end; a part that runs into damage ends before it.
func (e *Engine) checkpoints(sc *host.Scope, p *plan) error {
	var hold slabRun
	defer hold.release()
	kept := p.parts[:0]
	var unread error // the volume fails to read one of them: the others do not wait
	for _, pt := range p.parts {
		ok, err := e.complete(sc, &pt, &hold)
		if errors.Is(err, host.ErrIO) && sc.Err() == nil {
			unread = cmp.Or(unread, err)
			continue
		}
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		kept = append(kept, pt)
		for i := range pt.entries {
			p.bytes += int64(pt.entries[i].at.Len)
		}
	}
	p.parts = kept
	if len(kept) == 0 {
		return unread
	}
	return nil
}

// complete gives pt its checkpoint and reports whether anything of it can be committed.
func (e *Engine) complete(sc *host.Scope, pt *part, hold *slabRun) (bool, error) {
	n := len(pt.entries)
	err := e.checkpoint(sc, pt, hold)
	if lost(err) {
		probe.Hit(probe.StreamPartCut)
		if pt.cutAt(e, pt.r); n > 0 && len(pt.entries) == 0 {
			return false, nil // the range has a hole where it is to go on
		}
		if len(pt.entries) < n {
			err = e.checkpoint(sc, pt, hold)
		}
	}
	switch {
	case errors.Is(err, ErrGone):
		probe.Hit(probe.StreamGoneUnderUpload)
		e.Drop(pt.r.st.id) // its owner may have known less of it than the log has
		return false, nil
	case lost(err) || errors.Is(err, errState):
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
func (e *Engine) checkpoint(sc *host.Scope, pt *part, hold *slabRun) error {
	r := pt.r
	if r.shadow == nil || r.shadowAt < pt.start || r.shadowAt > pt.end {
		if r.shadow != nil {
			probe.Hit(probe.StreamShadowRebuilt)
		}
		if err := e.restoreShadow(sc, r, pt.start); err != nil {
			return err
		}
	}
	for i := range pt.entries {
		en := &pt.entries[i]
		if en.base < r.shadowAt {
			continue
		}
		err := e.withEntry(sc, r, en, hold, func(data []byte) { r.shadow.Apply(en.base, en.count, data) })
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
