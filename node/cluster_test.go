package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/simgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

// fill creates testTopic and produces one record to each partition at its owner.
func (c *crowd) fill(parts int32) {
	c.t.Helper()
	at := c.list[0]
	require.NoError(c.t, c.client(at, func(k *client) error { return k.createTopic(testTopic, parts) }))
	for part := range parts {
		c.produce(at, part, fmt.Sprint("to ", part))
	}
}

// produce appends a record at the partition's owner, as metadata at p names it, as a client does: it asks again while
// the partition is on its way.
func (c *crowd) produce(p *peer, part int32, value string) {
	c.t.Helper()
	for limit := c.w.Now() + host.Time(time.Minute); ; {
		o := c.owner(p, part)
		if o != nil && o.node != nil {
			err := c.client(o, func(k *client) error {
				_, err := k.produce(part, value)
				return err
			})
			if err == nil {
				return
			}
			require.Less(c.t, c.w.Now(), limit, "produce to partition %d: %v", part, err)
		}
		require.Less(c.t, c.w.Now(), limit, "partition %d has no owner that serves", part)
		c.pass(50 * time.Millisecond)
	}
}

func TestThreeNodesFormAClusterAndServeATopic(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		first := c.list[0].node.ClusterID()
		for _, p := range c.list {
			require.Equal(t, first, p.node.ClusterID())
		}
		c.fill(6)
	}
}

func TestNodesThatGossipSeeEachOtherAndTellIt(t *testing.T) {
	c := newCrowd(t, 1, 4)
	for i, p := range c.list {
		p.cfg.GossipListen = p.m.Name() + ":8"
		p.cfg.Gossip = func(sc *host.Scope, h host.Host, g node.GossipConfig) (gossip.Membership, error) {
			return simgossip.Start(sc, h, simgossip.Config{Self: g.Self, Listen: g.Listen})
		}
		if i == 3 {
			p.cfg.Roles = rpc.RoleBroker
		}
	}
	c.form()
	sees := func(p *peer, state gossip.State) bool {
		n := 0
		seen, _ := p.node.Gossip()
		for _, m := range seen.Members {
			if m.State == state && m.Epoch > 0 {
				n++
			}
		}
		return state == gossip.Alive && n == 4 || state == gossip.Gone && n == 1
	}
	c.until(time.Minute, "all see all, with their epochs", func() bool {
		return sees(c.list[0], gossip.Alive) && sees(c.list[3], gossip.Alive)
	})
	var leader *peer
	for _, p := range c.list[:3] {
		if leads, _ := p.node.Controller().Leads(); leads {
			leader = p
		}
	}
	a := leader.node.Controller().Overview()
	require.Len(t, a.Sightings, 4)
	require.Len(t, a.Brokers, 4)
	for _, b := range a.Brokers {
		require.True(t, b.Live && b.Heard && b.WALs == 1 && b.LeaseLeft > 0 && b.LeaseLeft <= 1500*time.Millisecond, "%+v", b)
		require.Equal(t, fmt.Sprintf("n%d:9092", b.Node), b.Kafka)
	}
	c.kill(c.list[3])
	c.until(time.Minute, "it is seen to be gone", func() bool { return sees(leader, gossip.Gone) })
}

func TestTheNodesOfAClusterKeepTheirLeases(t *testing.T) {
	c := newCrowd(t, 1, 3)
	c.form()
	c.pass(15 * time.Second) // ten leases
	for _, p := range c.list {
		require.NotNil(t, p.node, "%s ended: %v", p.m.Name(), p.ended)
		p.node.Metadata().Read(func(s *metadata.State) {
			for _, b := range s.Brokers() {
				require.True(t, b.Live)
				require.Equal(t, fmt.Sprintf("n%d:7", b.ID), b.Address)
			}
		})
	}
}

func TestANodeOfAClusterComesBack(t *testing.T) {
	for i, name := range []string{"the founder", "a joiner"} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, uint64(i+1), 3)
			c.form()
			c.fill(3)
			cluster := c.list[0].node.ClusterID()
			p := c.list[i]
			require.NoError(t, c.stop(p)[0])
			c.boot(p)
			c.until(time.Minute, "it is back", c.serve)
			require.Equal(t, cluster, p.node.ClusterID())
			for part := range int32(3) {
				c.produce(p, part, "again")
			}
		})
	}
}

func TestTwoOfThreeGoOnWhenOneDies(t *testing.T) {
	for i := range 3 {
		c := newCrowd(t, uint64(i+1), 3)
		c.form()
		dead := c.list[i]
		c.kill(dead)
		other := c.list[(i+1)%3]
		require.NoError(t, c.client(other, func(k *client) error {
			for k.createTopic(testTopic, 1) != nil {
				k.close()
				if err := k.h.Sleep(k.sc, 100*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		}))
		c.produce(other, 0, "without it")
		c.boot(dead)
		c.until(time.Minute, "it is back", c.serve)
	}
}

func TestANodeIsRefusedByAnotherCluster(t *testing.T) {
	c := newCrowd(t, 1, 1)
	c.list[0].cfg.Join = nil
	c.form()
	other := c.peer("m1", 9)
	other.cfg.Form = true
	c.boot(other)
	c.until(time.Minute, "the other cluster is there", func() bool { return other.node != nil })
	c.stop(other)
	other.cfg.Join = []string{c.list[0].addr()}
	c.boot(other)
	c.until(time.Minute, "it is refused", func() bool { return other.ended != nil })
	require.ErrorIs(t, other.ended, node.ErrWrongCluster)
}

func TestANodeWhoseControllerWasRemovedIsRefused(t *testing.T) {
	for i, roles := range []rpc.Roles{node.Both, rpc.RoleController} {
		c := newCrowd(t, uint64(i+1), 3)
		c.list[2].cfg.Roles = roles
		c.form()
		gone := c.list[2]
		id := gone.node.Controller().Member()
		c.kill(gone)
		var leader *peer
		c.until(time.Minute, "somebody leads", func() bool {
			for _, p := range c.list[:2] {
				if leads, _ := p.node.Controller().Leads(); leads {
					leader = p
				}
			}
			return leader != nil
		})
		require.NoError(t, c.w.Do(leader.m, func(_ host.Host, sc *host.Scope) error {
			return leader.node.Controller().Leave(sc, id)
		}))
		c.boot(gone)
		c.until(time.Minute, "it is refused", func() bool { return gone.ended != nil })
		require.ErrorIs(t, gone.ended, node.ErrRemoved)
		gone.cfg.Roles = rpc.RoleBroker
		c.boot(gone)
		c.until(time.Minute, "it may be a broker", func() bool { return gone.node != nil })
	}
}

func TestANodeThatWasToldAnotherLeaseIsRefused(t *testing.T) {
	c := newCrowd(t, 1, 3)
	c.form()
	known, fresh := c.list[2], c.peer("n9", 9)
	fresh.cfg.Join = known.cfg.Join
	c.kill(known)
	for _, p := range []*peer{known, fresh} {
		p.cfg.Lease = 2 * time.Second
		c.boot(p)
		c.until(time.Minute, "it is refused", func() bool { return p.ended != nil })
		require.ErrorIs(t, p.ended, node.ErrLease)
		require.ErrorContains(t, p.ended, "2s here, 1.5s on node")
	}
}

func TestAFounderThatLostItsDiskJoinsTheClusterThatItFounded(t *testing.T) {
	c := newCrowd(t, 1, 3)
	c.form()
	cluster := c.list[0].node.ClusterID()
	founder := c.list[0]
	c.kill(founder)
	for _, v := range []string{"node", "meta", "wal", "store"} {
		founder.m.Wipe(v)
	}
	c.boot(founder)
	c.until(time.Minute, "it is back", c.serve)
	require.Equal(t, cluster, founder.node.ClusterID())
}

func TestAFounderThatDiesInItsFirstStartFoundsOneCluster(t *testing.T) {
	for n := uint64(1); n <= 60; n += 3 {
		for _, fate := range []sim.Fate{sim.KeepUnsynced, sim.LoseUnsynced} {
			c := newCrowd(t, n, 3)
			founder := c.list[0]
			founder.m.CrashAt(n, sim.BeforeEffect, fate)
			c.boot(founder)
			c.boot(c.list[1])
			c.boot(c.list[2])
			c.until(time.Minute, "the founder dies", func() bool { return !founder.m.Alive() })
			c.boot(founder)
			c.until(time.Minute, "all serve", c.serve)
			c.until(time.Minute, "all vote", c.voters)
			for _, p := range c.list {
				require.Equal(t, founder.node.ClusterID(), p.node.ClusterID())
			}
			require.False(t, founder.m.Volume("node").HasDurable("founds"), "it is forgotten for good")
		}
	}
}

func TestControllersAndBrokersMayBeDifferentNodes(t *testing.T) {
	c := newCrowd(t, 1, 5)
	for i, p := range c.list {
		p.cfg.Roles = rpc.RoleController
		if i >= 3 {
			p.cfg.Roles = rpc.RoleBroker
			p.cfg.Join = p.cfg.Join[:3]
		}
	}
	c.form()
	broker := c.list[3]
	require.Nil(t, c.list[0].node.Broker())
	require.Nil(t, broker.node.Controller())
	require.NoError(t, c.client(broker, func(k *client) error { return k.createTopic(testTopic, 4) }))
	for part := range int32(4) {
		c.produce(broker, part, "value")
	}
	require.NoError(t, c.stop(broker)[0])
	c.boot(broker)
	c.until(time.Minute, "it is back", func() bool { return broker.node != nil })
	c.produce(broker, 0, "again")
}

func TestTwoNodesMayNotHaveOneID(t *testing.T) {
	for name, roles := range map[string]rpc.Roles{"brokers": rpc.RoleBroker, "controllers": rpc.RoleController} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, 1, 3)
			c.form()
			double := c.peer("n9", 2)
			double.cfg.Roles, double.cfg.Join = roles, c.list[0].cfg.Join
			c.boot(double)
			c.until(time.Minute, "it is refused", func() bool { return double.ended != nil })
			require.ErrorIs(t, double.ended, node.ErrNodeTaken)
			require.ErrorContains(t, double.ended, "n2:7")
			require.True(t, c.serve())
		})
	}
}

func TestAStopWithoutAQuorumEnds(t *testing.T) {
	c := newCrowd(t, 1, 3)
	c.form()
	c.fill(6)
	c.kill(c.list[0])
	c.kill(c.list[2])
	began := c.w.Now()
	require.ErrorIs(t, c.stop(c.list[1])[0], node.ErrStoppedAlone)
	require.Less(t, c.w.Now().Sub(began), 20*time.Second)
}

func TestAFencedNodeEnds(t *testing.T) {
	c := newCrowd(t, 1, 3)
	c.form()
	cut := c.list[2]
	c.w.Partition([]string{"n3"}, []string{"n1", "n2"})
	c.until(time.Minute, "it finds out", func() bool { return cut.ended != nil })
	require.ErrorIs(t, cut.ended, wal.ErrFenced) // by who recovers its WAL, before the controllers tell it
	c.w.Heal()
	c.boot(cut)
	c.until(time.Minute, "it is back", c.serve)
}

func TestANodeEndsWithItsController(t *testing.T) {
	c := newCrowd(t, 1, 3)
	for i, p := range c.list {
		p.cfg.Roles = rpc.RoleController
		if i == 2 {
			p.cfg.Roles = node.Both
		}
	}
	c.form()
	for i, p := range c.list[1:] {
		c.w.Inject(fault.Step{At: c.w.Now() + 1, Nth: 1, Target: p.m.Name() + ":meta", Kind: fault.SyncError, Arg: uint64(i)})
	}
	err := c.client(c.list[2], func(k *client) error { return k.createTopic(testTopic, 1) })
	require.Error(t, err)
	c.until(time.Minute, "they end", func() bool { return c.list[1].ended != nil && c.list[2].ended != nil })
	require.ErrorIs(t, c.list[1].ended, controller.ErrDead)
	require.ErrorIs(t, c.list[2].ended, controller.ErrDead)
}

func TestTheDataOfAClusterIsNotStartedAlone(t *testing.T) {
	c := newCrowd(t, 1, 4)
	c.list[3].cfg.Roles = rpc.RoleBroker
	c.form()
	c.fill(3)
	for i, want := range []error{node.ErrMember, node.ErrMember, node.ErrMember, node.ErrMetadataLost} {
		p := c.list[i]
		c.kill(p)
		p.cfg.ClusterListen = ""
		c.boot(p)
		c.until(time.Minute, "it is refused", func() bool { return p.ended != nil })
		require.ErrorIs(t, p.ended, want)
		p.cfg.ClusterListen = p.addr()
		c.boot(p)
		c.until(time.Minute, "it is back", c.serve)
	}
}

func TestTheDataOfAServerByItselfIsNotStartedInACluster(t *testing.T) {
	c := newCrowd(t, 1, 1)
	p := c.list[0]
	p.cfg.ClusterListen = ""
	c.boot(p)
	c.until(time.Minute, "it serves", c.serve)
	require.NoError(t, c.stop(p)[0])
	p.cfg.ClusterListen = p.addr()
	c.boot(p)
	c.until(time.Minute, "it is refused", func() bool { return p.ended != nil })
	require.ErrorIs(t, p.ended, node.ErrWasAlone)
}

func TestAClusterMayMoveToOtherAddressesAsAWhole(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		c := newCrowd(t, seed, 3)
		c.form()
		c.fill(3)
		c.stop(c.list...)
		var moved []string
		for _, p := range c.list {
			moved = append(moved, p.m.Name()+":77")
		}
		for i, p := range c.list {
			p.cfg.ClusterListen, p.cfg.Join = moved[i], moved
			c.boot(p)
		}
		c.until(time.Minute, "all serve", c.serve)
		c.until(time.Minute, "all vote", c.voters)
		for _, m := range c.list[0].node.Controller().Members() {
			require.Contains(t, moved, m.Addr)
		}
		for part := range int32(3) {
			c.produce(c.list[0], part, "again")
		}
	}
}
