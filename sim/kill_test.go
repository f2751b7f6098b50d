package sim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

func TestAKilledTaskUnwindsThroughItsDefersAndActsNoMore(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	var errs []error
	after := false
	m.Boot(func(h host.Host, sc *host.Scope) {
		f := create(h, sc, "f")
		s := w.Store(h)
		defer func() {
			_, err := f.WriteAt([]byte("x"), 0)
			errs = append(errs, err, f.Sync(), s.Put(sc, "k", objectstore.BytesBody(nil)), sc.Err())
			_, err = h.Network().Dial(sc, "a:1")
			errs = append(errs, err)
			h.Go(sc, "ghost", func(*host.Scope) { after = true })
			h.Sleep(sc, time.Second) // raises the sentinel again
			after = true
		}()
		h.Sleep(sc, time.Hour)
		after = true
	})
	w.After(host.Time(time.Minute), m.Kill)
	must(t, w.Run(func() bool { return !m.Alive() }))
	must(t, w.RunUntil(w.Now()+host.Time(time.Hour)))
	if after || len(errs) != 5 {
		t.Fatalf("went on after the kill: %v, errors %v", after, errs)
	}
	for i, err := range errs {
		if !errors.Is(err, host.ErrKilled) {
			t.Errorf("call %d after the kill: %v", i, err)
		}
	}
	if w.DeadCalls() < 5 {
		t.Errorf("%d dead calls counted", w.DeadCalls())
	}
}

func TestATaskThatKillsItsMachineUnwindsAtItsNextCall(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	after := false
	m.Boot(func(h host.Host, sc *host.Scope) {
		m.Kill()
		h.Disk().Volume(sc, "v")
		after = true
	})
	must(t, w.Run(func() bool { return !m.Alive() }))
	if after {
		t.Error("the task went on")
	}
}

func TestEveryWayOfWaitingUnwinds(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 2})
	m := w.Machine("a")
	parked, unwound := 0, 0
	wait := func(name string, fn func(h host.Host, sc *host.Scope)) {
		h := m.Host()
		h.Go(nil, name, func(sc *host.Scope) {
			parked++
			defer func() { unwound++ }()
			fn(h, sc)
			t.Errorf("%s came back", name)
		})
	}
	m.Boot(nil)
	wait("mutex and cond", func(h host.Host, sc *host.Scope) {
		var mu host.Mutex
		var c host.Cond
		mu.Init(h)
		c.Init(h, &mu)
		mu.Lock()
		defer mu.Unlock()
		c.Wait(sc, 0)
	})
	wait("queue", func(h host.Host, sc *host.Scope) {
		var q host.Queue[int]
		q.Init(h, 1)
		q.Pop(sc)
	})
	wait("semaphore", func(h host.Host, sc *host.Scope) {
		var s host.Semaphore
		s.Init(h, 0)
		s.Acquire(sc, 1)
	})
	wait("group", func(h host.Host, sc *host.Scope) {
		g := host.NewGroup(h, sc)
		g.Go("child", func(sc *host.Scope) error { return h.Sleep(sc, time.Hour) })
		g.Wait()
	})
	wait("accept", func(h host.Host, sc *host.Scope) {
		l, _ := h.Network().Listen(":1")
		l.Accept(sc)
	})
	wait("sleep", func(h host.Host, sc *host.Scope) { h.Sleep(sc, time.Hour) })
	must(t, w.RunUntil(host.Time(time.Second)))
	m.Kill()
	must(t, w.Err())
	if parked != 6 || unwound != 6 {
		t.Errorf("%d tasks parked, %d unwound", parked, unwound)
	}
	m.Boot(nil) // and the machine works again
	must(t, w.Do(m, func(h host.Host, sc *host.Scope) error { return h.Sleep(sc, time.Second) }))
}

func TestARecoverThatSwallowsAKillIsReported(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func(h host.Host, sc *host.Scope)
	}{
		{"once", func(h host.Host, sc *host.Scope) {
			defer func() { _ = recover() }()
			h.Sleep(sc, time.Hour)
		}},
		{"for ever", func(h host.Host, sc *host.Scope) {
			for {
				func() {
					defer func() { _ = recover() }()
					h.Sleep(sc, time.Hour)
				}()
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 1})
			m := w.Machine("a")
			m.Boot(func(h host.Host, sc *host.Scope) {
				h.Go(nil, "swallower", func(sc *host.Scope) { c.fn(h, sc) })
			})
			w.After(host.Time(time.Second), m.Kill)
			err := w.RunUntil(host.Time(time.Minute))
			if !errors.Is(err, sim.ErrSwallowed) || !strings.Contains(err.Error(), "swallower") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAKillResetsWhatPeersWaitFor(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	server, client := w.Machine("server"), w.Machine("client")
	server.Boot(func(h host.Host, sc *host.Scope) {
		l, _ := h.Network().Listen(":1")
		l.Accept(sc)
		h.Sleep(sc, time.Second)
		server.Kill()
	})
	must(t, w.Do(client, func(h host.Host, sc *host.Scope) error {
		h.Sleep(sc, time.Millisecond)
		c, err := h.Network().Dial(sc, "server:1")
		if err != nil {
			return err
		}
		before := w.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, host.ErrReset) {
			return fmt.Errorf("read: %w", err)
		}
		if w.Now() == before {
			t.Error("the reset took no time")
		}
		return nil
	}))
}

func TestARunCanCrashAtEachOfItsCalls(t *testing.T) {
	workload := func(h host.Host, sc *host.Scope) error {
		v := volume(h, sc)
		f, err := v.Open("f", host.Create)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt([]byte("content"), 0); err != nil {
			return err
		}
		return errors.Join(f.Sync(), v.SyncDir(""))
	}
	var calls []sim.Call
	w := newWorld(t, sim.Config{Seed: 1, Sites: true, Hooks: sim.Hooks{
		OnCall: func(c sim.Call) { calls = append(calls, c) },
	}})
	must(t, w.Do(w.Machine("a"), workload))
	if len(calls) != 5 || calls[2].Op != sim.OpWrite || !strings.Contains(calls[2].Site, "TestARunCanCrash") {
		t.Fatalf("calls: %v", calls)
	}
	for n := range uint64(len(calls)) {
		for _, when := range []sim.When{sim.BeforeEffect, sim.AfterEffect} {
			w := newWorld(t, sim.Config{Seed: 1})
			m := w.Machine("a")
			m.CrashAt(n+1, when, sim.LoseUnsynced)
			if err := w.Do(m, workload); !errors.Is(err, host.ErrKilled) {
				t.Fatalf("crash at call %d: %v", n+1, err)
			}
			if m.Calls() != n+1 {
				t.Errorf("crashed at call %d, want %d", m.Calls(), n+1)
			}
			durable, there := m.Volume("data").Durable("f")
			if last := n == 4 && when == sim.AfterEffect; there != last {
				t.Errorf("call %d, moment %d: file there: %v, %q", n+1, when, there, durable)
			}
		}
	}
}

func TestTasksThatCouldRunDieWithTheRest(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, sim.Config{Seed: seed})
		a := w.Machine("a")
		turns := 0
		life := func(h host.Host, sc *host.Scope) {
			for range 5 {
				h.Go(nil, "spinner", func(sc *host.Scope) {
					for h.Sleep(sc, 0) == nil {
						turns++
					}
				})
			}
		}
		a.Boot(life)
		must(t, w.Do(w.Machine("b"), func(h host.Host, sc *host.Scope) error {
			for range 50 {
				h.Sleep(sc, 0)
			}
			for range 5 {
				a.Host().Go(nil, "newborn", func(*host.Scope) { turns++ })
			}
			dead := turns
			a.Kill() // the newborns are runnable, the spinners have a timer
			for range 50 {
				h.Sleep(sc, 0)
			}
			if turns != dead {
				t.Errorf("seed %d: %d turns after the kill", seed, turns-dead)
			}
			return nil
		}))
		if s := w.Tasks(); s != "" {
			t.Errorf("seed %d: tasks left:\n%s", seed, s)
		}
	}
}
