package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

const (
	fenceMagic = "WEIRFENC"
	fenceSize  = 64
	fenceCRC   = fenceSize - 4
)

// Fence is the fence word of a WAL in a directory (the dir provider): a file of its own that holds the
// generation, written in place by whoever takes the WAL over and re-read after every sync (rules 6, 7).
// It is coherent within one kernel only.
type Fence struct {
	f          host.File
	name       string
	wal        UUID
	generation int64
	word       [fenceSize]byte // what the file must hold
	got        []byte          // read buffer
	sem        host.Semaphore  // held across the read
}

// TakeFence writes generation into the fence word of wal and syncs it. From then on every holder of a
// lower generation finds itself fenced. It is refused, with ErrFenced, if the word is already higher, and
// with ErrForeign if it belongs to another WAL. Taking the same generation again is harmless.
func TakeFence(h host.Host, vol host.Volume, name string, wal UUID, generation int64) (*Fence, error) {
	f, err := vol.Open(name, host.Create)
	if err != nil {
		return nil, fmt.Errorf("wal: open fence word %s: %w", name, err)
	}
	x := &Fence{f: f, name: name, wal: wal, generation: generation, got: make([]byte, fenceSize)}
	x.sem.Init(h, 1)
	encodeFence(x.word[:], wal, generation)
	if err := x.write(vol); err != nil {
		_ = f.Close() // the first error is what counts
		return nil, err
	}
	return x, nil
}

func (x *Fence) write(vol host.Volume) error {
	size, err := x.f.Size()
	if err != nil {
		return fmt.Errorf("wal: size of fence word %s: %w", x.name, err)
	}
	if size >= fenceSize {
		wal, generation, torn, err := x.standing()
		switch {
		case err != nil:
			return fmt.Errorf("wal: read fence word %s: %w", x.name, err)
		case torn: // when it was first written, or rotten: metadata named us, so it is ours to write
			probe.Hit(probe.WalFenceTorn)
		case wal != x.wal:
			return fmt.Errorf("%w: fence word %s is of WAL %s, metadata names %s: attach the right volume",
				ErrForeign, x.name, wal, x.wal)
		case generation > x.generation:
			probe.Hit(probe.WalFenceHigher)
			return fmt.Errorf("%w: fence word %s has generation %d, this holder %d", ErrFenced, x.name,
				generation, x.generation)
		}
	}
	if _, err := x.f.WriteAt(x.word[:], 0); err != nil {
		return fmt.Errorf("wal: write fence word %s: %w", x.name, err)
	}
	if err := x.f.Sync(); err != nil {
		return fmt.Errorf("wal: sync fence word %s: %w", x.name, err)
	}
	return syncParents(vol, x.name)
}

// Check re-reads the word: one pread on a descriptor kept open. It returns nil while the word is ours.
func (x *Fence) Check() error {
	if err := x.sem.Acquire(nil, 1); err != nil {
		return err
	}
	defer x.sem.Release(1)
	if same, err := x.read(); err != nil {
		return fmt.Errorf("wal: read fence word %s: %w", x.name, err)
	} else if same {
		return nil
	}
	wal, generation, err := decodeFence(x.got)
	if err != nil {
		return fmt.Errorf("wal: fence word %s: %w", x.name, err)
	}
	return fmt.Errorf("wal: fence word %s holds generation %d of WAL %s, this holder has %d of %s",
		x.name, generation, wal, x.generation, x.wal)
}

// fenceTries is how often the word is read before it is believed that it cannot be, or is not what it must be.
const fenceTries = 5

// standing reads what the word says before it is written. It is torn only if it stays so: who took the bytes of
// another place for a torn word would overwrite that of a later holder.
func (x *Fence) standing() (wal UUID, generation int64, torn bool, err error) {
	for i := 1; ; i++ {
		if _, err = x.f.ReadAt(x.got, 0); err == nil {
			var bad error
			if wal, generation, bad = decodeFence(x.got); bad == nil {
				return wal, generation, false, nil
			}
		}
		if i == fenceTries {
			return wal, generation, err == nil, err
		}
		probe.Hit(probe.WalFenceReadAgain)
	}
}

// read reads the word into got and tells whether it is ours, and reads it again if that fails or it is not: a
// passing error is no reason to end a process.
func (x *Fence) read() (same bool, err error) {
	for i := 1; ; i++ {
		_, err = x.f.ReadAt(x.got, 0)
		same = err == nil && string(x.got) == string(x.word[:])
		if same || i == fenceTries {
			return same, err
		}
		probe.Hit(probe.WalFenceReadAgain)
	}
}

// Close closes the descriptor; Check fails afterwards.
func (x *Fence) Close() error { return x.f.Close() }

func encodeFence(b []byte, wal UUID, generation int64) {
	clear(b)
	copy(b, fenceMagic)
	binary.LittleEndian.PutUint32(b[8:], 1)
	copy(b[16:], wal[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(generation))
	binary.LittleEndian.PutUint32(b[fenceCRC:], crc32.Checksum(b[:fenceCRC], castagnoli))
}

func decodeFence(b []byte) (wal UUID, generation int64, err error) {
	sum := crc32.Checksum(b[:fenceCRC], castagnoli)
	if string(b[:8]) != fenceMagic || binary.LittleEndian.Uint32(b[fenceCRC:]) != sum {
		return wal, 0, errors.New("it is no fence word")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != 1 {
		return wal, 0, fmt.Errorf("format version %d, this build knows 1", v)
	}
	copy(wal[:], b[16:])
	return wal, int64(binary.LittleEndian.Uint64(b[32:])), nil
}
