package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/broker/peer"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/stream"
)

const (
	// owedPatience bounds one read of what another broker's WAL owes; a fetch is answered with what there is then.
	owedPatience = time.Second
	owedPause    = 20 * time.Millisecond // before who did not answer is asked again
	stateWait    = 2 * time.Second       // for the answer to a StateAt

	statePauseMin = 20 * time.Millisecond // between attempts to have a state
	statePauseMax = time.Second
)

// readOwed implements stream.Config.Owed: it asks the holder of the WAL that owes an offset, and nobody else.
func (b *Broker) readOwed(sc *host.Scope, q stream.OwedRead) ([]stream.OwedEntry, error) {
	return b.readOwedBy(sc, q, b.engine)
}

// readOwedBy is readOwed for the engine by, which has looked in its own WAL.
func (b *Broker) readOwedBy(sc *host.Scope, q stream.OwedRead, by *stream.Engine) ([]stream.OwedEntry, error) {
	until := b.h.Now().Add(owedPatience)
	for {
		o := b.owingAt(q.ID, q.From)
		switch {
		case !o.known:
			return nil, stream.ErrGone
		case o.lost != nil:
			return nil, o.lost
		case !o.found, o.r.End == metadata.Open, b.engineOf(o.r.WAL) == by:
			return nil, stream.ErrNoObject
		case o.committed && q.From >= o.logStart:
			return nil, nil
		case o.committed:
			return nil, stream.ErrNoObject // below the log start offset, and gone
		}
		entries, again, err := b.askOwed(sc, q, &o, until)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		if err := b.pause(sc, again, until); err != nil {
			return nil, err
		}
	}
}

// pause waits for metadata above an index, or if that is 0 for a moment. ErrNotNow when until comes first.
func (b *Broker) pause(sc *host.Scope, above uint64, until host.Time) (err error) {
	if above > 0 {
		_, err = b.meta.Wait(sc, above, until)
	} else if err = b.h.Sleep(sc, owedPause); err == nil && b.h.Now() >= until {
		err = host.ErrTimeout
	}
	if errors.Is(err, host.ErrTimeout) && sc.Err() == nil {
		probe.Hit(probe.BrokerOwedNotNow)
		return stream.ErrNotNow
	}
	return err
}

// askOwed asks the holder of a WAL once. Without entries it says above which index of metadata to look again; 0 is
// soon.
func (b *Broker) askOwed(
	sc *host.Scope, q stream.OwedRead, o *owing, until host.Time,
) (entries []stream.OwedEntry, again uint64, err error) {
	ask := peer.ReadOwed{Stream: uint64(q.ID), LeaderEpoch: o.r.LeaderEpoch, WAL: o.r.WAL, From: q.From,
		Limit: min(q.Limit, o.r.End), MaxBytes: min(q.MaxBytes, peer.ReadMax)}
	var p []byte
	switch {
	case b.engineOf(o.r.WAL) != nil: // held here for a broker that is gone
		p, err = b.owed(sc, ask)
	case o.address == "":
		return nil, o.index, nil // nobody holds it
	default:
		p, err = b.cfg.Cluster.Pool().Call(sc, o.address, peer.MethodReadOwed, ask.Encode(), until.Sub(b.h.Now()))
	}
	switch {
	case err == nil:
	case sc.Err() != nil:
		return nil, 0, sc.Err()
	case peer.Refused(err, peer.CodeLost):
		return nil, 0, &stream.HoleError{ID: q.ID, Epoch: stream.Epoch(o.r.LeaderEpoch), From: q.From, To: stream.Unknown,
			Why: fmt.Sprintf("broker %d, which holds WAL %s: %v", o.wal.Holder, o.r.WAL, err)}
	case peer.Refused(err, peer.CodeNotHolder):
		return nil, o.index, nil
	default:
		probe.Hit(probe.BrokerOwedUnanswered)
		return nil, 0, nil
	}
	answer, err := peer.DecodeOwed(p, ask)
	if err != nil {
		return nil, 0, fmt.Errorf("read what WAL %s owes from broker %d: %w", o.r.WAL, o.wal.Holder, err)
	}
	if answer.GoneAt > o.index {
		return nil, answer.GoneAt - 1, nil
	}
	entries = make([]stream.OwedEntry, len(answer.Entries))
	for i := range answer.Entries {
		entries[i] = stream.OwedEntry(answer.Entries[i])
	}
	return entries, 0, nil
}

// stateFor returns the state that the range of a partition begins with (rule 26): what was handed over, what the holder
// of the range before it knows, or checkpoint and replay. It is of exactly start. In a cluster it waits for those who
// have what it takes, until sc ends.
func (b *Broker) stateFor(sc *host.Scope, id stream.ID, epoch int32, start int64) ([]byte, error) {
	if b.cfg.Cluster == nil {
		return b.engine.StateAt(sc, id, stream.Epoch(epoch), start)
	}
	for pause := statePauseMin; ; pause = min(2*pause, statePauseMax) {
		state, err := b.stateNow(sc, id, epoch, start)
		if !retryable(err) || sc.Err() != nil {
			return state, err
		}
		probe.Hit(probe.BrokerStateWaits)
		if err := b.h.Sleep(sc, pause); err != nil {
			return nil, err
		}
	}
}

func (b *Broker) stateNow(sc *host.Scope, id stream.ID, epoch int32, start int64) ([]byte, error) {
	last, address, ok := b.rangeBefore(id, epoch)
	if !ok || last.End != start { // the first range, or behind a gap
		return b.engine.StateAt(sc, id, stream.Epoch(epoch), start)
	}
	if state := b.takeState(id, last.LeaderEpoch, start); state != nil {
		probe.Hit(probe.BrokerStateHandedOver)
		return state, nil
	}
	if b.engineOf(last.WAL) == b.engine {
		return b.engine.StateAt(sc, id, stream.Epoch(epoch), start)
	}
	whole := last.Frontier >= last.End && last.CheckpointAt == last.End
	if e := b.engineOf(last.WAL); e != nil && !whole {
		state, err := e.StateAt(sc, id, stream.Epoch(last.LeaderEpoch), start)
		if err != nil && b.engineOf(last.WAL) != e { // let go of meanwhile: objects have it, or another holder does
			return nil, stream.ErrNotNow
		}
		return state, err
	}
	if address != "" && !whole {
		q := peer.StateAt{Stream: uint64(id), LeaderEpoch: last.LeaderEpoch, End: start, WAL: last.WAL}
		if state, err := b.askState(sc, address, q); err == nil {
			return state, nil
		} else if sc.Err() != nil {
			return nil, err
		}
	}
	probe.Hit(probe.BrokerStateReplayed)
	return b.engine.StateAt(sc, id, stream.Epoch(epoch), start)
}

func (b *Broker) askState(sc *host.Scope, address string, q peer.StateAt) ([]byte, error) {
	p, err := b.cfg.Cluster.Pool().Call(sc, address, peer.MethodStateAt, q.Encode(), stateWait)
	if err != nil {
		return nil, fmt.Errorf("ask %s for the state of stream %d at offset %d: %w", address, q.Stream, q.End, err)
	}
	return peer.DecodeState(p)
}

// rangeBefore returns the range before the one of an epoch, and where the holder of its WAL can be asked.
func (b *Broker) rangeBefore(id stream.ID, epoch int32) (r metadata.Range, address string, ok bool) {
	b.meta.Read(func(s *metadata.State) {
		st, _ := s.Stream(uint64(id))
		for i := 1; i < len(st.Ranges); i++ {
			if st.Ranges[i].LeaderEpoch == epoch {
				r, ok = st.Ranges[i-1], true
				_, address = holderOf(s, r.WAL)
			}
		}
	})
	return r, address, ok
}

// retryable reports whether who asks another broker may have an answer later. So may who asks the store, or reads a
// volume that is not its own: a broker that ended because of that would leave its partitions to the next one, which
// would fare no better. What a volume fails to read for long is damage.
func retryable(err error) bool {
	var s *rpc.Status
	if errors.Is(err, stream.ErrStore) || errors.Is(err, host.ErrIO) && !unreadable(err) {
		return true
	}
	return errors.Is(err, stream.ErrNotNow) || errors.As(err, &s) || errors.Is(err, rpc.ErrUnknown) ||
		errors.Is(err, rpc.ErrUnreachable)
}
