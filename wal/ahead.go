package wal

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// aheadChunk is how much of the ring is searched and zeroed at a time.
const aheadChunk = 1 << 20

// runAhead is the task in front of the write position. Before any byte of the ring is written for the
// first time since Open it looks there for frames that would show that the scan ended too early (rule
// 16), and on the first lap it writes zeros, so that frames do not wait for the file system to allocate.
// Frames are not placed behind l.cleared.
func (l *Log) runAhead(sc *host.Scope) {
	defer l.done[1].Complete(struct{}{}, nil)
	p := l.aheadP
	defer l.leaveAhead(p)
	buf, err := l.h.Disk().Memory(int(min(aheadChunk, l.ring.capacity/16/BlockSize*BlockSize+BlockSize)))
	if err != nil {
		l.giveUp(fmt.Errorf("wal: take memory to search ahead in %s: %w", l.ring.name, err))
		return
	}
	for {
		from, n, more := l.aheadOf(len(buf))
		if !more {
			return
		}
		if n == 0 {
			if err := p.Park(sc, 0); err != nil {
				return
			}
			continue
		}
		if host.Buggify(l.h, "wal.ahead.late") && l.h.Sleep(sc, 5*time.Millisecond) != nil {
			return
		}
		if err := l.clearAhead(sc, buf[:n], from); err != nil {
			l.giveUp(err)
			return
		}
		l.setCleared(from + Position(n))
	}
}

// aheadOf returns the next n bytes to clear, at most room; n is 0 if the write position is far enough
// behind, more is false when a whole lap was cleared or the log has ended.
func (l *Log) aheadOf(room int) (from Position, n int, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lap := l.start + Position(l.ring.capacity)
	if l.cleared >= lap {
		l.cleared = ^Position(0)
		l.line.wake()
		return 0, 0, false
	}
	if l.err != nil || l.closing && len(l.pending) == 0 && len(l.fill.entries) == 0 {
		return 0, 0, false
	}
	target := min(lap, l.next+Position(l.window))
	if l.cleared >= target {
		return 0, 0, true
	}
	return l.cleared, int(min(Position(room), target-l.cleared)), true
}

// clearAhead searches and, on the first lap, zeroes the bytes from pos on.
func (l *Log) clearAhead(sc *host.Scope, buf []byte, pos Position) error {
	if err := l.readSearching(sc, buf, pos); err != nil {
		return err
	}
	for i := 0; i < len(buf); i += BlockSize {
		h, err := decodeHeader(buf[i : i+headerSize])
		if at := pos + Position(i); err == nil && h.wal == l.id.WAL && h.pos == at && !unsearched() {
			probe.Hit(probe.WalLaterFrameFound)
			return &DamageError{l.ring.name, l.start, l.ring.offset(l.start), fmt.Sprintf(
				"the log was taken to end here, but a frame at position %d shows that it was durable up to %d",
				at, h.durable)}
		}
	}
	virgin := min(Position(l.ring.capacity), pos+Position(len(buf)))
	if pos >= virgin {
		return nil
	}
	if err := l.fence(); err != nil {
		return err
	}
	if l.Err() != nil {
		return nil // dead: nothing is written any more
	}
	clear(buf)
	return l.ring.write(buf[:virgin-pos], pos)
}

func (l *Log) setCleared(pos Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleared = pos
	l.stats.Searched = uint64(pos - l.start)
	if limit := min(pos, Position(l.ring.capacity)); limit > l.start {
		l.stats.Zeroed = uint64(limit - l.start)
	}
	l.line.wake()
}

// giveUp makes the commit task end the log.
func (l *Log) giveUp(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
	l.poke()
}

// leaveAhead gives the task's parker back.
func (l *Log) leaveAhead(p host.Parker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aheadP = nil
	p.Release()
}

// readPatiently reads for the search. A read that fails says nothing about what is durable, so it is
// tried again before the log is given up.
func (l *Log) readPatiently(sc *host.Scope, buf []byte, pos Position) error {
	const tries = 5
	for i := 1; ; i++ {
		err := l.ring.read(buf, pos)
		if err == nil || i == tries {
			return err
		}
		probe.Hit(probe.WalSearchReadAgain)
		if e := l.h.Sleep(sc, time.Duration(i)*10*time.Millisecond); e != nil {
			return err
		}
	}
}
