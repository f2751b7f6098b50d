package simgossip_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/simgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/sim"
)

// TestPeersThatMisbehaveHoldUpNobody: peers that say nothing, take nothing, promise too much or talk nonsense.
func TestPeersThatMisbehaveHoldUpNobody(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1})
	a := r.Start(gossip.Self{Node: 1, Cluster: "a:1"}, "")
	x := r.w.Machine("x")
	said := [][]byte{nil, {0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0}, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 9)}
	x.Boot(func(h host.Host, sc *host.Scope) {
		ln, err := h.Network().Listen(":7") // accepts, and never says a word
		if err != nil {
			r.w.Fail(err)
			return
		}
		h.Go(sc, "test.accept", func(sc *host.Scope) {
			for {
				if _, err := ln.Accept(sc); err != nil {
					return
				}
			}
		})
		for i := range 100 {
			h.Go(sc, "test.shout", func(sc *host.Scope) {
				if c, err := h.Network().Dial(sc, a.M.Addr()); err == nil {
					_, _ = c.Write(said[i%len(said)])
				}
			})
		}
		_ = h.Sleep(sc, 1000*time.Hour)
	})
	b := r.Start(gossip.Self{Node: 2, Cluster: "b:1"}, "", "x:7", a.M.Addr())
	for _, n := range []int{0, 1} {
		node := r.all[n]
		require.True(t, r.Await(node, 120, func(s gossip.Snapshot) bool {
			return len(s.Members) == 2 && s.Members[0].State == gossip.Alive && s.Members[1].State == gossip.Alive
		}), "node %d sees %+v", node.Self.Node, node.M.Members())
	}
	require.NoError(t, r.Do(b, func(_ host.Host, sc *host.Scope) error { return b.M.Leave(sc) }))
	require.True(t, r.Await(a, 30, func(s gossip.Snapshot) bool {
		return len(s.Members) == 2 && s.Members[1].State == gossip.Gone && s.Members[1].Leaving
	}))
	r.Pass(10)
	for _, line := range strings.Split(r.w.Tasks(), "\n") {
		if strings.Contains(line, r.on[b].Name()) && strings.Contains(line, "gossip.") {
			t.Errorf("left running: %s", line)
		}
	}
}

// TestALeaveWaitsForNobodyLong: a peer that is stopped takes the goodbye and does not answer.
func TestALeaveWaitsForNobodyLong(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1})
	a := r.Start(gossip.Self{Node: 1, Cluster: "a:1"}, "")
	b := r.Start(gossip.Self{Node: 2, Cluster: "b:1"}, "", a.M.Addr())
	require.True(t, r.Await(a, 60, func(s gossip.Snapshot) bool { return len(s.Members) == 2 }))
	r.on[b].Pause(time.Hour)
	begin := r.w.Now()
	require.NoError(t, r.Do(a, func(_ host.Host, sc *host.Scope) error { return a.M.Leave(sc) }))
	require.Less(t, r.w.Now().Sub(begin), 7*pace)
}

// TestWhoJoinsHearsHowOldNewsIs: a dead member that is known to be silent is not alive for who hears of it now.
func TestWhoJoinsHearsHowOldNewsIs(t *testing.T) {
	r := newRig(t, sim.Config{Seed: 1})
	a := r.Start(gossip.Self{Node: 1, Cluster: "a:1"}, "")
	b := r.Start(gossip.Self{Node: 2, Cluster: "b:1"}, "", a.M.Addr())
	require.True(t, r.Await(a, 60, func(s gossip.Snapshot) bool { return len(s.Members) == 2 }))
	r.Kill(b)
	require.True(t, r.Await(a, 60, func(s gossip.Snapshot) bool { return s.Members[1].State == gossip.Suspect }))
	c := r.Start(gossip.Self{Node: 3, Cluster: "c:1"}, "", a.M.Addr())
	require.True(t, r.Await(c, 60, func(s gossip.Snapshot) bool { return len(s.Members) == 3 }))
	require.Equal(t, gossip.Suspect, c.M.Members().Members[1].State)
}

// TestRareTurnsAreTaken: members that nothing is wrong with are suspected now and then, and alive again.
func TestRareTurnsAreTaken(t *testing.T) {
	suspected := 0
	for seed := range uint64(20) {
		r := newRig(t, sim.Config{Seed: seed, Faults: sim.Faults{Buggify: 200_000}})
		a := r.Start(gossip.Self{Node: 1, Cluster: "a:1"}, "")
		r.Start(gossip.Self{Node: 2, Cluster: "b:1"}, "", a.M.Addr())
		is := func(state gossip.State) func(s gossip.Snapshot) bool {
			return func(s gossip.Snapshot) bool { return len(s.Members) == 2 && s.Members[1].State == state }
		}
		require.True(t, r.Await(a, 60, is(gossip.Alive)))
		if r.Await(a, 200, is(gossip.Suspect)) {
			suspected++
			require.True(t, r.Await(a, 60, is(gossip.Alive)), "seed %d", seed)
			fired := uint64(0)
			for _, f := range r.w.Fired() {
				if f.Fault == fault.Buggify {
					fired += f.Count
				}
			}
			require.Positive(t, fired)
		}
	}
	require.Positive(t, suspected)
}

// TestMembersOnARealMachine runs the same code over TCP.
func TestMembersOnARealMachine(t *testing.T) {
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	require.NoError(t, err)
	var all []*simgossip.Gossip
	for i := range 3 {
		g, err := simgossip.Start(h.Root(), h, simgossip.Config{
			Self:   gossip.Self{Node: int32(i), Cluster: fmt.Sprintf("n%d:1", i)},
			Listen: "127.0.0.1:0", Pace: 20 * time.Millisecond,
		})
		require.NoError(t, err)
		if i > 0 {
			g.Join([]string{all[0].Addr()})
		}
		all = append(all, g)
	}
	until := h.Now().Add(20 * time.Second)
	await := func(g *simgossip.Gossip, cond func(s gossip.Snapshot) bool) {
		for s := g.Members(); !cond(s); s = g.Members() {
			_, err := g.Wait(h.Root(), s.Version, until)
			require.NoError(t, err, "%+v", s)
		}
	}
	for _, g := range all {
		await(g, func(s gossip.Snapshot) bool { return len(s.Members) == 3 })
	}
	require.NoError(t, all[2].Leave(h.Root()))
	for _, g := range all[:2] {
		await(g, func(s gossip.Snapshot) bool { return len(s.Members) == 3 && s.Members[2].Leaving })
	}
	h.Close(nil)
	h.Wait() // every task has ended
}
