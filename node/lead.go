package node

import (
	"github.com/weirmq/weir/collector"
	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
)

// lead starts what this node does for the cluster while its controller leads: it drives recoveries, owners and
// drains, and deletes objects. Both do nothing while another node leads.
func (n *Node) lead(sc *host.Scope) error {
	if err := n.openStore(sc); err != nil {
		return err
	}
	store := n.patient()
	store.serving.Store(true) // it waits for nobody's start
	n.h.Go(sc, "node.drive", func(sc *host.Scope) {
		_ = drive.Run(sc, n.h, n.controller, n.cfg.Drive) // it ends with the node, or with a controller that told why
	})
	n.h.Go(sc, "node.collect", func(sc *host.Scope) {
		_ = collector.Run(sc, n.h, n.cfg.Collect, store, n.controller) // it ends with the node
	})
	return nil
}
