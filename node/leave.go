package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// Bounds of a stop.
const (
	stopHandOver = 3 * time.Second        // for another controller to take over the leadership
	stopStay     = 10 * time.Second       // for brokers that leave too and need this controller for a quorum
	stopClose    = 5 * time.Second        // for what the controller was asked and cannot commit any more
	stopAnswers  = time.Second            // for answers to other nodes that are on their way
	stopTogether = 500 * time.Millisecond // for others to begin to leave
	stopQuorum   = 8 * time.Second        // for the controllers to answer: they may be electing a leader
	stopAlone    = 3 * time.Second        // for a stop that cannot be recorded
	stopLook     = 100 * time.Millisecond
)

// ErrStoppedAlone is returned by a stop that found no majority of the controllers. Nothing that was acknowledged is
// lost: what was not uploaded is in the WAL, for the next start or for who recovers it.
var ErrStoppedAlone = errors.New("node: stopped without a majority of the controllers; " +
	"what was not uploaded stays in the WAL, and the next start goes on with it")

// stopCluster ends a node of a cluster in order. The controller outlives the broker, which needs one to leave, and as
// long as brokers that leave at the same time need it. Every step has a bound: without a quorum what is in the WAL
// stays there, and the stop says so.
func (n *Node) stopCluster(sc *host.Scope) error {
	n.stopGossip(sc)
	var errBroker, errClient, errController error
	if n.broker != nil {
		errBroker = n.leave(sc)
		errClient = n.client.Close()
	}
	if n.controller != nil {
		n.stay(sc)
		n.handOver(sc)
		errController = n.closeController(sc)
	}
	errServer := n.server.Stop(sc, n.h.Now().Add(stopAnswers))
	errPool := n.pool.Close(sc)
	errLock := n.lock.Close()
	n.ended.Complete(struct{}{}, nil)
	err := errors.Join(errBroker, errClient, errController, errServer, errPool, errLock)
	if err != nil {
		probe.Hit(probe.NodeStopFailed)
	}
	return err
}

// leave ends the broker.
func (n *Node) leave(sc *host.Scope) error {
	if n.quorum(sc) {
		n.drain(sc)
		n.handOver(sc) // what is asked for from here on, another one had better answer
		return n.stopBroker(sc)
	}
	probe.Hit(probe.NodeStopAlone)
	sc, cancel := sc.Child(n.h.Now().Add(stopAlone))
	defer cancel()
	if err := n.broker.Stop(sc); err != nil {
		return fmt.Errorf("%w (%w)", ErrStoppedAlone, err)
	}
	return ErrStoppedAlone
}

// quorum reports whether most of the controllers answer: without them nothing that a stop does can be recorded.
func (n *Node) quorum(sc *host.Scope) bool {
	sc, cancel := sc.Child(n.h.Now().Add(stopQuorum))
	defer cancel()
	_, err := n.client.Sync(sc)
	return err == nil
}

// closeController ends the controller, and with it what others wait for here: their long polls.
func (n *Node) closeController(sc *host.Scope) error {
	sc, cancel := sc.Child(n.h.Now().Add(stopClose))
	defer cancel()
	if err := n.controller.Close(sc); err != nil {
		return fmt.Errorf("close the controller: %w", err)
	}
	return nil
}

// handOver has another controller lead if this one does, so that the cluster need not find out that it is gone.
func (n *Node) handOver(sc *host.Scope) {
	if n.controller == nil {
		return
	}
	sc, cancel := sc.Child(n.h.Now().Add(stopHandOver))
	defer cancel()
	for _, m := range n.answering(sc) {
		if leads, _ := n.controller.Leads(); !leads || sc.Err() != nil {
			return
		}
		if err := n.controller.Transfer(sc, m.ID); err == nil {
			probe.Hit(probe.NodeHandedOver)
			return
		}
	}
}

// answering returns the other controllers that vote and answer.
func (n *Node) answering(sc *host.Scope) []api.Member {
	members := n.controller.Members()
	there := make([]bool, len(members))
	g := host.NewGroup(n.h, sc)
	for i, m := range members {
		if m.Voter && m.ID != n.controller.Member() && m.Addr != "" {
			g.Go("node.answering", func(sc *host.Scope) error {
				s, err := status(sc, n.pool, m.Addr)
				there[i] = err == nil && s.Self.ID == m.ID
				return nil
			})
		}
	}
	_ = g.Wait() // its tasks return no error
	var list []api.Member
	for i, m := range members {
		if there[i] {
			list = append(list, m)
		}
	}
	return list
}

// stay waits while other brokers leave: without this controller they may be no quorum, and what leaves has to be
// recorded. Whether they are one without it nobody can tell, as those that answer may be about to leave as well. Nodes
// that are stopped together do not hear of it at the same moment, so it waits a little in any case.
func (n *Node) stay(sc *host.Scope) {
	sc, cancel := sc.Child(n.h.Now().Add(stopStay))
	defer cancel()
	soon := n.h.Now().Add(stopTogether)
	for len(n.controller.Members()) > 1 && (n.h.Now() < soon || n.othersLeave()) {
		probe.Hit(probe.NodeStayed)
		if n.h.Sleep(sc, stopLook) != nil {
			return
		}
	}
}

// othersLeave reports whether other brokers drain.
func (n *Node) othersLeave() bool {
	leaving := false
	n.controller.Read(func(s *metadata.State) {
		for _, b := range s.Draining() {
			leaving = leaving || b.ID != n.id()
		}
	})
	return leaving
}

// Roles is what the node does in its cluster.
func (n *Node) Roles() rpc.Roles { return n.cfg.roles() }
