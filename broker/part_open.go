package broker

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/broker/partition"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// open begins the partition's range: it builds the state at the range's start (PROTOCOL rule 26:
// checkpoint and replay), writes it as the range's first record, and is ready to append.
func (p *part) open(sc *host.Scope) error {
	b := p.b
	snapshot, err := b.stateAt(sc, p.id, p.start, false)
	if err != nil {
		return fmt.Errorf("open partition %d of topic %s: %w", p.index, p.name, err)
	}
	state, err := partition.Restore(snapshot)
	if err != nil {
		return fmt.Errorf("open partition %d of topic %s: %w", p.index, p.name, err)
	}
	if p.log, err = partition.Open(p.epoch, p.start, p.logStart, state); err != nil {
		return fmt.Errorf("open partition %d of topic %s: %w", p.index, p.name, err)
	}
	p.stream, err = b.engine.Open(sc, stream.OpenRange{
		ID: p.id, Epoch: stream.Epoch(p.epoch), Start: p.start, LogStart: p.logStart, State: snapshot,
	})
	if errors.Is(err, stream.ErrGone) {
		p.closed = codeUnknownTopicOrPartition // deleted while it was opened
		return nil
	}
	return err
}

// stateAt returns the encoded state of a stream at exactly offset at: the newest checkpoint at or below
// it and the entries after that.
func (b *Broker) stateAt(sc *host.Scope, id stream.ID, at int64, internal bool) ([]byte, error) {
	snapshot, from, err := b.engine.Checkpoint(sc, id)
	switch {
	case errors.Is(err, stream.ErrNoObject):
		snapshot, from = emptyState(internal), 0
	case err != nil:
		return nil, fmt.Errorf("read the newest checkpoint: %w", err)
	}
	if from == at {
		return snapshot, nil
	}
	sh, err := shadowOf(snapshot, from, internal)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint at offset %d: %w", from, err)
	}
	apply := func(base int64, count uint32, data []byte) error { sh.Apply(base, count, data); return nil }
	if err := b.engine.ReplayFrom(sc, id, from, at, apply); err != nil {
		return nil, fmt.Errorf("replay from offset %d to %d: %w", from, at, err)
	}
	return sh.Snapshot(), nil
}

// emptyState encodes the state of a stream without records.
func emptyState(internal bool) []byte {
	if internal {
		return group.NewStore().Snapshot()
	}
	return partition.NewState().Snapshot()
}

// shadowOf restores a shadow from an encoded state at offset at.
func shadowOf(snapshot []byte, at int64, internal bool) (stream.Shadow, error) {
	if internal {
		return group.NewShadow(snapshot, at)
	}
	return partition.NewShadow(snapshot)
}

// newShadow implements stream.Config.NewShadow.
func (b *Broker) newShadow(id stream.ID, _ stream.Epoch, at int64, state []byte) (stream.Shadow, error) {
	internal := b.isOffsets(id)
	if state == nil && internal {
		state = emptyState(true)
	} else if state == nil {
		s := partition.NewState()
		if err := s.SkipTo(at); err != nil {
			return nil, err
		}
		state = s.Snapshot()
	}
	return shadowOf(state, at, internal)
}

// isOffsets reports whether a stream is a partition of the offsets topic.
func (b *Broker) isOffsets(id stream.ID) (yes bool) {
	b.meta.Read(func(s *metadata.State) {
		if v, ok := s.PartitionOf(uint64(id)); ok {
			t, _ := s.Topic(v.Topic)
			yes = t.Name == offsetsTopic
		}
	})
	return yes
}
