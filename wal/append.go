package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

// Append gives d a place in the next frame, waiting for ring and slab room until then or until the scope
// ends; until 0 waits without limit. It returns when d is placed, not when it is durable: d.Durable
// tells that. After an error d was not placed and never will be: host.ErrTimeout, sc.Err(), ErrTooLarge,
// ErrDead, ErrClosed, or Place's own.
func (l *Log) Append(sc *host.Scope, until host.Time, d Draft) error {
	return l.append(sc, until, d, false)
}

// AppendReserved is Append that may use the reserve as well. It is for what must fit for the log ever to
// be trimmed again, such as state records.
func (l *Log) AppendReserved(sc *host.Scope, until host.Time, d Draft) error {
	return l.append(sc, until, d, true)
}

func (l *Log) append(sc *host.Scope, until host.Time, d Draft, reserved bool) error {
	size := d.Size()
	if size < 0 || size > l.MaxEntry() {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, l.MaxEntry())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.admit(sc, until, size, reserved); err != nil {
		return err
	}
	return l.place(d, size)
}

// place puts d into the fill frame, which has room.
func (l *Log) place(d Draft, size int) error {
	f := l.fill
	at := Extent{
		Slab: f.slab, Off: uint32(f.off + f.end), Len: uint32(size),
		Frame: f.pos, FrameOff: uint32(f.end), life: f.life,
	}
	after := f.off + frameSize(f.end+size, len(f.entries)+1)
	if !invariant.Holds(after <= len(f.slab.mem), invariant.FrameFits) {
		invariant.Fail(invariant.FrameFits, "entry of %d bytes takes its frame to %d in the slab", size, after)
	}
	e, err := d.Place(f.slab.mem[at.Off:at.Off+at.Len:at.Off+at.Len], at)
	if err != nil {
		return err
	}
	e.Length = uint32(size)
	first := len(f.entries) == 0
	f.entries = append(f.entries, placed{Entry: e, off: at.FrameOff})
	f.drafts = append(f.drafts, d)
	f.end += size
	l.stats.Entries++
	l.stats.Payload += uint64(size)
	if first {
		l.poke()
	}
	return nil
}

// admit returns nil, with l.mu held as before, once the fill frame has room for size bytes. It lets go
// of the lock while it waits.
func (l *Log) admit(sc *host.Scope, until host.Time, size int, reserved bool) error {
	if err := l.refusal(); err != nil {
		return err
	}
	// Who waits already goes first, but for the reserve's users: what they wait for may depend on them.
	l.rarely()
	if (reserved || l.line.len() == 0) && l.fit(size, reserved) == roomy {
		return nil
	}
	l.stats.Waits++
	p := l.h.Parker()
	defer p.Release()
	l.line.join(p)
	defer l.line.leave(p)
	for {
		if err := l.refusal(); err != nil {
			return err
		}
		if reserved || l.line.first(p) {
			switch l.fit(size, reserved) {
			case roomy:
				return nil
			case wantSlab:
				probe.Hit(probe.WalSlabStarved)
				if l.relieve() {
					continue
				}
			case wantRing:
				probe.Hit(probe.WalRingFull)
				l.hungry = true
				l.poke()
			}
		}
		if err := l.park(p, sc, until); err != nil {
			probe.Hit(probe.WalAppendGaveUp)
			l.stats.Timeouts++
			return err
		}
	}
}

// refusal returns why no append is taken. Called with l.mu held.
func (l *Log) refusal() error {
	if l.err != nil {
		return l.err
	}
	if l.closing {
		return ErrClosed
	}
	return nil
}

// park waits without the lock and takes it again, also when a killed task unwinds.
func (l *Log) park(p host.Parker, sc *host.Scope, until host.Time) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	return p.Park(sc, until)
}

// relieve asks the pool's owner to free a slab and reports whether one is free now. The lock is let go
// meanwhile.
func (l *Log) relieve() bool {
	if l.pool.Pressure == nil {
		return false
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	l.pool.Pressure()
	return l.pool.Free() > 0
}

// room is what an append finds.
type room uint8

const (
	roomy     room = iota
	wantRing       // ring space: a trim, a superblock write, or the ahead task will give it
	wantSlab       // a free slab
	wantFrame      // the commit task must take a full frame first
)

// fit makes room for size bytes in the fill frame if that can be done without waiting. Called with l.mu
// held.
func (l *Log) fit(size int, reserved bool) room {
	for {
		f := l.fill
		if f.slab == nil {
			f.slab = l.pool.take()
			if f.slab == nil {
				return wantSlab
			}
			f.life = f.slab.lifetime()
			f.off = 0
		}
		n := len(f.entries)
		need := frameSize(f.end+size, n+1)
		if f.off+need <= len(f.slab.mem) && need <= l.frameLimit && n < maxEntries {
			return l.fitRing(f.pos+Position(need), reserved)
		}
		switch {
		case n == 0: // too little is left of this slab
			probe.Hit(probe.WalSlabTooShort)
			f.slab.Release(HolderLog)
			f.slab = nil
		case len(l.pending) > 0:
			return wantFrame
		default:
			probe.Hit(probe.WalGroupSplit)
			l.detach()
		}
	}
}

// fitRing checks that a frame may end at end.
func (l *Log) fitRing(end Position, reserved bool) room {
	limit := l.freed + Position(l.ring.capacity)
	if !reserved {
		limit -= Position(l.cfg.Reserve)
	}
	if end > limit || end > l.cleared {
		return wantRing
	}
	if reserved && end > limit-Position(l.cfg.Reserve) {
		probe.Hit(probe.WalReserveUsed)
	}
	return roomy
}

// rarely closes the fill frame before it is full where the simulator asks for it. Called with l.mu held.
func (l *Log) rarely() {
	if len(l.pending) == 0 && len(l.fill.entries) > 0 && host.Buggify(l.h, "wal.frame.full") {
		l.detach()
	}
}

// detach closes the fill frame to further entries and begins the next one behind it, in the same slab
// while that has a block left. Called with l.mu held.
func (l *Log) detach() {
	f := l.fill
	f.size = frameSize(f.end, len(f.entries))
	l.next = f.after()
	l.pending = append(l.pending, f)
	g := l.blank()
	if off := f.off + f.size; off+2*BlockSize <= len(f.slab.mem) && !host.Buggify(l.h, "wal.slab.full") {
		g.slab, g.off, g.life = f.slab, off, f.life
		g.slab.Hold(HolderLog) // one for each frame, the fill frame included
	}
	l.fill = g
	l.pokeAhead()
}

// blank returns an empty frame at l.next without a slab.
func (l *Log) blank() *frame {
	var f *frame
	if n := len(l.spare); n > 0 {
		f = l.spare[n-1]
		l.spare = l.spare[:n-1]
	} else {
		f = &frame{}
	}
	clear(f.drafts)
	*f = frame{pos: l.next, end: headerSize, entries: f.entries[:0], drafts: f.drafts[:0], sums: f.sums[:0]}
	return f
}
