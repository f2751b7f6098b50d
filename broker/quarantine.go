package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
)

// Quarantine (PROTOCOL rule 38). What a hole left in the WAL pins the ring, and a ring that is pinned stops every
// partition in the end. So it is copied to an object that metadata refers to, for people to look at, and let
// go. The partition stays offline:
//
//	hole marked to the range's end → put, verified → Quarantine applied → the ring is trimmed
//
// A crash at any step leaves at worst an object that nothing refers to, of an epoch that is fenced with the next
// start: garbage (rule 34).

// quarantine is the work under way for one WAL.
type quarantine struct {
	b       *Broker
	held    *heldWAL
	turn    host.Semaphore    // one unit: who works
	pending *quarantineObject // its outcome is not known yet: it is repeated under the same key; or nil
	said    string            // why something is not done yet …
	saidAt  host.Time         // … and when that was said last
}

func (b *Broker) newQuarantine(held *heldWAL) *quarantine {
	q := &quarantine{b: b, held: held}
	q.turn.Init(b.h, 1)
	return q
}

// quarantineObject is one object on its way. The bytes stay the same as long as they are owed.
type quarantineObject struct {
	of   stream.Holed
	seq  uint64
	key  string
	body *quarantineBody
}

func (o *quarantineObject) isOf(h stream.Holed) bool {
	return o.of.Hole.ID == h.Hole.ID && o.of.Hole.Epoch == h.Hole.Epoch
}

// quarantineLoop is the task "broker.quarantine": it looks for holes with the collector's period, and more often during
// the start, which may wait for the room that it makes.
func (b *Broker) quarantineLoop(sc *host.Scope) error {
	for {
		b.quarantine.holes(sc)
		every := b.cfg.Collect.Every
		if b.appliedIndex() == 0 {
			every = min(every, quarantineStart)
		}
		if b.h.Sleep(sc, every) != nil {
			return nil
		}
	}
}

// quarantineStart is how often holes are looked for during the start.
const quarantineStart = 500 * time.Millisecond

// holes copies and lets go what each hole left in the WAL, and reports whether none is left undone.
func (q *quarantine) holes(sc *host.Scope) bool {
	if q.turn.Acquire(sc, 1) != nil {
		return false
	}
	defer q.turn.Release(1)
	q.acceptLosses()
	holed := q.held.engine.Holed()
	if o := q.pending; o != nil && (len(holed) == 0 || !o.isOf(holed[0])) { // dropped, or another came first
		if err := q.giveUp(sc); err != nil {
			q.warn("give up a quarantine object, will be repeated", err)
			return false
		}
	}
	for _, h := range holed {
		if err := q.hole(sc, h); err != nil {
			q.warn("copy what a hole left in the WAL to an object; until then it pins the WAL, will be repeated", err,
				"stream", uint64(h.Hole.ID), "epoch", int32(h.Hole.Epoch))
			return false
		}
	}
	q.said = ""
	return true
}

// quarantineSay is how often it is said that something is not done yet, for one reason.
const quarantineSay = 10 * time.Second

// warn says why something is not done yet.
func (q *quarantine) warn(what string, why error, args ...any) {
	now, said := q.b.h.Now(), fmt.Sprint(what, args, why)
	if said == q.said && now < q.saidAt.Add(quarantineSay) {
		return
	}
	q.said, q.saidAt = said, now
	q.b.h.Log().Warn(what, append(args, "error", why)...)
}

// hole does so for one hole, the one that is pending if any is.
func (q *quarantine) hole(sc *host.Scope, h stream.Holed) error {
	if q.pending == nil {
		owed, err := q.owes(sc, h)
		if err != nil {
			return err
		}
		if !owed {
			q.held.engine.Quarantined(h.Hole.ID, h.Hole.Epoch)
			return nil
		}
		o := &quarantineObject{of: h, body: newQuarantineBody(q.b.cluster, q.held, h)}
		o.seq, o.key = q.held.catalog.NextKey()
		q.pending = o
	}
	if err := q.put(sc, q.pending); err != nil {
		return err
	}
	q.b.h.Log().Info("copied what a hole left in the WAL to an object", "stream", uint64(h.Hole.ID),
		"epoch", int32(h.Hole.Epoch), "object", q.pending.key, "bytes", q.pending.body.Size())
	q.pending = nil
	q.held.engine.Quarantined(h.Hole.ID, h.Hole.Epoch)
	return nil
}

// put stores o and has it recorded.
func (q *quarantine) put(sc *host.Scope, o *quarantineObject) error {
	if err := q.b.store.Put(sc, o.key, o.body); err != nil {
		if o.body.gone { // nobody waits for it any more, or for other bytes
			return errors.Join(err, q.giveUp(sc))
		}
		return fmt.Errorf("put object %s: %w", o.key, err)
	}
	cmd := &metadatapb.Quarantine{Wal: q.held.id[:], Generation: q.held.gen, Stream: uint64(o.of.Hole.ID),
		LeaderEpoch: int32(o.of.Hole.Epoch), Seq: o.seq, Size: uint64(o.body.Size()), Crc: o.body.crc}
	_, err := q.held.catalog.propose(sc, "record quarantine object "+o.key, metadata.NewCommand(cmd))
	if errors.Is(err, ErrRefused) { // the loss was accepted meanwhile, or the key given up with a higher one
		return errors.Join(err, q.giveUp(sc))
	}
	if err != nil {
		return err
	}
	return q.held.catalog.settle(sc, o.seq)
}

// giveUp makes garbage of the object on its way.
func (q *quarantine) giveUp(sc *host.Scope) error {
	if err := q.held.engine.GiveUp(sc, q.pending.seq); err != nil {
		return fmt.Errorf("give up object %s: %w", q.pending.key, err)
	}
	q.pending = nil
	return nil
}

// owes reports whether a hole has to be quarantined, by metadata. It marks the hole to the end of its range
// first: what lies above it there is let go as well, and whoever accepts the loss accepts that with it.
func (q *quarantine) owes(sc *host.Scope, h stream.Holed) (bool, error) {
	hole := h.Hole
	hole.To = stream.Unknown
	// Refused when the WAL owes nothing there any more; the state says so below.
	if err := q.held.catalog.MarkHole(sc, hole); err != nil && !errors.Is(err, ErrRefused) {
		return false, err
	}
	owed := false
	q.b.meta.Read(func(s *metadata.State) {
		st, _ := s.Stream(uint64(hole.ID))
		for _, x := range st.Holes {
			owed = owed || x.LeaderEpoch == int32(hole.Epoch) && x.WAL == metadata.UUID(q.held.id) &&
				!x.Accepted && x.Quarantine.IsZero()
		}
	})
	return owed, nil
}

// acceptLosses tells the engine of holes that an operator gave up: what lies behind them is read then (rule 39).
func (q *quarantine) acceptLosses() {
	type loss struct {
		id    stream.ID
		epoch stream.Epoch
	}
	var list []loss
	q.b.meta.Read(func(s *metadata.State) {
		for _, id := range s.StreamsOn(metadata.UUID(q.held.id)) {
			st, _ := s.Stream(id)
			for _, h := range st.Holes {
				if h.WAL == metadata.UUID(q.held.id) && h.Accepted {
					list = append(list, loss{stream.ID(id), stream.Epoch(h.LeaderEpoch)})
				}
			}
		}
	})
	for _, l := range list {
		q.held.engine.LossAccepted(l.id, l.epoch)
	}
}
