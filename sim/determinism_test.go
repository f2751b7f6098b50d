package sim_test

import (
	"crypto/rand"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

var someFaults = sim.Faults{
	ReadError: 10_000, WriteError: 1000, DiskStall: 500, ConnReset: 20_000, StoreError: 5000, StoreLate: 5000,
	StoreAppliedError: 5000, TornSector: 10_000, HalfOpen: 100_000, NetStall: 1000,
}

// history runs three machines that write, talk, put and die, and returns the world afterwards.
func history(t *testing.T, seed uint64, extra func(h host.Host, sc *host.Scope)) *sim.World {
	t.Helper()
	w := newWorld(t, sim.Config{Seed: seed, Faults: someFaults})
	names := []string{"a", "b", "c"}
	for i, name := range names {
		m, next := w.Machine(name), names[(i+1)%len(names)]
		life := func(h host.Host, sc *host.Scope) { live(w, h, sc, next, extra) }
		m.Boot(life)
		w.After(host.Time(i+1)*host.Time(time.Second), func() {
			m.Kill()
			m.Boot(life)
		})
	}
	w.After(host.Time(500*time.Millisecond), func() { w.Partition([]string{"a"}, []string{"b", "c"}) })
	w.After(host.Time(1500*time.Millisecond), w.Heal)
	must(t, w.RunUntil(host.Time(4*time.Second)))
	return w
}

func live(w *sim.World, h host.Host, sc *host.Scope, next string, extra func(host.Host, *host.Scope)) {
	h.Go(sc, "serve", func(sc *host.Scope) {
		l, err := h.Network().Listen(":1")
		if err != nil {
			return
		}
		for {
			c, err := l.Accept(sc)
			if err != nil {
				return
			}
			h.Go(sc, "echo", func(*host.Scope) { io.Copy(c, c) })
		}
	})
	h.Go(sc, "write", func(sc *host.Scope) {
		v := volume(h, sc)
		r := h.Rand("write")
		for {
			f, err := v.Open("f", host.Create)
			if err != nil {
				continue
			}
			for range 10 {
				f.WriteAt(make([]byte, r.IntN(5000)), r.Int64N(100_000))
			}
			f.Sync()
			f.ReadAt(make([]byte, 1000), r.Int64N(10_000))
			f.Close()
			h.Sleep(sc, time.Duration(r.IntN(1_000_000)))
		}
	})
	h.Go(sc, "put", func(sc *host.Scope) {
		for h.Sleep(sc, time.Millisecond) == nil {
			key := make([]byte, 1)
			rand.Read(key)
			w.Store(h).Put(sc, string('a'+key[0]%26), objectstore.BytesBody(key))
		}
	})
	for {
		if extra != nil {
			extra(h, sc)
		}
		h.Sleep(sc, 10*time.Millisecond)
		c, err := h.Network().Dial(sc, next+":1")
		if err != nil {
			continue
		}
		c.SetDeadlines(h.Now().Add(time.Second), 0)
		c.Write([]byte("ping"))
		io.ReadFull(c, make([]byte, 4))
		c.Close()
	}
}

func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	first := history(t, 1, nil)
	if first.Events() < 10_000 || len(first.Checkpoints()) != int(first.Events()/1024) {
		t.Fatalf("only %d events, %d checkpoints", first.Events(), len(first.Checkpoints()))
	}
	t.Logf("%d events, hash %016x", first.Events(), first.Hash())
	again := history(t, 1, nil)
	if first.Hash() != again.Hash() || !slices.Equal(first.Checkpoints(), again.Checkpoints()) {
		t.Error("the same seed gave another run")
	}
	if history(t, 2, nil).Hash() == first.Hash() {
		t.Error("another seed gave the same run")
	}
	for _, c := range first.Fired() {
		if someFaultsFire(c.Fault) && c.Count == 0 {
			t.Errorf("fault %v never fired", c.Fault)
		}
	}
}

func someFaultsFire(k fault.Kind) bool {
	return slices.Contains([]fault.Kind{
		fault.ReadError, fault.WriteError, fault.DiskStall, fault.PacketDrop, fault.StoreNotApplied,
		fault.StoreLate, fault.StoreApplied,
	}, k)
}

func TestAPlantedMapRangeIsCaught(t *testing.T) {
	sends := map[int]time.Duration{1: 1, 2: 2, 3: 3, 4: 4, 5: 5}
	planted := func(h host.Host, sc *host.Scope) {
		for _, d := range sends { // the bug: its order is random
			h.Sleep(sc, d*time.Millisecond)
		}
	}
	hashes := map[uint64]bool{}
	for range 5 {
		hashes[history(t, 1, planted).Hash()] = true
	}
	if len(hashes) == 1 {
		t.Error("five runs with a map range in them have one hash")
	}
}

func TestCryptoRandIsSeededWhileAWorldRunsAndOnlyThen(t *testing.T) {
	before := rand.Reader
	var draws [2][16]byte
	for i := range draws {
		w := newWorld(t, sim.Config{Seed: 1})
		must(t, w.Do(w.Machine("a"), func(host.Host, *host.Scope) error {
			_, err := io.ReadFull(rand.Reader, draws[i][:])
			return err
		}))
		if rand.Reader != before {
			t.Fatal("the reader was not put back")
		}
	}
	if draws[0] != draws[1] {
		t.Error("the same seed gave other bytes")
	}
}

func TestSecretsAndStreamsDifferBetweenIncarnations(t *testing.T) {
	w := newWorld(t, sim.Config{Seed: 1})
	m := w.Machine("a")
	secrets, draws := map[[16]byte]bool{}, map[uint64]bool{}
	for range 3 {
		must(t, w.Do(m, func(h host.Host, _ *host.Scope) error {
			var s [16]byte
			h.Secret(s[:])
			secrets[s] = true
			draws[h.Rand("x").Uint64()] = true
			draws[h.Rand("x").Uint64()] = true
			return nil
		}))
		m.Kill()
	}
	if len(secrets) != 3 || len(draws) != 6 {
		t.Errorf("%d secrets, %d draws", len(secrets), len(draws))
	}
}

func TestTheFirstDifferenceOfTwoRunsIsFoundByCheckpoints(t *testing.T) {
	at := func(hashes ...uint64) (list []sim.Checkpoint) {
		for i, h := range hashes {
			list = append(list, sim.Checkpoint{Events: uint64(i+1) * 1024, Hash: h})
		}
		return list
	}
	for _, c := range []struct {
		a, b       []sim.Checkpoint
		from, upto uint64
		differ     bool
	}{
		{at(1, 2), at(1, 2), 2048, 2048, false},
		{at(1, 2, 3), at(1, 9, 8), 1024, 2048, true},
		{at(9), at(1), 0, 1024, true},
		{at(1, 2), at(1), 1024, 1024, true},
	} {
		if from, upto, differ := sim.Diverged(c.a, c.b); from != c.from || upto != c.upto || differ != c.differ {
			t.Errorf("%v, %v: (%d, %d] %v", c.a, c.b, from, upto, differ)
		}
	}
}

func TestEveryOrderOfRunnableTasksComesUp(t *testing.T) {
	orders := map[string]int{}
	for seed := range uint64(300) {
		w := newWorld(t, sim.Config{Seed: seed})
		order := ""
		m := w.Machine("a")
		m.Boot(nil)
		for _, name := range []string{"x", "y", "z"} {
			m.Host().Go(nil, name, func(*host.Scope) { order += name })
		}
		must(t, w.Run(nil))
		orders[order]++
		w.Close()
	}
	for order, n := range orders {
		if n < 25 {
			t.Errorf("order %s came up %d times of 300", order, n)
		}
	}
	if len(orders) != 6 {
		t.Errorf("%d orders of 6 came up", len(orders))
	}
}
