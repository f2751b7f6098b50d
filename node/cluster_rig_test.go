package node_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/node"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// logTo is where what the nodes log goes; nil = nowhere.
var logTo io.Writer

// crowd is a world with nodes n1, n2, … of one cluster and a machine for clients.
type crowd struct {
	t       *testing.T
	w       *sim.World
	clients *sim.Machine
	list    []*peer
}

// peer is one node of a crowd.
type peer struct {
	m     *sim.Machine
	id    int32
	node  *node.Node // nil while it does not serve
	ended error      // why it did not start, or ended by itself
	cfg   node.Config
	boots int
}

func (p *peer) addr() string { return p.m.Name() + ":7" }

// newCrowd makes n nodes that are down. The first forms the cluster.
func newCrowd(t *testing.T, seed uint64, n int) *crowd {
	t.Helper()
	w := sim.New(sim.Config{Seed: seed, Net: sim.NetConfig{DialWait: time.Second}, Log: logTo})
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	c := &crowd{t: t, w: w, clients: w.Machine("clients")}
	c.clients.Boot(func(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 24*time.Hour) })
	for i := range n {
		c.list = append(c.list, c.peer(fmt.Sprint("n", i+1), int32(i+1)))
	}
	c.list[0].cfg.Form = true
	for _, p := range c.list {
		for _, o := range c.list {
			p.cfg.Join = append(p.cfg.Join, o.addr())
		}
	}
	return c
}

// peer makes a small node: a run of a few seconds uploads and trims.
func (c *crowd) peer(name string, id int32) *peer {
	p := &peer{m: c.w.Machine(name), id: id}
	p.cfg = node.Config{
		NodeID: id, Listen: name + ":9092", AutoCreate: true,
		Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
		Collect: broker.Collect{
			Every: 700 * time.Millisecond, Grace: time.Second, Sweep: 6 * time.Second, First: 4 * time.Second,
		},
		UploadAge: 400 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
		ClusterListen: name + ":7", Lease: 1500 * time.Millisecond, Tick: 50 * time.Millisecond,
		FormWait: 300 * time.Millisecond,
	}
	return p
}

// boot begins a life of a node.
func (c *crowd) boot(p *peer) {
	p.node, p.ended = nil, nil
	p.boots++
	life := p.boots
	p.m.Boot(func(h host.Host, sc *host.Scope) {
		cfg := p.cfg
		cfg.Store = c.w.Store(h)
		n, err := node.Start(sc, h, cfg)
		if err == nil {
			p.node = n
			err = n.Failed(sc)
		}
		if p.boots == life {
			p.node, p.ended = nil, err
			p.m.KillWith(sim.KeepUnsynced) // the process ends
		}
	})
}

// stop ends nodes in order, all at once, and their processes. It returns their errors.
func (c *crowd) stop(list ...*peer) []error {
	c.t.Helper()
	errs := make([]error, len(list))
	left := len(list)
	for i, p := range list {
		n := p.node
		p.boots++
		p.m.Host().Go(nil, "test.stop", func(sc *host.Scope) {
			errs[i] = n.Stop(sc)
			left--
			p.node = nil
			p.m.KillWith(sim.KeepUnsynced)
		})
	}
	c.until(2*time.Minute, "the nodes stop", func() bool { return left == 0 })
	return errs
}

// until runs the world until done, and fails the test if it takes longer than d.
func (c *crowd) until(d time.Duration, what string, done func() bool) {
	c.t.Helper()
	limit := c.w.Now() + host.Time(d)
	require.NoError(c.t, c.w.Run(func() bool { return done() || c.w.Now() > limit }))
	if !done() {
		c.t.Logf("tasks:\n%s", c.w.Tasks())
		for _, p := range c.list {
			c.t.Logf("%s: serves %v, ended %v", p.m.Name(), p.node != nil, p.ended)
		}
	}
	require.True(c.t, done(), "%s within %v", what, d)
}

// form boots every node and waits until all serve and three, or all if they are fewer, vote.
func (c *crowd) form() {
	c.t.Helper()
	for _, p := range c.list {
		c.boot(p)
	}
	c.until(time.Minute, "all nodes serve", c.serve)
	c.until(time.Minute, "all controllers vote", c.voters)
	c.pass(time.Second) // the membership that made the last one vote is a joint one, and left soon
}

// pass lets time go by.
func (c *crowd) pass(d time.Duration) {
	c.t.Helper()
	until := c.w.Now() + host.Time(d)
	require.NoError(c.t, c.w.Run(func() bool { return c.w.Now() >= until }))
}

func (c *crowd) serve() bool {
	for _, p := range c.list {
		if p.m.Alive() && p.node == nil {
			return false
		}
	}
	return true
}

// voters reports whether every controller has a vote, as the one that leads knows.
func (c *crowd) voters() bool {
	n := 0
	for _, p := range c.list {
		if p.cfg.Roles == 0 || p.cfg.Roles&rpc.RoleController != 0 {
			n++
		}
	}
	for _, p := range c.list {
		if p.node == nil || p.node.Controller() == nil {
			continue
		}
		if leads, _ := p.node.Controller().Leads(); leads {
			for _, m := range p.node.Controller().Members() {
				if m.Voter {
					n--
				}
			}
			return n == 0
		}
	}
	return false
}

// kill ends a node as kill -9 does.
func (c *crowd) kill(p *peer) {
	p.boots++
	p.node, p.ended = nil, nil
	p.m.KillWith(sim.KeepUnsynced)
}

// client runs fn with a connection to a node from the clients' machine.
func (c *crowd) client(p *peer, fn func(k *client) error) error {
	return c.w.Do(c.clients, func(h host.Host, sc *host.Scope) error {
		k := &client{h: h, sc: sc, to: p.cfg.Listen}
		defer k.close()
		return fn(k)
	})
}

// owner returns the node that owns a partition of testTopic, by what metadata says at p; nil if nobody does.
func (c *crowd) owner(p *peer, partition int32) *peer {
	var v metadata.Partition
	var ok bool
	p.node.Metadata().Read(func(s *metadata.State) {
		if t, known := s.TopicByName(testTopic); known {
			v, ok = s.Partition(t.ID, partition)
		}
	})
	if !ok || !v.Owned {
		return nil
	}
	for _, o := range c.list {
		if o.id == v.Owner {
			return o
		}
	}
	return nil
}
