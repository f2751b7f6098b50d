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

// oldObject is what the object "old" holds.
var oldObject = blocks(4)

// storeCaller is who makes the calls of a test.
type storeCaller struct {
	w  *sim.World
	s  objectstore.Store
	sc *host.Scope
	h  host.Host
}

func (v storeCaller) get(off int64, n int) ([]byte, error) {
	p := make([]byte, n)
	err := v.s.GetRange(v.sc, "old", off, p)
	return p, err
}

func (v storeCaller) put(key string) error {
	return v.s.Put(v.sc, key, objectstore.BytesBody([]byte("new")))
}

func (v storeCaller) putIfAbsent() error {
	return v.s.PutIfAbsent(v.sc, "k", objectstore.BytesBody([]byte("new")))
}

// putLarge puts in parts.
func (v storeCaller) putLarge() error {
	return v.s.Put(v.sc, "k", objectstore.BytesBody(make([]byte, 500<<10)))
}

// storeFault is a fault of a store call, and what is seen of it.
type storeFault struct {
	kind fault.Kind
	do   func(v storeCaller) error
	err  error // nil = success
	want func(w *sim.World) bool
}

var storeFaults = []storeFault{
	{fault.StoreThrottle, func(v storeCaller) error { return v.put("k") }, sim.ErrUnavailable, absent},
	{fault.Expired, func(v storeCaller) error { return v.put("k") }, sim.ErrForbidden, absent},
	{fault.SkewRefused, func(v storeCaller) error { return v.put("k") }, sim.ErrForbidden, absent},
	{fault.StoreNotApplied, func(v storeCaller) error { return v.put("k") }, sim.ErrNoAnswer, absent},
	{fault.StoreApplied, func(v storeCaller) error { return v.put("k") }, sim.ErrNoAnswer, present},
	{fault.StoreLate, func(v storeCaller) error { return v.put("k") }, sim.ErrNoAnswer, absent},
	{fault.StoreConflict, func(v storeCaller) error { return v.putIfAbsent() }, sim.ErrConflict, absent},
	{fault.StoreOwnExists, func(v storeCaller) error { return v.putIfAbsent() }, objectstore.ErrExists, present},
	{fault.PartLost, func(v storeCaller) error { return v.putLarge() },
		sim.ErrNoAnswer,
		func(w *sim.World) bool { return absent(w) && w.StoreCounts().Parts == w.StoreCounts().OrphanParts }},
	{fault.PartUnknown, func(v storeCaller) error { return v.putLarge() },
		sim.ErrNoAnswer, func(w *sim.World) bool { return present(w) == (w.StoreCounts().OrphanParts == 0) }},
	{fault.PartialList, func(v storeCaller) error {
		page, err := v.s.List(v.sc, "", "", 10)
		if v.w.StoreCounts().Lists != 2 || len(page) != 2 || page[0].Key != "gone" || page[1].Key != "old" {
			return fmt.Errorf("%v in %d lists, %w", page, v.w.StoreCounts().Lists, err)
		}
		return err
	}, nil, nil},
	{fault.GhostGet, func(v storeCaller) error {
		v.w.DeleteObject("gone")
		p := make([]byte, 4)
		return errors.Join(v.s.GetRange(v.sc, "gone", 0, p), v.s.Delete(v.sc, string(p)))
	}, nil, nil},
	{fault.DeleteLost, func(v storeCaller) error { return v.s.Delete(v.sc, "gone") }, nil,
		func(w *sim.World) bool { return len(w.Objects()) == 2 }},
	{fault.DeleteLate, func(v storeCaller) error {
		err := v.s.Delete(v.sc, "gone")
		if len(v.w.Objects()) != 2 {
			return errors.New("it is gone at once")
		}
		v.h.Sleep(v.sc, 2*time.Minute)
		return err
	}, nil, func(w *sim.World) bool { return len(w.Objects()) == 1 }},
	{fault.BodyTruncated, func(v storeCaller) error { _, err := v.get(0, 100); return err }, sim.ErrNoAnswer, nil},
	{fault.BodyFlipped, func(v storeCaller) error {
		p, err := v.get(0, 1024)
		if n := bits(p, oldObject[:1024]); n != 1 {
			return fmt.Errorf("%d bits differ", n)
		}
		return err
	}, nil, nil},
	{fault.WrongRange, func(v storeCaller) error {
		p, err := v.get(512, 512)
		if bytes.Equal(p, oldObject[512:1024]) || !bytes.Contains(oldObject, p) {
			return errors.New("it is the right range, or none")
		}
		return err
	}, nil, nil},
	{fault.StoreSlow, func(v storeCaller) error {
		before := v.w.Now()
		_, err := v.get(0, 10)
		if took := v.w.Now().Sub(before); took < 14*time.Millisecond {
			return fmt.Errorf("it took %v", took)
		}
		return err
	}, nil, nil},
	{fault.StoreOutage, func(v storeCaller) error { v.h.Sleep(v.sc, time.Millisecond); return v.put("k") },
		sim.ErrNoAnswer, absent},
}

func TestStoreFaultsDoWhatTheySay(t *testing.T) {
	for _, c := range storeFaults {
		t.Run(c.kind.String(), func(t *testing.T) {
			for seed := range uint64(8) {
				w := newWorld(t, sim.Config{Seed: seed})
				w.PutObject("old", oldObject)
				w.PutObject("gone", []byte("gone"))
				must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
					v := storeCaller{w, w.Store(h), sc, h}
					w.Inject(fault.Step{Target: sim.StoreNode, Kind: c.kind, Arg: 3 + seed*99})
					err := c.do(v)
					if !errors.Is(err, c.err) {
						t.Errorf("%v, want %v", err, c.err)
					}
					again := !objectstore.Definite(err) || errors.Is(err, objectstore.ErrDenied)
					if err != nil && again == errors.Is(err, objectstore.ErrExists) {
						t.Errorf("objectstore would not try again: %v", err)
					}
					if p, err := v.get(0, len(oldObject)); c.kind != fault.StoreOutage && !bytes.Equal(p, oldObject) {
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
