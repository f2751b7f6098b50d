package sim_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// told runs fn with a connection from a to a machine b that writes down, for each connection it accepted, what it
// read from it and how that ended, and answers each byte.
func told(
	t *testing.T, cfg sim.Config, fn func(w *sim.World, h host.Host, sc *host.Scope, c host.Conn) error,
) []string {
	t.Helper()
	w := newWorld(t, cfg)
	var heard []string
	w.Machine("b").Boot(func(h host.Host, sc *host.Scope) {
		l, err := h.Network().Listen("b:1")
		for err == nil {
			var c host.Conn
			if c, err = l.Accept(sc); err != nil {
				return
			}
			h.Go(sc, "hear", func(*host.Scope) {
				i := len(heard)
				heard = append(heard, "")
				p := make([]byte, 1)
				for {
					if _, err := c.Read(p); err != nil {
						heard[i] += fmt.Sprintf(" %v", errors.Is(err, io.EOF))
						return
					}
					heard[i] += string(p)
					c.Write(p)
				}
			})
		}
	})
	must(t, w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		h.Sleep(sc, time.Millisecond)
		c, err := h.Network().Dial(sc, "b:1")
		if err != nil {
			return err
		}
		err = fn(w, h, sc, c)
		h.Sleep(sc, time.Minute)
		return err
	}))
	return heard
}

func TestAMessageMayBeDelayed(t *testing.T) {
	told(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, c host.Conn) error {
		w.Inject(fault.Step{Target: "a>b", Kind: fault.PacketDelay, For: 2 * time.Second})
		before := w.Now()
		c.Write([]byte("x"))
		_, err := c.Read(make([]byte, 1))
		if took := w.Now().Sub(before); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("the answer took %v", took)
		}
		return err
	})
}

func TestAMessageMayArriveTwiceOnAConnectionOfItsOwn(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		cfg := sim.Config{Seed: 1, Repeat: func(from, to string, p []byte) bool {
			return allowed && from == "a" && to == "b" && string(p) == "request"
		}}
		heard := told(t, cfg, func(w *sim.World, h host.Host, sc *host.Scope, c host.Conn) error {
			w.Inject(fault.Step{Target: "a>b", Kind: fault.PacketRepeat})
			c.Write([]byte("request"))
			if _, err := io.ReadFull(c, make([]byte, 7)); err != nil {
				return err
			}
			h.Sleep(sc, 5*time.Second)
			return c.Close()
		})
		want := "[request true]"
		if allowed {
			want = "[request true request true]"
		}
		if fmt.Sprint(heard) != want {
			t.Errorf("heard %v, want %v", heard, want)
		}
	}
}

func TestAConnectionMayBreakWithinAMessage(t *testing.T) {
	heard := told(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, c host.Conn) error {
		w.Inject(fault.Step{Target: "a>b", Kind: fault.ResetMidway, Arg: 5})
		if _, err := c.Write([]byte("request")); !errors.Is(err, host.ErrReset) {
			t.Errorf("write: %v", err)
		}
		return nil
	})
	if n := len(heard[0]) - len(" false"); n < 1 || n > 6 || heard[0] != "request"[:n]+" false" {
		t.Errorf("heard %q", heard[0])
	}
}

func TestAConnectionMayBeAcceptedByNobody(t *testing.T) {
	heard := told(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, _ host.Conn) error {
		w.Inject(fault.Step{Target: "a>b", Kind: fault.AcceptHang})
		c, err := h.Network().Dial(sc, "b:1")
		if err != nil {
			return err
		}
		c.SetDeadlines(h.Now().Add(time.Minute), 0)
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, host.ErrTimeout) {
			t.Errorf("read: %v", err)
		}
		return c.Close()
	})
	if len(heard) != 1 {
		t.Errorf("%d connections were served", len(heard))
	}
}

func TestLinksMayCarryNothingOrLittleForAWhile(t *testing.T) {
	const size = 20 << 10
	for _, c := range []struct {
		kind fault.Kind
		link string
		lost bool          // the connection breaks
		took time.Duration // at least, till all is answered
	}{
		{fault.Clog, "a>b", false, 10 * time.Second},
		{fault.Clog, "b>a", false, 10 * time.Second},
		{fault.Clog, "c>a", false, 0},
		{fault.CutOneWay, "a>b", false, 10 * time.Second},
		{fault.Partition, "b>a", false, 10 * time.Second},
		{fault.SlowLink, "a>b", false, 300 * time.Millisecond},
		{fault.Partition, "b>a", true, 20 * time.Second},
		{fault.Clog, "b>a", false, 20 * time.Second},
	} {
		t.Run(fmt.Sprintf("%v %s %v", c.kind, c.link, c.took), func(t *testing.T) {
			told(t, sim.Config{Seed: 1}, func(w *sim.World, h host.Host, sc *host.Scope, conn host.Conn) error {
				lasts := max(c.took, 10*time.Second)
				w.Inject(fault.Step{Target: c.link, Kind: c.kind, For: lasts})
				h.Sleep(sc, time.Millisecond)
				before := w.Now()
				h.Go(sc, "write", func(*host.Scope) { conn.Write(make([]byte, size)) })
				_, err := io.ReadFull(conn, make([]byte, size))
				took := w.Now().Sub(before)
				if errors.Is(err, host.ErrReset) != c.lost || !c.lost && (took < c.took-2*time.Millisecond ||
					took > max(c.took, 10*time.Second)+time.Second || c.took == 0 && took > time.Second) {
					t.Errorf("%v after %v", err, took)
				}
				if count(w, c.kind) != 1 {
					t.Errorf("left: %v", w.Unfired())
				}
				return nil
			})
		})
	}
}

func TestSwizzledLinksAreCloggedOneByOneAndUncloggedInAnotherOrder(t *testing.T) {
	links := []string{"a>b", "b>a", "a>store", "c>a"}
	other := 0
	for seed := range uint64(20) {
		p := sim.Swizzle(rand.New(rand.NewPCG(seed, 1)), links, 100, time.Second)
		if len(p) != len(links) {
			t.Fatalf("%d steps", len(p))
		}
		for i, s := range p {
			if s.At < 100 || s.At > 100+host.Time(time.Second) || s.Ends() < 100+host.Time(time.Second) || s.Kind != fault.Clog {
				t.Errorf("step %v", s)
			}
			if i > 0 && s.Ends() < p[i-1].Ends() {
				other++
			}
		}
	}
	if other == 0 {
		t.Error("they were always unclogged in the order they were clogged")
	}
}
