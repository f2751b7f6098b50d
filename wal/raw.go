package wal

import (
	"fmt"

	"github.com/weirmq/weir/host"
)

// ReadRaw fills dst with the ring's bytes from pos on as they are, right or not: frames, pads and damage alike,
// no checksum is looked at. It is for copies of what recovery could not make sense of. All of it must lie in
// [Trimmed, Durable). It takes the volume's time in bounded chunks. Errors: ErrTrimmed, ErrClosed, the volume's
// own, sc.Err(). It works on a dead log too.
func (l *Log) ReadRaw(sc *host.Scope, pos Position, dst []byte) error {
	if err := l.bufs.sem.Acquire(sc, 1); err != nil {
		return err
	}
	defer l.bufs.sem.Release(1)
	buf := l.bufs.take()
	defer l.bufs.put(buf)
	for len(dst) > 0 {
		if err := l.holds(pos, len(dst)); err != nil {
			return err
		}
		from := pos / BlockSize * BlockSize
		skip := int(pos - from)
		span := min(alignUp(skip+len(dst), BlockSize), len(buf))
		if err := l.ring.read(buf[:span], from); err != nil {
			return err
		}
		if err := l.holds(pos, 0); err != nil {
			return err // its space may have been reused meanwhile
		}
		n := copy(dst, buf[skip:span])
		dst, pos = dst[n:], pos+Position(n)
	}
	return nil
}

// holds reports with an error that n bytes from pos on are not the log's any more, or not yet.
func (l *Log) holds(pos Position, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch end := pos + Position(n); {
	case l.closing:
		return ErrClosed
	case pos < l.trim.pos:
		return ErrTrimmed
	case end > l.durable:
		return fmt.Errorf("wal: raw read of %s up to position %d, durable is %d", l.ring.name, end, l.durable)
	}
	return nil
}
