package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

func TestStoreFaultsDoWhatTheySay(t *testing.T) {
	old := blocks(4)
	body := objectstore.BytesBody([]byte("new"))
	type view struct {
		w  *sim.World
		s  objectstore.Store
		sc *host.Scope
		h  host.Host
	}
	get := func(v view, off int64, n int) ([]byte, error) {
		p := make([]byte, n)
		err := v.s.GetRange(v.sc, "old", off, p)
		return p, err
	}
	for _, c := range []struct {
		kind fault.Kind
		do   func(v view) error
		err  error // nil = success
		want func(w *sim.World) bool
	}{
		{fault.StoreThrottle, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrUnavailable, absent},
		{fault.Expired, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrForbidden, absent},
		{fault.SkewRefused, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrForbidden, absent},
		{fault.StoreNotApplied, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrNoAnswer, absent},
		{fault.StoreApplied, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrNoAnswer, present},
		{fault.StoreLate, func(v view) error { return v.s.Put(v.sc, "k", body) }, sim.ErrNoAnswer, absent},
		{fault.StoreConflict, func(v view) error { return v.s.PutIfAbsent(v.sc, "k", body) }, sim.ErrConflict, absent},
		{fault.StoreOwnExists, func(v view) error { return v.s.PutIfAbsent(v.sc, "k", body) }, objectstore.ErrExists, present},
		{fault.PartLost, func(v view) error { return v.s.Put(v.sc, "k", objectstore.BytesBody(make([]byte, 500<<10))) },
			sim.ErrNoAnswer, func(w *sim.World) bool { return absent(w) && w.StoreCounts().Parts == w.StoreCounts().OrphanParts }},
		{fault.PartUnknown, func(v view) error { return v.s.Put(v.sc, "k", objectstore.BytesBody(make([]byte, 500<<10))) },
			sim.ErrNoAnswer, func(w *sim.World) bool { return present(w) == (w.StoreCounts().OrphanParts == 0) }},
		{fault.PartialList, func(v view) error {
			page, err := v.s.List(v.sc, "", "", 10)
			if v.w.StoreCounts().Lists != 2 || len(page) != 2 || page[0].Key != "gone" || page[1].Key != "old" {
				return fmt.Errorf("%v in %d lists, %w", page, v.w.StoreCounts().Lists, err)
			}
			return err
		}, nil, nil},
		{fault.GhostGet, func(v view) error {
			v.w.DeleteObject("gone")
			p := make([]byte, 4)
			return errors.Join(v.s.GetRange(v.sc, "gone", 0, p), v.s.Delete(v.sc, string(p)))
		}, nil, nil},
		{fault.DeleteLost, func(v view) error { return v.s.Delete(v.sc, "gone") }, nil,
			func(w *sim.World) bool { return len(w.Objects()) == 2 }},
		{fault.DeleteLate, func(v view) error {
			err := v.s.Delete(v.sc, "gone")
			if len(v.w.Objects()) != 2 {
				t.Error("it is gone at once")
			}
			v.h.Sleep(v.sc, 2*time.Minute)
			return err
		}, nil, func(w *sim.World) bool { return len(w.Objects()) == 1 }},
		{fault.BodyTruncated, func(v view) error { _, err := get(v, 0, 100); return err }, sim.ErrNoAnswer, nil},
		{fault.BodyFlipped, func(v view) error {
			p, err := get(v, 0, 1024)
			if n := bits(p, old[:1024]); n != 1 {
				t.Errorf("%d bits differ", n)
			}
			return err
		}, nil, nil},
		{fault.WrongRange, func(v view) error {
			p, err := get(v, 512, 512)
			if bytes.Equal(p, old[512:1024]) || !bytes.Contains(old, p) {
				t.Error("it is the right range, or none")
			}
			return err
		}, nil, nil},
		{fault.StoreSlow, func(v view) error {
			before := v.w.Now()
			_, err := get(v, 0, 10)
			if took := v.w.Now().Sub(before); took < 14*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			return err
		}, nil, nil},
		{fault.StoreOutage, func(v view) error { v.h.Sleep(v.sc, time.Millisecond); return v.s.Put(v.sc, "k", body) },
			sim.ErrNoAnswer, absent},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			for seed := range uint64(8) {
				w := newWorld(t, sim.Config{Seed: seed})
				w.PutObject("old", old)
				w.PutObject("gone", []byte("gone"))
				must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
					s := w.Store(h)
					w.Inject(fault.Step{Target: sim.StoreNode, Kind: c.kind, Arg: 3 + seed*99})
					err := c.do(view{w, s, sc, h})
					if !errors.Is(err, c.err) {
						t.Errorf("%v, want %v", err, c.err)
					}
					if definite := errors.Is(err, objectstore.ErrExists); err != nil && objectstore.Definite(err) != definite {
						t.Errorf("objectstore would not try again: %v", err)
					}
					if p, err := get(view{w, s, sc, h}, 0, len(old)); c.kind != fault.StoreOutage && !bytes.Equal(p, old) {
						t.Errorf("read again: other bytes, %v", err)
					}
					return nil
				}))
				if count(w, c.kind) != 1 || c.want != nil && !c.want(w) {
					t.Errorf("fired %d times; the store holds %v", count(w, c.kind), w.Objects())
				}
				w.Close()
			}
		})
	}
}

func absent(w *sim.World) bool { return !present(w) }

func present(w *sim.World) bool {
	_, there := w.Object("k")
	return there
}

func TestAPutInPartsOfACallerThatDiesLeavesParts(t *testing.T) {
	orphans, whole := 0, 0
	for seed := range uint64(20) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("a")
		m.Boot(func(h host.Host, sc *host.Scope) {
			w.Store(h).Put(sc, "k", objectstore.BytesBody(make([]byte, 1<<20)))
		})
		w.After(host.Time(10*time.Millisecond), m.Kill)
		must(t, w.RunUntil(host.Time(time.Minute)))
		if c := w.StoreCounts(); c.OrphanParts > 0 && absent(w) {
			orphans++
		}
		if present(w) {
			whole++
		}
	}
	if orphans < 5 || whole > 15 {
		t.Errorf("%d times parts without an object, %d times an object", orphans, whole)
	}
}
