package cluster

import (
	"strings"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
)

const (
	// roundTakes is how long a round has: a commit comes, the lease of who was to do it runs out, somebody else takes
	// over, the pause ends, the process ends of it and is started again.
	roundTakes = 6 * time.Second
	roundLease = 1500 * time.Millisecond
)

// Zombies returns a small world of so many rounds: who owns the one partition is stopped in the middle of a commit for
// longer than its lease, another broker takes over, and the first goes on. Where it is stopped goes round: before the
// write, before the sync, before it reads the fence word, before the answer; in half of the rounds its clock is so slow
// meanwhile that it believes in its lease when it goes on.
func Zombies(seed uint64, rounds int) workload.Settings {
	s := Plain()
	s.Partitions, s.Duration = 1, time.Duration(rounds+1)*roundTakes
	c := s.Cluster
	c.Lease, c.Hints = roundLease, true
	for i := range c.Nodes { // who is stopped is no controller
		c.Nodes[i].Controller, c.Nodes[i].Broker = i == 0, i > 0
	}
	var clients []workload.Client
	for _, x := range s.Clients {
		if x.ID <= 2 || x.Role == workload.RoleReader && len(clients) < 3 {
			x.Think = 100 * time.Millisecond
			x.Records, x.Bytes, x.Machine = 2, 300, workload.CoreClients
			clients = append(clients, x)
		}
	}
	s.Clients = clients
	rng := workload.Stream(seed, "rounds", 0)
	for i := range rounds {
		z := workload.Strike{At: roundTakes/2 + time.Duration(i)*roundTakes, Kind: workload.StrikeZombie,
			Where: []workload.StrikeWhere{workload.BeforeWrite, workload.BeforeSync, workload.BeforeFence,
				workload.BeforeAnswer}[i%4],
			Grace: roundLease*5/4 + time.Duration(rng.Int64N(int64(roundLease/2))), Slow: rng.IntN(2) == 0}
		c.Strikes = append(c.Strikes, z)
	}
	return s
}

// struck are the nodes that a strike hits: those that it names, or who owns its partition.
func (r *run) struck(s *workload.Strike) []string {
	if len(s.Nodes) > 0 {
		return s.Nodes
	}
	var list []string
	r.newest(func(state *metadata.State) {
		t, _ := state.TopicByName(workload.Topic)
		p, ok := state.Partition(t.ID, s.Partition)
		for _, n := range r.nodes {
			if ok && p.Owned && n.ID == p.Owner {
				list = append(list, n.Name)
			}
		}
	})
	return list
}

// comes tells whether an I/O call is the one before which a zombie is stopped. That before the write is a client's:
// what it sends is on the way when the machine stops, for a write that was begun would show at once and be durable
// late.
func (n *node) comes(z *workload.Strike, call sim.Call) bool {
	if z.Where == workload.BeforeWrite {
		return call.Op == sim.OpSend && call.Machine == workload.CoreClients && call.Target == n.kafka()
	}
	if call.Machine != n.Name {
		return false
	}
	where := z.Where
	switch {
	case where != "":
	case z.After:
		where = workload.BeforeFence
	default:
		where = workload.BeforeSync
	}
	if where == workload.BeforeAnswer {
		return call.Op == sim.OpSend && strings.HasPrefix(call.Target, workload.CoreClients+":")
	}
	op := sim.OpSync
	if where == workload.BeforeFence {
		op = sim.OpRead
	}
	return call.Op == op && strings.HasPrefix(call.Place(), "wal.commit ") && strings.Contains(call.Target, sim.Shared)
}

// stun pauses the machine in the middle of a commit to its WAL: what it knew of its lease, or of the fence, is old when
// it goes on. The answer is the first that it sends once it has read the fence word in a commit.
func (n *node) stun(call sim.Call) {
	z := n.zombie
	if n.r.replay {
		return
	}
	if z.Where == workload.BeforeAnswer && !n.synced {
		fence := *z
		fence.Where = workload.BeforeFence
		n.synced = n.comes(&fence, call)
		return
	}
	if !n.comes(z, call) {
		return
	}
	n.zombie = nil
	if z.Where == "" { // at once: what looks again is an event that a replay does not have
		n.pause(z)
		return
	}
	life := n.m.Incarnation()
	n.r.w.After(1, func() {
		switch {
		case n.m.Incarnation() != life || !n.m.Alive() || n.r.calm:
		case n.writing: // what is being written would show to others, and be durable only after the pause
			n.zombie = z
		default:
			n.pause(z)
		}
	})
}

func (n *node) pause(z *workload.Strike) {
	n.r.w.Inject(fault.Step{At: n.r.w.Now() + 1, Nth: 1, Target: n.Name, Kind: fault.Pause, For: z.Grace})
	if z.Slow {
		n.r.w.Inject(fault.Step{At: n.r.w.Now() + 1, Nth: 1, Target: n.Name, Kind: fault.ClockDrift, For: 3 * z.Grace,
			Arg: slowArg()})
	}
	n.r.counts.Zombies++
}
