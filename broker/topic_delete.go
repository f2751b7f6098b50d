package broker

import (
	"errors"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
)

// Deletion in a cluster (PROTOCOL rule 37). A topic has many owners, and one command cannot name what all of them
// say. So each stops appending and closes its ranges for nobody, which is its confirmation; whoever sees none open any
// more, or only such whose owners were fenced, deletes the topic.

const (
	// deletingAgain is how long a deletion waits for news before it looks again.
	deletingAgain = time.Second
	// deletingLate is how long it waits for the broker that should end it. That one may be live and yet do nothing: it
	// starts, again and again, or a hole keeps this one from closing a range.
	deletingLate = 5 * time.Second
)

// beginDeleting looks after a topic marked for deletion, in a task of its own, until it is gone. The follow task calls
// it with every look.
func (b *Broker) beginDeleting(t *topic) {
	if b.deleting[t.id] {
		return
	}
	b.deleting[t.id] = true
	b.work.Go("broker.delete", func(sc *host.Scope) error {
		if err := b.deleteTopic(sc, t); err != nil && sc.Err() == nil && !b.draining.Load() {
			b.fail(err)
		}
		return nil
	})
}

func (b *Broker) deleteTopic(sc *host.Scope, t *topic) error {
	for i := range t.parts {
		if p := t.parts[i].part; p != nil {
			p.noteDeleted()
			if err := p.end(sc, codeUnknownTopicOrPartition); err != nil {
				return err
			}
		}
	}
	// Before the confirmation: after it the name is free for a topic that must not find these offsets.
	b.forgetting(t.name, 1, 0)
	if err := b.forgetTopic(sc, t.name); err != nil {
		return err
	}
	b.forgetting(t.name, -1, 0)
	for since := host.Time(0); ; {
		if err := b.sealDeleted(sc, t); err != nil {
			return err
		}
		d := b.deletion(t.id)
		switch {
		case d.gone:
			return nil
		case !d.ready:
			since = 0
		case since == 0:
			since = b.h.Now()
		}
		if d.ready && (d.first || b.h.Now() >= since.Add(deletingLate)) {
			probe.Hit(probe.BrokerDeletedByOne)
			err := b.confirmDeleted(sc, t.id)
			if err != nil && sc.Err() == nil {
				b.h.Log().Warn("waiting for the controllers", "to", "delete a topic", "topic", t.name, "error", err)
			}
		}
		if _, err := b.meta.Wait(sc, d.index, b.h.Now().Add(deletingAgain)); err != nil && !errors.Is(err, host.ErrTimeout) {
			return err
		}
	}
}

// sealDeleted closes the ranges of a topic that this broker owns, for nobody.
func (b *Broker) sealDeleted(sc *host.Scope, t *topic) error {
	for i := range t.parts {
		var v metadata.Partition
		b.meta.Read(func(s *metadata.State) { v, _ = s.PartitionOf(t.parts[i].stream) })
		if !b.leads(&v) {
			continue
		}
		end := v.Start
		if p := t.parts[i].part; p != nil && p.isOpen() && p.epoch == v.LeaderEpoch {
			var err error
			if end, err = p.stream.Seal(sc); errors.Is(err, stream.ErrDead) {
				return nil // the broker ends, and is fenced
			} else if err != nil {
				return err
			}
		}
		cmd := &metadatapb.SealAndOpen{Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, End: end}
		if _, err := b.proposePatiently(sc, "close a partition that is deleted", cmd); err != nil {
			return err
		}
	}
	return nil
}

// deletion is how far the deletion of a topic has come.
type deletion struct {
	index uint64
	gone  bool
	ready bool // no owner can append any more, but for this broker, which does not
	first bool // it is this broker that says so
}

func (b *Broker) deletion(id metadata.UUID) (d deletion) {
	b.meta.Read(func(s *metadata.State) {
		d.index, _ = s.Index()
		t, there := s.Topic(id)
		if !there {
			d.gone = true
			return
		}
		for i := range t.Streams {
			if v, _ := s.Partition(id, int32(i)); v.Owned && (v.Owner != b.cfg.NodeID || v.OwnerEpoch != b.epoch) {
				return
			}
		}
		d.ready, d.first = true, b.speaks(s)
	})
	return d
}

// speaks reports whether this broker is the first of those that are live: one of them does what any may.
func (b *Broker) speaks(s *metadata.State) bool {
	for _, x := range s.Brokers() {
		if x.Live {
			return x.ID == b.cfg.NodeID
		}
	}
	return false
}
