package fsck

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirmq/weir/metadata"
)

// The file of a WAL, as docs/format/wal.md draws it.
const (
	blockSize      = 4096
	frameMax       = 16 << 20
	marginMax      = 1 << 20
	superMagic     = "WEIRWALS"
	superSum       = blockSize - 4
	superReserved  = 160
	formatWAL      = 1
	flagClean      = 1
	frameHeader    = 128
	frameMagic     = "WEIRFRAM"
	tableEntry     = 48
	entriesMax     = 65536
	fenceMagic     = "WEIRFENC"
	fenceSize      = 64
	fenceReserved  = 40
	kindData       = 1
	kindState      = 2
	positionsLimit = 1 << 62
)

// superblock is one slot.
type superblock struct {
	seq                   uint64
	cluster, volume, uuid metadata.UUID
	broker                int32
	epoch                 int64
	generation            int64
	capacity              uint64
	frameLimit            uint32
	trim                  uint64
	trimChain             uint32
	trimEpoch             int64
	durable               uint64
	clean                 bool
	cleanEpoch            int64
	cleanEnd              uint64
}

// decodeSuperblock reads one slot of blockSize bytes that is not blank.
func decodeSuperblock(b []byte) (superblock, error) {
	var s superblock
	le := binary.LittleEndian
	if len(b) != blockSize || string(b[:8]) != superMagic {
		return s, fmt.Errorf("it does not begin with %s", superMagic)
	}
	if got, want := crc(b[:superSum]), le.Uint32(b[superSum:]); got != want {
		if at, _, ok := changedByte(want, got, superSum); ok {
			return s, fmt.Errorf("its checksum is wrong, and one changed byte explains it: %w", flippedError{at})
		}
		return s, fmt.Errorf("its checksum is wrong")
	}
	if v := le.Uint32(b[8:]); v != formatWAL {
		return s, fmt.Errorf("it has version %d, this program knows %d", v, formatWAL)
	}
	if f := le.Uint64(b[16:]); f != 0 {
		return s, fmt.Errorf("it has feature bits %#x, this program knows none", f)
	}
	s = superblock{
		seq: le.Uint64(b[24:]), cluster: metadata.UUID(b[32:48]), volume: metadata.UUID(b[48:64]),
		uuid: metadata.UUID(b[64:80]), broker: int32(le.Uint32(b[80:])), epoch: int64(le.Uint64(b[88:])),
		generation: int64(le.Uint64(b[96:])), capacity: le.Uint64(b[104:]), frameLimit: le.Uint32(b[112:]),
		trimChain: le.Uint32(b[116:]), trim: le.Uint64(b[120:]), trimEpoch: int64(le.Uint64(b[128:])),
		durable: le.Uint64(b[136:]), clean: le.Uint32(b[12:])&flagClean != 0,
		cleanEpoch: int64(le.Uint64(b[144:])), cleanEnd: le.Uint64(b[152:]),
	}
	if le.Uint32(b[84:]) != blockSize || le.Uint32(b[12:])&^flagClean != 0 || !blank(b[superReserved:superSum]) {
		return s, fmt.Errorf("block size, flags or reserved bytes are not what a writer writes")
	}
	return s, s.sane()
}

// sane refuses values that no writer writes.
func (s *superblock) sane() error {
	switch {
	case s.capacity == 0 || s.capacity%blockSize != 0 || s.capacity > 1<<50:
		return fmt.Errorf("it has a ring of %d bytes", s.capacity)
	case s.frameLimit == 0 || s.frameLimit%blockSize != 0 || s.frameLimit > frameMax:
		return fmt.Errorf("it has a frame limit of %d bytes", s.frameLimit)
	case s.trim%blockSize != 0 || s.durable%blockSize != 0 || s.cleanEnd%blockSize != 0:
		return fmt.Errorf("trim %d, D %d or clean end %d is not a block's edge", s.trim, s.durable, s.cleanEnd)
	case s.durable > positionsLimit || s.trim > s.durable || s.durable-s.trim > s.capacity:
		return fmt.Errorf("trim %d and D %d do not fit a ring of %d bytes", s.trim, s.durable, s.capacity)
	}
	return nil
}

// flippedError says that one changed byte explains a wrong checksum.
type flippedError struct{ at int }

func (e flippedError) Error() string { return fmt.Sprintf("byte %d", e.at) }

// margin is how far the ring lies from both ends of its file.
func margin(capacity int64) int64 {
	return min(max(capacity/64/blockSize*blockSize, blockSize), marginMax)
}

// fence is a fence word.
type fence struct {
	uuid       metadata.UUID
	generation int64
}

// decodeFence reads a fence file.
func decodeFence(b []byte) (fence, error) {
	if len(b) < fenceSize || string(b[:8]) != fenceMagic {
		return fence{}, fmt.Errorf("it does not begin with %s", fenceMagic)
	}
	b = b[:fenceSize]
	le := binary.LittleEndian
	if crc(b[:fenceSize-4]) != le.Uint32(b[fenceSize-4:]) {
		return fence{}, fmt.Errorf("its checksum is wrong")
	}
	if v := le.Uint32(b[8:]); v != formatWAL {
		return fence{}, fmt.Errorf("it has version %d, this program knows %d", v, formatWAL)
	}
	if !blank(b[12:16]) || !blank(b[fenceReserved:fenceSize-4]) {
		return fence{}, fmt.Errorf("its reserved bytes are not zero")
	}
	return fence{metadata.UUID(b[16:32]), int64(le.Uint64(b[32:]))}, nil
}

// tornFence tells whether b may be parts of two fence words of one WAL: only the generation and the checksum of one
// differ from the other's.
func tornFence(b []byte, id metadata.UUID) bool {
	if len(b) < fenceSize {
		return false
	}
	whole := slices.Clone(b[:fenceSize])
	binary.LittleEndian.PutUint32(whole[fenceSize-4:], crc(whole[:fenceSize-4]))
	f, err := decodeFence(whole)
	return err == nil && f.uuid == id
}
