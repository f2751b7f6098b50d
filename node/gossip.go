package node

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// GossipConfig is what an implementation of gossip is told.
type GossipConfig struct {
	Self   gossip.Self
	Listen string
	Key    string // "" = nothing is encrypted
	Label  string // the cluster's id
}

// GossipStarter starts a member whose tasks end with sc.
type GossipStarter func(sc *host.Scope, h host.Host, cfg GossipConfig) (gossip.Membership, error)

// rumours is a node's gossip, once it has begun, and what people ask of its session. Nothing depends on it.
type rumours struct {
	up      atomic.Pointer[gossip.Membership]
	epoch   atomic.Int64
	session atomic.Pointer[session]
}

// LeaseLeft is how long the broker's lease runs yet, 0 if it holds none; false for a node that needs none.
func (n *Node) LeaseLeft() (time.Duration, bool) {
	s := n.rumours.session.Load()
	if s == nil {
		return 0, false
	}
	if !s.Held() {
		return 0, true
	}
	return max(0, s.Until().Sub(n.h.Now())), true
}

const (
	gossipLook  = time.Second     // how often others are looked for while nobody is seen
	gossipAgain = time.Minute     // … and else: two parts of a cluster may have formed
	gossipLeave = 2 * time.Second // to say goodbye
)

// setEpoch tells the others which epoch this node's broker has.
func (r *rumours) setEpoch(epoch int64) {
	r.epoch.Store(epoch)
	if g := r.up.Load(); g != nil {
		(*g).SetEpoch(epoch)
	}
}

func (r *rumours) setLoad(load gossip.Load) {
	if g := r.up.Load(); g != nil {
		(*g).SetLoad(load)
	}
}

// seen is what Controller.Overview asks for.
func (n *Node) seen(all bool) (addr string, list []api.Sighting) {
	g := n.rumours.up.Load()
	if g == nil {
		return "", nil
	}
	if all {
		now := n.h.Now()
		for _, m := range (*g).Members().Members {
			list = append(list, api.Sighting{
				Node: m.Node, Roles: uint32(m.Roles), State: uint8(m.State), Since: now.Sub(m.Since), Addr: m.Cluster,
			})
		}
	}
	return (*g).Addr(), list
}

// startGossip begins to gossip if the node is to.
func (n *Node) startGossip(sc *host.Scope) error {
	if n.cfg.GossipListen == "" || n.cfg.Gossip == nil {
		return nil
	}
	g, err := n.cfg.Gossip(sc, n.h, GossipConfig{
		Self: gossip.Self{
			Node: n.id(), Roles: gossip.Roles(n.cfg.roles()), Rack: n.cfg.Rack, Cluster: n.cfg.clusterAddr(),
			Kafka: n.Advertised(),
		},
		Listen: n.cfg.GossipListen, Key: n.cfg.GossipKey, Label: n.cluster.String(),
	})
	if err != nil {
		return fmt.Errorf("gossip at %s: %w (--gossip-listen)", n.cfg.GossipListen, err)
	}
	n.rumours.up.Store(&g)
	g.SetEpoch(n.rumours.epoch.Load())
	n.h.Go(sc, "node.gossip", func(sc *host.Scope) { n.introduce(sc, g) })
	return nil
}

// introduce looks for others' gossip: the controllers tell where theirs is.
func (n *Node) introduce(sc *host.Scope, g gossip.Membership) {
	for {
		for _, addr := range n.controllers() {
			if s, err := status(sc, n.pool, addr); err == nil && s.Gossip != "" {
				g.Join([]string{s.Gossip})
			}
		}
		wait := gossipLook
		if len(g.Members().Members) > 1 {
			probe.Hit(probe.NodeGossips)
			wait = gossipAgain
		}
		if n.h.Sleep(sc, wait) != nil {
			return
		}
	}
}

// controllers are the addresses where other controllers are, or may be.
func (n *Node) controllers() []string {
	list := n.cfg.others()
	if n.controller != nil {
		for _, m := range n.controller.Members() {
			if m.Addr != n.cfg.clusterAddr() && m.Addr != "" && !slices.Contains(list, m.Addr) {
				list = append(list, m.Addr)
			}
		}
	}
	return list
}

// stopGossip says goodbye.
func (n *Node) stopGossip(sc *host.Scope) {
	g := n.rumours.up.Load()
	if g == nil {
		return
	}
	sc, cancel := sc.Child(n.h.Now().Add(gossipLeave))
	defer cancel()
	if err := (*g).Leave(sc); err != nil {
		n.h.Log().Warn("leave gossip", "error", err)
	}
}

// Gossip returns what the node sees of the others; false without gossip.
func (n *Node) Gossip() (gossip.Snapshot, bool) {
	if g := n.rumours.up.Load(); g != nil {
		return (*g).Members(), true
	}
	return gossip.Snapshot{}, false
}
