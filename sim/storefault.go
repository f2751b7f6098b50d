package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

func (r *request) strike(k fault.Kind) *fault.Step {
	return r.inc.w.strike(&r.inc.w.store.target, r.inc.m.rates, k)
}

func (r *request) hit(k fault.Kind) *fault.Step {
	return r.inc.w.hit(&r.inc.w.store.target, r.inc.m.rates, k)
}

// refusal lets faults strike a request that then has no effect, and returns what it is answered.
func (r *request) refusal() error {
	w := r.inc.w
	if s := r.strike(fault.StoreStorm); s != nil {
		lasts(s, time.Millisecond, w.cfg.Store.StormMax)
		w.Inject(*s) // from the next instant on
	}
	if w.now < w.store.storm && w.store.stormRand.IntN(10) > 0 {
		return fmt.Errorf("%w (503)", ErrUnavailable)
	}
	if s := r.hit(fault.StoreThrottle); s != nil {
		code := [...]int{503, 500, 429}[s.Rand().IntN(3)]
		err := fmt.Errorf("%w (%d)", ErrUnavailable, code)
		if code == 429 {
			err = objectstore.RetryAfter(err, time.Duration(1+s.Rand().IntN(2000))*time.Millisecond)
		}
		return err
	}
	switch {
	case r.hit(fault.Expired) != nil:
		return objectstore.Denied(fmt.Errorf("%w: the credentials have expired", ErrForbidden))
	case r.hit(fault.SkewRefused) != nil:
		return objectstore.Denied(fmt.Errorf("%w: the clocks differ too much", ErrForbidden))
	case r.hit(fault.StoreNotApplied) != nil:
		return fmt.Errorf("%w: connection reset before it took effect", ErrNoAnswer)
	case r.absent && r.hit(fault.StoreConflict) != nil:
		return ErrConflict
	}
	return nil
}

// sendParts puts in several parts: each is sent and kept by itself, and the last call makes an object of them. A
// caller that dies between, or loses a part, leaves parts that belong to nothing.
func (r *request) sendParts(travel, back host.Time) {
	w := r.inc.w
	count := (r.size + w.cfg.Store.PartSize - 1) / w.cfg.Store.PartSize
	lost, unknown := int64(-1), r.hit(fault.PartUnknown)
	if unknown == nil {
		if s := r.hit(fault.PartLost); s != nil {
			lost = s.Rand().Int64N(count)
		}
	}
	applied := unknown == nil || unknown.Rand().IntN(2) == 0
	sent := int64(0)
	orphan := func() {
		w.store.counts.OrphanParts += uint64(sent)
		w.store.counts.OrphanBytes += uint64(sent * w.cfg.Store.PartSize)
	}
	var next func()
	next = func() {
		if r.inc.dead || w.link(r.inc.m.name, StoreNode).shut() || w.now < w.store.outage {
			orphan()
			return
		}
		if sent == lost {
			orphan()
			w.After(back, func() { r.answer(fmt.Errorf("%w: part %d of %d was lost", ErrNoAnswer, lost+1, count)) })
			return
		}
		if sent < count {
			sent++
			w.store.counts.Parts++
			w.After(max(1, travel/host.Time(count)), next)
			return
		}
		if applied {
			r.arrive(unknown != nil, false, back)
			return
		}
		orphan()
		w.After(back, func() { r.answer(fmt.Errorf("%w: connection reset at the completion", ErrNoAnswer)) })
	}
	w.After(max(1, travel/host.Time(count)), next)
}

// content returns what a get or head sees at its key; it may be the ghost of what was deleted a moment ago.
func (r *request) content() (bytes []byte, there bool) {
	w := r.inc.w
	o := w.store.objects[r.key]
	switch {
	case o == nil:
		return nil, false
	case o.there:
		return o.bytes, true
	case o.ghost != nil && o.changed+host.Time(w.cfg.Store.StaleMax) >= w.now && r.hit(fault.GhostGet) != nil:
		return o.ghost, true
	}
	return nil, false
}

// spoil returns the n bytes from start that a get is given, and whether they end early.
func (r *request) spoil(bytes []byte, start int64, n int) (got []byte, ended bool) {
	got = bytes[start : start+int64(n)]
	if n == 0 {
		return got, false
	}
	if s := r.hit(fault.BodyTruncated); s != nil {
		return got[:s.Rand().IntN(n)], true
	}
	if n < len(bytes) {
		if s := r.hit(fault.WrongRange); s != nil {
			other := s.Rand().Int64N(int64(len(bytes) - n))
			if other >= start {
				other++
			}
			return bytes[other : other+int64(n)], false
		}
	}
	if s := r.hit(fault.BodyFlipped); s != nil {
		rng := s.Rand()
		got = slices.Clone(got)
		got[rng.IntN(n)] ^= 1 << rng.IntN(8)
	}
	return got, false
}
