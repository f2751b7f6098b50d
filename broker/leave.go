package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// How a broker leaves its cluster (PROTOCOL rule 40): it drains while it serves, and what is left when it stops is
// closed in place:
//
//	Drain → whoever leads begins moves, this broker ends each → it owes nothing → Stop → Deregister
//
// Each step may end early: what the next one does not find done, it does in its own way, and what the last one leaves
// behind others recover once this epoch is fenced.

// drainPoll is how often a drain looks what it still owes.
const drainPoll = 100 * time.Millisecond

// ErrDrain is wrapped by errors of a drain that did not come to its end.
var ErrDrain = errors.New("broker: not drained")

// stays is what keeps a broker from leaving.
type stays struct {
	index   uint64
	open    int // ranges that it owns, or has to seal for another
	owed    int // closed ranges that are not all in objects
	targets int // brokers that can take partitions
}

func (s stays) String() string {
	return fmt.Sprintf("%d partitions and %d ranges that are not uploaded", s.open, s.owed)
}

// Drain has this broker's partitions taken over by others, and uploads what it owes, while it serves. It returns nil
// when nothing is left, or nobody is there to take it. Errors wrap ErrDrain and say what is left.
func (b *Broker) Drain(sc *host.Scope, until host.Time) error {
	sc, cancel := sc.Child(until)
	defer cancel()
	cmd := &metadatapb.Drain{Broker: b.cfg.NodeID, Epoch: b.epoch}
	res, err := b.proposePatiently(sc, "drain", cmd)
	if err == nil && res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		err = refusedError("drain", res)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDrain, err)
	}
	for told := false; ; {
		left := b.stays()
		switch {
		case left.open == 0 && left.owed == 0:
			probe.Hit(probe.BrokerDrained)
			return nil
		case left.open > 0 && left.targets == 0:
			probe.Hit(probe.BrokerDrainNowhere)
			return nil // Stop seals them in place
		case b.failed.Done():
			return fmt.Errorf("%w: the broker failed; it has %v", ErrDrain, left)
		case left.owed > 0:
			if err := b.engine.Flush(sc); err != nil && sc.Err() == nil && !told {
				told = true
				b.h.Log().Warn("upload what is owed before leaving", "error", err)
			}
		}
		_, err := b.meta.Wait(sc, left.index, b.h.Now().Add(drainPoll))
		if sc.Err() != nil || err != nil && !errors.Is(err, host.ErrTimeout) {
			return fmt.Errorf("%w: %v: %w", ErrDrain, left, err)
		}
	}
}

// stays tells what keeps the broker. A partition with a hole, or of a topic that is being deleted, stays where it is.
func (b *Broker) stays() stays {
	var x stays
	b.meta.Read(func(s *metadata.State) {
		x.index, _ = s.Index()
		for _, seat := range s.Seats() {
			if seat.Broker != b.cfg.NodeID {
				x.targets++
			}
		}
		for _, w := range s.HeldBy(b.cfg.NodeID, b.epoch) {
			x.owed += len(s.Owed(w.ID))
			for _, r := range s.OpenOn(w.ID) {
				if p, known := s.PartitionOf(r.Stream); known && !p.Holed && !p.Deleting {
					x.open++
				}
			}
		}
	})
	return x
}

// Deregister ends this broker's epoch for good, after Stop, if it owes nothing; then its WAL is removed. An error says
// why not: the others fence it, and recover what it left.
func (b *Broker) Deregister(sc *host.Scope, until host.Time) error {
	sc, cancel := sc.Child(until)
	defer cancel()
	cmd := &metadatapb.Deregister{Broker: b.cfg.NodeID, Epoch: b.epoch}
	res, err := b.proposePatiently(sc, "deregister", cmd)
	if err != nil {
		return fmt.Errorf("deregister: %w", err)
	}
	if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
		return refusedError("deregister", res)
	}
	probe.Hit(probe.BrokerDeregistered)
	var own metadata.WAL
	b.meta.Read(func(s *metadata.State) { own, _ = s.WAL(metadata.UUID(b.walID)) })
	_, err = b.removeWAL(sc, own)
	return err
}
