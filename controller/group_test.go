package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// group is members of one cluster in one world, joined by a transport that hands messages straight over.
type group struct {
	w       *sim.World
	members map[uint64]*Controller
	cut     map[uint64]bool // what it sends and is sent is lost
	ids     []uint64
	names   map[uint64]string
}

// lane is one member's transport.
type lane struct {
	g    *group
	from uint64
}

func (l lane) Send(msgs []*raftpb.Message) {
	for _, m := range msgs {
		to := l.g.members[m.GetTo()]
		lost := to == nil || l.g.cut[l.from] || l.g.cut[m.GetTo()]
		if !lost {
			to.Step(proto.Clone(m).(*raftpb.Message)) // members share no memory
		}
		if m.GetType() == raftpb.MsgSnap {
			l.g.members[l.from].Report(m.GetTo(), !lost)
		}
	}
}

func groupConfig() Config {
	return Config{LogBytes: 1 << 20, SnapshotBytes: 64 << 10, SlabBytes: 64 << 10, Tick: 10 * time.Millisecond}
}

// newGroup makes three disks that know each other as members.
func newGroup(t *testing.T, seed uint64) *group {
	g := &group{
		w:       sim.New(sim.Config{Seed: seed}),
		members: map[uint64]*Controller{}, cut: map[uint64]bool{}, names: map[uint64]string{},
	}
	for i := range 3 {
		name := fmt.Sprint("c", i)
		require.NoError(t, g.w.Do(g.w.Machine(name), func(h host.Host, sc *host.Scope) error {
			cfg := groupConfig()
			cfg.Cluster = metadata.UUID{7}
			if err := cfg.fill(); err != nil {
				return err
			}
			o, err := openLog(sc, h, &cfg, nil)
			if err != nil {
				return err
			}
			id := memberOf(o.volume)
			g.ids = append(g.ids, id)
			g.names[id] = name
			return errors.Join(o.disk.log.Close(sc), o.lock.Close())
		}))
	}
	for _, id := range g.ids {
		require.NoError(t, g.w.Do(g.w.Machine(g.names[id]), func(h host.Host, sc *host.Scope) error {
			cfg := groupConfig()
			if err := cfg.fill(); err != nil {
				return err
			}
			o, err := openLog(sc, h, &cfg, nil)
			if err != nil {
				return err
			}
			err = o.disk.saveConf(sc, 0, &raftpb.ConfState{Voters: g.ids})
			return errors.Join(err, o.disk.log.Close(sc), o.lock.Close())
		}))
		g.boot(id)
	}
	return g
}

func (g *group) boot(id uint64) {
	m := g.w.Machine(g.names[id])
	delete(g.members, id)
	if m.Alive() {
		m.Kill()
	}
	m.Boot(func(h host.Host, sc *host.Scope) {
		cfg := groupConfig()
		cfg.Transport = lane{g, id}
		c, err := Open(sc, h, cfg)
		if err != nil {
			g.w.Fail(err)
			return
		}
		g.members[id] = c
		p := h.Parker()
		defer p.Release()
		_ = p.Park(sc, 0) // the member lives as long as this task
	})
}

func (g *group) kill(id uint64) {
	delete(g.members, id)
	g.w.Machine(g.names[id]).Kill()
}

// leader waits for a member to lead that is not cut off.
func (g *group) leader(t *testing.T) uint64 {
	var who uint64
	require.NoError(t, g.w.Run(func() bool {
		for _, id := range g.ids {
			if c := g.members[id]; c != nil && !g.cut[id] {
				if leads, _ := c.Leads(); leads {
					who = id
					return true
				}
			}
		}
		return false
	}))
	return who
}

// propose proposes a command at a member.
func (g *group) propose(id uint64, cmd *metadatapb.Command) error {
	return g.w.Do(g.w.Machine(g.names[id]), func(_ host.Host, sc *host.Scope) error {
		_, err := g.members[id].Propose(sc, cmd)
		return err
	})
}

func initCluster() *metadatapb.Command {
	cluster := metadata.UUID{7}
	return &metadatapb.Command{Body: &metadatapb.Command_InitCluster{
		InitCluster: &metadatapb.InitCluster{ClusterId: cluster[:], Format: metadata.FormatVersion},
	}}
}

func register(n int) *metadatapb.Command {
	return &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
		Broker: int32(n), Nonce: fmt.Appendf(nil, "nonce %010d", n), Disk: fmt.Appendf(nil, "disk  %010d", n),
	}}}
}

// same waits until every living member that is not cut off has applied what the first has, and compares.
func (g *group) same(t *testing.T, id uint64) {
	index, _ := g.members[id].state.Index()
	for _, other := range g.ids {
		c := g.members[other]
		if c == nil || g.cut[other] {
			continue
		}
		require.NoError(t, g.w.Run(func() bool { i, _ := c.state.Index(); return i >= index }))
		require.Equal(t, g.members[id].state.Brokers(), c.state.Brokers())
		require.NoError(t, c.state.Check())
	}
}

func TestThreeMembersAgreeThroughCrashesAndCuts(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		g := newGroup(t, seed)
		first := g.leader(t)
		require.NoError(t, g.propose(first, initCluster()))
		for n := range 20 {
			require.NoError(t, g.propose(first, register(n)))
		}
		g.same(t, first)
		for _, id := range g.ids {
			if id != first {
				require.ErrorIs(t, g.propose(id, register(99)), ErrNotLeader, "nobody forwards")
			}
		}
		g.cut[first] = true
		second := g.leader(t)
		require.NotEqual(t, first, second)
		require.NoError(t, g.propose(second, register(20)))
		require.NoError(t, g.w.Run(func() bool { leads, _ := g.members[first].Leads(); return !leads }))
		g.cut[first] = false
		g.same(t, second)

		g.kill(second)
		third := g.leader(t)
		require.NoError(t, g.propose(third, register(21)))
		g.boot(second)
		require.NoError(t, g.w.Run(func() bool { return g.members[second] != nil }))
		g.same(t, third)
		require.NoError(t, g.w.Close())
	}
}

func TestAProposalOfALostLeadershipHasAnUnknownOutcome(t *testing.T) {
	g := newGroup(t, 11)
	first := g.leader(t)
	require.NoError(t, g.propose(first, initCluster()))
	g.cut[first] = true
	require.ErrorIs(t, g.propose(first, register(1)), ErrUnknown)
	second := g.leader(t)
	require.NoError(t, g.propose(second, register(2)))
	g.cut[first] = false
	g.same(t, second)
	require.Len(t, g.members[second].state.Brokers(), 1, "the entry that only one member had was replaced")
	require.NoError(t, g.w.Close())
}

func TestAMemberThatMissedTheLogGetsASnapshot(t *testing.T) {
	g := newGroup(t, 12)
	first := g.leader(t)
	require.NoError(t, g.propose(first, initCluster()))
	var late uint64
	for _, id := range g.ids {
		if id != first {
			late = id
		}
	}
	g.kill(late)
	for n := range 120 {
		require.NoError(t, g.propose(first, register(n)))
	}
	require.Positive(t, g.members[first].Stats().Snapshots)
	g.boot(late)
	require.NoError(t, g.w.Run(func() bool { return g.members[late] != nil }))
	g.same(t, first)
	require.Positive(t, g.members[late].Stats().Snapshots, "it caught up by a snapshot")
	g.boot(late)
	require.NoError(t, g.w.Run(func() bool { return g.members[late] != nil }))
	g.same(t, g.leader(t))
	require.NoError(t, g.w.Close())
}
