package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	real "github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// settleTime is how long the healed cluster has for what no client waits for.
const settleTime = host.Time(2 * time.Minute)

// finish is the second phase: everything that goes wrong has ended, what is gone stays gone, and the system must come
// to rest.
func (r *run) finish() error {
	if err := r.crowd.Progress(); err != nil {
		return err
	}
	r.crowd.Flush()
	if err := r.crowd.ReadBack(""); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	for _, n := range r.nodes {
		if n.m.Alive() && !n.gone {
			n.m.KillWith(sim.KeepUnsynced) // onKill starts it again
		}
	}
	if err := r.crowd.ReadBack("kill -9 of all nodes"); err != nil {
		return fmt.Errorf("read back after kill -9 of all nodes: %w", err)
	}
	if err := r.atRest(); err != nil {
		return err
	}
	if err := r.stopAll(); err != nil {
		return err
	}
	r.audit("after the stop")
	return r.w.Err()
}

// atRest waits until nothing is left to be done.
func (r *run) atRest() error {
	until := r.w.Now() + settleTime
	var left []string
	for r.w.Now() < until {
		if err := r.w.RunUntil(r.w.Now() + host.Time(time.Second)); err != nil {
			return err
		}
		if left = r.left(); len(left) == 0 {
			return nil
		}
	}
	return r.explained(workload.Blame("liveness:Rest", "not at rest %v after healing: %s", settleTime.Sub(0),
		strings.Join(left, "; ")))
}

// left says what a cluster at rest does not have.
func (r *run) left() (list []string) {
	for _, n := range r.nodes {
		switch {
		case n.gone:
		case n.up == nil:
			list = append(list, n.Name+" does not serve")
		case n.Broker && n.up.Broker().Engine().Stats().PendingBytes > 0:
			list = append(list, fmt.Sprintf("%s: %d bytes wait for their upload", n.Name,
				n.up.Broker().Engine().Stats().PendingBytes))
		}
	}
	best := r.best()
	if best == nil {
		return append(list, "no node knows the metadata")
	}
	best.Metadata().Read(func(s *metadata.State) { list = append(list, unsettled(s)...) })
	leaked, missing := best.Orphans(r.keys())
	if leaked = slices.DeleteFunc(leaked, r.waits(best)); len(leaked) > 0 {
		list = append(list, fmt.Sprintf("%d objects are in the store for nothing: %v", len(leaked), leaked))
	}
	if len(missing) > 0 {
		list = append(list, fmt.Sprintf("%d objects are missing: %v", len(missing), missing))
	}
	return list
}

// waits tells of a key whether metadata has let go of it and it is only not time yet to delete it. The time is the wall
// clock's: one that was set back by a day delays it by a day, and that is all it does.
func (r *run) waits(best *real.Node) func(key string) bool {
	clocks := uint64(0)
	for _, f := range r.w.Fired() {
		if f.Fault == fault.ClockStep || f.Fault == fault.ClockSkew || f.Fault == fault.ClockStrobe {
			clocks += f.Count
		}
	}
	if clocks == 0 {
		return func(string) bool { return false }
	}
	var waiting []string
	best.Metadata().Read(func(s *metadata.State) {
		cluster, _ := s.Cluster()
		for _, d := range s.Destroyed() {
			waiting = append(waiting, d.ID.Key(cluster))
		}
	})
	return func(key string) bool { return slices.Contains(waiting, key) }
}

// unsettled says what metadata has that a cluster at rest does not have.
func unsettled(s *metadata.State) (list []string) {
	for _, w := range s.WALs() {
		switch {
		case w.State == metadatapb.WalState_WAL_STATE_RECOVERING:
			list = append(list, fmt.Sprintf("WAL %s of broker %d is to be recovered, held: %v by %d", w.ID, w.Broker, w.Held,
				w.Holder))
		case !w.Held && w.State == metadatapb.WalState_WAL_STATE_OPEN:
			list = append(list, fmt.Sprintf("WAL %s of broker %d is open and held by nobody", w.ID, w.Broker))
		}
	}
	return list
}

// keys are the keys of the store, without those of a start's probe that a crash cut short.
func (r *run) keys() []string {
	return slices.DeleteFunc(r.w.Objects(), func(k string) bool { return strings.HasPrefix(k, "probe/") })
}

// stopAll stops every node in order, all at once, as one stops a cluster. Who cannot tell the controllers that it
// stopped, because most of them have, has stopped all the same.
func (r *run) stopAll() error {
	stopping := 0
	for _, n := range r.nodes {
		if n.gone {
			continue
		}
		if n.up == nil {
			return r.explained(workload.Blame("liveness", "%s does not serve at the end", n.Name))
		}
		n.ended = true
		stopping++
		n.m.Host().Go(nil, "supervisor.stop", func(sc *host.Scope) {
			if err := n.up.Stop(sc); err != nil {
				n.say(fmt.Errorf("stop: %w", err))
			}
			stopping--
		})
	}
	until := r.w.Now() + settleTime
	return r.w.Run(func() bool {
		if stopping > 0 && r.w.Now() > until {
			r.w.Fail(r.explained(workload.Blame("liveness", "%d nodes do not stop", stopping)))
		}
		return stopping == 0
	})
}

// state is what the nodes say of themselves, for the report of a run that stands still.
func (r *run) state() string {
	var b strings.Builder
	for _, n := range r.nodes {
		fmt.Fprintf(&b, "  %s: machine up %v, serves %v, gone %v\n", n.Name, n.m.Alive(), n.up != nil, n.gone)
	}
	r.newest(func(s *metadata.State) { describe(&b, s) })
	for _, e := range r.ends {
		fmt.Fprintf(&b, "  ended: %s\n", e)
	}
	return b.String()
}

// describe prints brokers, WALs and partitions.
func describe(b *strings.Builder, s *metadata.State) {
	index, _ := s.Index()
	fmt.Fprintf(b, "  metadata at index %d\n", index)
	for _, x := range s.Brokers() {
		fmt.Fprintf(b, "  broker %d epoch %d: live %v, draining %v\n", x.ID, x.Epoch, x.Live, x.Draining)
	}
	for _, w := range s.WALs() {
		fmt.Fprintf(b, "  WAL %s of broker %d: %v, generation %d, held %v by %d/%d, open ranges %d\n", w.ID, w.Broker,
			w.State, w.Generation, w.Held, w.Holder, w.HolderEpoch, w.OpenRanges)
	}
}
