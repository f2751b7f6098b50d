package sim_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

func TestATaskSleepsInVirtualTime(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		before := h.Now()
		if err := h.Sleep(sc, time.Minute); err != nil {
			return err
		}
		if d := h.Now().Sub(before); d != time.Minute {
			t.Errorf("slept %v", d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAConnectionCarriesBytesBothWays(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	server, client := w.Machine("server"), w.Machine("client")
	server.Boot(func(h host.Host, sc *host.Scope) {
		l, err := h.Network().Listen(":9092")
		if err != nil {
			w.Fail(err)
			return
		}
		c, err := l.Accept(sc)
		if err != nil {
			w.Fail(err)
			return
		}
		if _, err := io.Copy(c, c); err != nil {
			w.Fail(err)
		}
		c.Close()
	})
	err := w.Do(client, func(h host.Host, sc *host.Scope) error {
		h.Sleep(sc, time.Millisecond)
		c, err := h.Network().Dial(sc, "server:9092")
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		p := make([]byte, 5)
		if _, err := io.ReadFull(c, p); err != nil {
			return err
		}
		if string(p) != "hello" {
			t.Errorf("got %q", p)
		}
		server.Kill()
		if _, err := c.Read(p); !errors.Is(err, host.ErrReset) {
			t.Errorf("read after kill: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSyncedBytesSurviveAKill(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	defer w.Close()
	m := w.Machine("a")
	err := w.Do(m, func(h host.Host, sc *host.Scope) error {
		v, err := h.Disk().Volume(sc, "data")
		if err != nil {
			return err
		}
		f, err := v.Open("dir/file", host.Create)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt([]byte("synced"), 0); err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), v.SyncDir("dir"), v.SyncDir("")); err != nil {
			return err
		}
		if _, err := f.WriteAt([]byte("lost"), 100); err != nil {
			return err
		}
		m.KillWith(sim.LoseUnsynced)
		f.Sync()
		t.Error("a dead task goes on")
		return nil
	})
	if !errors.Is(err, host.ErrKilled) {
		t.Fatal(err)
	}
	err = w.Do(m, func(h host.Host, sc *host.Scope) error {
		v, _ := h.Disk().Volume(sc, "data")
		f, err := v.Open("dir/file", 0)
		if err != nil {
			return err
		}
		p := make([]byte, 200)
		n, err := f.ReadAt(p, 0)
		if err != io.EOF || string(p[:n]) != "synced" {
			t.Errorf("read %q, %v", p[:n], err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
