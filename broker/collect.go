package broker

import (
	"math"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/collector"
	"github.com/weirmq/weir/host"
)

// What a broker does now and then: it moves the log start offset of its partitions of the offsets topic up to
// their newest committed checkpoint (what lies below is in the checkpoint), and forgets offsets that are too old.
// In a single process it also is the collector; in a cluster no broker deletes an object (PROTOCOL rule 35).

// Collect says how often the collector works.
type Collect = collector.Config

// collect runs until the scope ends.
func (b *Broker) collect(sc *host.Scope) error {
	var gc *collector.Collector
	if b.cfg.Cluster == nil {
		gc = collector.New(b.h, b.cfg.Collect, b.store, b.meta)
	}
	sweepAt := b.h.Now().Add(b.cfg.Collect.First)
	expireAt := sweepAt
	for b.h.Sleep(sc, b.cfg.Collect.Every) == nil {
		b.trimOffsets(sc)
		if b.h.Now() >= expireAt || host.Buggify(b.h, "broker.collect.expire") {
			expireAt = b.h.Now().Add(b.cfg.Collect.Sweep)
			b.expireOffsets()
		}
		if gc != nil {
			sweepAt = gc.Round(sc, sweepAt)
		}
	}
	return nil
}

// trimOffsets moves the log start offset of each coordinator partition up to its newest checkpoint.
func (b *Broker) trimOffsets(sc *host.Scope) {
	for _, g := range b.coordinatorParts() {
		loc, err := b.catalog.Checkpoint(g.id, math.MaxInt64)
		if err != nil || loc.Start <= loc.LogStart {
			continue // nothing was committed yet
		}
		if err := g.stream.Trim(sc, loc.Start); err != nil && sc.Err() == nil {
			b.h.Log().Warn("trim the offsets topic", "partition", g.index, "offset", loc.Start, "error", err)
		}
	}
}

// expireOffsets forgets the offsets of groups that have been empty for longer than the retention.
func (b *Broker) expireOffsets() {
	for _, g := range b.coordinatorParts() {
		g.act(func(c *group.Coordinator, now group.Now, out []group.Effect) []group.Effect {
			return c.Expire(now, out)
		})
	}
}
