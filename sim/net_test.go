package sim_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// pair runs fn with both ends of a connection between machines a and b, in one task of a; both ends are
// driven from there.
func pair(t *testing.T, cfg sim.Config, fn func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error) {
	t.Helper()
	w := newWorld(t, cfg)
	var far host.Conn
	w.Machine("b").Boot(func(h host.Host, sc *host.Scope) {
		l, err := h.Network().Listen("b:1")
		if err != nil {
			w.Fail(err)
			return
		}
		far, err = l.Accept(sc)
		if err != nil {
			w.Fail(err)
		}
	})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		h.Sleep(sc, time.Millisecond)
		near, err := h.Network().Dial(sc, "b:1")
		if err != nil {
			return err
		}
		h.Sleep(sc, time.Second)
		return fn(w, h, sc, near, far)
	}))
}

// onB runs fn as a task of b and waits for it, so that each end is used by a task of its own machine.
func onB(w *sim.World, h host.Host, sc *host.Scope, fn func(h host.Host, sc *host.Scope) error) error {
	done, err := false, error(nil)
	b := w.Machine("b").Host()
	b.Go(nil, "far", func(sc *host.Scope) {
		err = fn(b, sc)
		done = true
	})
	for !done && sc.Err() == nil {
		h.Sleep(sc, time.Millisecond)
	}
	return err
}

func TestACutHoldsBytesUntilItHeals(t *testing.T) {
	pair(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		w.Block("a", "b")
		if _, err := a.Write([]byte("one")); err != nil {
			return err
		}
		a.Write([]byte("two"))
		healed := w.Now() + host.Time(5*time.Second)
		w.After(host.Time(5*time.Second), w.Heal)
		return onB(w, h, sc, func(host.Host, *host.Scope) error {
			if _, err := b.Write([]byte("back")); err != nil { // the other direction is open
				return err
			}
			p := make([]byte, 6)
			if _, err := io.ReadFull(b, p); err != nil || string(p) != "onetwo" {
				return fmt.Errorf("read %q: %w", p, err)
			}
			if w.Now() < healed {
				t.Error("bytes passed the cut")
			}
			return nil
		})
	})
}

func TestACutThatLastsBreaksTheConnection(t *testing.T) {
	pair(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		w.Partition([]string{"a"}, []string{"b"})
		a.Write([]byte("x"))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, host.ErrReset) {
			t.Errorf("near end: %v", err)
		}
		w.Heal()
		return onB(w, h, sc, func(h host.Host, sc *host.Scope) error {
			b.SetDeadlines(h.Now().Add(time.Minute), 0)
			if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Error("the far end goes on")
			}
			b.Write([]byte("y")) // finds out that nobody is there
			h.Sleep(sc, time.Second)
			b.SetDeadlines(0, 0)
			if _, err := b.Write([]byte("y")); !errors.Is(err, host.ErrReset) {
				t.Errorf("far end: %v", err)
			}
			return nil
		})
	})
}

func TestAnUnreadPeerBlocksTheWriter(t *testing.T) {
	pair(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		const size = 1 << 20
		a.SetDeadlines(0, h.Now().Add(time.Second))
		n, err := a.Write(make([]byte, size))
		if !errors.Is(err, host.ErrTimeout) || n != 256<<10 {
			t.Errorf("wrote %d bytes: %v", n, err)
		}
		a.SetDeadlines(0, 0)
		h.Go(sc, "rest", func(*host.Scope) { a.Write(make([]byte, size-n)) })
		return onB(w, h, sc, func(host.Host, *host.Scope) error {
			_, err := io.ReadFull(b, make([]byte, size))
			return err
		})
	})
}

func TestBandwidthTakesItsTime(t *testing.T) {
	cfg := sim.Config{Seed: 1, Net: sim.NetConfig{Bandwidth: 1 << 20}}
	pair(t, cfg, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		before := w.Now()
		h.Go(sc, "send", func(*host.Scope) { a.Write(make([]byte, 2<<20)) })
		return onB(w, h, sc, func(host.Host, *host.Scope) error {
			_, err := io.ReadFull(b, make([]byte, 2<<20))
			if d := (w.Now() - before).Sub(0); d < 2*time.Second || d > 3*time.Second {
				t.Errorf("2 MiB at 1 MiB/s took %v", d)
			}
			return err
		})
	})
}

func TestAHalfOpenConnectionIsSilentUntilWrittenTo(t *testing.T) {
	cfg := sim.Config{Seed: 1, Faults: sim.Faults{HalfOpen: sim.Always}}
	pair(t, cfg, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		w.Machine("b").Kill()
		a.SetDeadlines(h.Now().Add(time.Minute), 0)
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, host.ErrTimeout) {
			t.Errorf("read: %v", err)
		}
		a.SetDeadlines(0, 0)
		if _, err := a.Write([]byte("x")); err != nil {
			t.Errorf("first write: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, host.ErrReset) {
			t.Errorf("read after the write: %v", err)
		}
		return nil
	})
}

func TestAConnectionBreaksAtItsRate(t *testing.T) {
	cfg := sim.Config{Seed: 1}
	pair(t, cfg, func(w *sim.World, h host.Host, sc *host.Scope, a, b host.Conn) error {
		w.SetFaults(sim.Faults{ConnReset: sim.Always})
		if _, err := a.Write([]byte("x")); !errors.Is(err, host.ErrReset) {
			t.Errorf("write: %v", err)
		}
		return onB(w, h, sc, func(host.Host, *host.Scope) error {
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, host.ErrReset) {
				t.Errorf("the peer's read: %v", err)
			}
			return nil
		})
	})
}

func TestDialsIntoAVoidTimeOut(t *testing.T) {
	for _, c := range []struct {
		name string
		cut  func(w *sim.World)
	}{
		{"a cut there", func(w *sim.World) { w.Block("a", "b") }},
		{"a cut back", func(w *sim.World) { w.Block("b", "a") }},
		{"a paused machine", func(w *sim.World) { w.Machine("b").Pause(time.Hour) }},
		{"a machine nobody knows", func(w *sim.World) { w.Machine("b").Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, sim.Config{Seed: 1})
			w.Machine("b").Boot(func(h host.Host, sc *host.Scope) {
				l, _ := h.Network().Listen(":1")
				l.Accept(sc)
			})
			must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
				h.Sleep(sc, time.Millisecond)
				c.cut(w)
				before := h.Now()
				_, err := h.Network().Dial(sc, "b:1")
				if errors.Is(err, host.ErrRefused) && c.name == "a machine nobody knows" {
					return nil
				}
				if !errors.Is(err, host.ErrTimeout) || h.Now().Sub(before) != 5*time.Second {
					t.Errorf("dial: %v after %v", err, h.Now().Sub(before))
				}
				return nil
			}))
		})
	}
}
