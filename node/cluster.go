package node

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// clustered reports whether the node is one of a cluster.
func (n *Node) clustered() bool { return n.cfg.ClusterListen != "" }

func (n *Node) has(role rpc.Roles) bool { return n.cfg.roles()&role != 0 }

// startCluster brings up one node of a cluster: who it is, then what it tells others, then what it does.
func (n *Node) startCluster(sc *host.Scope) error {
	if err := n.place(sc); err != nil {
		return err
	}
	self := rpc.Identity{Cluster: rpc.Cluster(n.cluster), Node: n.id(), Roles: n.cfg.roles()}
	var member atomic.Pointer[controller.Controller]
	n.pool = rpc.NewPool(sc, n.h, rpc.PoolConfig{Identity: self, Down: func(addr string, _ rpc.Class, _ error) {
		if c := member.Load(); c != nil {
			c.LinkDown(addr)
		}
	}})
	n.server = rpc.NewServer(n.h, rpc.ServerConfig{Identity: self, Listen: n.cfg.ClusterListen})
	if n.has(rpc.RoleController) {
		if err := n.openMember(sc); err != nil {
			return err
		}
		member.Store(n.controller)
		n.controller.Register(n.server)
	}
	if err := n.settle(); err != nil {
		return err
	}
	if n.controller != nil {
		if err := n.lead(sc); err != nil {
			return err
		}
	}
	start := n.serve
	if n.has(rpc.RoleBroker) {
		start = n.startBroker
	}
	if n.controller != nil {
		if err := n.refuseRemoved(sc); err != nil {
			return err
		}
	}
	if err := start(sc); err != nil {
		return err
	}
	return n.startGossip(sc)
}

func (n *Node) leases() lease.Config { return lease.Config{Length: n.cfg.Lease} }

// openMember opens this node's controller.
func (n *Node) openMember(sc *host.Scope) error {
	cfg := controller.Config{
		Volume: volumeMeta, Cluster: n.cluster, LogBytes: n.cfg.MetaBytes, SlabBytes: min(n.cfg.SlabBytes, 1<<20),
		Pool: n.pool, Addr: n.cfg.clusterAddr(), Node: n.id(), Lease: n.leases(), Tick: n.cfg.Tick,
		Gossip: n.seen,
		Dead:   func(err error) { n.fail(fmt.Errorf("the controller of this node died: %w", err)) },
	}
	if !n.founds {
		cfg.Join = n.cfg.others()
	}
	var err error
	n.controller, err = controller.Open(sc, n.h, cfg)
	return err
}

// startBroker brings up the broker once the node has followed the metadata.
func (n *Node) startBroker(sc *host.Scope) error {
	var err error
	addresses := n.cfg.others()
	if n.controller != nil {
		addresses = append(addresses, n.cfg.clusterAddr())
	}
	n.client, err = remote.Open(sc, n.h, remote.Config{
		Pool: n.pool, Addresses: addresses, Cluster: n.cluster, Lease: n.leases(),
	})
	if err != nil {
		return err
	}
	self := &member{h: n.h, client: n.client, pool: n.pool, node: n.id(), rumours: &n.rumours}
	patient, err := n.newBroker(sc, n.client, self)
	if err != nil {
		return err
	}
	n.broker.Register(n.server)
	if err := n.serve(sc); err != nil {
		return err
	}
	if err := n.follow(sc); err != nil {
		return err
	}
	if err := n.refuseDouble(sc); err != nil {
		return err
	}
	if err := n.broker.Start(sc); err != nil {
		return err
	}
	patient.serving.Store(true)
	n.h.Go(sc, "node.broker", func(sc *host.Scope) {
		if err := n.broker.Failed(sc); sc.Err() == nil {
			n.fail(err)
		}
	})
	return nil
}

// serve answers other nodes from here on.
func (n *Node) serve(sc *host.Scope) error {
	if err := n.server.Start(sc); err != nil {
		return fmt.Errorf("listen for other nodes on %s: %w (--cluster-listen)", n.cfg.ClusterListen, err)
	}
	return nil
}

// follow waits until the replica shows the cluster as it is.
func (n *Node) follow(sc *host.Scope) error {
	for {
		child, cancel := sc.Child(n.h.Now().Add(followTells))
		_, err := n.client.Sync(child)
		late := child.Err() != nil
		cancel()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, remote.ErrNoLeader) && !late || sc.Err() != nil:
			return fmt.Errorf("follow the metadata: %w", err)
		case n.failed.Done():
			_, why := n.failed.Wait(nil, 0)
			return why
		}
		n.h.Log().Warn("waiting for most of the controllers to answer", "addresses", n.controllers(), "last", err)
	}
}

// followTells is how long a start waits for the controllers before it says so, each time.
const followTells = 5 * time.Second

// fail ends the node by itself.
func (n *Node) fail(err error) {
	n.h.Log().Error("node ends", "why", err)
	n.failed.Complete(struct{}{}, err)
	if !n.serves.Load() {
		n.abort()
	}
}

// Controller returns the node's controller, nil without that role.
func (n *Node) Controller() *controller.Controller { return n.controller }

// Metadata returns what the node knows of the cluster.
func (n *Node) Metadata() metadata.Service {
	if n.client != nil {
		return n.client
	}
	return n.controller
}

var _ broker.Cluster = (*member)(nil)
