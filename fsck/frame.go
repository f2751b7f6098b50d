package fsck

import (
	"encoding/binary"
	"fmt"

	"github.com/weirmq/weir/metadata"
)

// frame is a frame's header.
type frame struct {
	uuid    metadata.UUID
	epoch   int64
	pos     uint64
	kd      uint64
	length  uint32
	chain   uint32
	entries uint32
	place   uint32
	trailer uint32
	sum     uint32 // of the trailer
	crc     uint32 // of this header: the next one's chain
}

// decodeFrame reads a header of frameHeader bytes.
func decodeFrame(b []byte) (frame, error) {
	var f frame
	if len(b) < frameHeader || string(b[:8]) != frameMagic {
		return f, fmt.Errorf("it does not begin with %s", frameMagic)
	}
	le := binary.LittleEndian
	f.crc = le.Uint32(b[124:])
	if crc(b[:124]) != f.crc {
		return f, fmt.Errorf("its header's checksum is wrong")
	}
	if v := le.Uint32(b[8:]); v != formatWAL {
		return f, fmt.Errorf("its header has version %d, this program knows %d", v, formatWAL)
	}
	f.uuid, f.epoch, f.pos, f.kd = metadata.UUID(b[16:32]), int64(le.Uint64(b[32:])), le.Uint64(b[40:]),
		le.Uint64(b[48:])
	f.length, f.chain, f.entries = le.Uint32(b[56:]), le.Uint32(b[60:]), le.Uint32(b[64:])
	f.place, f.trailer, f.sum = le.Uint32(b[68:]), le.Uint32(b[72:]), le.Uint32(b[76:])
	return f, f.sane(b)
}

// sane refuses values that no writer writes.
func (f *frame) sane(b []byte) error {
	want := uint64(f.entries)*tableEntry + uint64(f.length/blockSize)*4
	switch {
	case !blank(b[12:16]) || !blank(b[80:124]):
		return fmt.Errorf("reserved bytes of its header are not zero")
	case f.pos%blockSize != 0 || f.pos > positionsLimit || f.length == 0 || f.length%blockSize != 0 ||
		f.length > frameMax:
		return fmt.Errorf("a frame of %d bytes at position %d", f.length, f.pos)
	case f.entries > entriesMax || uint64(f.trailer) != want:
		return fmt.Errorf("a trailer of %d bytes for %d entries", f.trailer, f.entries)
	case f.place < frameHeader || f.place%8 != 0 || uint64(f.place)+uint64(f.trailer) > uint64(f.length):
		return fmt.Errorf("its trailer of %d bytes is at %d of %d", f.trailer, f.place, f.length)
	case f.kd > f.pos:
		return fmt.Errorf("a frame at position %d calls %d durable", f.pos, f.kd)
	}
	return nil
}

// repaired undoes the one changed byte that explains a header's wrong checksum.
func repaired(b []byte) (frame, bool) {
	fixed := append([]byte(nil), b[:frameHeader]...)
	want := binary.LittleEndian.Uint32(fixed[124:])
	got := crc(fixed[:124])
	if at, bits, ok := changedByte(want, got, 124); ok && at < 124 {
		fixed[at] ^= bits
	} else if ok {
		binary.LittleEndian.PutUint32(fixed[124:], got)
	}
	f, err := decodeFrame(fixed)
	return f, err == nil
}

// entry is one line of a frame's table with its bytes.
type entry struct {
	stream uint64
	base   int64
	stamp  int64 // max timestamp, ms
	epoch  int32
	count  uint32
	at     uint32 // of its bytes in the frame
	length uint32
	kind   byte
	frame  uint64 // position
	data   []byte // nil if it was not kept
	sum    uint32 // CRC of data
	bad    bool   // its bytes are spoilt
	say    decoded
}

// end is the offset behind e.
func (e *entry) end() int64 { return e.base + int64(e.count) }

// blockSum is the checksum of block i of frame b, and what of the block is covered.
func (f *frame) blockSum(b []byte, i int) (uint32, int) {
	from, to := i*blockSize, (i+1)*blockSize
	if i == 0 {
		from = frameHeader
	}
	cut, end := max(int(f.place), from), min(int(f.place+f.trailer), to)
	if cut >= end {
		return crc(b[from:to]), to - from
	}
	return crcMore(crc(b[from:cut]), b[end:to]), to - from - (end - cut)
}

// covered turns an index into what a block's checksum covers into an index into the frame.
func (f *frame) covered(i, at int) int {
	from := i * blockSize
	if i == 0 {
		from = frameHeader
	}
	if at += from; at >= int(f.place) {
		if end := int(f.place + f.trailer); from < end {
			at += end - max(int(f.place), from)
		}
	}
	return at
}

// storedSum is the checksum that frame b's trailer has for block i.
func (f *frame) storedSum(b []byte, i int) uint32 {
	return binary.LittleEndian.Uint32(b[int(f.place)+int(f.entries)*tableEntry+4*i:])
}

// table reads the entries of frame b, whose trailer has its checksum. Their data aliases b.
func (f *frame) table(b []byte) ([]entry, error) {
	list := make([]entry, f.entries)
	le := binary.LittleEndian
	at := uint64(frameHeader)
	for i := range list {
		p := b[int(f.place)+i*tableEntry:][:tableEntry]
		e := &list[i]
		*e = entry{
			stream: le.Uint64(p), base: int64(le.Uint64(p[8:])), stamp: int64(le.Uint64(p[16:])),
			epoch: int32(le.Uint32(p[24:])), count: le.Uint32(p[28:]), at: le.Uint32(p[32:]),
			length: le.Uint32(p[36:]),
			kind:   p[40], frame: f.pos,
		}
		if uint64(e.at) != at || uint64(e.at)+uint64(e.length) > uint64(f.place) || !blank(p[41:]) ||
			e.kind != kindData && e.kind != kindState || e.base < 0 || e.base > 1<<62 {
			return nil, fmt.Errorf("entry %d of its table is not what a writer writes", i)
		}
		at += uint64(e.length)
		e.data = b[e.at:][:e.length:e.length]
	}
	if end := (at + 7) / 8 * 8; end != uint64(f.place) {
		return nil, fmt.Errorf("its entries end at %d and its trailer begins at %d", at, f.place)
	}
	return list, nil
}
