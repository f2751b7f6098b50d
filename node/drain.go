package node

import (
	"cmp"
	"time"

	"github.com/weirmq/weir/host"
)

// Bounds of a broker's leave.
const (
	stopDrain = 30 * time.Second // for partitions to move away and uploads to end
	stopLeave = 5 * time.Second  // for the controllers to let the broker go
)

// Leave is Stop with another bound for the drain: before its machine is taken away a node has more time than for a
// restart. A node that is alone has nobody to drain to.
func (n *Node) Leave(sc *host.Scope, drain time.Duration) error {
	n.cfg.StopDrain = drain
	return n.Stop(sc)
}

// drain has the broker's partitions moved to other brokers and uploads what they owe, as far as that can be done in
// time.
func (n *Node) drain(sc *host.Scope) {
	if n.failed.Done() {
		return
	}
	until := n.h.Now().Add(cmp.Or(n.cfg.StopDrain, stopDrain))
	if err := n.broker.Drain(sc, until); err != nil {
		n.h.Log().Warn("stop without having drained", "error", err)
	}
}

// stopBroker closes in place what the drain left, and takes the broker out of the cluster. What even so stays in the
// WAL others recover.
func (n *Node) stopBroker(sc *host.Scope) error {
	if err := n.broker.Stop(sc); err != nil {
		return err
	}
	if err := n.broker.Deregister(sc, n.h.Now().Add(stopLeave)); err != nil {
		n.h.Log().Warn("left the cluster without leave: others will fence this broker", "error", err)
	}
	return nil
}
