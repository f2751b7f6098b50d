package rpc_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/rpc"
)

// real is a server and a pool on this machine, over its loopback.
type real struct {
	h    *oshost.Host
	s    *rpc.Server
	p    *rpc.Pool
	addr string
	said atomic.Int64
}

func newReal(t testing.TB) *real {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	require.NoError(t, err)
	r := &real{h: h}
	cfg := rpc.ServerConfig{Identity: beta, Listen: "127.0.0.1:0"}
	r.s = rpc.NewServer(h, cfg)
	reply := func(_ *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) { return req, nil }
	r.s.Handle(rpc.Endpoint{Method: echo, Name: "test.echo", Handler: reply})
	r.s.Handle(rpc.Endpoint{Method: echoAll, Name: "test.echo-all", Handler: reply, RequestMax: 64 << 20})
	r.s.Handle(rpc.Endpoint{Method: wait, Name: "test.wait", Handler: func(
		sc *host.Scope, _ *rpc.Peer, _ []byte,
	) ([]byte, error) {
		return nil, h.Sleep(sc, time.Hour)
	}})
	r.s.HandleOneWay(say, func(*rpc.Peer, []byte) { r.said.Add(1) })
	require.NoError(t, r.s.Start(h.Root()))
	r.addr = r.s.Addr()
	r.p = rpc.NewPool(h.Root(), h, rpc.PoolConfig{Identity: alpha})
	t.Cleanup(func() {
		require.NoError(t, r.p.Close(h.Root()))
		require.NoError(t, r.s.Stop(h.Root(), h.Now().Add(time.Second)))
		h.Wait() // every task has ended
		h.Close(nil)
	})
	return r
}

func TestARealMachineKeepsThePromises(t *testing.T) {
	r := newReal(t)
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := range 50 {
				m, req := echo, fmt.Append(make([]byte, i*10), k, i)
				if i%10 == 0 {
					m, req = echoAll, append(req, make([]byte, 300_000)...)
				}
				got, err := r.p.Call(r.h.Root(), r.addr, m, req, 10*time.Second)
				if err != nil || string(got) != string(req) {
					t.Errorf("client %d, call %d: %d bytes of %d, %v", k, i, len(got), len(req), err)
				}
				for !r.p.Send(r.addr, say, []byte("x")) {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	_, err := r.p.Call(nil, r.addr, wait, nil, 20*time.Millisecond)
	require.ErrorIs(t, err, rpc.ErrUnknown)
	require.ErrorIs(t, err, host.ErrTimeout)
	sc, cancel := r.h.Root().Child(0)
	wg.Go(func() {
		_, err := r.p.Call(sc, r.addr, wait, nil, time.Minute)
		if err == nil {
			t.Error("a cancelled call was answered")
		}
	})
	cancel()
	wg.Wait()
	_, err = r.p.Call(nil, "127.0.0.1:1", echo, nil, time.Second)
	require.ErrorIs(t, err, rpc.ErrUnreachable)
	// A call behind the messages on the same connection.
	_, err = r.p.Call(nil, r.addr, echo, nil, time.Second)
	require.NoError(t, err)
	require.Equal(t, int64(400), r.said.Load())
}

func TestACallAllocatesLittle(t *testing.T) {
	r := newReal(t)
	req := make([]byte, 100)
	call := func() {
		if _, err := r.p.Call(nil, r.addr, echo, req, 10*time.Second); err != nil {
			t.Error(err)
		}
	}
	for range 100 {
		call()
	}
	// Both ends: the call and its scope, task, handler's bytes, answer's bytes.
	n := testing.AllocsPerRun(1000, call)
	t.Logf("%.1f allocations a call", n)
	require.LessOrEqual(t, n, 16.0) // 9; the race detector empties pools
}

// BenchmarkCalls is calls of 100 bytes over the loopback, by so many callers.
func BenchmarkCalls(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			r := newReal(b)
			b.ReportAllocs()
			var wg sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			begin := time.Now()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					req := make([]byte, 100)
					for left.Add(-1) >= 0 {
						if _, err := r.p.Call(nil, r.addr, echo, req, 10*time.Second); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "calls/s")
		})
	}
}

// BenchmarkLargeAnswers is answers of a mebibyte.
func BenchmarkLargeAnswers(b *testing.B) {
	r := newReal(b)
	req := make([]byte, 1<<20)
	b.SetBytes(int64(len(req)))
	for b.Loop() {
		if _, err := r.p.Call(nil, r.addr, echoAll, req, 10*time.Second); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSends is one-way messages of 100 bytes, from Send to the handler.
func BenchmarkSends(b *testing.B) {
	r := newReal(b)
	p := make([]byte, 100)
	for b.Loop() {
		for !r.p.Send(r.addr, say, p) {
			runtime.Gosched()
		}
	}
	if _, err := r.p.Call(nil, r.addr, echo, nil, 10*time.Second); err != nil {
		b.Fatal(err)
	}
}
