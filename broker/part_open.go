package broker

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/broker/partition"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// open begins the partition's range: it builds the state at the range's start (PROTOCOL rule 26:
// checkpoint and replay), writes it as the range's first record, and is ready to append. A partition whose
// bytes cannot be read stays offline; the others go on (rule 38).
func (p *part) open(sc *host.Scope) error {
	sc, cancel := sc.Child(0)
	defer cancel()
	if !p.begin(cancel) {
		return p.settle(partFailed, nil)
	}
	err := p.openRange(sc)
	if unreadable(err) {
		probe.Hit(probe.BrokerPartBroken)
		p.broken = err.Error()
		p.b.h.Log().Error("a partition is offline", "topic", p.name, "partition", p.index, "why", p.broken)
		return p.settle(partBroken, nil)
	}
	if err != nil {
		return p.settle(partFailed, fmt.Errorf("open partition %d of topic %s: %w", p.index, p.name, err))
	}
	return p.settle(partOpen, nil)
}

// begin lets close end the opening; it reports false if the part was closed before.
func (p *part) begin(cancel func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = cancel
	return p.closed == codeNone
}

// settle ends the opening.
func (p *part) settle(phase partPhase, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = nil
	if p.closed != codeNone && p.log != nil {
		p.log.Fail()
	}
	p.phase.Store(phase)
	p.opened.open(err)
	return err
}

// serve installs what the range is served with, and the stream last: readers look at the phase.
func (p *part) serve(log *partition.Log, s *stream.Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log, p.stream = log, s
}

// unreadable reports whether an opening failed because of the stream's own bytes, or because the stream is
// gone, and not because of the broker.
func unreadable(err error) bool {
	return errors.Is(err, stream.ErrDamaged) || errors.Is(err, stream.ErrHole) || errors.Is(err, stream.ErrVersion) ||
		errors.Is(err, stream.ErrGone)
}

func (p *part) openRange(sc *host.Scope) error {
	snapshot, err := p.b.stateFor(sc, p.id, p.epoch, p.start)
	if err != nil {
		return err
	}
	state, err := partition.Restore(snapshot)
	if err != nil {
		return err
	}
	if state.End() < p.start { // a gap that an operator accepted ends here (rule 39)
		if err := state.SkipTo(p.start); err != nil {
			return err
		}
		snapshot = state.Snapshot()
	}
	log, err := partition.Open(p.epoch, p.start, p.logStart, state)
	if err != nil {
		return err
	}
	opened, err := p.b.engine.Open(sc, stream.OpenRange{
		ID: p.id, Epoch: stream.Epoch(p.epoch), Start: p.start, LogStart: p.logStart, State: snapshot,
	})
	if err != nil {
		return err
	}
	p.serve(log, opened)
	return nil
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
			yes = s.TopicName(v.Topic) == offsetsTopic
		}
	})
	return yes
}
