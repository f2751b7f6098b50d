package sim

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Store returns the world's object store as h, a host of this world, sees it. Latencies, faults and cuts
// between the machine and StoreNode apply.
func (w *World) Store(h host.Host) objectstore.Store {
	sh, ok := h.(*simHost)
	if !ok || sh.inc.w != w {
		panic("sim: World.Store wants a host of the same world")
	}
	return &storeView{sh.inc}
}

// storeView is the objectstore.Store of one incarnation.
type storeView struct{ inc *incarnation }

// request is one call under way.
type request struct {
	inc    *incarnation
	op     Op
	key    string
	size   int64        // bytes sent, or asked for
	effect func() error // at the store; its error is a definite answer
	change bool         // it changes something: it may be applied without an answer, or long after its caller gave up
	absent bool         // it puts if there is nothing
	ready  parker
	done   bool
	err    error
}

// do sends r and waits for the answer.
func (s *storeView) do(sc *host.Scope, r *request) error {
	k, err := s.inc.begin(r.op, "", r.key, 0, r.size)
	if err != nil {
		return err
	}
	if err := sc.Err(); err != nil {
		return err
	}
	w := s.inc.w
	r.inc = s.inc
	r.ready.init(s.inc)
	r.send()
	for !r.done {
		err := r.ready.park(sc, s.inc.now().Add(w.cfg.Store.Timeout), opNames[r.op], r.key)
		if err == nil || r.done {
			continue
		}
		if end := sc.Err(); end != nil {
			return fmt.Errorf("%s %s: %w", r.op, r.key, end)
		}
		return fmt.Errorf("%s %s: %w after %v", r.op, r.key, ErrNoAnswer, w.cfg.Store.Timeout)
	}
	if r.err != nil {
		return fmt.Errorf("%s %s: %w", r.op, r.key, r.err)
	}
	s.inc.finish(k)
	return nil
}

// send decides the request's fate and puts it on its way.
func (r *request) send() {
	w := r.inc.w
	travel := draw(w.blobs, w.cfg.Store.Latency) + host.Time(r.size*int64(time.Second)/w.cfg.Store.Rate)
	back := draw(w.blobs, w.cfg.Store.Latency)
	dies := w.blobs.IntN(2) == 0 // if its caller dies on the way: the rest of it was not sent
	if s := r.strike(fault.StoreSlow); s != nil {
		travel += lasts(s, 10*time.Millisecond, w.cfg.Store.Timeout/2)
		w.fire(&w.store.target, s)
	}
	if err := r.refusal(); err != nil {
		w.After(travel+back, func() { r.answer(err) })
		return
	}
	if r.change {
		if s := r.strike(fault.StoreLate); s != nil {
			late := lasts(s, time.Second, w.cfg.Store.LateMax)
			w.fire(&w.store.target, s)
			w.After(travel+late, func() { _ = r.effect() })
			w.After(travel+back, func() { r.answer(fmt.Errorf("%w: connection reset", ErrNoAnswer)) })
			return
		}
	}
	if r.op == OpStorePut && r.size > w.cfg.Store.PartSize {
		r.sendParts(travel, back)
		return
	}
	lost := r.change && r.hit(fault.StoreApplied) != nil
	own := r.absent && !lost && r.hit(fault.StoreOwnExists) != nil
	w.After(travel, func() {
		if w.link(r.inc.m.name, StoreNode).shut() || r.inc.dead && dies || w.now < w.store.outage {
			return // nobody answers
		}
		r.arrive(lost, own, back)
	})
}

// arrive is the request at the store.
func (r *request) arrive(lost, own bool, back host.Time) {
	w := r.inc.w
	err := r.effect()
	switch {
	case lost:
		err = fmt.Errorf("%w: connection reset after it took effect", ErrNoAnswer)
	case own && err == nil:
		err = r.effect() // sent again by the client beneath, which then meets what it put itself
	}
	w.After(back, func() {
		if !w.link(StoreNode, r.inc.m.name).shut() {
			r.answer(err)
		}
	})
}

func (r *request) answer(err error) {
	if r.done || r.inc.dead {
		return
	}
	r.done, r.err = true, err
	r.ready.Unpark()
}

// Put implements objectstore.Store.
func (s *storeView) Put(sc *host.Scope, key string, body objectstore.Body) error {
	bytes, err := s.body(sc, key, body)
	if err != nil {
		return err
	}
	w := s.inc.w
	return s.do(sc, &request{op: OpStorePut, key: key, size: int64(len(bytes)), change: true, effect: func() error {
		w.put(key, bytes)
		return nil
	}})
}

// PutIfAbsent implements objectstore.Store.
func (s *storeView) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	bytes, err := s.body(sc, key, body)
	if err != nil {
		return err
	}
	w := s.inc.w
	r := &request{op: OpStorePut, key: key, size: int64(len(bytes)), change: true, absent: true}
	r.effect = func() error {
		if w.object(key) != nil {
			w.store.counts.Conflicts++
			return objectstore.ErrExists
		}
		w.put(key, bytes)
		return nil
	}
	return s.do(sc, r)
}

// body reads what is to be put, as a client sends it: before anything is known of the outcome.
func (s *storeView) body(sc *host.Scope, key string, body objectstore.Body) ([]byte, error) {
	if err := s.inc.gate(); err != nil {
		return nil, err
	}
	if err := objectstore.CheckKey(key); err != nil {
		return nil, err
	}
	bytes := make([]byte, body.Size())
	r := body.Open(sc)
	n, err := io.ReadFull(r, bytes)
	if err == nil {
		var extra int
		extra, err = io.ReadFull(r, make([]byte, 1))
		n += extra
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read the body of %s: %w", key, err)
	}
	if n != len(bytes) {
		return nil, objectstore.Terminal(
			fmt.Errorf("read the body of %s: it has other than the %d bytes it claims", key, len(bytes)))
	}
	return bytes, nil
}

// GetRange implements objectstore.Store.
func (s *storeView) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	w := s.inc.w
	var got []byte
	var ended bool
	r := &request{op: OpStoreGet, key: key, size: int64(len(dst))}
	r.effect = func() error {
		w.store.counts.Gets++
		bytes, there := r.content()
		if !there {
			return objectstore.ErrNotFound
		}
		start, err := objectstore.Span(off, len(dst), int64(len(bytes)))
		if err != nil {
			return err
		}
		got, ended = r.spoil(bytes, start, len(dst))
		w.store.counts.BytesGot += uint64(len(got))
		w.note(KindStore, hashString(key), uint64(OpStoreGet)<<56|uint64(start), checksum(got))
		return nil
	}
	if err := s.do(sc, r); err != nil {
		return err
	}
	copy(dst, got)
	if ended {
		return fmt.Errorf("%s %s: %w: the body ended early", OpStoreGet, key, ErrNoAnswer)
	}
	return nil
}

// Head implements objectstore.Store.
func (s *storeView) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	if err := objectstore.CheckKey(key); err != nil {
		return objectstore.Info{}, err
	}
	w := s.inc.w
	info := objectstore.Info{Key: key}
	r := &request{op: OpStoreHead, key: key}
	r.effect = func() error {
		w.store.counts.Heads++
		bytes, there := r.content()
		if !there {
			return objectstore.ErrNotFound
		}
		info.Size = int64(len(bytes))
		w.note(KindStore, hashString(key), uint64(OpStoreHead), uint64(info.Size))
		return nil
	}
	if err := s.do(sc, r); err != nil {
		return objectstore.Info{}, err
	}
	return info, nil
}

// List implements objectstore.Store.
func (s *storeView) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	w := s.inc.w
	var page []objectstore.Info
	want, early := limit, false
	r := &request{op: OpStoreList, key: prefix}
	r.effect = func() error {
		w.store.counts.Lists++
		asOf := w.now
		if s := r.strike(fault.StaleList); s != nil {
			asOf -= lasts(s, 0, w.cfg.Store.StaleMax)
			w.fire(&w.store.target, s)
		}
		got := w.store.list(prefix, after, want, asOf)
		early = false
		if len(got) >= 2 {
			if s := r.hit(fault.PartialList); s != nil {
				got, early = got[:1+s.Rand().IntN(len(got)-1)], true
			}
		}
		page = append(page, got...)
		w.note(KindStore, hashString(prefix), uint64(OpStoreList)<<56|uint64(len(got)), uint64(asOf))
		return nil
	}
	for {
		if err := s.do(sc, r); err != nil {
			return nil, err
		}
		if !early || len(page) == limit {
			return page, nil
		}
		// The store said that there is more: the rest is asked for as a client does, a moment later.
		after, want = page[len(page)-1].Key, limit-len(page)
		r.done, r.err = false, nil
	}
}

// list returns a page as it would have been at asOf, but for the sizes of objects replaced since.
func (s *storeState) list(prefix, after string, limit int, asOf host.Time) []objectstore.Info {
	var page []objectstore.Info
	from, _ := slices.BinarySearch(s.keys, max(prefix, after))
	for _, key := range s.keys[from:] {
		if len(page) == limit || !strings.HasPrefix(key, prefix) {
			break
		}
		o := s.objects[key]
		if key > after && o.there == (o.changed <= asOf) {
			page = append(page, objectstore.Info{Key: key, Size: o.size})
		}
	}
	return page
}

// Delete implements objectstore.Store.
func (s *storeView) Delete(sc *host.Scope, key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	w := s.inc.w
	r := &request{op: OpStoreDelete, key: key, change: true}
	r.effect = func() error {
		if r.hit(fault.DeleteLost) != nil {
			return nil
		}
		if s := r.strike(fault.DeleteLate); s != nil {
			late := lasts(s, time.Second, w.cfg.Store.LateMax)
			w.fire(&w.store.target, s)
			w.After(late, func() { w.remove(key) })
			return nil
		}
		w.remove(key)
		return nil
	}
	return s.do(sc, r)
}

// Name implements objectstore.Store.
func (s *storeView) Name() string { return "simulated store" }
