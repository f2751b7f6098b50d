package objectwal

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// ReadAt fills dst with the first len(dst) bytes of the extent at: from its slab if that still holds them, else from
// the store, each block checked against its checksum. Errors: wal.ErrTrimmed, ErrClosed, a DamageError, the store's
// own if no retry helps, sc.Err(). It works on a dead log too: what was acknowledged can still be read.
func (l *Log) ReadAt(sc *host.Scope, at wal.Extent, dst []byte) error {
	if !invariant.Holds(len(dst) <= int(at.Len), invariant.Contract) {
		invariant.Fail(invariant.Contract, "read of %d bytes from an extent of %d", len(dst), at.Len)
	}
	if at.CopyTo(dst) {
		return nil
	}
	if err := l.reads.Acquire(sc, 1); err != nil {
		return err
	}
	defer l.reads.Release(1)
	for off := int(at.FrameOff); len(dst) > 0; {
		n, err := l.readPiece(sc, sequenceOf(at.Frame), off, dst)
		if err != nil {
			return err
		}
		dst, off = dst[n:], off+n
	}
	return nil
}

// readPiece fills a first part of dst with what is at off in the object of a sequence, reading whole blocks.
func (l *Log) readPiece(sc *host.Scope, sequence uint64, off int, dst []byte) (int, error) {
	first := off / wal.BlockSize
	last := (off + min(len(dst), readPiece) - 1) / wal.BlockSize
	c := l.client()
	for n := 1; ; n++ {
		o, err := l.object(sequence)
		if err != nil {
			return 0, err
		}
		if last >= len(o.sums) {
			return 0, c.damageError(sequence, off, "nothing is left of the object")
		}
		from, _ := block(first, int(o.place))
		_, to := block(last, int(o.place))
		buf := make([]byte, to-from)
		err = c.get(sc, Key(l.id.WAL, sequence), from, buf)
		gone := errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrRange)
		if err != nil && !gone {
			return 0, err
		}
		bad := -1
		for i := first; err == nil && i <= last && bad < 0; i++ {
			a, b := block(i, int(o.place))
			if crc32.Checksum(buf[a-from:b-from], castagnoli) != o.sums[i] {
				bad = a
			}
		}
		switch {
		case err == nil && bad < 0:
			return copy(dst, buf[off-from:]), nil
		case n < readTries:
			if err := c.h.Sleep(sc, firstPause); err != nil {
				return 0, err
			}
		case gone:
			return 0, l.lost(c, sequence, off, "the object is not there, or shorter than it was")
		default:
			return 0, l.lost(c, sequence, bad, "block does not match its checksum")
		}
	}
}

// object returns what the log keeps of an object that is durable and not trimmed.
func (l *Log) object(sequence uint64) (object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closing:
		return object{}, wal.ErrClosed
	case sequence < l.trim:
		return object{}, wal.ErrTrimmed
	case sequence >= l.durable:
		return object{}, fmt.Errorf("objectwal: read of sequence %d of %s, durable are those below %d", sequence,
			l.id.WAL, l.durable)
	}
	return l.objects[sequence-l.trim], nil
}

// lost says why bytes of an object are not what they were: it may have been trimmed meanwhile.
func (l *Log) lost(c *client, sequence uint64, off int, why string) error {
	if _, err := l.object(sequence); err != nil {
		return err
	}
	return c.damageError(sequence, off, why)
}

// CheckFence asks the store now, outside of a commit, whether there is a tombstone: at each sequence that is in flight
// and at the next one. If there is, the log ends as it would at its next commit. It is for answers that need no append
// and yet must not come from who was replaced; it costs a request for each of those keys.
func (l *Log) CheckFence(sc *host.Scope) error {
	from, to, err := l.gaps()
	c := l.client()
	for sequence := from; err == nil && sequence <= to; sequence++ {
		h, e := c.header(sc, sequence)
		switch {
		case e == nil && h.tombstone():
			err = fmt.Errorf("%w: %s has a tombstone of broker %d, epoch %d", wal.ErrFenced, Key(c.log, sequence),
				h.broker, h.epoch)
			l.giveUp(err)
		case sc.Err() != nil:
			err = sc.Err()
		case errors.Is(e, objectstore.ErrTerminal):
			err = e
		}
	}
	return err
}

// gaps returns the sequences from..to at which a tombstone may be that the log has not met.
func (l *Log) gaps() (from, to uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to = l.durable
	if n := len(l.flight); n > 0 {
		to = l.flight[n-1].sequence + 1
	}
	return l.durable, to, l.err
}

// giveUp has the commit task end the log.
func (l *Log) giveUp(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.failure = err
	}
	l.poke(l.commitP)
}
