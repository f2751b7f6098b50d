package oshost_test

import (
	"testing"
	"time"

	"github.com/weirmq/weir/host"
)

// BenchmarkParker is a hand-off there and back between two tasks.
func BenchmarkParker(b *testing.B) {
	h := newHost(b, b.TempDir())
	for _, bb := range []struct {
		name  string
		until func() host.Time
		sc    *host.Scope
	}{
		{"nil scope", func() host.Time { return 0 }, nil},
		{"scope", func() host.Time { return 0 }, h.Root()},
		{"deadline", func() host.Time { return h.Now().Add(time.Hour) }, h.Root()},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			ping, pong := h.Parker(), h.Parker()
			n := b.N
			h.Go(nil, "bench.echo", func(*host.Scope) {
				for range n {
					_ = ping.Park(bb.sc, bb.until())
					pong.Unpark()
				}
			})
			for range n {
				ping.Unpark()
				_ = pong.Park(bb.sc, bb.until())
			}
		})
	}
	b.Run("permit is there", func(b *testing.B) {
		b.ReportAllocs()
		p := h.Parker()
		defer p.Release()
		for b.Loop() {
			p.Unpark()
			_ = p.Park(h.Root(), 0)
		}
	})
}

func BenchmarkFutureCompletedBefore(b *testing.B) {
	h := newHost(b, b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		var f host.Future[int]
		f.Init(h)
		f.Complete(1, nil)
		_, _ = f.Wait(h.Root(), 0)
	}
}

// BenchmarkRequest is a request to a worker by a queue and its answer by a future.
func BenchmarkRequest(b *testing.B) {
	h := newHost(b, b.TempDir())
	var q host.Queue[*host.Future[int]]
	q.Init(h, 64)
	h.Go(nil, "bench.worker", func(sc *host.Scope) {
		var batch []*host.Future[int]
		for err := error(nil); err == nil; {
			batch, err = q.Drain(sc, batch[:0])
			for _, f := range batch {
				f.Complete(1, nil)
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		f := &host.Future[int]{}
		f.Init(h)
		_ = q.Push(h.Root(), f)
		_, _ = f.Wait(h.Root(), 0)
	}
	q.Close()
}

func BenchmarkQueue(b *testing.B) {
	h := newHost(b, b.TempDir())
	for _, name := range []string{"Pop", "Drain"} {
		b.Run(name, func(b *testing.B) {
			var q host.Queue[int]
			q.Init(h, 256)
			n := b.N
			h.Go(nil, "bench.pusher", func(sc *host.Scope) {
				for i := range n {
					_ = q.Push(sc, i)
				}
			})
			b.ReportAllocs()
			var batch []int
			for got := 0; got < n; got += len(batch) {
				if name == "Drain" {
					batch, _ = q.Drain(h.Root(), batch[:0])
				} else {
					v, _ := q.Pop(h.Root())
					batch = append(batch[:0], v)
				}
			}
		})
	}
}

func BenchmarkNow(b *testing.B) {
	h := newHost(b, b.TempDir())
	for b.Loop() {
		h.Now()
	}
}
