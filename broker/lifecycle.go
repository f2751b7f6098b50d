package broker

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Recovered is what the start found in the WAL.
type Recovered struct {
	Entries int    // whole entries
	Bytes   uint64 // positions scanned
	Torn    int    // frames dropped: 0 or 1
	Damaged int    // damaged parts
	Clean   bool   // the last run stopped in order
}

func (b *Broker) noteRecovery(rec *wal.Recovery) {
	b.recovered = Recovered{Entries: len(rec.Entries), Bytes: uint64(rec.End - rec.Start), Torn: rec.Torn.Frames,
		Damaged: len(rec.Damage), Clean: rec.Clean}
	if rec.Torn.Frames > 0 {
		b.h.Log().Warn("dropped a torn tail that was never acknowledged", "position", uint64(rec.Torn.At),
			"bytes", rec.Torn.Bytes, "why", rec.Torn.Why)
	}
	for _, d := range rec.Damage {
		b.h.Log().Error("the WAL is damaged", "from", uint64(d.From), "to", uint64(d.To), "why", d.Why)
	}
}

// Recovery returns what the start found in the WAL.
func (b *Broker) Recovery() Recovered { return b.recovered }

// Advertised is the address that clients are told.
func (b *Broker) Advertised() string {
	return fmt.Sprintf("%s:%d", b.advertised.Host, b.advertised.Port)
}

// walDied is called by the WAL after its first error (rule 15). What was acknowledged is uploaded from
// memory and the ranges are closed there before the broker ends; at once if it is the fence that was lost.
func (b *Broker) walDied(err error) {
	b.h.Go(b.root, "broker.rescue", func(sc *host.Scope) {
		if b.appliedIndex() == 0 {
			probe.Hit(probe.BrokerDiedStarting)
			// It died while the broker was starting. This run has acknowledged nothing, and what earlier ones
			// did is for the next start to recover: here it may not be known yet, let alone closed.
			b.fail(err)
			return
		}
		fenced := errors.Is(err, wal.ErrFenced) && !errors.Is(err, host.ErrIO) // which says nothing of who holds it
		if fenced || errors.Is(err, wal.ErrLease) {
			// Somebody else holds the WAL, and with it what this run owed: what it would upload nobody would commit,
			// and every moment that it stays its clients do not look for the new owner (rule 6).
			probe.Hit(probe.BrokerFencedOut)
			if b.session != nil && !b.draining.Load() {
				err = fmt.Errorf("%w: %w", ErrFenced, err)
			}
			b.fail(err)
			return
		}
		sc, cancel := sc.Child(b.h.Now().Add(rescueMax))
		defer cancel()
		e := b.engine.Rescue(sc)
		if e == nil || errors.Is(e, stream.ErrRefused) { // then all others are uploaded
			e = errors.Join(e, b.sealAll(sc)) // at the known-durable end, which is the committed one now
		}
		if e != nil {
			b.h.Log().Error("upload what the dead WAL had acknowledged", "error", e)
		} else {
			probe.Hit(probe.BrokerRescued)
		}
		b.fail(err)
	})
}

// sealAll closes every range that this run opened at its committed end, so that the next start recovers
// nothing and a lost WAL volume loses nothing. A range left open by an earlier run is for its recovery, and one
// with durable records above its committed end is for the next.
func (b *Broker) sealAll(sc *host.Scope) error {
	ends := b.durableEnds()
	var cmds []*metadatapb.SealAndOpen
	b.meta.Read(func(s *metadata.State) {
		for _, r := range s.OpenOn(metadata.UUID(b.walID)) {
			st, _ := s.Stream(r.Stream)
			last := st.Ranges[len(st.Ranges)-1]
			if last.Generation != b.walGen || ends[r.Stream] > last.Committed {
				continue
			}
			cmds = append(cmds, &metadatapb.SealAndOpen{Stream: r.Stream, LeaderEpoch: r.LeaderEpoch, End: last.Committed})
		}
	})
	return b.each(sc, len(cmds), func(sc *host.Scope, i int) error {
		res, err := b.meta.Propose(sc, metadata.NewCommand(cmds[i]))
		if err != nil {
			return fmt.Errorf("seal a partition: %w", err)
		}
		switch res.GetRefusal() {
		case metadatapb.Refusal_REFUSAL_NONE, metadatapb.Refusal_REFUSAL_HOLE, metadatapb.Refusal_REFUSAL_STREAM_DELETED:
			return nil // a range with a hole stays as it is: offline, with its reason
		}
		return refusedError("seal a partition", res)
	})
}

// durableEnds returns where the durable records of the streams that this broker serves end.
func (b *Broker) durableEnds() map[uint64]int64 {
	ends := map[uint64]int64{}
	for _, t := range b.allTopics() {
		for i := range t.parts {
			if p := t.parts[i].part; p != nil && p.isOpen() {
				ends[t.parts[i].stream] = p.stream.DurableEnd()
			}
		}
	}
	for _, g := range b.coordinatorParts() {
		ends[uint64(g.id)] = g.stream.DurableEnd()
	}
	return ends
}

// reportClean tells metadata that nothing lies beyond the WAL's end.
func (b *Broker) reportClean(sc *host.Scope) error {
	cmd := &metadatapb.ReportWal{Broker: b.cfg.NodeID, Epoch: b.epoch, Wal: b.walID[:], Generation: b.walGen,
		Trim: uint64(b.log.Trimmed()), Durable: uint64(b.log.Durable()), Clean: true}
	_, err := b.proposeBoot(sc, "report the clean stop", cmd)
	return err
}
