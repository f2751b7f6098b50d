package controller_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// do runs fn on a machine of its own, with a caller.
func (x *world) do(t *testing.T, fn func(c *caller, sc *host.Scope) error) {
	t.Helper()
	m := x.w.Machine("admin")
	require.NoError(t, x.w.Do(m, func(h host.Host, sc *host.Scope) error {
		c := x.caller(h, sc)
		return errors.Join(fn(c, sc), c.pool.Close(sc))
	}))
}

// leave removes a member and ends its process.
func (x *world) leave(t *testing.T, n *worldNode) {
	t.Helper()
	x.do(t, func(c *caller, sc *host.Scope) error {
		c.must(sc, api.Leave, api.EncodeID(n.id))
		return nil
	})
	x.size--
	n.gone = true
	x.w.Machine(n.name).Kill()
}

// finish ends the clients and judges what they saw.
func (x *world) finish(t *testing.T, clients int) {
	t.Helper()
	x.pass(t, time.Second)
	x.end = true
	require.NoError(t, x.w.Run(func() bool { return x.idle == clients }))
	x.settled(t)
	for i, n := range x.nodes {
		if !n.gone {
			x.nodes[0], x.nodes[i] = x.nodes[i], x.nodes[0]
			break
		}
	}
	x.judge(t)
	require.NoError(t, x.w.Err())
	require.NoError(t, x.w.Close())
}

func (x *world) pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, x.w.RunUntil(x.w.Now()+host.Time(d)))
}

// formed waits until somebody leads as many voters as are wanted.
func (x *world) formed(t *testing.T) {
	t.Helper()
	until := x.w.Now() + host.Time(time.Minute)
	require.NoError(t, x.w.Run(func() bool {
		require.Less(t, x.w.Now(), until, "Progress: no cluster of %d voters", x.size)
		voters := 0
		if l := x.leader(); l != nil {
			for _, m := range l.up.Members() {
				if m.Voter {
					voters++
				}
			}
			return voters == x.size && len(l.up.Members()) == x.size
		}
		return false
	}))
}

func TestAClusterGrowsAndShrinksUnderLoad(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		x := newWorld(seed, sim.Faults{NetStall: 2000, ConnReset: 5000, DiskSlow: 2000}, 1)
		x.tend()
		x.settled(t)
		x.clients(2)
		for x.size < 5 {
			x.add()
			x.add()
			x.pass(t, time.Second)
			if l := x.leader(); l != nil && seed%2 == 0 {
				x.w.Machine(l.name).Kill() // in the middle of it
			}
			x.formed(t)
		}
		x.pass(t, 2*time.Second)
		x.formed(t)
		x.leave(t, x.leader())
		x.formed(t)
		for _, n := range x.nodes {
			if !n.gone && n != x.leader() {
				x.leave(t, n)
				break
			}
		}
		x.formed(t)
		x.w.Calm()
		x.finish(t, 2)
	}
}

func TestAClusterFormsThroughACrashAtEveryCall(t *testing.T) {
	count := newWorld(61, sim.Faults{}, 3)
	count.tend()
	count.settled(t)
	calls := [2]uint64{count.w.Machine("c0").Calls(), count.w.Machine("c1").Calls()}
	require.NoError(t, count.w.Close())
	for who, n := range calls {
		require.Greater(t, n, uint64(20))
		for at := uint64(1); at <= n; at++ {
			x := newWorld(61, sim.Faults{}, 0)
			x.w.Machine(fmt.Sprint("c", who)).CrashAt(at, sim.When(at%2), sim.Seeded)
			for range 3 {
				x.add()
			}
			x.tend()
			x.settled(t)
			require.NoError(t, x.w.Err(), "c%d dies at call %d", who, at)
			require.NoError(t, x.w.Close())
		}
	}
	t.Logf("crashed at each of %d calls", calls)
}

func TestAMemberWithAnEmptyDiskIsANewMember(t *testing.T) {
	x := newWorld(21, sim.Faults{}, 3)
	x.tend()
	x.settled(t)
	x.clients(1)
	n := x.nodes[2]
	old := n.id
	x.w.Machine(n.name).Kill()
	x.w.Machine(n.name).Wipe("meta")
	n.up = nil
	require.NoError(t, x.w.Run(func() bool { return n.up != nil }))
	require.NotEqual(t, old, n.id, "a blank disk has another Raft id")
	x.size++ // the lost one is a member until somebody says that it is lost
	require.NoError(t, x.w.Run(func() bool { return n.up != nil && n.up.Status().Self.Voter }))
	require.Len(t, n.up.Members(), 4)
	x.do(t, func(c *caller, sc *host.Scope) error {
		c.must(sc, api.Leave, api.EncodeID(old))
		return nil
	})
	x.size--
	x.finish(t, 1)
}

func TestAMemberThatWasAwayForLongGetsASnapshotOverTheNetwork(t *testing.T) {
	x := newWorld(22, sim.Faults{}, 3)
	x.tend()
	x.settled(t)
	n := x.nodes[1]
	x.w.Partition([]string{n.name}, []string{"c0", "c2", "k0", "k1", "k2"})
	if x.leader() == n {
		x.pass(t, 3*time.Second)
	}
	x.clients(3)
	x.do(t, func(c *caller, sc *host.Scope) error {
		for i := range 300 {
			_, err := c.propose(sc, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
				Broker: int32(500_000 + i), Nonce: nonce(500_000 + i), Disk: nonce(1),
			}}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	before := n.up.Stats().Snapshots
	x.w.Heal()
	x.pass(t, 3*time.Second)
	x.finish(t, 3)
	for _, n := range x.nodes {
		if n.name == "c1" {
			require.Greater(t, n.up.Stats().Snapshots, before)
		}
	}
}

func TestLeadershipIsHandedOver(t *testing.T) {
	x := newWorld(23, sim.Faults{}, 3)
	x.tend()
	x.settled(t)
	x.clients(1)
	from := x.leader()
	to := x.nodes[0]
	if to == from {
		to = x.nodes[1]
	}
	x.do(t, func(c *caller, sc *host.Scope) error {
		c.at = from.name + ":7"
		_, err := c.call(sc, api.Transfer, api.EncodeID(to.id))
		return err
	})
	require.NoError(t, x.w.Run(func() bool { return x.leader() == to }))
	x.do(t, func(c *caller, sc *host.Scope) error {
		c.at = to.name + ":7"
		for _, id := range []uint64{to.id, 77} { // itself, and nobody
			_, err := c.call(sc, api.Transfer, api.EncodeID(id))
			var s *rpc.Status
			if !errors.As(err, &s) || s.Code != api.CodeInvalid || !api.Definite(err) {
				return fmt.Errorf("a transfer to %x said %w", id, err)
			}
			c.at = to.name + ":7"
		}
		_, term := to.up.Leads()
		q := api.ProposeRequest{Term: term - 1, Command: metadata.EncodeCommand(&metadatapb.Command{
			Body: &metadatapb.Command_Drain{Drain: &metadatapb.Drain{Broker: 1, Epoch: 1}},
		})}
		_, err := c.call(sc, api.Propose, q.Encode())
		if h, ok := api.HintOf(err); !ok || !api.Definite(err) || h.Term < term {
			return fmt.Errorf("a command of the term before said %w", err)
		}
		return nil
	})
	x.finish(t, 1)
}

// A1 of the protocol: a leader that is cut off from the others, and does not know it yet, hears a heartbeat.
func TestALeaderWithoutAQuorumGrantsNothingAndReadsNothing(t *testing.T) {
	for seed := uint64(31); seed <= 34; seed++ {
		x := newWorld(seed, sim.Faults{}, 3)
		x.tend()
		x.settled(t)
		l := x.leader()
		x.do(t, func(c *caller, sc *host.Scope) error {
			r, err := c.propose(sc, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
				Broker: 1, Nonce: nonce(1), Disk: nonce(1),
			}}})
			if err != nil {
				return err
			}
			beat := func(number uint64) (*api.HeartbeatAnswer, error) {
				c.at = l.name + ":7"
				p, err := c.call(sc, api.Heartbeat, api.HeartbeatRequest{
					Broker: 1, Epoch: r.GetRegister().GetEpoch(), Number: number,
				}.Encode())
				if err != nil {
					return nil, err
				}
				a, err := api.DecodeGrant(p)
				return &a, err
			}
			if a, err := beat(1); err != nil || lease.Why(a.Why) != lease.WhyNone {
				return fmt.Errorf("a heartbeat got %v, %w", a, err)
			}
			x.w.Partition([]string{l.name}, others(x, l))
			if a, err := beat(2); err == nil && a.Why == 0 {
				return errors.New("GrantByLeader: a lease was granted without a quorum")
			}
			if leads, _ := l.up.Leads(); leads {
				c.at = l.name + ":7"
				if _, err := c.call(sc, api.ReadIndex, nil); err == nil {
					return errors.New("a read index was given without a quorum")
				}
			}
			return nil
		})
		require.NoError(t, x.w.Close())
	}
}

func others(x *world, n *worldNode) []string {
	var list []string
	for _, o := range x.nodes {
		if o != n {
			list = append(list, o.name)
		}
	}
	return list
}

// A change of membership is in force once it is applied, so a member that restarts must not fall back behind it:
// with the old one alone it would be a majority by itself.
func TestAMembershipInForceSurvivesItsMembersRestart(t *testing.T) {
	for seed := uint64(41); seed <= 46; seed++ {
		x := newWorld(seed, sim.Faults{}, 1)
		founder := x.nodes[0]
		require.NoError(t, x.w.Run(func() bool { return x.leader() != nil }))
		x.add()
		x.add()
		require.NoError(t, x.w.Run(x.agreed))
		x.pass(t, 500*time.Millisecond) // out of the joint membership
		before := founder.up.Members()
		x.w.Partition([]string{founder.name}, others(x, founder))
		m := x.w.Machine(founder.name)
		m.KillWith(sim.LoseUnsynced)
		x.boot(founder)
		x.pass(t, 5*time.Second)
		require.NotNil(t, founder.up)
		leads, _ := founder.up.Leads()
		require.False(t, leads, "ConfWithApplied: the founder went back to the cluster that it was alone in")
		require.Equal(t, before, founder.up.Members(), "ConfWithApplied: what was in force is in force again")
		if x.leader() == nil {
			for _, n := range x.nodes {
				t.Logf("%s %+v", n.name, n.up.Status())
			}
			t.Fatalf("seed %d: nobody leads", seed)
		}
		x.w.Heal()
		x.settled(t)
		require.NoError(t, x.w.Err())
		require.NoError(t, x.w.Close())
	}
}

func TestOneOfSeveralRestartsAloneOnlyWhenItIs(t *testing.T) {
	x := newWorld(51, sim.Faults{}, 3)
	x.tend()
	x.settled(t)
	x.leave(t, x.nodes[2])
	x.settled(t)
	x.leave(t, x.nodes[1])
	x.settled(t)
	x.w.Machine("c0").Kill()
	x.settled(t)
	x.do(t, func(c *caller, sc *host.Scope) error {
		_, err := c.call(sc, api.Leave, api.EncodeID(x.nodes[0].id))
		if !api.Definite(err) {
			return fmt.Errorf("the last member leaves: %w", err)
		}
		return nil
	})
	var cluster metadata.UUID
	x.nodes[0].up.Read(func(s *metadata.State) { cluster, _ = s.Cluster() })
	require.Equal(t, worldCluster, cluster)
	require.NoError(t, x.w.Close())
}

// Rule 3: on request, too, a broker is fenced only when its last lease has run out; the world judges LeaseNested.
func TestASuspectedBrokerIsFencedWhenItsLeaseHasRunOut(t *testing.T) {
	cfg := leases
	require.NoError(t, cfg.Fill())
	for seed := uint64(61); seed <= 64; seed++ {
		x := newWorld(seed, sim.Faults{}, 3)
		x.tend()
		x.settled(t)
		x.clients(1)
		x.pass(t, 5*time.Second)
		life := x.lives[len(x.lives)-1]
		e := life.epoch
		var began host.Time
		x.do(t, func(c *caller, sc *host.Scope) error {
			l := x.leader().name + ":7"
			fence := metadata.NewCommand(&metadatapb.Fence{Broker: e.Broker, Epoch: e.Epoch})
			q := api.ProposeRequest{Command: metadata.EncodeCommand(fence)}
			c.at = l
			_, err := c.call(sc, api.Propose, q.Encode())
			var s *rpc.Status
			if !errors.As(err, &s) || s.Code != api.CodeInvalid {
				return fmt.Errorf("a fence that somebody asks for said %w", err)
			}
			for _, n := range x.nodes {
				c.at = n.name + ":7"
				if _, err := c.call(sc, api.Suspect, api.SuspectRequest(e).Encode()); n != x.leader() {
					if _, ok := api.HintOf(err); !ok {
						return fmt.Errorf("who does not lead said %w", err)
					}
				} else if err != nil {
					return err
				}
			}
			began = x.w.Now()
			return nil
		})
		require.NoError(t, x.w.Run(func() bool { return life.fenced || x.w.Now() > began.Add(time.Minute) }))
		require.True(t, life.fenced)
		took := x.w.Now().Sub(began)
		require.Less(t, took, cfg.Length+cfg.Margin+300*time.Millisecond)
		x.finish(t, 1)
	}
}
