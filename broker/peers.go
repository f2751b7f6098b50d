package broker

import (
	"errors"

	"github.com/weirmq/weir/broker/peer"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Handlers that run at a time. Each may hold an entry, which is 16 MiB at most.
const (
	handOverTasks = 8
	stateAtTasks  = 8
	readOwedTasks = 16
)

// Register makes s answer other brokers. It is called before s is started, and before or after Start: while the
// broker does not serve yet, they are told to ask again.
func (b *Broker) Register(s *rpc.Server) {
	s.Handle(rpc.Endpoint{Method: peer.MethodHandOver, Name: "broker.handover", Handler: b.serveHandOver,
		RequestMax: peer.RequestMax, Concurrency: handOverTasks})
	s.Handle(rpc.Endpoint{Method: peer.MethodStateAt, Name: "broker.stateat", Handler: b.serveStateAt,
		Concurrency: stateAtTasks})
	s.Handle(rpc.Endpoint{Method: peer.MethodReadOwed, Name: "broker.readowed", Handler: b.serveReadOwed,
		Concurrency: readOwedTasks})
}

// answersPeers refuses what comes before the WAL is recovered, or after the broker has ended.
func (b *Broker) answersPeers() error {
	if !b.moving.up.Load() || b.failed.Done() {
		return peer.Refuse(peer.CodeNotReady, "broker %d does not serve now", b.cfg.NodeID)
	}
	return nil
}

// engineOf returns the streams of a WAL that this broker holds, its own or one that it recovers, nil if it does not.
func (b *Broker) engineOf(id metadata.UUID) *stream.Engine {
	if w, ok := b.heldLog(wal.UUID(id)); ok {
		return w.engine
	}
	return nil
}

// owing is what metadata says of the range that holds an offset.
type owing struct {
	index     uint64 // of metadata
	logStart  int64
	r         metadata.Range
	wal       metadata.WAL
	address   string // of the WAL's holder, "" if nobody can be asked
	known     bool   // the stream exists
	found     bool   // the range does
	lost      *stream.HoleError
	committed bool // objects hold the offset
}

// owingAt looks up who owes an offset of a stream.
func (b *Broker) owingAt(id stream.ID, at int64) (o owing) {
	b.meta.Read(func(s *metadata.State) {
		o.index, _ = s.Index()
		st, known := s.Stream(uint64(id))
		if o.known = known; !known {
			return
		}
		o.logStart = st.LogStart
		for i := range st.Ranges {
			if r := st.Ranges[i]; r.Start <= at && (r.End == metadata.Open || at < r.End) {
				o.found, o.r, o.committed = true, r, at < r.Committed
			}
		}
		for _, h := range st.Holes {
			if h.From <= at && (h.To == metadata.Open || at < h.To) && !h.Accepted {
				o.lost = &stream.HoleError{ID: id, Epoch: stream.Epoch(h.LeaderEpoch), From: h.From, To: h.To, Why: h.Why}
			}
		}
		if o.found {
			o.wal, o.address = holderOf(s, o.r.WAL)
		}
	})
	return o
}

// holderOf returns a WAL and where its holder can be asked.
func holderOf(s *metadata.State, id metadata.UUID) (w metadata.WAL, address string) {
	w, _ = s.WAL(id)
	if !w.Held {
		return w, ""
	}
	if h, known := s.Broker(w.Holder); known && h.Live && h.Epoch == w.HolderEpoch {
		address = h.Address
	}
	return w, address
}

// serveReadOwed answers a broker that reads what a WAL of this one owes (rule 27). It looks nowhere else.
func (b *Broker) serveReadOwed(sc *host.Scope, _ *rpc.Peer, p []byte) ([]byte, error) {
	if err := b.answersPeers(); err != nil {
		return nil, err
	}
	q, err := peer.DecodeReadOwed(p)
	if err != nil {
		return nil, peer.Refuse(peer.CodeInvalid, "%v", err)
	}
	return b.owed(sc, q)
}

// owed is the encoded answer to q.
func (b *Broker) owed(sc *host.Scope, q peer.ReadOwed) ([]byte, error) {
	id := stream.ID(q.Stream)
	gone := func() ([]byte, bool) {
		o := b.owingAt(id, q.From)
		if !o.known || o.committed || o.found && o.r.LeaderEpoch == q.LeaderEpoch && q.From < o.logStart {
			probe.Hit(probe.BrokerOwedGone)
			return peer.Owed{GoneAt: max(o.index, 1)}.Encode(), true
		}
		return nil, false
	}
	e := b.engineOf(q.WAL)
	if e == nil {
		if p, ok := gone(); ok { // it was this broker's once, and was let go of when nothing was owed any more
			return p, nil
		}
		return nil, peer.Refuse(peer.CodeNotHolder, "WAL %s is not held here", metadata.UUID(q.WAL))
	}
	if o := b.owingAt(id, q.From); o.committed || !o.known {
		p, _ := gone()
		return p, nil
	}
	rd, entries, err := e.ReadOwed(sc, id, stream.Epoch(q.LeaderEpoch), q.From, q.Limit, q.MaxBytes, peer.EntriesMax)
	switch {
	case errors.Is(err, stream.ErrNotSealed):
		return nil, peer.Refuse(peer.CodeNotSealed, "%v", err)
	case errors.Is(err, stream.ErrHole), errors.Is(err, stream.ErrDamaged):
		return nil, peer.Refuse(peer.CodeLost, "%v", err)
	case err != nil:
		return nil, err
	}
	defer rd.Release()
	if len(entries) == 0 {
		if p, ok := gone(); ok {
			return p, nil
		}
		return nil, peer.Refuse(peer.CodeLost, "WAL %s has no offset %d of stream %d any more, and no object does",
			metadata.UUID(q.WAL), q.From, q.Stream)
	}
	out := peer.Owed{Entries: make([]peer.Entry, len(entries))}
	for i := range entries {
		out.Entries[i] = peer.Entry(entries[i])
	}
	return out.Encode(), nil
}

// serveHandOver keeps the state that a partition of this broker is to begin with.
func (b *Broker) serveHandOver(_ *host.Scope, from *rpc.Peer, p []byte) ([]byte, error) {
	if err := b.answersPeers(); err != nil {
		return nil, err
	}
	m, err := peer.DecodeHandOver(p)
	if err != nil || from.Node != m.From {
		return nil, peer.Refuse(peer.CodeInvalid, "from node %d: %v", from.Node, err)
	}
	if !b.keepState(m) {
		return nil, peer.Refuse(peer.CodeFull, "no room for the state of stream %d", m.Stream)
	}
	return nil, nil
}

// serveStateAt answers who is to open the range behind one that a WAL of this broker holds.
func (b *Broker) serveStateAt(sc *host.Scope, _ *rpc.Peer, p []byte) ([]byte, error) {
	if err := b.answersPeers(); err != nil {
		return nil, err
	}
	q, err := peer.DecodeStateAt(p)
	if err != nil {
		return nil, peer.Refuse(peer.CodeInvalid, "%v", err)
	}
	e := b.engineOf(q.WAL)
	if e == nil {
		return nil, peer.Refuse(peer.CodeNotHolder, "WAL %s is not held here", metadata.UUID(q.WAL))
	}
	if !b.closedAt(q) {
		return nil, peer.Refuse(peer.CodeNotSealed, "stream %d epoch %d is not closed at %d here",
			q.Stream, q.LeaderEpoch, q.End)
	}
	state, err := e.StateAt(sc, stream.ID(q.Stream), stream.Epoch(q.LeaderEpoch), q.End)
	if errors.Is(err, stream.ErrHole) || errors.Is(err, stream.ErrDamaged) {
		return nil, peer.Refuse(peer.CodeLost, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	probe.Hit(probe.BrokerStateAsked)
	return peer.EncodeState(state), nil
}

// closedAt reports whether the range that q names was closed where q says.
func (b *Broker) closedAt(q peer.StateAt) (yes bool) {
	b.meta.Read(func(s *metadata.State) {
		st, _ := s.Stream(q.Stream)
		for _, r := range st.Ranges {
			yes = yes || r.LeaderEpoch == q.LeaderEpoch && r.WAL == q.WAL && r.End == q.End
		}
	})
	return yes
}
