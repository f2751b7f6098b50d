package cluster

import (
	"strings"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	real "github.com/weirmq/weir/node"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

// planStrikes sets the times of what befalls nodes.
func (r *run) planStrikes() {
	for i := range r.set.Cluster.Strikes {
		s := &r.set.Cluster.Strikes[i]
		r.w.After(host.Time(s.At), func() {
			if r.calm || r.closing {
				return
			}
			for _, name := range r.struck(s) {
				if n := r.named(name); n != nil && n.m.Alive() && !n.gone {
					r.strike(s, n)
				}
			}
		})
	}
}

func (r *run) named(name string) *node {
	for _, n := range r.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

func (r *run) strike(s *workload.Strike, n *node) {
	if s.Back == 0 && n.Controller && (s.Kind == workload.StrikeKill || s.Kind == workload.StrikeNotice) && !r.spares(n) {
		return
	}
	switch s.Kind {
	case workload.StrikeKill:
		n.planned, n.back = true, s.Back
		when := sim.BeforeEffect
		if s.After {
			when = sim.AfterEffect
		}
		n.m.CrashAt(n.m.Calls()+1+s.Calls, when, sim.Seeded)
	case workload.StrikeStop:
		n.stop(s.Back)
	case workload.StrikeNotice:
		r.counts.Notices++
		n.leave(s.Grace, s.Back)
	case workload.StrikeZombie:
		n.zombie, n.synced = s, false
	case workload.StrikeMove:
		if s.After {
			r.crowd.Reassign(s.Partition, n.ID, func() { r.counts.Moves++ })
			return
		}
		r.move(n, s.Partition)
	case workload.StrikeDrain:
		r.drain(n)
	}
}

// spares tells whether most of those that vote are left when a controller goes for ever. Until all have joined, one
// may be too many.
func (r *run) spares(n *node) bool {
	var members []api.Member
	var most uint64
	for _, x := range r.nodes {
		if x.up == nil || !x.Controller {
			continue
		}
		var index uint64
		x.up.Controller().Read(func(s *metadata.State) { index, _ = s.Index() })
		if index > most {
			members, most = x.up.Controller().Members(), index
		}
	}
	voters, left := 0, 0
	for _, m := range members {
		if !m.Voter {
			continue
		}
		voters++
		for _, x := range r.nodes {
			if x.ID == m.Node && !x.lost() && x != n {
				left++
			}
		}
	}
	return left > voters/2
}

// move asks the controllers to move a partition of the judged topic to a node, as an operator does.
func (r *run) move(n *node, partition int32) {
	asker := r.best()
	if asker == nil {
		return
	}
	var cmd *metadatapb.Command
	asker.Metadata().Read(func(s *metadata.State) {
		t, _ := s.TopicByName(workload.Topic)
		if p, ok := s.Partition(t.ID, partition); ok && p.Owned && p.Owner != n.ID {
			cmd = &metadatapb.Command{Body: &metadatapb.Command_BeginMove{BeginMove: &metadatapb.BeginMove{
				Stream: p.Stream, LeaderEpoch: p.LeaderEpoch, To: &n.ID,
			}}}
		}
	})
	r.propose(asker, cmd, func() { r.counts.Moves++ })
}

// drain asks the controllers to drain a broker, as an operator does.
func (r *run) drain(n *node) {
	asker := r.best()
	if asker == nil {
		return
	}
	var cmd *metadatapb.Command
	asker.Metadata().Read(func(s *metadata.State) {
		if b, ok := s.Broker(n.ID); ok && b.Live && !b.Draining {
			cmd = &metadatapb.Command{Body: &metadatapb.Command_Drain{Drain: &metadatapb.Drain{Broker: b.ID, Epoch: b.Epoch}}}
		}
	})
	r.propose(asker, cmd, func() { r.counts.Drains++ })
}

// propose proposes a command through a node.
func (r *run) propose(asker *real.Node, cmd *metadatapb.Command, done func()) {
	at := r.of(asker)
	if cmd == nil || at == nil || at.m.Host() == nil {
		return
	}
	at.m.Host().Go(nil, "operator", func(sc *host.Scope) {
		if res, err := asker.Metadata().Propose(sc, cmd); err == nil && res.GetRefusal() == 0 {
			done()
		}
	})
}

// of is where a node runs.
func (r *run) of(up *real.Node) *node {
	for _, n := range r.nodes {
		if n.up == up {
			return n
		}
	}
	return nil
}

// onCall is called before each I/O call of every machine.
func (r *run) onCall(call sim.Call) {
	r.holders.called(call)
	for _, n := range r.nodes {
		if n.Name == call.Machine && strings.Contains(call.Target, sim.Shared) {
			n.writing = call.Op == sim.OpWrite || n.writing && call.Op != sim.OpSync
		}
		if n.zombie != nil {
			n.stun(call)
		}
	}
}

// slowArg is what a step says under which a clock runs at little more than half its speed.
func slowArg() uint64 {
	for arg := uint64(0); ; arg++ {
		rng := (&fault.Step{Kind: fault.ClockDrift, Arg: arg}).Rand()
		if ppm := rng.Int64N(sim.MaxDrift) >> rng.IntN(16); ppm > sim.MaxDrift*9/10 && rng.IntN(2) == 0 {
			return arg
		}
	}
}

// heal ends all that goes wrong. Nodes that are gone stay gone; the others are started.
func (r *run) heal() {
	r.calm = true
	r.w.Calm()
	for _, n := range r.nodes {
		if n.planned && n.m.Alive() { // a kill that did not come
			n.planned, n.back = false, 0
		}
	}
	for _, f := range r.set.Cluster.Frozen {
		r.freeze(r.named(f.Node), f.How)
	}
}

// freeze leaves a node in trouble for ever, unless the others could not go on without it.
func (r *run) freeze(n *node, how workload.Freeze) {
	brokers := 0
	for _, x := range r.nodes {
		if x != n && x.Broker && !x.lost() {
			brokers++
		}
	}
	if n == nil || n.lost() || !n.m.Alive() || brokers == 0 || n.Controller && !r.spares(n) {
		return
	}
	n.gone = true
	r.counts.Frozen++
	if how == workload.FreezePaused {
		n.m.Pause(24 * time.Hour)
		return
	}
	for _, m := range r.w.Machines() {
		if m == n.m {
			continue
		}
		if how != workload.FreezeMute {
			r.w.Block(m.Name(), n.Name)
		}
		if how != workload.FreezeDeaf {
			r.w.Block(n.Name, m.Name())
		}
	}
}

// troubled tells whether something may go wrong in this run that costs a node its epoch.
func (r *run) troubled() bool {
	return len(r.set.Nemesis) > 0 || len(r.set.Rates) > 0 || len(r.set.Cluster.Strikes) > 0 || slowDisk(r.set)
}

// slowDisk tells whether a sync takes so long now and then that a lease runs out.
func slowDisk(s *workload.Settings) bool { return s.Disk.Sync.Worst >= 500*time.Millisecond }
