package broker

import (
	"time"

	"github.com/weirmq/weir/broker/peer"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
)

// A move is begun in metadata and driven from there by who owns the range (ADR 0016):
//
//	Move seen ─▶ sealed: end and state are final ─▶ handed over ─▶ SealAndOpen applied ─▶ the next owner opens
//
// Every step may be repeated. Nobody but the owner closes a live epoch's range, so it waits for as long as it takes;
// if the owner ends first, who recovers its WAL closes the range at the same end.

const (
	// movesMax bounds the moves that are driven at the same time.
	movesMax = 64
	// handOverWait bounds the attempt to hand a state over: who does not get it asks for it.
	handOverWait = 300 * time.Millisecond

	movePauseMin = 20 * time.Millisecond // before a command is proposed again
	movePauseMax = time.Second
)

// driveMoves begins the moves that this broker's ranges are to make, and notes those that come here.
func (b *Broker) driveMoves(sc *host.Scope) error {
	for seen := uint64(0); ; {
		var moves []metadata.Move
		b.meta.Read(func(s *metadata.State) {
			seen, _ = s.Index()
			moves = s.Moves()
		})
		b.noteMoves(moves, seen)
		for _, m := range moves {
			if m.From == b.cfg.NodeID && m.FromEpoch == b.epoch && !m.Recovering && b.beginMove(m) {
				b.work.Go("broker.move", func(sc *host.Scope) error {
					defer b.endMove(m)
					b.move(sc, m)
					return nil
				})
			}
		}
		if _, err := b.meta.Wait(sc, seen, 0); err != nil {
			return nil // watch sees it too
		}
	}
}

// beginMove reports whether nobody drives the move yet.
func (b *Broker) beginMove(m metadata.Move) bool {
	v := &b.moving
	v.mu.Lock()
	defer v.mu.Unlock()
	id := stream.ID(m.Stream)
	if at, under := v.leaving[id]; under && at >= m.LeaderEpoch {
		return false
	}
	v.leaving[id] = m.LeaderEpoch
	return true
}

func (b *Broker) endMove(m metadata.Move) {
	v := &b.moving
	v.mu.Lock()
	defer v.mu.Unlock()
	if id := stream.ID(m.Stream); v.leaving[id] == m.LeaderEpoch {
		delete(v.leaving, id)
	}
}

// move drives one move until metadata shows that its range is closed.
func (b *Broker) move(sc *host.Scope, m metadata.Move) {
	if b.moving.turns.Acquire(sc, 1) != nil {
		return
	}
	defer b.moving.turns.Release(1)
	leaver, err := b.leaver(sc, m)
	if leaver == nil || err != nil {
		return // it has ended, or this run has
	}
	b.dawdle(sc, "broker.move.seal")
	end, state, err := leaver.seal(sc)
	if err != nil {
		b.h.Log().Warn("seal a partition that is to move", "stream", m.Stream, "error", err)
		return // this run ends: who recovers the WAL closes the range
	}
	probe.Hit(probe.BrokerMoveSealed)
	b.dawdle(sc, "broker.move.handover")
	told := int32(-1)
	for pause := movePauseMin; ; pause = min(2*pause, movePauseMax) {
		now, still := b.moveOf(m)
		if !still {
			return
		}
		if !now.Nobody && state != nil && told != now.To {
			b.handOver(sc, now, end, state)
			told = now.To
		}
		b.dawdle(sc, "broker.move.propose")
		done, err := b.sealAndOpen(sc, now, end)
		if done || sc.Err() != nil {
			return
		}
		probe.Hit(probe.BrokerMoveAgain)
		b.h.Log().Warn("a move waits", "stream", m.Stream, "epoch", m.LeaderEpoch, "to", now.To, "why", err)
		if b.h.Sleep(sc, pause) != nil {
			return
		}
	}
}

// moveOf is the move as metadata has it by now: its target may be another. It reports false once it is over.
func (b *Broker) moveOf(m metadata.Move) (now metadata.Move, still bool) {
	b.meta.Read(func(s *metadata.State) {
		now, still = s.Move(m.Stream)
		still = still && now.LeaderEpoch == m.LeaderEpoch && now.FromEpoch == b.epoch && !now.Recovering
	})
	return now, still
}

// sealAndOpen has the range closed at its final end and the next one opened where the move goes. It reports whether
// that is over, by this command or by another.
func (b *Broker) sealAndOpen(sc *host.Scope, m metadata.Move, end int64) (bool, error) {
	cmd := &metadatapb.SealAndOpen{Stream: m.Stream, LeaderEpoch: m.LeaderEpoch, End: end}
	if !m.Nobody {
		cmd.To = &m.To
	}
	res, err := b.meta.Propose(sc, metadata.NewCommand(cmd))
	if err != nil {
		return false, err // applied later, or not at all: the same command says the same again
	}
	switch res.GetRefusal() {
	case metadatapb.Refusal_REFUSAL_NONE, metadatapb.Refusal_REFUSAL_LEADER_EPOCH, metadatapb.Refusal_REFUSAL_SEALED,
		metadatapb.Refusal_REFUSAL_STREAM_DELETED, metadatapb.Refusal_REFUSAL_UNKNOWN_STREAM:
		return true, nil
	case metadatapb.Refusal_REFUSAL_BELOW_COMMITTED:
		invariant.Check(mutant.On(mutant.SealInFlight), invariant.EndNotBelowCommitted,
			"stream %d epoch %d was sealed at %d: %s", m.Stream, m.LeaderEpoch, end, res.GetDetail())
	}
	return false, refusedError("move a partition", res)
}

// handOver gives the state at a range's end to who is to open the next one. It may fail: the state is asked for then.
func (b *Broker) handOver(sc *host.Scope, m metadata.Move, end int64, state []byte) {
	h := peer.HandOver{From: b.cfg.NodeID, FromEpoch: b.epoch, Stream: m.Stream, LeaderEpoch: m.LeaderEpoch,
		End: end, State: state}
	if m.To == b.cfg.NodeID {
		b.keepState(h)
		return
	}
	var address string
	b.meta.Read(func(s *metadata.State) {
		if to, known := s.Broker(m.To); known && to.Live && to.Epoch == m.ToEpoch {
			address = to.Address
		}
	})
	if address == "" {
		return
	}
	_, err := b.cfg.Cluster.Pool().Call(sc, address, peer.MethodHandOver, h.Encode(), handOverWait)
	if err != nil {
		probe.Hit(probe.BrokerHandOverLost)
	}
}

// leaver is a partition of this broker that is to move.
type leaver interface {
	// seal ends the range here. End and state are final: nothing is appended any more, and all that was is
	// acknowledged. A partition that never opened has no state.
	seal(sc *host.Scope) (end int64, state []byte, err error)
}

// leaver returns the partition that a move is of, when this broker has it: metadata may be ahead of what requests see.
// nil once the move is over.
func (b *Broker) leaver(sc *host.Scope, m metadata.Move) (leaver, error) {
	for {
		index := b.appliedIndex()
		if _, still := b.moveOf(m); !still {
			return nil, nil
		}
		if x := b.leaverNow(m); x != nil {
			return x, nil
		}
		if err := b.awaitApplied(sc, index+1); err != nil {
			return nil, err
		}
	}
}

func (b *Broker) leaverNow(m metadata.Move) leaver {
	t := b.topicByID(m.Topic)
	if t == nil || int(m.Partition) >= len(t.parts) {
		return nil
	}
	if t.internal {
		b.mu.Lock()
		defer b.mu.Unlock()
		if int(m.Partition) < len(b.groups.parts) {
			if g := b.groups.parts[m.Partition]; g != nil && g.epoch == m.LeaderEpoch {
				return g
			}
		}
		return nil
	}
	ref := &t.parts[m.Partition]
	if ref.part != nil && ref.part.epoch == m.LeaderEpoch {
		return ref.part
	}
	if ref.broken && ref.leaderEpoch == m.LeaderEpoch {
		return unopened{end: ref.remains.end}
	}
	return nil
}

// unopened is a partition whose range this broker could not begin: it ends where it started.
type unopened struct{ end int64 }

func (u unopened) seal(*host.Scope) (int64, []byte, error) { return u.end, nil, nil }

// seal implements leaver. Requests that come from now on wait for the next owner's name, or for their time to be over.
func (p *part) seal(sc *host.Scope) (int64, []byte, error) {
	wrong, err := p.wrongState(sc)
	if err != nil {
		return 0, nil, err
	}
	if s, err := p.leave(sc); s == nil {
		return p.start, nil, err
	}
	end, err := p.stream.Seal(sc)
	if err != nil {
		return 0, nil, err
	}
	if wrong != nil {
		return end, wrong, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !mutant.On(mutant.SealInFlight) {
		told := p.log.HighWatermark() == end || p.closed != codeNone // a closed part looks no further
		invariant.Check(p.log.LogEnd() == end && told, invariant.SealFinal,
			"stream %d epoch %d is sealed at %d, its log ends at %d and is acknowledged to %d",
			p.id, p.epoch, end, p.log.LogEnd(), p.log.HighWatermark())
	}
	return end, p.log.State().Snapshot(), nil
}

// wrongState is what planted bugs hand over: a state that is not of the end.
func (p *part) wrongState(sc *host.Scope) (state []byte, err error) {
	switch {
	case mutant.On(mutant.ProducersStay):
		return emptyState(false), nil
	case mutant.On(mutant.StateBeforeEnd):
		if err := p.opened.wait(sc); err != nil || !p.isOpen() {
			return nil, err
		}
		p.mu.Lock()
		state = p.log.State().Snapshot()
		p.mu.Unlock()
		return state, p.b.h.Sleep(sc, 5*time.Millisecond)
	}
	return nil, nil
}

// leave has appends parked from now on, or ends an opening that is under way; nil if there is no range here.
func (p *part) leave(sc *host.Scope) (*stream.Stream, error) {
	if opening, begun := p.noteLeaving(); opening {
		probe.Hit(probe.BrokerMoveOpening)
		p.close(codeNotLeaderOrFollower) // what it waits for may never come; the next owner waits as well
		if !begun {
			return nil, nil
		}
	}
	if err := p.opened.wait(sc); err != nil && sc.Err() != nil {
		return nil, sc.Err()
	}
	if !p.isOpen() {
		return nil, nil
	}
	return p.stream, nil
}

// noteLeaving notes that the part is to leave. One that is not open yet never appends any more.
func (p *part) noteLeaving() (opening, begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = true
	if opening = p.phase.Load() == partOpening; opening && p.closed == codeNone {
		p.closed = codeNotLeaderOrFollower
	}
	return opening, p.cancel != nil
}

// ownStateWait bounds how long a coordinator partition that moves waits for its state, which may need objects. Its end
// is final without it, the next owner asks for the state, and a move that waits for the store would cost this broker
// its epoch (rule 25).
const ownStateWait = 2 * time.Second

// seal implements leaver. Who waits for the coordinator hears NOT_COORDINATOR, and what it had not framed is dropped.
func (g *groupPart) seal(sc *host.Scope) (int64, []byte, error) {
	g.stop()
	if err := g.opened.wait(sc); err != nil && sc.Err() != nil {
		return 0, nil, sc.Err()
	}
	if !g.isOpen() {
		return g.start, nil, nil
	}
	if err := g.finished.wait(sc); err != nil {
		return 0, nil, err
	}
	end, err := g.stream.Seal(sc)
	if err != nil {
		return 0, nil, err
	}
	ask, cancel := sc.Child(g.b.h.Now().Add(ownStateWait))
	defer cancel()
	state, err := g.b.engine.StateAt(ask, g.id, stream.Epoch(g.epoch), end)
	if err != nil && sc.Err() == nil {
		g.b.h.Log().Warn("a coordinator partition moves without its state", "partition", g.index, "end", end, "error", err)
		return end, nil, nil
	}
	return end, state, err
}
