package objectwal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// run is the commit task: it seals batches and has them put, and acknowledges in order what is stored.
func (l *Log) run(sc *host.Scope) {
	defer l.done[0].Complete(struct{}{}, nil)
	p := l.commitP
	for {
		l.launch(sc)
		b, when, err := l.next()
		if b != nil {
			err = l.settle(sc, b)
		}
		switch {
		case err != nil && sc.Err() != nil:
			l.finish(dead(sc.Err()))
			return
		case err != nil:
			l.die(err)
			return
		case b != nil:
			continue
		}
		if l.drained() {
			if err := l.bury(sc); err != nil {
				l.die(err)
			} else {
				l.finish(wal.ErrClosed)
			}
			return
		}
		if err := p.Park(sc, when); err != nil && sc.Err() != nil {
			l.finish(dead(sc.Err()))
			return
		}
	}
}

// dead is why a log takes no appends any more.
func dead(cause error) error { return fmt.Errorf("%w after: %w", wal.ErrDead, cause) }

// launch seals what is due and has it put.
func (l *Log) launch(sc *host.Scope) {
	for b, durable := l.take(); b != nil; b, durable = l.take() {
		b.seal(l.id, l.chain, durable)
		l.chain = b.head.crc
		l.h.Go(sc, "objectwal.put", func(sc *host.Scope) { l.put(sc, b) })
	}
}

// take moves the next batch that is due into flight, and returns it and what is durable.
func (l *Log) take() (*batch, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil || len(l.flight) >= l.cfg.Parallel {
		return nil, 0
	}
	if l.pending == nil {
		if len(l.fill.entries) == 0 || l.h.Now() < l.due() {
			return nil, 0
		}
		l.detach()
	}
	b := l.pending
	l.pending = nil
	b.began = l.h.Now()
	b.slab.Hold(wal.HolderLog) // the put's
	l.flight = append(l.flight, b)
	l.wake()
	return b, l.durable
}

// due returns when the fill batch, which has entries, is to be put. Called with l.mu held.
func (l *Log) due() host.Time {
	if l.closing || l.fill.end >= l.cfg.Bytes {
		return l.fill.since
	}
	return l.fill.since.Add(l.cfg.Linger)
}

// next returns the oldest batch in flight if it is stored; else when the next one is to be put, 0 if none waits for
// its time; or what the log is to die of.
func (l *Log) next() (*batch, host.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mutant.On(mutant.AckBeforeGap) {
		for _, b := range l.flight {
			if b.stored {
				b.tell(nil)
			}
		}
	}
	switch {
	case len(l.flight) > 0 && l.flight[0].stored:
		return l.flight[0], 0, nil
	case l.failure != nil:
		return nil, 0, l.failure
	case len(l.flight) < l.cfg.Parallel && len(l.fill.entries) > 0:
		return nil, l.due(), nil
	}
	return nil, 0, nil
}

// drained reports whether Close was called and nothing is left to put.
func (l *Log) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing && l.failure == nil && len(l.flight) == 0 && l.pending == nil && len(l.fill.entries) == 0
}

// settle acknowledges b, the oldest in flight, which is stored: the put that won is the fence, then the lease (rule 6).
func (l *Log) settle(sc *host.Scope, b *batch) error {
	if l.cfg.Lease != nil {
		if _, err := l.cfg.Lease(sc); err != nil {
			return fmt.Errorf("%w (%s): %w", wal.ErrLease, l.Name(), err)
		}
	}
	l.advance(b)
	b.tell(nil)
	b.slab.Release(wal.HolderLog)
	return nil
}

// advance moves the durable end behind b.
func (l *Log) advance(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !invariant.Holds(b.sequence == l.durable && b.stored, invariant.AckOrder) {
		invariant.Fail(invariant.AckOrder, "sequence %d of %s is acknowledged behind %d", b.sequence, l.id.WAL, l.durable)
	}
	l.flight = append(l.flight[:0], l.flight[1:]...)
	l.durable = b.sequence + 1
	l.objects = append(l.objects, object{place: b.head.place, sums: b.sums, crc: b.head.crc})
	l.stats.Frames++
	l.stats.Bytes += uint64(b.size)
}

// put is the task that has b stored, or finds out why it never will be.
func (l *Log) put(sc *host.Scope, b *batch) {
	slab := b.slab
	err := l.win(sc, b)
	l.landed(b, err)
	slab.Release(wal.HolderLog)
}

func (l *Log) landed(b *batch, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.stored = err == nil
	if err != nil && l.failure == nil {
		l.failure = err
	}
	l.poke(l.commitP)
}

// win puts b until the store has it, by this attempt or by an earlier one. All attempts carry the same bytes (rule 19).
func (l *Log) win(sc *host.Scope, b *batch) error {
	c := l.client()
	key, p, first := Key(l.id.WAL, b.sequence), b.bytes(), b.sum
	attempt := 0
	check := func() error {
		if attempt++; attempt > 1 && mutant.On(mutant.RetryOtherBytes) {
			b.seal(l.id, b.head.chain, sequenceOf(l.Durable()))
		}
		l.count()
		sum := crc32.Checksum(p, castagnoli)
		if !invariant.Holds(sum == first, invariant.SequenceImmutable) {
			invariant.Fail(invariant.SequenceImmutable, "attempt %d of sequence %d of %s has checksum %08x, the first had %08x",
				attempt, b.sequence, l.id.WAL, sum, first)
		}
		return nil
	}
	for {
		err := c.put(sc, key, p, check)
		if err != objectstore.ErrExists {
			return err
		}
		if mutant.On(mutant.ConflictIsStored) {
			return nil
		}
		stored, err := c.judge(sc, b.sequence, p)
		if stored || err != nil {
			return err
		}
	}
}

func (l *Log) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
}

func (l *Log) client() *client {
	return &client{h: l.h, store: l.store, bound: l.cfg.Attempt, log: l.id.WAL}
}

// judge looks what is at a key that was found taken: our own bytes (stored), a tombstone (ErrFenced), or what nobody
// may have put there (a DamageError). Neither = it was not there any more, or not yet to be seen: the put is repeated.
func (c *client) judge(sc *host.Scope, sequence uint64, own []byte) (stored bool, err error) {
	for n := 1; ; n++ {
		h, err := c.header(sc, sequence)
		switch {
		case errors.Is(err, objectstore.ErrNotFound):
			return false, c.h.Sleep(sc, firstPause)
		case sc.Err() != nil:
			return false, sc.Err()
		case errors.Is(err, objectstore.ErrTerminal):
			return false, err
		case err == nil && h.tombstone():
			return false, fmt.Errorf("%w: %s has a tombstone of broker %d, epoch %d", wal.ErrFenced,
				Key(c.log, sequence), h.broker, h.epoch)
		}
		same, err := c.holds(sc, sequence, own)
		if same || err != nil {
			return same, err
		}
		if n == readTries {
			return false, c.damageError(sequence, 0, "the key of the next object holds other bytes and no tombstone")
		}
		if err := c.h.Sleep(sc, firstPause); err != nil {
			return false, err
		}
	}
}

// holds reports whether the object of a sequence has exactly the bytes of own.
func (c *client) holds(sc *host.Scope, sequence uint64, own []byte) (bool, error) {
	piece := make([]byte, min(readPiece, len(own)))
	for off := 0; off < len(own); off += len(piece) {
		piece = piece[:min(len(piece), len(own)-off)]
		err := c.get(sc, Key(c.log, sequence), off, piece)
		switch {
		case errors.Is(err, objectstore.ErrNotFound), errors.Is(err, objectstore.ErrRange):
			return false, nil
		case err != nil:
			return false, err
		case !bytes.Equal(piece, own[off:off+len(piece)]):
			return false, nil
		}
	}
	return true, nil
}

// bury ends the log with a tombstone of its own: whoever recovers it stops there, and knows that nothing is missing.
func (l *Log) bury(sc *host.Scope) error {
	sequence := sequenceOf(l.Durable())
	c := l.client()
	var b [headerSize]byte
	h := header{wal: l.id.WAL, sequence: sequence, epoch: l.id.BrokerEpoch, generation: l.id.Generation,
		broker: l.id.Broker, durable: sequence, flags: flagTombstone | flagClean, length: headerSize, place: headerSize,
		chain: l.chain}
	h.encode(b[:])
	for {
		err := c.put(sc, Key(l.id.WAL, sequence), b[:], func() error { return nil })
		if err != objectstore.ErrExists {
			return err
		}
		stored, err := c.judge(sc, sequence, b[:])
		if errors.Is(err, wal.ErrFenced) {
			if there, herr := c.header(sc, sequence); herr == nil && there.crc == h.crc {
				return nil // our own, by an attempt that had no answer
			}
		}
		if stored || err != nil {
			return err
		}
	}
}

// die ends the log after its first error: nothing is put any more, and what is in flight hears that its outcome is
// not known.
func (l *Log) die(cause error) {
	err := dead(cause)
	l.h.Log().Error("object WAL died", "log", l.Name(), "durable", sequenceOf(l.Durable()), "error", cause)
	l.finish(err)
	if l.cfg.Dead != nil {
		l.cfg.Dead(err)
	}
}

// finish marks the log ended and tells the drafts that nothing will be heard of any more, oldest first.
func (l *Log) finish(err error) {
	for _, b := range l.strand(err) {
		b.tell(err)
		if b.slab != nil {
			b.slab.Release(wal.HolderLog)
		}
	}
}

func (l *Log) strand(err error) []*batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	left := l.flight
	if l.pending != nil {
		left = append(left, l.pending)
	}
	left = append(left, l.fill)
	l.flight, l.pending = nil, nil
	l.fill = &batch{sequence: l.fill.sequence, end: headerSize}
	p := l.commitP
	l.commitP = nil
	p.Release()
	l.poke(l.deleteP)
	for i := range l.lines {
		l.lines[i].WakeAll()
	}
	return left
}
