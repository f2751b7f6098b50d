package objectwal

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/wal"
)

// Append gives d a place in the next object, waiting for room among the objects and in the slabs until then or until
// the scope ends; until 0 waits without limit. It returns when d is placed, not when it is durable: d.Durable tells
// that. After an error d was not placed and never will be: host.ErrTimeout, sc.Err(), wal.ErrTooLarge, ErrDead,
// ErrClosed, ErrReadOnly, or Place's own.
func (l *Log) Append(sc *host.Scope, until host.Time, d wal.Draft) error {
	return l.append(sc, until, d, false)
}

// AppendReserved is Append that may use the reserve as well. It is for what must fit for the log ever to be trimmed
// again, such as state records.
func (l *Log) AppendReserved(sc *host.Scope, until host.Time, d wal.Draft) error {
	return l.append(sc, until, d, true)
}

func (l *Log) append(sc *host.Scope, until host.Time, d wal.Draft, reserved bool) error {
	size := d.Size()
	if !l.foreign && (size < 0 || size > l.MaxEntry()) {
		return fmt.Errorf("%w: %d bytes, at most %d", wal.ErrTooLarge, size, l.MaxEntry())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(sc, until, size, reserved); err != nil {
		return err
	}
	return l.place(d, size)
}

// place puts d into the fill batch, which has room.
func (l *Log) place(d wal.Draft, size int) error {
	b := l.fill
	after := b.off + objectSize(b.end+size, len(b.entries)+1)
	if !invariant.Holds(after <= l.limit, invariant.FrameFits) {
		invariant.Fail(invariant.FrameFits, "entry of %d bytes takes its object to %d in the slab", size, after)
	}
	at := b.blank
	at.Off, at.Len = uint32(b.off+b.end), uint32(size)
	at.Frame, at.FrameOff = positionOf(b.sequence), uint32(b.end)
	e, err := d.Place(b.slab.Fill(b.off+b.end, size), at)
	if err != nil {
		return err
	}
	e.Length = uint32(size)
	first := len(b.entries) == 0
	b.entries = append(b.entries, placed{Entry: e, off: at.FrameOff})
	b.drafts = append(b.drafts, d)
	b.end += size
	l.stats.Entries++
	l.stats.Payload += uint64(size)
	if first {
		b.since = l.h.Now()
	}
	if first || b.end >= l.cfg.Bytes {
		l.poke(l.commitP)
	}
	return nil
}

// admit returns nil, with l.mu held as before, once the fill batch has room for size bytes. It lets go of the lock
// while it waits.
func (l *Log) admit(sc *host.Scope, until host.Time, size int, reserved bool) error {
	if err := l.refusal(); err != nil {
		return err
	}
	// Who waits already goes first, but for the reserve's users, who have a line of their own: what the others wait
	// for may depend on them.
	line := &l.lines[0]
	if reserved {
		line = &l.lines[1]
	}
	if line.Len() == 0 && l.fit(size, reserved) == roomy {
		return nil
	}
	l.stats.Waits++
	p := l.h.Parker()
	defer p.Release()
	line.Join(p)
	defer line.Leave(p)
	for {
		if err := l.refusal(); err != nil {
			return err
		}
		if line.First(p) {
			switch l.fit(size, reserved) {
			case roomy:
				return nil
			case wantSlab:
				if l.relieve() {
					continue
				}
			}
		}
		if err := l.park(p, sc, until); err != nil {
			l.stats.Timeouts++
			return err
		}
	}
}

// wake has the first of each line look for room again.
func (l *Log) wake() {
	for i := range l.lines {
		l.lines[i].Wake()
	}
}

// refusal returns why no append is taken. Called with l.mu held.
func (l *Log) refusal() error {
	if l.err != nil {
		return l.err
	}
	if l.closing {
		return wal.ErrClosed
	}
	return nil
}

// park waits without the lock and takes it again, also when a killed task unwinds.
func (l *Log) park(p host.Parker, sc *host.Scope, until host.Time) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	return p.Park(sc, until)
}

// relieve asks the pool's owner to free a slab and reports whether one is free now. The lock is let go meanwhile.
func (l *Log) relieve() bool {
	pool := l.cfg.Slabs
	if pool.Pressure == nil {
		return false
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	pool.Pressure()
	return pool.Free() > 0
}

// room is what an append finds.
type room uint8

const (
	roomy      room = iota
	wantTrim        // as many objects are there as may be
	wantSlab        // a free slab
	wantFlight      // the commit task must take a full batch first
)

// fit makes room for size bytes in the fill batch if that can be done without waiting. Called with l.mu held.
func (l *Log) fit(size int, reserved bool) room {
	for {
		b := l.fill
		if b.slab == nil {
			b.slab = l.cfg.Slabs.Take()
			if b.slab == nil {
				return wantSlab
			}
			b.blank, b.off = b.slab.Extent(), 0
		}
		n := len(b.entries)
		full := n > 0 && b.end >= l.cfg.Bytes
		if !full && b.off+objectSize(b.end+size, n+1) <= l.limit && n < wal.MaxEntries {
			return l.fitObjects(reserved)
		}
		switch {
		case n == 0: // too little is left of this slab
			b.slab.Release(wal.HolderLog)
			b.slab = nil
		case l.pending != nil:
			return wantFlight
		default:
			l.detach()
			l.poke(l.commitP)
		}
	}
}

// fitObjects checks that there may be an object of the fill batch's sequence.
func (l *Log) fitObjects(reserved bool) room {
	limit := l.cfg.Objects
	if !reserved {
		limit -= max(1, limit/16)
	}
	if l.fill.sequence-l.trim >= uint64(limit) {
		return wantTrim
	}
	return roomy
}

// detach closes the fill batch to further entries and begins the next one behind it, in the same slab while that has
// a block left. Called with l.mu held.
func (l *Log) detach() {
	b := l.fill
	b.size = objectSize(b.end, len(b.entries))
	l.pending = b
	l.fill = &batch{sequence: b.sequence + 1, end: headerSize}
	off := (b.off + b.size + wal.BlockSize - 1) / wal.BlockSize * wal.BlockSize
	if off+2*wal.BlockSize <= l.limit {
		l.fill.slab, l.fill.off, l.fill.blank = b.slab, off, b.blank
		b.slab.Hold(wal.HolderLog) // one for each batch, the fill batch included
	}
}
