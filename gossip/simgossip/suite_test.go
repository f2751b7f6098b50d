package simgossip_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/gossiptest"
	"github.com/weirmq/weir/gossip/simgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

const pace = 500 * time.Millisecond

// rig runs each member on a simulated machine.
type rig struct {
	t    *testing.T
	w    *sim.World
	all  []*gossiptest.Node
	on   map[*gossiptest.Node]*sim.Machine
	seen map[*gossiptest.Node]gossip.Snapshot // by a task that waits for changes
}

func newRig(t *testing.T, cfg sim.Config) *rig {
	r := &rig{
		t: t, w: sim.New(cfg), on: map[*gossiptest.Node]*sim.Machine{},
		seen: map[*gossiptest.Node]gossip.Snapshot{},
	}
	t.Cleanup(func() { require.NoError(t, r.w.Close()) })
	return r
}

func (r *rig) Start(self gossip.Self, at string, join ...string) *gossiptest.Node {
	name := fmt.Sprintf("m%d", len(r.all))
	if at != "" {
		name = at[:len(at)-2]
	}
	n := &gossiptest.Node{Self: self, ID: len(r.all)}
	r.all = append(r.all, n)
	m := r.w.Machine(name)
	r.on[n] = m
	m.Boot(func(h host.Host, sc *host.Scope) {
		g, err := simgossip.Start(sc, h, simgossip.Config{Self: self, Listen: ":7", Pace: pace})
		if err != nil {
			r.w.Fail(err)
			return
		}
		g.Join(join)
		n.M = g
		for version := uint64(0); ; {
			next, err := g.Wait(sc, version, 0)
			if err != nil {
				break
			}
			s := g.Members()
			if next <= version || s.Version < next {
				r.w.Fail(fmt.Errorf("G7: version %d after %d, members of %d", next, version, s.Version))
			}
			version, r.seen[n] = next, s
		}
		_ = h.Sleep(sc, 1000*time.Hour)
	})
	require.NoError(r.t, r.w.Run(func() bool { return n.M != nil }))
	return n
}

func (r *rig) Do(n *gossiptest.Node, fn func(h host.Host, sc *host.Scope) error) error {
	return r.w.Do(r.on[n], fn)
}

func (r *rig) Await(n *gossiptest.Node, paces int, cond func(gossip.Snapshot) bool) bool {
	until := r.w.Now().Add(time.Duration(paces) * pace)
	r.w.After(until-r.w.Now()+1, func() {}) // so that time gets there
	require.NoError(r.t, r.w.Run(func() bool { return cond(r.seen[n]) || r.w.Now() > until }))
	return cond(r.seen[n])
}

func (r *rig) Pass(paces int) {
	require.NoError(r.t, r.w.RunUntil(r.w.Now().Add(time.Duration(paces)*pace)))
}

func (r *rig) Kill(n *gossiptest.Node) { r.on[n].Kill() }

func (r *rig) Cut(a, b []*gossiptest.Node) {
	names := func(nodes []*gossiptest.Node) (out []string) {
		for _, n := range nodes {
			out = append(out, r.on[n].Name())
		}
		return out
	}
	r.w.Partition(names(a), names(b))
}

func (r *rig) Heal() { r.w.Heal() }

func TestMembershipKeepsItsPromisesInSimulation(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			gossiptest.Run(t, func(t *testing.T) gossiptest.Rig { return newRig(t, sim.Config{Seed: seed}) })
		})
	}
}
