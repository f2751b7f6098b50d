package broker

import (
	"fmt"
	"math"
	"time"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// The collector of a single process. It deletes the bytes of objects that nothing refers to any more, and
// of keys that nothing ever will (PROTOCOL rules 34, 35): destroyed in metadata → grace → bytes → Forget.
//
// It also moves the log start offset of the offsets topic up to its newest committed checkpoint: what lies
// below is in the checkpoint.

// forgetBatch bounds one Forget command.
const forgetBatch = 500

// Collect says how often the collector works.
type Collect struct {
	Every time.Duration // destroyed objects are looked for
	Grace time.Duration // the bytes of a destroyed object stay, for reads that looked it up before
	Sweep time.Duration // the whole store is listed for garbage keys: abandoned and late puts
	First time.Duration // the first sweep after the start; by then late puts of the last run have landed
}

// collect runs until the scope ends.
func (b *Broker) collect(sc *host.Scope) error {
	sweepAt := b.h.Now().Add(b.cfg.Collect.First)
	for b.h.Sleep(sc, b.cfg.Collect.Every) == nil {
		if err := b.deleteDestroyed(sc); err != nil && sc.Err() == nil {
			b.h.Log().Warn("delete the bytes of destroyed objects", "error", err)
		}
		b.trimOffsets(sc)
		if b.h.Now() < sweepAt && !host.Buggify(b.h, "broker.collect.sweep") {
			continue
		}
		sweepAt = b.h.Now().Add(b.cfg.Collect.Sweep)
		b.expireOffsets()
		swept, err := b.engine.Sweep(sc, "", b.garbage)
		if err != nil && sc.Err() == nil {
			b.h.Log().Warn("sweep the object store", "error", err)
		} else if swept.Deleted > 0 {
			probe.Hit(probe.BrokerSweptGarbage)
			b.h.Log().Info("swept the object store", "listed", swept.Listed, "deleted", swept.Deleted)
		}
	}
	return nil
}

// garbage judges keys at one index of metadata. A key of another cluster, or of no form of ours, is not.
func (b *Broker) garbage(keys []string, out []bool) {
	b.meta.Read(func(s *metadata.State) {
		for i, key := range keys {
			cluster, id, err := metadata.ParseKey(key)
			out[i] = err == nil && cluster == b.cluster && s.Garbage(id)
			if mutant.On(mutant.DeleteBeforeCommit) {
				_, _, known := s.Object(id)
				out[i] = err == nil && !known
			}
		}
	})
}

// deleteDestroyed deletes the bytes of objects destroyed longer ago than the grace, and forgets them. It
// may be repeated: a missing key is no error.
func (b *Broker) deleteDestroyed(sc *host.Scope) error {
	var list []metadata.Destroyed
	b.meta.Read(func(s *metadata.State) { list = s.Destroyed() })
	until := b.h.Wall().Add(-b.cfg.Collect.Grace).UnixMilli()
	var done []*metadatapb.ObjectID
	for _, d := range list {
		if d.WallMs > until {
			continue // the wall clock only delays here; rule 34 decides what may go
		}
		if err := b.store.Delete(sc, d.ID.Key(b.cluster)); err != nil {
			return fmt.Errorf("delete object %s: %w", d.ID, err)
		}
		done = append(done, &metadatapb.ObjectID{Broker: d.ID.Broker, Epoch: d.ID.Epoch, Seq: d.ID.Seq})
		if len(done) == b.atMost(forgetBatch, "broker.collect.forget") {
			break
		}
	}
	if len(done) == 0 {
		return nil
	}
	cmd := &metadatapb.Forget{Objects: done}
	_, err := b.catalog.propose(sc, "forget deleted objects", metadata.NewCommand(cmd))
	return err
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
