package wal

import (
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

const (
	// readChunk is how much a read by position takes from the volume at a time.
	readChunk = 256 << 10
	// readsAtOnce is how many such reads run at the same time; more wait.
	readsAtOnce = 4
)

// readBuffers are the aligned buffers that reads by position share.
type readBuffers struct {
	sem  host.Semaphore
	mu   host.Mutex
	free [][]byte
}

func (b *readBuffers) init(h host.Host, bytes int) error {
	b.sem.Init(h, readsAtOnce)
	b.mu.Init(h)
	for range readsAtOnce {
		mem, err := h.Disk().Memory(bytes)
		if err != nil {
			return fmt.Errorf("wal: take memory for reads: %w", err)
		}
		b.free = append(b.free, mem)
	}
	return nil
}

func (b *readBuffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	mem := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return mem
}

func (b *readBuffers) put(mem []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, mem)
}

// ReadAt fills dst with the first len(dst) bytes of the extent at: from its slab if that still holds
// them, else from the volume, each block checked against its checksum. Errors: ErrTrimmed, ErrClosed, a
// DamageError, the volume's own, sc.Err(). It works on a dead log too: what was acknowledged can still
// be read.
func (l *Log) ReadAt(sc *host.Scope, at Extent, dst []byte) error {
	if !invariant.Holds(len(dst) <= int(at.Len), invariant.Contract) {
		invariant.Fail(invariant.Contract, "read of %d bytes from an extent of %d", len(dst), at.Len)
	}
	if at.Slab != nil && at.Slab.holdIf(HolderAnswer, at.life) {
		copy(dst, at.Slab.mem[at.Off:])
		at.Slab.Release(HolderAnswer)
		return nil
	}
	if err := l.bufs.sem.Acquire(sc, 1); err != nil {
		return err
	}
	defer l.bufs.sem.Release(1)
	buf := l.bufs.take()
	defer l.bufs.put(buf)
	for pos := at.Position(); len(dst) > 0; {
		n, err := l.readChunk(buf, at.Frame, pos, dst)
		if err != nil {
			return err
		}
		dst, pos = dst[n:], pos+Position(n)
	}
	return nil
}

// readChunk fills a first part of dst with what is at pos, reading whole blocks into buf.
func (l *Log) readChunk(buf []byte, frame, pos Position, dst []byte) (int, error) {
	from := pos / BlockSize * BlockSize
	skip := int(pos - from)
	span := min(alignUp(skip+len(dst), BlockSize), len(buf))
	var want [readChunk / BlockSize]uint32
	if err := l.expectSums(frame, from, want[:span/BlockSize]); err != nil {
		return 0, err
	}
	for try := 1; ; try++ {
		if err := l.ring.read(buf[:span], from); err != nil {
			return 0, err
		}
		bad := mismatch(buf[:span], want[:])
		if bad < 0 || mutant.On(mutant.ReadSkipsCRC) {
			return copy(dst, buf[skip:span]), nil
		}
		if try == readTries {
			if err := l.overtaken(); err != nil {
				return 0, err
			}
			return 0, l.changed(frame, from+Position(bad*BlockSize))
		}
		probe.Hit(probe.WalReadAgain)
	}
}

// mismatch returns the first block of p that does not have the checksum in want, -1 if all have.
func mismatch(p []byte, want []uint32) int {
	for i := range len(p) / BlockSize {
		if crc32.Checksum(p[i*BlockSize:(i+1)*BlockSize], castagnoli) != want[i] {
			return i
		}
	}
	return -1
}

// expectSums copies the checksums of the blocks from pos on, if they are still there.
func (l *Log) expectSums(frame, pos Position, want []uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := pos + Position(len(want)*BlockSize)
	switch {
	case l.closing:
		return ErrClosed
	case frame < l.trim.pos:
		probe.Hit(probe.WalReadTrimmed)
		return ErrTrimmed
	case end > l.durable:
		return fmt.Errorf("wal: read of %s up to position %d, durable is %d", l.ring.name, end, l.durable)
	}
	for i := range want {
		want[i] = l.sums[(pos+Position(i*BlockSize))%Position(l.ring.capacity)/BlockSize]
	}
	return nil
}

// changed says why the block at pos is not what it was: its space may have been reused meanwhile.
func (l *Log) changed(frame, pos Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if frame < l.trim.pos {
		return ErrTrimmed
	}
	probe.Hit(probe.WalReadDamaged)
	return &DamageError{l.ring.name, pos, l.ring.offset(pos), "block does not match its checksum"}
}
