package workload

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
)

// config is the node's, as the settings say.
func (r *run) config(h host.Host) node.Config {
	n := &r.settings.Node
	return node.Config{
		NodeID: 1, Listen: nodeAddr, AutoCreate: true, Store: r.w.Store(h),
		Memory: n.Memory, SlabBytes: n.SlabBytes, WALCapacity: n.WALCapacity, MetaBytes: n.MetaBytes,
		GroupInitialDelay: n.GroupInitialDelay,
		Collect: broker.Collect{
			Every: n.CollectEvery, Grace: n.CollectGrace, Sweep: n.CollectSweep, First: n.CollectFirst,
		},
		UploadAge: n.UploadAge, UploadBytes: n.UploadBytes, ObjectBytes: n.ObjectBytes,
	}
}

// boot starts the node on its machine.
func (r *run) boot() {
	r.crash.booted()
	r.m.Boot(func(h host.Host, sc *host.Scope) {
		n, err := node.Start(sc, h, r.config(h))
		if err == nil {
			r.node = n
			err = n.Failed(sc)
		}
		if err == nil || errors.Is(err, host.ErrKilled) || errors.Is(err, host.ErrCancelled) {
			return
		}
		r.fail(oracleExit, "the node ended: %w", err)
	})
}

// onKill notes what a crash left and starts the node again a little later.
func (r *run) onKill(m *sim.Machine) {
	if m != r.m || r.calm {
		return
	}
	r.node = nil
	r.restarts++
	// What a crash kept of unsynced writes is as durable from now on as what was synced.
	v := m.Volume(walVolume)
	for _, path := range v.Files() {
		if b, ok := v.Durable(path); ok {
			r.durable.scan(b, r.w.Now())
		}
	}
	rng := r.w.Rand(fmt.Sprintf("restart-%d", r.restarts))
	r.w.After(host.Time(rng.Int64N(int64(300*time.Millisecond))), func() {
		if !r.m.Alive() {
			r.boot()
		}
	})
}
