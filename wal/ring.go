package wal

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

const (
	// BlockSize is the unit of writing, of checksums and of positions of frames.
	BlockSize = 4096
	// MaxFrame is the most a frame may take, and the most a slab may hold.
	MaxFrame = 16 << 20
	// maxMargin is how much the ring keeps off both ends of the file, so that the superblocks lie in
	// different erase neighbourhoods than it and than each other.
	maxMargin = 1 << 20
)

// margin returns the bytes before and after a ring of capacity bytes: 1 MiB, less for a small ring.
func margin(capacity int64) int64 {
	m := capacity / 64 / BlockSize * BlockSize
	return min(max(m, BlockSize), maxMargin)
}

// fileSize returns the size of the file that carries a ring.
func fileSize(capacity int64) int64 { return capacity + 2*margin(capacity) }

func checkCapacity(capacity, frame int64) error {
	if capacity%BlockSize != 0 || frame%BlockSize != 0 || frame < 2*BlockSize || frame > MaxFrame {
		return fmt.Errorf("ring of %d bytes with frames up to %d: both must be multiples of %d, frames at most %d",
			capacity, frame, BlockSize, MaxFrame)
	}
	if capacity < 4*frame || capacity > 1<<50 {
		return fmt.Errorf("ring of %d bytes: must hold at least four frames of up to %d", capacity, frame)
	}
	return nil
}

// ring turns positions into file offsets. It holds no state but the files.
type ring struct {
	name     string
	w        host.File // writes and syncs; useless after the first error
	r        host.File // reads go on after w has failed
	base     int64     // file offset of position 0
	capacity int64
	foreign  bool // another holder's: nothing is written
}

// offset returns where in the file pos lies.
func (r *ring) offset(pos Position) int64 {
	return r.base + int64(pos%Position(r.capacity))
}

// write writes p at pos, in two pieces where it crosses the ring's end.
func (r *ring) write(p []byte, pos Position) error {
	if !invariant.Holds(!r.foreign, invariant.NoForeignWrite) {
		invariant.Fail(invariant.NoForeignWrite, "%s is another holder's and is written at position %d", r.name, pos)
	}
	for len(p) > 0 {
		n := r.run(pos, len(p))
		if _, err := r.w.WriteAt(p[:n], r.offset(pos)); err != nil {
			probe.Hit(probe.WalWriteFailed)
			return fmt.Errorf("wal: write %s at position %d: %w", r.name, pos, err)
		}
		p, pos = p[n:], pos+Position(n)
	}
	return nil
}

// readTries is how often a read is made before it is believed that it fails, or that what it gave is what is
// there: a volume may err once, or give the bytes of another place.
const readTries = 3

// read fills p from pos.
func (r *ring) read(p []byte, pos Position) error {
	for len(p) > 0 {
		n := r.run(pos, len(p))
		_, err := r.r.ReadAt(p[:n], r.offset(pos))
		for i := 1; i < readTries && errors.Is(err, host.ErrIO); i++ {
			probe.Hit(probe.WalReadAgain)
			_, err = r.r.ReadAt(p[:n], r.offset(pos))
		}
		if err != nil {
			return fmt.Errorf("wal: read %s at position %d: %w", r.name, pos, err)
		}
		p, pos = p[n:], pos+Position(n)
	}
	return nil
}

// run returns how many of n bytes at pos lie before the ring's end.
func (r *ring) run(pos Position, n int) int {
	return int(min(int64(n), r.capacity-int64(pos%Position(r.capacity))))
}

// slotOffset returns the file offset of a superblock slot in a file of size bytes.
func slotOffset(slot int, size int64) int64 {
	if slot == 0 {
		return 0
	}
	return size - BlockSize
}

func (r *ring) close() error {
	err := r.w.Close()
	if e := r.r.Close(); err == nil {
		err = e
	}
	return err
}

func alignUp(n, to int) int { return (n + to - 1) / to * to }

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
