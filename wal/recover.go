package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// restore scans the ring, syncs what it read (rule 18) and sets the log up behind it.
func (l *Log) restore(sc *host.Scope, rec *Recovery, found *slots, want *Expect) error {
	sb := &found.newest
	s := &scanner{
		ring: &l.ring, wal: sb.id.WAL, rec: rec, heads: l.cfg.Heads,
		frameLimit: max(l.frameLimit, int(sb.frameLimit)),
		limit:      sb.trim.pos + Position(l.ring.capacity),
		pos:        sb.trim.pos, chain: sb.trim.chain, anchored: true, epoch: sb.trim.epoch,
		durable: max(sb.durable, want.Durable),
		sums:    make([]uint32, l.ring.capacity/BlockSize), patience: patience{h: l.h, sc: sc},
	}
	if sb.clean {
		s.durable, s.clean = max(s.durable, sb.cleanEnd), sb.cleanEnd
		if mutant.On(mutant.CleanMarkKept) {
			s.durable, s.limit = sb.cleanEnd, sb.cleanEnd
		}
	}
	s.durable = (s.durable + BlockSize - 1) / BlockSize * BlockSize
	giveBack, err := l.scanBuffer(s)
	if err != nil {
		return err
	}
	defer giveBack()
	if err := s.run(); err != nil {
		return err
	}
	if want.BrokerEpoch != 0 && s.epoch > want.BrokerEpoch {
		return fmt.Errorf("%w: %s has a frame of broker epoch %d, this broker has %d: %s",
			ErrGeneration, l.ring.name, s.epoch, want.BrokerEpoch, oldMetadata)
	}
	if err := l.wipe(s); err != nil {
		return err
	}
	if !mutant.On(mutant.UseBeforeSync) {
		if err := l.ring.w.Sync(); err != nil {
			return fmt.Errorf("wal: sync %s after the scan: %w", l.ring.name, err)
		}
	}
	rec.End, rec.Durable = s.pos, s.durable
	rec.Clean = sb.clean && sb.cleanEnd == s.pos && rec.Torn.Frames == 0 && len(rec.Damage) == 0
	notice(rec, sb)
	l.adopt(s)
	return nil
}

// notice counts rare ends of a scan.
func notice(rec *Recovery, sb *superblock) {
	switch {
	case sb.clean && rec.Clean:
		probe.Hit(probe.WalCleanMarkBelieved)
	case sb.clean:
		probe.Hit(probe.WalCleanMarkVoid)
	case rec.End > 0 && rec.Frames == 0 && len(rec.Damage) == 0:
		probe.Hit(probe.WalAllTrimmed)
	case rec.End > rec.Durable+BlockSize*8:
		probe.Hit(probe.WalFarBeyondEvidence)
	}
}

// adopt sets the log up behind a finished scan.
func (l *Log) adopt(s *scanner) {
	l.sums, l.marks, l.chain = s.sums, s.marks, s.chain
	l.start, l.durable, l.next = s.pos, s.pos, s.pos
	l.endMark = mark{s.pos, s.chain, s.epoch}
	l.cleared = min(s.pos+Position(s.frameLimit), s.pos+Position(l.ring.capacity))
	l.id.BrokerEpoch = s.epoch
}

// scanBuffer lends the scan a slab, or memory of its own if slabs are smaller than the frames may be. What it
// returns gives that back.
func (l *Log) scanBuffer(s *scanner) (func(), error) {
	if l.foreign {
		return l.reading.lend(l, s)
	}
	if l.pool.bytes >= s.frameLimit {
		if slab := l.pool.take(); slab != nil {
			s.buf = slab.mem
			return func() { slab.Release(HolderLog) }, nil
		}
	}
	mem, err := l.h.Disk().Memory(s.frameLimit)
	if err != nil {
		return nil, fmt.Errorf("wal: take memory to scan %s: %w", l.ring.name, err)
	}
	s.buf = mem
	return func() {}, nil
}

// wipe zeroes the remains of a torn frame where no lap wrote before: the next scan must be able to tell
// a write that did not happen from one that was spoilt.
func (l *Log) wipe(s *scanner) error {
	if !s.dirty || !s.virgin(s.pos) || l.foreign {
		return nil
	}
	end := min(s.pos+Position(s.frameLimit)+BlockSize, Position(l.ring.capacity))
	probe.Hit(probe.WalRemainsWiped)
	clear(s.buf)
	for pos := s.pos; pos < end; {
		n := min(Position(len(s.buf)), end-pos)
		if err := l.ring.write(s.buf[:n], pos); err != nil {
			return err
		}
		pos += n
	}
	return nil
}

// wipeStale zeroes what the first frame may be placed over where an earlier lap wrote, as wipe does on the first. A
// write that never became durable may have left a part of a frame there, and what is placed over it now may differ in
// one byte, such as the leader epoch of an opening state: half of each would look like damage. It is called when both
// superblocks carry the trim, so all behind the end is free (rule 14).
func (l *Log) wipeStale(rec *Recovery) error {
	from := max(rec.End, Position(l.ring.capacity))
	end := min(rec.End+Position(l.sb.frameLimit)+BlockSize, l.trim.pos+Position(l.ring.capacity))
	if rec.Clean || from >= end {
		return nil
	}
	zeros, err := l.h.Disk().Memory(int(min(end-from, aheadChunk)))
	if err != nil {
		return fmt.Errorf("wal: take memory to wipe behind the end of %s: %w", l.ring.name, err)
	}
	for from < end {
		n := min(Position(len(zeros)), end-from)
		if err := l.ring.write(zeros[:n], from); err != nil {
			return err
		}
		from += n
	}
	if mutant.On(mutant.UseBeforeSync) {
		return nil // the sync would cover what was scanned
	}
	if err := l.ring.w.Sync(); err != nil {
		return fmt.Errorf("wal: sync %s behind its end: %w", l.ring.name, err)
	}
	return nil
}

// stamp writes a superblock with the generation and epoch the log now runs under, over the slot that is
// older or damaged. Both slots carry the newest trim afterwards.
func (l *Log) stamp(found *slots, want *Expect) error {
	sb := found.newest
	epoch := max(l.id.BrokerEpoch, sb.id.BrokerEpoch)
	l.id = sb.id
	l.id.BrokerEpoch = want.BrokerEpoch
	if want.BrokerEpoch == 0 {
		l.id.BrokerEpoch = epoch + 1
	}
	if want.Generation != 0 {
		l.id.Generation = want.Generation
	}
	sb.id = l.id
	sb.frameLimit = max(sb.frameLimit, uint32(l.frameLimit))
	l.sb, l.slot = sb, found.at
	l.trim, l.freed = sb.trim, 0
	l.slotTrim[found.at], l.slotTrim[1-found.at] = sb.trim.pos, 0
	if err := l.writeSuper(false); err != nil || l.id.Generation == found.newest.id.Generation {
		return err
	}
	// The other slot too: alone it would be taken for an old copy of the volume once a range was opened.
	return l.writeSuper(false)
}

// launch starts the log's tasks.
func (l *Log) launch(sc *host.Scope) {
	l.pool.join(&l.line)
	l.commitP, l.aheadP = l.h.Parker(), l.h.Parker()
	l.h.Go(sc, "wal.commit", l.run)
	l.h.Go(sc, "wal.ahead", l.runAhead)
}

// prepare fills in the sizes that follow from the configuration.
func (l *Log) prepare() error {
	capacity := l.ring.capacity
	if l.cfg.Reserve == 0 {
		l.cfg.Reserve = capacity / 16
	}
	if l.cfg.Reserve < 0 || l.cfg.Reserve > capacity/2 {
		return fmt.Errorf("wal: open %s: reserve of %d bytes in a ring of %d: at most half", l.ring.name,
			l.cfg.Reserve, capacity)
	}
	l.window = l.cfg.Ahead
	if l.window == 0 {
		l.window = min(capacity/4, 64<<20)
	}
	l.window = max(l.window, 2*int64(l.frameLimit))
	l.fill = l.blank()
	l.bufs = &readBuffers{}
	return l.bufs.init(l.h, int(min(readChunk, capacity/8/BlockSize*BlockSize)))
}
