package node

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

var (
	// ErrWrongCluster is returned when the nodes that are to be joined belong to another cluster than the node's data.
	ErrWrongCluster = errors.New("node: the data belongs to another cluster than the nodes to join")
	// ErrNoCluster is returned by the start of a node that has nothing to belong to.
	ErrNoCluster = errors.New("node: no cluster to belong to: name nodes of one to join, or have this node form one")
	// ErrNodeTaken is returned when another node of the cluster has the node's id.
	ErrNodeTaken = errors.New("node: another node of the cluster has this node id; give this one an id of its own")
	// ErrRemoved is returned by the start of a node whose controller was taken out of the cluster.
	ErrRemoved = errors.New("node: this node's controller was removed from the cluster and never comes back; " +
		"start the node as a broker (--roles broker), or with an empty data directory")
	// ErrLease is returned when other nodes were told another length of a lease: whoever holds one by the longer would
	// be fenced by the shorter while it still acknowledges.
	ErrLease = errors.New("node: the lease must be the same on every node")
	// ErrMember is returned when a process by itself is started, or a repair, on the data of a cluster's controller.
	ErrMember = errors.New("node: the data is that of a node of a cluster; start it with --cluster-listen")
	// ErrWasAlone is returned for the data of a process by itself: its WAL is where no other broker reaches it.
	ErrWasAlone = errors.New("node: the data is that of a server by itself, which cannot become one of a cluster")
)

const (
	formWait = 3 * time.Second // a node that forms asks others for so long whether there is a cluster
	askWait  = time.Second     // for one answer
	askPause = 100 * time.Millisecond

	compareWait = 500 * time.Millisecond // for one answer that a start can do without
	askTells    = 5 * time.Second        // between two lines that say what a start waits for

	leaseDefault = 3 * time.Second
	doubleWait   = 2 * time.Second // longer than a lease takes to be fenced
)

// foundsFile on the node's volume says that this node founds the cluster that it names, until it has an identity. A
// node that died between the two goes on with that; without the file it would be a joiner that waits for ever.
const foundsFile = "founds"

// id is the node's id.
func (n *Node) id() int32 {
	if n.known {
		return n.identity.Node
	}
	return n.cfg.NodeID
}

// place finds out which cluster the node belongs to. After it n.cluster is set, and n.founds if the node founds it.
func (n *Node) place(sc *host.Scope) error {
	if err := n.refuseAlone(sc); err != nil {
		return err
	}
	stranger := rpc.NewPool(sc, n.h, rpc.PoolConfig{Identity: rpc.Identity{Node: n.id(), Roles: n.cfg.roles()}})
	err := n.placeWith(sc, stranger)
	return errors.Join(err, stranger.Close(sc))
}

func (n *Node) placeWith(sc *host.Scope, pool *rpc.Pool) error {
	others := n.cfg.others()
	if n.known {
		n.cluster = n.identity.Cluster
		return n.compare(sc, pool, others)
	}
	founds, found, err := loadIdentityOf(n.node, foundsFile)
	if err != nil {
		return err
	}
	if found {
		probe.Hit(probe.NodeFoundsAgain)
		n.cluster, n.founds = founds.Cluster, true
		return nil
	}
	if len(others) == 0 && !n.cfg.Form {
		return ErrNoCluster
	}
	forms := n.cfg.Form && n.has(rpc.RoleController)
	status, err := n.learn(sc, pool, others, forms)
	switch {
	case err != nil:
		return err
	case status == nil:
		return n.found()
	}
	n.cluster = metadata.UUID(status.Cluster)
	if err := n.refuseLease(status); err != nil {
		return err
	}
	return n.refuseTaken(sc, pool, status)
}

// found decides that this node founds a cluster, durably.
func (n *Node) found() error {
	var id metadata.UUID
	n.h.Secret(id[:])
	n.cluster, n.founds = id, true
	return storeIdentityAs(n.node, foundsFile, Identity{Node: n.cfg.NodeID, Cluster: id})
}

// learn asks the other nodes until one of them belongs to a cluster; nil if none said so while a node that forms asks.
func (n *Node) learn(sc *host.Scope, pool *rpc.Pool, others []string, forms bool) (*api.StatusAnswer, error) {
	began := n.h.Now()
	wait := n.cfg.FormWait
	if wait == 0 {
		wait = formWait
	}
	told := began
	for {
		for _, addr := range others {
			if s, err := status(sc, pool, addr); err == nil && s.Cluster != [16]byte{} {
				return &s, nil
			}
		}
		now := n.h.Now()
		if forms && (len(others) == 0 || now.Sub(began) >= wait) {
			return nil, nil
		}
		if now.Sub(told) >= askTells {
			n.h.Log().Warn("waiting for a node of a cluster to join", "addresses", others)
			told = now
		}
		if err := n.h.Sleep(sc, askPause); err != nil {
			return nil, err
		}
	}
}

func status(sc *host.Scope, pool *rpc.Pool, addr string) (api.StatusAnswer, error) {
	p, err := pool.Call(sc, addr, api.Status, nil, askWait)
	if err != nil {
		return api.StatusAnswer{}, err
	}
	return api.DecodeStatus(p)
}

// compare asks each of the other nodes once, all at a time, and refuses to go on if one belongs to another cluster.
func (n *Node) compare(sc *host.Scope, pool *rpc.Pool, others []string) error {
	g := host.NewGroup(n.h, sc)
	for _, addr := range others {
		g.Go("node.compare", func(sc *host.Scope) error {
			child, cancel := sc.Child(n.h.Now().Add(compareWait))
			defer cancel()
			s, err := status(child, pool, addr)
			if err != nil || s.Cluster == [16]byte{} {
				return nil // it is not there, or nowhere: a restart depends on nobody
			}
			if metadata.UUID(s.Cluster) != n.cluster {
				probe.Hit(probe.NodeWrongCluster)
				return fmt.Errorf("%w: it belongs to %s, and %s to %s",
					ErrWrongCluster, n.cluster, addr, metadata.UUID(s.Cluster))
			}
			return n.refuseLease(&s)
		})
	}
	return g.Wait()
}

// refuseLease refuses what another node was told differently.
func (n *Node) refuseLease(s *api.StatusAnswer) error {
	mine := n.leases()
	if err := mine.Fill(); err != nil {
		return err
	}
	if s.Lease != mine.Length {
		probe.Hit(probe.NodeOtherLease)
		return fmt.Errorf("%w: %s here, %s on node %d", ErrLease, mine.Length, s.Lease, s.Self.Node)
	}
	return nil
}

// refuseRemoved asks who leads whether this node's controller is one of the cluster's, if its own log says so. A
// controller that was removed while it was away never hears of it by itself.
func (n *Node) refuseRemoved(sc *host.Scope) error {
	self := n.controller.Member()
	is := func(m api.Member) bool { return m.ID == self }
	if !slices.ContainsFunc(n.controller.Members(), is) {
		return nil // it has yet to be added
	}
	var removed atomic.Bool
	g := host.NewGroup(n.h, sc)
	for _, addr := range n.controllers() {
		g.Go("node.removed", func(sc *host.Scope) error {
			child, cancel := sc.Child(n.h.Now().Add(compareWait))
			defer cancel()
			s, err := status(child, n.pool, addr)
			if err == nil && s.Leads && !slices.ContainsFunc(s.Members, is) {
				removed.Store(true)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || !removed.Load() {
		return err
	}
	probe.Hit(probe.NodeRemoved)
	return ErrRemoved
}

// refuseTaken refuses to join while a controller lives that has this node's id.
func (n *Node) refuseTaken(sc *host.Scope, pool *rpc.Pool, s *api.StatusAnswer) error {
	for _, m := range s.Members {
		if m.Node != n.id() || m.Addr == "" || m.Addr == n.cfg.clusterAddr() {
			continue
		}
		if other, err := status(sc, pool, m.Addr); err == nil && other.Self.ID == m.ID {
			probe.Hit(probe.NodeTaken)
			return fmt.Errorf("%w: node %d is at %s", ErrNodeTaken, n.id(), m.Addr)
		}
	}
	return nil
}

// refuseMember ends a controller that was opened by itself and is one of several: alone it would wait for the others
// for ever, or speak for them.
func (n *Node) refuseMember(sc *host.Scope) error {
	members := n.controller.Members()
	leads, _ := n.controller.Leads() // a single one does as soon as it is open
	if leads && len(members) == 1 && members[0].Addr == "" {
		return nil
	}
	probe.Hit(probe.NodeIsMember)
	return errors.Join(fmt.Errorf("%w (cluster %s)", ErrMember, n.identity.Cluster), n.controller.Close(sc))
}

// refuseAlone refuses data whose WAL is where no other broker reaches it.
func (n *Node) refuseAlone(sc *host.Scope) error {
	vol, err := n.h.Disk().Volume(sc, volumeWAL)
	if err != nil {
		return fmt.Errorf("attach volume %s: %w", volumeWAL, err)
	}
	list, err := vol.List("")
	if err != nil {
		return fmt.Errorf("look at volume %s: %w", volumeWAL, err)
	}
	for _, entry := range list {
		if owner(entry.Name) == volumeWAL {
			return fmt.Errorf("%w (volume %s holds %s)", ErrWasAlone, volumeWAL, entry.Name)
		}
	}
	if !n.has(rpc.RoleController) || !n.known {
		return nil
	}
	if vol, err = n.h.Disk().Volume(sc, volumeMeta); err != nil {
		return fmt.Errorf("open the metadata volume: %w", err)
	}
	there, err := controller.HasLog(vol)
	if err != nil {
		return fmt.Errorf("look at the metadata volume: %w", err)
	}
	if !there {
		probe.Hit(probe.NodeMetadataLost)
		return fmt.Errorf("%w (cluster %s); without it, and without this node's identity, it may join as a new controller",
			ErrMetadataLost, n.identity.Cluster)
	}
	return nil
}

// settle stores who the node is, once it knows.
func (n *Node) settle() error {
	var disk metadata.UUID
	if n.controller != nil {
		disk = n.controller.Disk()
	}
	switch {
	case n.known && n.controller != nil && disk != n.identity.Disk:
		return fmt.Errorf("%w (it is disk %s, the identity names %s)", ErrOtherMetadata, disk, n.identity.Disk)
	case n.known:
		return n.forgetFounding() // of a start that died before it did
	case n.controller == nil:
		n.h.Secret(disk[:])
	}
	n.identity = Identity{Node: n.cfg.NodeID, Disk: disk, Cluster: n.cluster}
	if err := storeIdentity(n.node, n.identity); err != nil {
		return err
	}
	return n.forgetFounding()
}

// forgetFounding removes the decision to found a cluster, which has done its service: beside an identity and a log that
// are lost one day it would found another cluster of the same id.
func (n *Node) forgetFounding() error {
	err := n.node.Remove(foundsFile)
	if errors.Is(err, host.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = n.node.SyncDir("")
	}
	if err != nil {
		return fmt.Errorf("remove %s, which has done its service: %w", foundsFile, err)
	}
	return nil
}

// refuseDouble refuses to go on while a broker lives that has this node's id and another disk: it may be another node
// that is alive, or this one before it lost its data, whose lease runs out.
func (n *Node) refuseDouble(sc *host.Scope) error {
	length := n.cfg.Lease
	if length == 0 {
		length = leaseDefault
	}
	until := n.h.Now().Add(3*length + doubleWait)
	for {
		var b metadata.Broker
		var known bool
		n.client.Read(func(s *metadata.State) { b, known = s.Broker(n.id()) })
		switch {
		case !known || !b.Live || b.Disk == n.identity.Disk:
			return nil
		case n.h.Now() >= until:
			probe.Hit(probe.NodeTaken)
			return fmt.Errorf("%w: broker %d is alive at %s, with the data directory %s; this one is %s",
				ErrNodeTaken, b.ID, b.Address, b.Disk, n.identity.Disk)
		}
		if err := n.h.Sleep(sc, askPause); err != nil {
			return err
		}
	}
}
