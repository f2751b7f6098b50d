package broker

import (
	"github.com/weirmq/weir/internal/probe"
)

// holdsFence reports whether this broker holds its WAL's fence now. A linearizable answer that does not wait for
// an append is read first and then vouched for so (PROTOCOL rule 28): without, a broker that was stopped for a
// while would tell a state that others have moved on from. The WAL ends the broker when it finds the fence lost.
func (b *Broker) holdsFence() bool {
	err := b.fence.Check()
	if err == nil {
		return true
	}
	probe.Hit(probe.BrokerFenceLost)
	b.h.Log().Warn("a linearizable read is refused", "why", err)
	return false
}
