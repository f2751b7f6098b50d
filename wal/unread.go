package wal

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

const (
	// unreadAfter is how long a start waits for blocks that cannot be read, all together, before it believes that they
	// never will be.
	unreadAfter = 30 * time.Second
	// unreadPause is the longest pause between two tries.
	unreadPause = 500 * time.Millisecond
)

// patience waits for a volume that fails to read. What cannot be read is lost for good once it is called so: a volume
// that is away for a moment must not be taken for a bad one.
type patience struct {
	h     host.Host
	sc    *host.Scope
	until host.Time // 0 = nothing has failed yet
	pause time.Duration
}

// again waits a little and reports whether it is worth another try. An error ends the start: its scope has ended.
func (p *patience) again() (bool, error) {
	now := p.h.Now()
	if p.until == 0 {
		p.until, p.pause = now.Add(unreadAfter), 5*time.Millisecond
	}
	if now >= p.until {
		return false, nil
	}
	p.pause = min(2*p.pause, unreadPause)
	return true, p.h.Sleep(p.sc, p.pause)
}

// fetch fills p from pos. Blocks that cannot be read are zero, and in s.unread.
func (s *scanner) fetch(p []byte, pos Position) error {
	err := s.ring.read(p, pos)
	if !errors.Is(err, host.ErrIO) {
		return err
	}
	for at := 0; at < len(p); at += BlockSize {
		if err := s.fetchBlock(p[at:at+BlockSize], pos+Position(at)); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) fetchBlock(b []byte, pos Position) error {
	for {
		err := s.ring.read(b, pos)
		if err == nil {
			delete(s.unread, pos)
			return nil
		}
		if !errors.Is(err, host.ErrIO) {
			return err
		}
		if s.unread[pos] {
			clear(b)
			return nil
		}
		if more, e := s.patience.again(); e != nil {
			return e
		} else if more {
			continue
		}
		if !s.ring.alive(b) {
			return err
		}
		probe.Hit(probe.WalBlockUnreadable)
		if s.unread == nil {
			s.unread = map[Position]bool{}
		}
		s.unread[pos] = true
		s.rec.Warnings = append(s.rec.Warnings, fmt.Sprintf("%s: the block at position %d, byte %d of the file, cannot "+
			"be read", s.ring.name, pos, s.ring.offset(pos)))
	}
}

// alive reports whether a superblock can be read into b: then it is not the volume that fails.
func (r *ring) alive(b []byte) bool {
	for slot := range 2 {
		if _, err := r.r.ReadAt(b, slotOffset(slot, fileSize(r.capacity))); err == nil {
			return true
		}
	}
	return false
}

// hidden reports whether a block from pos up to pos+n cannot be read.
func (s *scanner) hidden(pos Position, n int) bool {
	if len(s.unread) == 0 {
		return false
	}
	for at := pos / BlockSize * BlockSize; at < pos+Position(n); at += BlockSize {
		if s.unread[at] {
			return true
		}
	}
	return false
}

// readSearching reads for a search. A block that stays unreadable is zero: if it hides a frame, nobody will ever see
// that frame. An error is one of the whole volume, or of the scope.
func (l *Log) readSearching(sc *host.Scope, buf []byte, pos Position) error {
	err := l.readPatiently(sc, buf, pos)
	if !errors.Is(err, host.ErrIO) {
		return err
	}
	for at := 0; at < len(buf); at += BlockSize {
		b := buf[at : at+BlockSize]
		e := l.ring.read(b, pos+Position(at))
		if e == nil {
			continue
		}
		if !errors.Is(e, host.ErrIO) || !l.ring.alive(b) {
			return err
		}
		clear(b)
	}
	probe.Hit(probe.WalPassedUnreadable)
	l.h.Log().Warn("wal: a part of the ring ahead cannot be read", "file", l.ring.name, "from", uint64(pos), "error", err)
	return nil
}
