package workload_test

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/weirmq/weir/sim/workload"
)

// The benchmarks collect garbage as weir sim run does.
func init() { debug.SetGCPercent(400) }

// BenchmarkIdleNode runs the node with what surrounds it and no clients: housekeeping alone, for 25 minutes.
func BenchmarkIdleNode(b *testing.B) {
	var virtual time.Duration
	var events uint64
	begin := time.Now()
	for i := range b.N {
		s := workload.Plain()
		s.Duration, s.Clients, s.Crash = 25*time.Minute, nil, workload.CrashSettings{}
		r := workload.Replay(workload.Plan{Seed: uint64(i + 1), Settings: s}, workload.Options{})
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		virtual, events = virtual+r.Virtual, events+r.Events
	}
	wall := time.Since(begin).Seconds()
	b.ReportMetric(virtual.Seconds()/wall, "x-real")
	b.ReportMetric(float64(events)/wall, "events/s")
}

// BenchmarkLoadS runs load S: three machines, eight clients with 500 operations a virtual second, the default faults.
func BenchmarkLoadS(b *testing.B) {
	const clients, rate = 8, 500
	var virtual time.Duration
	var events uint64
	var ops int
	begin := time.Now()
	for i := range b.N {
		s := workload.Usual()
		s.Duration = 60 * time.Second
		s.Clients = s.Clients[:clients]
		for c := range s.Clients {
			s.Clients[c].Think, s.Clients[c].Bytes = clients*time.Second/rate, 300
		}
		r := workload.Run(workload.Options{Seed: uint64(i + 1), Settings: &s})
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		virtual, events, ops = virtual+r.Virtual, events+r.Events, ops+r.Ops
	}
	wall := time.Since(begin).Seconds()
	b.ReportMetric(virtual.Seconds()/wall, "x-real")
	b.ReportMetric(float64(events)/wall, "events/s")
	b.ReportMetric(float64(ops)/wall, "ops/s")
}
