package stream

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// uploadLoop is the task "stream.upload".
func (e *Engine) uploadLoop(sc *host.Scope) error {
	wait := time.Duration(0)
	for {
		what, err := e.await(sc)
		if err != nil {
			return nil // closed, or dead: Rescue uploads the rest
		}
		done, err := e.upload(sc, what)
		switch {
		case errors.Is(err, ErrFenced):
			return nil
		case err == nil && done:
			wait = 0
			continue
		}
		wait = e.backoff(wait)
		if err := e.doze(sc, wait, err); err != nil {
			return nil
		}
	}
}

func (e *Engine) backoff(last time.Duration) time.Duration {
	return min(max(2*last, e.cfg.RetryMin), e.cfg.RetryMax)
}

// doze waits out a failure, or a moment in which nothing could be taken.
func (e *Engine) doze(sc *host.Scope, wait time.Duration, why error) error {
	if why != nil && sc.Err() == nil {
		e.h.Log().Warn("stream: upload failed, will be repeated", "store", e.store.Name(), "wait", wait, "error", why)
	}
	return e.h.Sleep(sc, wait)
}

// await waits until something is due to be uploaded and says what.
func (e *Engine) await(sc *host.Scope) (scope, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if e.closed || e.dead != nil || e.fenced != nil {
			return 0, ErrClosed
		}
		if e.full() {
			e.looked = e.newest
			e.giveUpPinning()
			if e.pinned() {
				if e.pending == 0 {
					probe.Hit(probe.StreamStatePins)
				}
				return takeStates, nil
			}
			if e.pending > 0 && e.newest-e.planned > e.ringBytes/32 {
				return takeStates, nil
			}
		}
		wake, due := e.due(e.h.Now())
		if due {
			return takeData, nil
		}
		e.asleep = wake
		if err := e.work.Wait(sc, wake); err != nil && !(errors.Is(err, host.ErrTimeout) && sc.Err() == nil) {
			return 0, err
		}
	}
}

// due reports whether to upload now, or else when to look again, 0 = when told.
func (e *Engine) due(now host.Time) (host.Time, bool) {
	if e.pending > 0 && host.Buggify(e.h, "stream.upload.now") {
		return 0, true
	}
	if e.retry || e.pending >= e.cfg.UploadBytes || e.pending > 0 && e.entries >= e.cfg.MaxEntries {
		return 0, true
	}
	mark := host.Time(0) // when a hole is to be told, if one is
	if slices.ContainsFunc(e.owing, (*rangeLog).untold) {
		if now >= e.tellAt {
			return 0, true
		}
		mark = e.tellAt
	}
	if e.pending == 0 {
		return mark, false
	}
	if e.oldest == 0 {
		return 0, true // found by recovery: owed ranges go first
	}
	at := e.oldest.Add(e.cfg.UploadAge)
	if sealed := e.firstSealed(); sealed != 0 {
		at = min(at, sealed.Add(e.cfg.OwedAge))
	}
	if mark != 0 && mark < at {
		return mark, false
	}
	return at, now >= at
}

// untold tells that metadata does not know of r's hole yet.
func (r *rangeLog) untold() bool { return r.hole != nil && !r.marked }

// full tells that the ring is more than half full.
func (e *Engine) full() bool { return e.newest-min(e.newest, e.trimmed) > e.ringBytes/2 }

// pinned tells that an opening state that lies half a ring back waits for a checkpoint of its range. Only that is
// acted upon at once, so that a range that cannot be committed does not make for many small objects.
func (e *Engine) pinned() bool {
	for _, r := range e.owing {
		if r.idleState() && r.state.Frame+e.ringBytes/2 < e.newest {
			return true
		}
	}
	return false
}

// idleState tells that r owes its opening state and a checkpoint would discharge it.
func (r *rangeLog) idleState() bool { return r.stateDue && r.stated && !r.refused && r.hole == nil }

// upload takes one plan as far as it goes. It reports false when there was nothing to do.
func (e *Engine) upload(sc *host.Scope, what scope) (bool, error) {
	if err := e.uploading.Acquire(sc, 1); err != nil {
		return false, err
	}
	defer e.uploading.Release(1)
	untold := e.markHoles(sc)
	if errors.Is(untold, ErrFenced) {
		return false, e.fatal(untold)
	}
	if e.plan == nil || mutant.On(mutant.PutTimeoutIsFailure) && !e.plan.put {
		p, err := e.makePlan(sc, what)
		if err != nil || p == nil {
			return false, e.fatal(cmp.Or(err, untold))
		}
		e.setPlan(p)
	}
	p := e.plan
	if mutant.On(mutant.TrimBeforeCommit) {
		e.settle(p, slices.Repeat([]Verdict{Accepted}, len(p.parts)))
		e.unpin()
	}
	if !p.put {
		if err := e.put(sc, p); err != nil {
			return false, e.fatal(err)
		}
		p.put = true
	}
	verdicts, err := e.commit(sc, p)
	if err != nil {
		return false, e.fatal(fmt.Errorf("stream: commit object %s: %w", p.key, err))
	}
	if len(verdicts) != len(p.parts) {
		return false, fmt.Errorf("stream: commit of object %s: %d verdicts for %d entries",
			p.key, len(verdicts), len(p.parts))
	}
	e.settle(p, verdicts)
	e.setPlan(nil)
	e.trim()
	return true, nil
}

// commit proposes p until its verdicts are there.
func (e *Engine) commit(sc *host.Scope, p *plan) ([]Verdict, error) {
	if host.Buggify(e.h, "stream.commit.late") {
		if err := e.h.Sleep(sc, e.cfg.RetryMin); err != nil {
			return nil, err
		}
	}
	verdicts, err := e.cat.Commit(sc, e.commitOf(p))
	if err == nil && host.Buggify(e.h, "stream.commit.again") {
		return nil, errUnheard
	}
	return verdicts, err
}

// errUnheard is the error of a call whose answer the simulator takes for lost: it is made again.
var errUnheard = errors.New("stream: no answer")

// fatal passes err on and, when it says that this epoch is fenced, ends all committing.
func (e *Engine) fatal(err error) error {
	if !errors.Is(err, ErrFenced) {
		return err
	}
	e.mu.Lock()
	first := e.fenced == nil
	e.fenced = err
	e.mu.Unlock()
	if first && e.cfg.Fatal != nil {
		e.cfg.Fatal(err)
	}
	return err
}

func (e *Engine) setPlan(p *plan) {
	e.plan = p
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retry = p != nil
	if p == nil {
		e.pin = noPin
	}
}

// put stores p's object. After an unknown outcome the same bytes are put again under the same key. When the
// bytes cannot be read any more, or not now, the key is given up.
func (e *Engine) put(sc *host.Scope, p *plan) error {
	err := e.store.Put(sc, p.key, p.body)
	if err == nil && host.Buggify(e.h, "stream.put.again") {
		err = errUnheard
	}
	e.mu.Lock()
	e.stats.Puts++
	if err != nil {
		e.stats.PutErrors++
	} else {
		e.stats.PutBytes += uint64(p.body.size)
	}
	e.mu.Unlock()
	if err == nil {
		return nil
	}
	probe.Hit(probe.StreamPutAgain)
	berr := p.body.err
	if lost(berr) || errors.Is(berr, errMoved) || errors.Is(berr, host.ErrIO) || mutant.On(mutant.CommitOutOfOrder) {
		probe.Hit(probe.StreamKeyGivenUp)
		if err := e.cat.GiveUp(sc, p.seq); err != nil {
			return fmt.Errorf("stream: give up object %s: %w", p.key, err)
		}
		e.setPlan(nil)
		err = cmp.Or(berr, err)
	}
	return fmt.Errorf("stream: put object %s: %w", p.key, err)
}

func (e *Engine) commitOf(p *plan) Commit {
	durable := e.log.Durable()
	e.mu.Lock()
	defer e.mu.Unlock()
	c := Commit{Seq: p.seq, Key: p.key, Size: p.body.size, CRC: p.body.crc, Trim: e.trimmed, Durable: durable}
	for i := range p.parts {
		pt := &p.parts[i]
		ce := CommitEntry{ID: pt.r.st.id, Epoch: pt.r.epoch, Start: pt.start, End: pt.end, MaxTimestamp: minTimestamp}
		for j := range pt.entries {
			ce.Bytes += int64(pt.entries[j].at.Len)
			ce.MaxTimestamp = max(ce.MaxTimestamp, pt.entries[j].maxTs)
		}
		c.Entries = append(c.Entries, ce)
	}
	return c
}

// settle acts on the applied verdicts, entry by entry.
func (e *Engine) settle(p *plan, verdicts []Verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Commits++
	for i := range p.parts {
		pt := &p.parts[i]
		r := pt.r
		e.stats.Verdicts[verdicts[i]%(Refused+1)]++
		switch verdicts[i] {
		case Accepted, Already:
			if verdicts[i] == Already {
				probe.Hit(probe.StreamCommitAlready)
			}
			invariant.Check(pt.start <= max(r.discharged, r.st.logStart), invariant.CommitContiguous,
				"stream %d epoch %d: [%d, %d) committed after %d", r.st.id, r.epoch, pt.start, pt.end, r.discharged)
			r.committed = max(r.committed, pt.end)
			e.discharge(r, pt.end)
			e.dischargeState(r)
		case Gone:
			probe.Hit(probe.StreamCommitGone)
			// The records are gone, but the object's checkpoint is not referred to: the opening state in
			// the log stays owed until another commit, or until the stream is dropped.
			if e.discharge(r, pt.end); pt.start == pt.end {
				e.dischargeState(r)
			}
		default:
			e.refuseLocked(r, fmt.Errorf("metadata answered %s to [%d, %d) of object %s",
				verdicts[i], pt.start, pt.end, p.key))
		}
		r.st.prune()
	}
	e.recount()
}

// refuse stops committing a range until restart: something contradicts itself, and trimming would lose it.
func (e *Engine) refuse(r *rangeLog, why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuseLocked(r, why)
	r.stateless = r.refused && lost(why)
}

func (e *Engine) refuseLocked(r *rangeLog, why error) {
	if r.refused || r.st.gone {
		return
	}
	probe.Hit(probe.StreamRangeRefused)
	e.stick(r, func() { r.refused = true })
	e.stats.RefusedRanges++
	e.h.Log().Error("stream: range cannot be committed; it stays in the log and pins it", "stream", uint64(r.st.id),
		"epoch", int32(r.epoch), "committed", r.committed, "why", why)
}

// markHoles tells metadata of new holes. One that it does not take keeps no other from being told, and no
// record from being uploaded: it is told again later.
func (e *Engine) markHoles(sc *host.Scope) (first error) {
	for _, hole := range e.unmarked() {
		err := e.cat.MarkHole(sc, hole)
		if err != nil {
			probe.Hit(probe.StreamHoleUntold)
			first = cmp.Or(first, fmt.Errorf("stream: record a hole of stream %d: %w", hole.ID, err))
		}
		if errors.Is(err, ErrFenced) || sc.Err() != nil {
			return first
		}
		e.told(hole, err == nil)
	}
	return first
}

// told notes whether metadata knows of hole now.
func (e *Engine) told(hole HoleError, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !known {
		e.tellAt = e.h.Now().Add(e.cfg.RetryMax)
	}
	for _, r := range e.owing {
		if r.hole != nil && *r.hole == hole {
			r.marked = r.marked || known
		}
	}
}

func (e *Engine) unmarked() (holes []HoleError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.owing {
		if r.untold() {
			holes = append(holes, *r.hole)
		}
	}
	return holes
}

// Flush uploads and commits everything that is durable when it is called, opening states included, and
// repeats what fails until sc ends. ErrRefused when all is done but what cannot be.
func (e *Engine) Flush(sc *host.Scope) error {
	target := e.log.Durable()
	wait := time.Duration(0)
	for e.owes(target) {
		done, err := e.upload(sc, takeStates)
		if errors.Is(err, ErrFenced) || sc.Err() != nil {
			return err
		}
		if err == nil && !done {
			break // the rest cannot be committed
		}
		if err == nil {
			wait = 0
			continue
		}
		wait = e.backoff(wait)
		if e.doze(sc, wait, err) != nil {
			return err
		}
	}
	return e.refused()
}

// Rescue is what the owner of a dead log calls before it exits: everything known durable is uploaded from
// the slabs, or from the log where it can still be read, and committed. Nothing is trimmed.
func (e *Engine) Rescue(sc *host.Scope) error {
	e.mu.Lock()
	e.rescue = e.h.Now()
	e.mu.Unlock()
	return e.Flush(sc)
}

// owes tells whether something below target can still be committed.
func (e *Engine) owes(target wal.Position) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.owing {
		if r.refused {
			continue
		}
		i := r.find(r.discharged)
		if i < len(r.entries) && r.entries[i].end() <= r.stop() && r.entries[i].at.Frame < target {
			return true
		}
		if r.idleState() && r.state.Frame < target || r.untold() {
			return true
		}
	}
	return false
}

func (e *Engine) refused() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.owing {
		if r.refused {
			return fmt.Errorf("%w: stream %d epoch %d from offset %d on, see the log",
				ErrRefused, r.st.id, r.epoch, r.committed)
		}
		if r.hole != nil {
			return fmt.Errorf("%w: %w", ErrRefused, r.hole)
		}
	}
	return nil
}
