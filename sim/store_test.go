package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/objectstore/storetest"
	"github.com/weirmq/weir/sim"
)

func TestSimulatedStoreKeepsTheStoreContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, task storetest.Task) {
		w := newWorld(t, sim.Config{Seed: 3})
		must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error { return task(sc, h, w.Store(h)) }))
	})
}

func TestStoreFaultsAreMendedByRetries(t *testing.T) {
	faults := sim.Faults{StoreError: 50_000, StoreTruncated: 50_000, StoreStorm: 20_000}
	for _, c := range storetest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 4, Faults: faults})
			must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				return c.Task(sc, h, objectstore.WithRetry(h, w.Store(h), objectstore.Policy{Total: 10 * time.Minute}))
			}))
		})
	}
}

func TestFileStoreRunsOnASimulatedVolume(t *testing.T) {
	storetest.Run(t, func(t *testing.T, task storetest.Task) {
		w := newWorld(t, sim.Config{Seed: 5})
		must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			v, err := h.Disk().Volume(sc, "store")
			if err != nil {
				return err
			}
			s, err := filestore.New(h, v, "store", "test")
			if err != nil {
				return err
			}
			return task(sc, h, s)
		}))
	})
}

func TestAPutMayLandLongAfterItsCallerDied(t *testing.T) {
	var landed host.Time
	w := newWorld(t, sim.Config{
		Seed: 6, Faults: sim.Faults{StoreLate: sim.Always},
		Hooks: sim.Hooks{OnPut: func(string, []byte) {}},
	})
	m := w.Machine("a")
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		err := w.Store(h).Put(sc, "k", objectstore.BytesBody([]byte("late")))
		if err == nil || objectstore.Definite(err) {
			t.Errorf("put: %v, want an error of unknown outcome", err)
		}
		return nil
	}))
	m.Kill()
	if _, there := w.Object("k"); there {
		t.Fatal("the object is there at once")
	}
	must(t, w.Run(func() bool {
		_, there := w.Object("k")
		landed = w.Now()
		return there
	}))
	if landed < host.Time(time.Second) {
		t.Errorf("landed after %v", landed.Sub(0))
	}
}

func TestAStoreErrorTellsNothingOfTheOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults sim.Faults
		there  bool
	}{
		{"not applied", sim.Faults{StoreError: sim.Always}, false},
		{"applied", sim.Faults{StoreAppliedError: sim.Always}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 7, Faults: c.faults})
			must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				err := w.Store(h).PutIfAbsent(sc, "k", objectstore.BytesBody([]byte("x")))
				if !errors.Is(err, sim.ErrNoAnswer) {
					t.Errorf("got %v", err)
				}
				return nil
			}))
			if _, there := w.Object("k"); there != c.there {
				t.Errorf("object there: %v", there)
			}
		})
	}
}

func TestAStormPasses(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 8})
	refused := 0
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		w.Storm(host.Time(10 * time.Second))
		for h.Now(); w.Now() < host.Time(20*time.Second); {
			before := w.Now()
			_, err := w.Store(h).List(sc, "", "", 10)
			if errors.Is(err, sim.ErrUnavailable) {
				refused++
			}
			if err != nil && before >= host.Time(10*time.Second) {
				t.Errorf("after the storm: %v", err)
			}
		}
		return nil
	}))
	if refused < 100 {
		t.Errorf("only %d calls were refused", refused)
	}
}

func TestAStaleListShowsThePast(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 9, Faults: sim.Faults{StaleList: sim.Always}})
	missing, ghosts := 0, 0
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		s := w.Store(h)
		w.PutObject("gone", []byte("g"))
		if err := h.Sleep(sc, time.Minute); err != nil {
			return err
		}
		w.DeleteObject("gone")
		w.PutObject("new", []byte("n"))
		for range 50 {
			page, err := s.List(sc, "", "", 10)
			if err != nil {
				return err
			}
			seen := fmt.Sprint(page)
			if !bytes.Contains([]byte(seen), []byte("new")) {
				missing++
			}
			if bytes.Contains([]byte(seen), []byte("gone")) {
				ghosts++
			}
		}
		if err := h.Sleep(sc, time.Minute); err != nil {
			return err
		}
		page, err := s.List(sc, "", "", 10)
		if err != nil || len(page) != 1 || page[0].Key != "new" {
			t.Errorf("a minute later: %v, %v", page, err)
		}
		return nil
	}))
	if missing == 0 || ghosts == 0 {
		t.Errorf("missing %d times, ghost %d times", missing, ghosts)
	}
}

func TestACutOffMachineGetsNoAnswerFromTheStore(t *testing.T) {
	for _, c := range []struct {
		name  string
		cut   func(w *sim.World)
		there bool
	}{
		{"on the way there", func(w *sim.World) { w.Block("a", sim.StoreNode) }, false},
		{"on the way back", func(w *sim.World) { w.Block(sim.StoreNode, "a") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 10})
			must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				c.cut(w)
				put := func() error { return w.Store(h).Put(sc, "k", objectstore.BytesBody([]byte("x"))) }
				if err := put(); !errors.Is(err, sim.ErrNoAnswer) {
					t.Errorf("got %v", err)
				}
				if _, there := w.Object("k"); there != c.there {
					t.Errorf("object there: %v", there)
				}
				w.Heal()
				return put()
			}))
		})
	}
}

func TestAPutUnderWayAtItsCallersDeathMayWinOrNot(t *testing.T) {
	landed, lost := 0, 0
	for seed := range uint64(40) {
		w := newWorld(t, sim.Config{Seed: seed})
		m := w.Machine("a")
		m.Boot(func(h host.Host, sc *host.Scope) {
			w.Store(h).Put(sc, "k", objectstore.BytesBody([]byte("x")))
		})
		w.After(host.Time(time.Millisecond), m.Kill)
		must(t, w.RunUntil(host.Time(time.Minute)))
		if _, there := w.Object("k"); there {
			landed++
		} else {
			lost++
		}
	}
	if landed < 5 || lost < 5 {
		t.Errorf("landed %d times, lost %d times", landed, lost)
	}
}

func TestAReplacedObjectNeverLeavesAListing(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 9, Faults: sim.Faults{StaleList: sim.Always}})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		w.PutObject("k", []byte("one"))
		h.Sleep(sc, time.Minute)
		w.PutObject("k", []byte("another"))
		for range 20 {
			page, err := w.Store(h).List(sc, "", "", 10)
			if err != nil || len(page) != 1 {
				t.Errorf("list: %v, %v", page, err)
			}
		}
		return nil
	}))
}
