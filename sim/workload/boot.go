package workload

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
)

// config is the node's, as the settings say.
func (r *run) config(h host.Host) node.Config {
	n := &r.settings.Node
	return node.Config{
		NodeID: 1, Listen: nodeAddr, AutoCreate: true, Store: r.w.Store(h),
		Memory: n.Memory, SlabBytes: n.SlabBytes, WALCapacity: n.WALCapacity, MetaBytes: n.MetaBytes,
		GroupInitialDelay: n.GroupInitialDelay, StorePut: n.StorePut, StoreCall: n.StoreCall,
		Collect: broker.Collect{
			Every: n.CollectEvery, Grace: n.CollectGrace, Sweep: n.CollectSweep, First: n.CollectFirst,
		},
		UploadAge: n.UploadAge, UploadBytes: n.UploadBytes, ObjectBytes: n.ObjectBytes,
	}
}

// boot starts the node on its machine, as the server's command does. It is its supervisor too: a node that ended
// after a fault that must end it is started again.
func (r *run) boot() {
	r.crash.booted()
	r.excuses, r.usurped, r.lies = 0, 0, 0
	if r.settings.Tiny {
		r.count(fault.TinySettings)
	}
	r.m.Boot(func(h host.Host, sc *host.Scope) {
		r.lookAtTails()
		err := r.serve(h, sc)
		if err == nil || sc.Err() != nil { // it was stopped, or its machine died
			return
		}
		if !errors.Is(err, errStoreOut) && r.excuses == 0 && !r.damaged {
			r.fail(oracleEnded, "the node ended by itself, and no fault of this run ends it: %w", err)
			return
		}
		r.ends = append(r.ends, fmt.Sprintf("%.3f s: %v", r.w.Now().Sub(0).Seconds(), err))
		r.m.KillWith(sim.KeepUnsynced) // the process exits; onKill starts it again
	})
}

// errStoreOut wraps what a server says that cannot reach its store when it starts.
var errStoreOut = errors.New("the store is out of reach")

func (r *run) serve(h host.Host, sc *host.Scope) error {
	if err := objectstore.Probe(sc, h, r.w.Store(h)); err != nil {
		final := errors.Is(err, objectstore.ErrTerminal) && !errors.Is(err, objectstore.ErrDenied)
		if r.lies == 0 && (final || errors.Is(err, objectstore.ErrExists)) {
			return err
		}
		return fmt.Errorf("%w: %w", errStoreOut, err)
	}
	r.strand()
	n, err := node.Start(sc, h, r.config(h))
	if err != nil && r.settings.Node.StoreCall > 0 { // it need not wait for its store any longer
		return fmt.Errorf("%w: %w", errStoreOut, err)
	}
	if err != nil {
		return err
	}
	r.node, r.ahead = n, false
	if r.restarts > 0 {
		r.history.Recoveries = append(r.history.Recoveries, int64(r.w.Now()))
	}
	r.planStop(h, sc, n)
	return n.Failed(sc)
}

// stopTakes bounds an orderly stop: a supervisor kills a process that takes longer.
const stopTakes = 20 * time.Second

// planStop plans the next orderly stop, if one is to come.
func (r *run) planStop(h host.Host, sc *host.Scope, n *node.Node) {
	next := time.Duration(0)
	for _, at := range r.settings.Crash.Stops {
		if at -= r.w.Now().Sub(0); at > 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if next == 0 {
		return
	}
	h.Go(sc, "supervisor.stop", func(sc *host.Scope) {
		if h.Sleep(sc, next) != nil || r.closing || r.manual {
			return
		}
		limit, cancel := sc.Child(h.Now().Add(stopTakes))
		err := n.Stop(limit)
		cancel()
		if err != nil {
			r.ends = append(r.ends, "stop: "+err.Error())
		}
		r.m.KillWith(sim.KeepUnsynced) // the process exits; onKill starts it again
	})
}

// retire forgets the node of the incarnation that ended, and counts what it had to wait for.
func (r *run) retire() {
	if r.node != nil && r.node.Broker().Log().Stats().Waits > 0 {
		r.count(fault.Backpressure)
	}
	r.node = nil
}

// onKill notes what a crash left and starts the node again a little later.
func (r *run) onKill(m *sim.Machine) {
	if m != r.m {
		return
	}
	r.retire()
	if r.closing {
		return
	}
	// What a crash kept of unsynced writes is as durable from now on as what was synced.
	v := m.Volume(walVolume)
	for _, path := range v.Files() {
		if b, ok := v.Durable(path); ok {
			r.durable.scan(b, r.w.Now())
		}
	}
	r.audits.audit("after a crash", false)
	if r.manual {
		return
	}
	r.damageRing()
	r.restarts++
	rng := r.w.Rand(fmt.Sprintf("restart-%d", r.restarts))
	r.w.After(host.Time(rng.Int64N(int64(300*time.Millisecond))), func() {
		if !r.m.Alive() && !r.closing {
			r.boot()
		}
	})
}
