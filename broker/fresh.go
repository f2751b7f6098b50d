package broker

import (
	"github.com/weirmq/weir/internal/probe"
)

// holdsFence reports whether this broker holds its WAL's fence and its lease now. A linearizable answer that does
// not wait for an append is read first and then vouched for so (PROTOCOL rule 28): without, a broker that was stopped
// for a while would tell a state that others have moved on from. A fence that is lost ends the WAL, and so the broker.
func (b *Broker) holdsFence() bool {
	if b.log.CheckFence() != nil {
		probe.Hit(probe.BrokerFenceLost)
		return false
	}
	return b.holdsLease()
}

// vouches is holdsFence for what only others could have changed: alone there are none.
func (b *Broker) vouches() bool { return b.cfg.Cluster == nil || b.holdsFence() }
