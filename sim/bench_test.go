package sim_test

import (
	"testing"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

// BenchmarkEmptyWorld is the scheduler alone: tasks that only sleep. An operation is one event.
func BenchmarkEmptyWorld(b *testing.B) {
	w := sim.New(sim.Config{Seed: 1, Limit: 1 << 62})
	defer w.Close()
	m := w.Machine("a")
	m.Boot(nil)
	for range 100 {
		m.Host().Go(nil, "sleeper", func(sc *host.Scope) {
			for m.Host().Sleep(sc, time.Millisecond) == nil {
				continue
			}
		})
	}
	steps(b, w)
}

// BenchmarkIdle is three machines that do what idle brokers do: a small message to a neighbour, its answer, and a
// look at the clock, ten times a second each.
func BenchmarkIdle(b *testing.B) {
	w := sim.New(sim.Config{Seed: 1, Limit: 1 << 62})
	defer w.Close()
	names := []string{"a", "b", "c"}
	for i, name := range names {
		w.Machine(name).Boot(func(h host.Host, sc *host.Scope) { idle(h, sc, names[(i+1)%len(names)]) })
	}
	begin := time.Now()
	steps(b, w)
	b.ReportMetric(w.Now().Sub(0).Seconds()/time.Since(begin).Seconds(), "x-real")
}

func idle(h host.Host, sc *host.Scope, next string) {
	l, err := h.Network().Listen(":1")
	if err != nil {
		return
	}
	h.Go(sc, "serve", func(sc *host.Scope) {
		c, err := l.Accept(sc)
		p := make([]byte, 64)
		for err == nil {
			if _, err = c.Read(p); err == nil {
				_, err = c.Write(p)
			}
		}
	})
	h.Sleep(sc, time.Millisecond)
	c, err := h.Network().Dial(sc, next+":1")
	p := make([]byte, 64)
	for err == nil {
		if _, err = c.Write(p); err == nil {
			_, err = c.Read(p)
		}
		h.Sleep(sc, 100*time.Millisecond)
	}
}

// BenchmarkBusy is three machines that write, sync, read, talk and put without a pause.
func BenchmarkBusy(b *testing.B) {
	w := sim.New(sim.Config{Seed: 1, Limit: 1 << 62})
	defer w.Close()
	for _, name := range []string{"a", "b", "c"} {
		w.Machine(name).Boot(func(h host.Host, sc *host.Scope) {
			h.Go(sc, "put", func(sc *host.Scope) {
				body := objectstore.BytesBody(make([]byte, 64<<10))
				for w.Store(h).Put(sc, "key", body) == nil {
					continue
				}
			})
			f := create(h, sc, "f")
			p := make([]byte, 16<<10)
			for i := int64(0); ; i++ {
				if _, err := f.WriteAt(p, i%64*int64(len(p))); err != nil || f.Sync() != nil {
					return
				}
				f.ReadAt(p, i%64*int64(len(p)))
			}
		})
	}
	steps(b, w)
}

// steps steps the world until b.N events have happened and reports how many a second.
func steps(b *testing.B, w *sim.World) {
	b.Helper()
	b.ReportAllocs()
	from := w.Events()
	begin := time.Now()
	if err := w.Run(func() bool { return w.Events()-from >= uint64(b.N) }); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(w.Events()-from)/time.Since(begin).Seconds(), "events/s")
}
