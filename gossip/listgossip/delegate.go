package listgossip

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weirmq/weir/gossip"
)

// delegate is what memberlist calls. It calls nothing but the View, and keeps no node: the library writes to them.
type delegate struct{ view *gossip.View }

var (
	_ memberlist.Delegate      = delegate{}
	_ memberlist.EventDelegate = delegate{}
	_ memberlist.PingDelegate  = delegate{}
	_ memberlist.AliveDelegate = delegate{}
)

// NodeMeta implements memberlist.Delegate: this node's report, under the number that the refresh gave it.
func (d delegate) NodeMeta(limit int) []byte {
	r := d.view.Self()
	p := r.Append(make([]byte, 0, gossip.ReportMax))
	if len(p) > limit {
		panic(fmt.Sprintf("invariant G6: a report of %d bytes, the library carries %d", len(p), limit))
	}
	return p
}

// NotifyMsg implements memberlist.Delegate: nobody sends any.
func (delegate) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate: there are none.
func (delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate: there is none beside the metadata.
func (delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (delegate) MergeRemoteState([]byte, bool) {}

// NotifyAlive implements memberlist.AliveDelegate: an error keeps a node out that is none of ours.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	r, err := gossip.DecodeReport(n.Meta)
	if err != nil {
		return err
	}
	if n.Name != nameOf(&r) {
		return fmt.Errorf("%w: it is of %s", gossip.ErrReport, nameOf(&r))
	}
	return nil
}

// NotifyJoin implements memberlist.EventDelegate.
func (d delegate) NotifyJoin(n *memberlist.Node) { d.hear(n) }

// NotifyUpdate implements memberlist.EventDelegate.
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.hear(n) }

func (d delegate) hear(n *memberlist.Node) {
	if r, err := gossip.DecodeReport(n.Meta); err == nil { // else NotifyAlive said so
		d.view.Hear(&r, n.Address(), 0)
	}
}

// NotifyLeave implements memberlist.EventDelegate: the node is dead or has left.
func (d delegate) NotifyLeave(n *memberlist.Node) {
	d.view.Lose(instanceOf(n.Name))
}

// AckPayload implements memberlist.PingDelegate.
func (delegate) AckPayload() []byte { return nil }

// NotifyPingComplete implements memberlist.PingDelegate.
func (d delegate) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	d.view.Answered(instanceOf(n.Name)) // no other field: the library's lock is not held here
}

// nameOf is a life's name in memberlist.
func nameOf(r *gossip.Report) string { return fmt.Sprintf("%d.%016x", r.Node, r.Instance) }

// instanceOf is the instance in what nameOf returned, 0 in another name.
func instanceOf(name string) uint64 {
	_, text, _ := strings.Cut(name, ".")
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0
	}
	return n
}
