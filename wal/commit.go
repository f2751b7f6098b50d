package wal

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

// superEvery is how long D may lag: the superblock is written at most this often for it, and no later
// than this after the log went idle.
const superEvery = 100 * time.Millisecond

// run is the commit task. It is clocked by the sync: while one frame is written and synced the next one
// fills, and an idle log commits at once.
func (l *Log) run(sc *host.Scope) {
	p := l.commitP
	defer l.done[0].Complete(struct{}{}, nil)
	for {
		f, failure := l.take()
		if failure != nil {
			l.die(f, failure)
			return
		}
		if f != nil {
			if err := l.commit(sc, f); err != nil {
				if sc.Err() != nil && errors.Is(err, sc.Err()) {
					l.leave(f, sc.Err())
					return
				}
				l.die(f, err)
				return
			}
		}
		when := l.superWhen()
		if when != 0 && l.superNow(when) {
			if err := l.writeSuper(false); err != nil {
				l.die(nil, err)
				return
			}
			continue
		}
		if f != nil {
			continue
		}
		if l.drained() {
			if err := l.writeSuper(true); err != nil {
				l.die(nil, err)
				return
			}
			l.end(ErrClosed)
			return
		}
		if err := p.Park(sc, when); err != nil && sc.Err() != nil {
			l.abandon(sc.Err())
			return
		}
	}
}

// take returns the next frame to write, nil if there is none, and what the ahead task died of.
func (l *Log) take() (*frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, l.failure
	}
	if len(l.pending) == 0 {
		if len(l.fill.entries) == 0 {
			return nil, nil
		}
		l.detach()
	}
	f := l.pending[0]
	l.pending = append(l.pending[:0], l.pending[1:]...)
	l.line.wake()
	return f, nil
}

// drained reports whether Close was called and nothing is left to write.
func (l *Log) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing && len(l.pending) == 0 && len(l.fill.entries) == 0
}

// commit makes f durable and tells its drafts. On an error the drafts were not told.
func (l *Log) commit(sc *host.Scope, f *frame) error {
	f.seal(l.id.WAL, l.id.BrokerEpoch, l.chain, l.durable)
	if err := l.claim(f); err != nil {
		return err
	}
	var behind *frame
	if mutant.On(mutant.AckOutOfOrder) {
		var err error
		if behind, err = l.overtake(sc, f); err != nil {
			return err
		}
	}
	l.syncing.Store(int64(l.h.Now()))
	if err := l.ring.write(f.buf(), f.pos); err != nil && !mutant.On(mutant.WriteAfterError) {
		return err
	}
	if mutant.On(mutant.AckBeforeSync) {
		f.tell()
	}
	if err := l.sync(sc, f); err != nil {
		return err
	}
	if err := l.finish(f); err != nil || behind == nil {
		return err
	}
	return l.finish(behind)
}

// sync makes what was written of f durable, and then asks whether that still counts (rule 6).
func (l *Log) sync(sc *host.Scope, f *frame) error {
	if mutant.On(mutant.CheckThenAct) {
		if err := l.fence(); err != nil {
			return err
		}
	}
	l.pause("wal.pause.before-sync")
	err := l.ring.w.Sync()
	if err != nil && !mutant.On(mutant.SyncErrorIgnored) {
		probe.Hit(probe.WalDiedOfSync)
		return fmt.Errorf("wal: sync %s up to position %d: %w", l.ring.name, f.after(), err)
	}
	if mutant.On(mutant.CheckThenAct) || mutant.On(mutant.FenceSkipped) {
		l.syncing.Store(0)
		return nil
	}
	l.pause("wal.pause.before-fence")
	if err := l.fence(); err != nil {
		return err
	}
	l.syncing.Store(0)
	return l.lease(sc)
}

// lease waits until the holder's lease is held. What waited asks the fence once more: the lease may be another
// holder's by then, and of the two only the fence is no clock.
func (l *Log) lease(sc *host.Scope) error {
	if l.cfg.Lease == nil || mutant.On(mutant.LeaseSkipped) {
		return nil
	}
	parked, err := l.cfg.Lease(sc)
	if err != nil {
		return fmt.Errorf("%w (%s): %w", ErrLease, l.ring.name, err)
	}
	if !parked {
		return nil
	}
	probe.Hit(probe.WalLeaseParked)
	if mutant.On(mutant.ParkedUnfenced) {
		return nil
	}
	return l.fence()
}

// SyncBegan returns when what is under way on the disk began, 0 if nothing is: a holder whose disk hangs must not
// keep others from taking over. Waiting for the lease does not count.
func (l *Log) SyncBegan() host.Time { return host.Time(l.syncing.Load()) }

// finish lets go of f, which is durable.
func (l *Log) finish(f *frame) error {
	if err := l.settle(f); err != nil {
		return err
	}
	l.pause("wal.pause.before-answer")
	f.tell()
	f.slab.Release(HolderLog)
	l.recycle(f)
	return nil
}

// tell lets the drafts of f know, once and in append order, that they are durable.
func (f *frame) tell() {
	for _, d := range f.drafts {
		d.Durable(nil)
	}
	clear(f.drafts)
	f.drafts = f.drafts[:0]
}

// pause gives other tasks a turn in the middle of a commit, where the simulator asks for it.
func (l *Log) pause(site string) {
	if host.Buggify(l.h, site) {
		_ = l.h.Sleep(nil, 0) // it has no scope to end with
	}
}

// claim checks, against what the superblock slots carry now, that f overwrites nothing that either slot
// needs for a right scan, and that the log did not fail meanwhile.
func (l *Log) claim(f *frame) error {
	freed := l.carried()
	if !invariant.Holds(f.after() <= freed+Position(l.ring.capacity), invariant.ReuseAfterSuperblock) {
		invariant.Fail(invariant.ReuseAfterSuperblock, "frame [%d, %d) in a ring of %d that is free from %d",
			f.pos, f.after(), l.ring.capacity, freed)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// CheckFence re-reads the fence now, outside of a commit. If it is lost, or cannot be read, the log ends as it would
// at its next commit: a holder that nobody gives work must hear of it too.
func (l *Log) CheckFence() error {
	err := l.fence()
	if err != nil {
		l.giveUp(err)
	}
	return err
}

// fence re-reads the fence.
func (l *Log) fence() error {
	if l.cfg.Fence == nil {
		return nil
	}
	if err := l.cfg.Fence(); err != nil {
		probe.Hit(probe.WalFenced)
		return fmt.Errorf("%w (%s): %w", ErrFenced, l.ring.name, err)
	}
	return nil
}

// settle moves the durable end behind f.
func (l *Log) settle(f *frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	if !invariant.Holds(f.pos == l.durable, invariant.OneFrameInFlight) {
		invariant.Fail(invariant.OneFrameInFlight, "frame at %d became durable behind %d", f.pos, l.durable)
	}
	l.chain = f.head.crc
	l.marks = append(l.marks, mark{f.pos, f.head.chain, f.head.epoch})
	l.durable = f.after()
	l.endMark = mark{l.durable, f.head.crc, f.head.epoch}
	l.keepSums(f.pos, f.sums)
	l.stats.Frames++
	l.stats.Syncs++
	l.stats.Bytes += uint64(f.size)
	return nil
}

// keepSums remembers the checksums of the blocks from pos on.
func (l *Log) keepSums(pos Position, sums []uint32) {
	i := int(pos % Position(l.ring.capacity) / BlockSize)
	n := copy(l.sums[i:], sums)
	copy(l.sums, sums[n:])
}

func (l *Log) recycle(f *frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.slab = nil
	if len(l.spare) < 4 {
		l.spare = append(l.spare, f)
	}
}

// superWhen returns when the superblock is due: 0 = not, for nothing in it has changed.
func (l *Log) superWhen() host.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	owed := l.trim.pos > l.carried()
	if !owed {
		l.hungry = false
	}
	switch {
	case l.hungry:
		probe.Hit(probe.WalSuperblockHurried)
		return l.h.Now()
	case owed || l.durable > l.sb.durable:
		return l.lastSuper.Add(superEvery)
	}
	return 0
}

// superNow tells whether a superblock that is due at when is written now.
func (l *Log) superNow(when host.Time) bool {
	if host.Buggify(l.h, "wal.superblock.early") {
		return true
	}
	return l.h.Now() >= when && !host.Buggify(l.h, "wal.superblock.late")
}

// carried is the trim that both superblock slots carry: what lies below it may be overwritten (rule 14).
func (l *Log) carried() Position {
	if mutant.On(mutant.ReuseOnOneSlot) {
		return max(l.slotTrim[0], l.slotTrim[1])
	}
	return min(l.slotTrim[0], l.slotTrim[1])
}

// writeSuper writes the superblock to the slot that is not the newest, and frees space once both slots
// carry the trim.
func (l *Log) writeSuper(clean bool) error {
	l.syncing.Store(int64(l.h.Now()))
	defer l.syncing.Store(0)
	if err := l.fence(); err != nil {
		return err
	}
	sb := l.nextSuper(clean)
	sb.encode(l.superBuf)
	slot := 1 - l.slot
	write := writeSlot
	if mutant.On(mutant.UseBeforeSync) && l.commitP == nil { // at Open: the sync would cover what was scanned
		write = writeSlotUnsynced
	}
	if err := write(l.ring.w, slot, l.ring.capacity, l.superBuf); err != nil {
		probe.Hit(probe.WalDiedOfSuperblock)
		return fmt.Errorf("wal: write superblock of %s: %w", l.ring.name, err)
	}
	l.sb, l.slot, l.slotTrim[slot] = sb, slot, sb.trim.pos
	l.lastSuper = l.h.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if freed := l.carried(); freed > l.freed {
		l.freed = freed
		l.line.wake()
	}
	l.stats.Superblocks++
	l.stats.Syncs++
	return nil
}

func (l *Log) nextSuper(clean bool) superblock {
	l.mu.Lock()
	defer l.mu.Unlock()
	sb := l.sb
	sb.seq++
	sb.trim, sb.durable = l.trim, l.durable
	if !mutant.On(mutant.CleanMarkKept) {
		sb.clean, sb.cleanEpoch, sb.cleanEnd = clean, 0, 0
	}
	if clean {
		sb.clean = true
		sb.cleanEpoch, sb.cleanEnd = l.id.BrokerEpoch, l.durable
	}
	return sb
}

// writeSlot writes one block to a superblock slot and syncs it.
func writeSlot(f host.File, slot int, capacity int64, block []byte) error {
	if err := writeSlotUnsynced(f, slot, capacity, block); err != nil {
		return err
	}
	return f.Sync()
}

func writeSlotUnsynced(f host.File, slot int, capacity int64, block []byte) error {
	_, err := f.WriteAt(block, slotOffset(slot, fileSize(capacity)))
	return err
}

// die ends the log after the first error: nothing is written or synced any more, and everything in
// flight hears that its outcome is not known.
func (l *Log) die(inFlight *frame, cause error) {
	err := &deadError{cause}
	l.h.Log().Error("wal died", "file", l.ring.name, "durable", uint64(l.Durable()), "error", cause)
	l.fail(l.strand(inFlight, err), err)
	if l.cfg.Dead != nil {
		l.cfg.Dead(err)
	}
}

// abandon ends the log because its scope ended without Close.
func (l *Log) abandon(cause error) { l.leave(nil, cause) }

// leave is abandon with a frame in flight.
func (l *Log) leave(inFlight *frame, cause error) {
	probe.Hit(probe.WalAbandoned)
	err := &deadError{cause}
	l.fail(l.strand(inFlight, err), err)
}

// end ends the log after Close, with nothing left to tell.
func (l *Log) end(err error) { l.fail(l.strand(nil, err), err) }

// strand marks the log ended and returns the frames that will not be written, oldest first.
func (l *Log) strand(inFlight *frame, err error) []*frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	var left []*frame
	if inFlight != nil {
		left = append(left, inFlight)
	}
	left = append(left, l.pending...)
	left = append(left, l.fill)
	l.pending = nil
	l.fill = &frame{pos: l.fill.pos, end: headerSize}
	l.next = l.fill.pos
	p := l.commitP
	l.commitP = nil
	p.Release()
	l.pokeAhead()
	l.line.wakeAll()
	return left
}

// fail tells the drafts of stranded frames.
func (l *Log) fail(left []*frame, err error) {
	for _, f := range left {
		for _, d := range f.drafts {
			d.Durable(err)
		}
		if f.slab != nil {
			f.slab.Release(HolderLog)
		}
	}
}
