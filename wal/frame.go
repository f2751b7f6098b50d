package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	frameMagic   = "WEIRFRAM"
	frameVersion = 1
	headerSize   = 128
	headerCRC    = headerSize - 4 // offset of the header's own CRC
	entrySize    = 48
	maxEntries   = 65536
	crcSize      = 4
)

// header is the first 128 bytes of a frame. docs/format/wal.md draws it.
type header struct {
	wal        UUID
	epoch      int64    // broker epoch of the writer
	pos        Position // of the frame
	length     uint32   // bytes, a multiple of BlockSize
	chain      uint32   // CRC of the previous frame's header
	durable    Position // KD: everything below was durable when the frame was sealed
	entries    uint32
	place      uint32 // of the trailer, from the frame's start
	trailer    uint32 // its length
	trailerCRC uint32
	crc        uint32 // of the 124 bytes before it
}

func (h *header) encode(b []byte) {
	clear(b[:headerSize])
	le := binary.LittleEndian
	copy(b, frameMagic)
	le.PutUint32(b[8:], frameVersion)
	copy(b[16:], h.wal[:])
	le.PutUint64(b[32:], uint64(h.epoch))
	le.PutUint64(b[40:], uint64(h.pos))
	le.PutUint64(b[48:], uint64(h.durable))
	le.PutUint32(b[56:], h.length)
	le.PutUint32(b[60:], h.chain)
	le.PutUint32(b[64:], h.entries)
	le.PutUint32(b[68:], h.place)
	le.PutUint32(b[72:], h.trailer)
	le.PutUint32(b[76:], h.trailerCRC)
	h.crc = crc32.Checksum(b[:headerCRC], castagnoli)
	le.PutUint32(b[headerCRC:], h.crc)
}

var (
	errHeaderCRC   = errors.New("header checksum does not match")
	errHeaderShape = errors.New("header contradicts itself")
)

// decodeHeader reads 128 bytes. errHeaderCRC means that they are no header; errHeaderShape, with a right
// CRC, that no writer writes such a header.
func decodeHeader(b []byte) (header, error) {
	var h header
	le := binary.LittleEndian
	h.crc = le.Uint32(b[headerCRC:])
	if string(b[:8]) != frameMagic || crc32.Checksum(b[:headerCRC], castagnoli) != h.crc {
		return h, errHeaderCRC
	}
	copy(h.wal[:], b[16:])
	h.epoch = int64(le.Uint64(b[32:]))
	h.pos = Position(le.Uint64(b[40:]))
	h.durable = Position(le.Uint64(b[48:]))
	h.length = le.Uint32(b[56:])
	h.chain = le.Uint32(b[60:])
	h.entries = le.Uint32(b[64:])
	h.place = le.Uint32(b[68:])
	h.trailer = le.Uint32(b[72:])
	h.trailerCRC = le.Uint32(b[76:])
	if le.Uint32(b[8:]) != frameVersion || !h.shaped() {
		return h, errHeaderShape
	}
	return h, nil
}

// shaped checks the arithmetic between the header's fields.
func (h *header) shaped() bool {
	if h.length < BlockSize || h.length > MaxFrame || h.length%BlockSize != 0 || h.entries > maxEntries {
		return false
	}
	blocks := h.length / BlockSize
	return h.pos%BlockSize == 0 && h.pos < 1<<62 && h.durable%BlockSize == 0 && h.durable <= h.pos &&
		h.place >= headerSize && h.place%8 == 0 && h.place <= h.length &&
		h.trailer == h.entries*entrySize+blocks*crcSize && h.place+h.trailer <= h.length
}

// repairHeader looks for one changed byte that explains why b is no header. It returns the header as it
// must have been.
func repairHeader(b []byte) (header, bool) {
	var fixed [headerSize]byte
	copy(fixed[:], b[:headerSize])
	stored := binary.LittleEndian.Uint32(b[headerCRC:])
	got := crc32.Checksum(b[:headerCRC], castagnoli)
	if oneByte(stored, got) {
		binary.LittleEndian.PutUint32(fixed[headerCRC:], got)
	} else if at, bits, ok := changedByte(stored, got, headerCRC); ok {
		fixed[at] ^= bits
	} else {
		return header{}, false
	}
	h, err := decodeHeader(fixed[:])
	return h, err == nil
}

// placed is an entry in a frame.
type placed struct {
	Entry
	off uint32 // of its bytes, from the frame's start
}

func (p *placed) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b, uint64(p.Stream))
	le.PutUint64(b[8:], uint64(p.Base))
	le.PutUint64(b[16:], uint64(p.MaxTimestamp))
	le.PutUint32(b[24:], uint32(p.Entry.Epoch))
	le.PutUint32(b[28:], p.Count)
	le.PutUint32(b[32:], p.off)
	le.PutUint32(b[36:], p.Length)
	le.PutUint64(b[40:], uint64(p.Kind))
}

func decodePlaced(b []byte) placed {
	le := binary.LittleEndian
	return placed{
		Entry: Entry{
			Stream:       StreamID(le.Uint64(b)),
			Base:         int64(le.Uint64(b[8:])),
			MaxTimestamp: int64(le.Uint64(b[16:])),
			Epoch:        Epoch(le.Uint32(b[24:])),
			Count:        le.Uint32(b[28:]),
			Length:       le.Uint32(b[36:]),
			Kind:         Kind(le.Uint64(b[40:])),
		},
		off: le.Uint32(b[32:]),
	}
}

// tabled checks that every entry of the table lies in the frame's body.
func (h *header) tabled(trailer []byte) bool {
	for i := range int(h.entries) {
		p := decodePlaced(trailer[i*entrySize:])
		if p.off < headerSize || uint64(p.off)+uint64(p.Length) > uint64(h.place) {
			return false
		}
	}
	return true
}

// trailerPlace returns where a trailer begins behind a body that ends at end.
func trailerPlace(end int) int { return alignUp(end, 8) }

// frameSize returns the bytes of a frame whose body ends at end (from the frame's start, header
// included) and that carries n entries. The trailer has four bytes for every block, its own included.
func frameSize(end, n int) int {
	content := trailerPlace(end) + n*entrySize
	const room = BlockSize - crcSize
	return (content + room - 1) / room * BlockSize
}

// largestEntry returns the most bytes one entry may have in a frame of at most limit bytes.
func largestEntry(limit int) int {
	return limit - limit/BlockSize*crcSize - entrySize - headerSize - 7
}

// hashed returns the bytes [from, to) of block i that its checksum in the table covers: the block
// without the header, which has its own CRC, and without the trailer, whose CRC is in the header. What
// lies behind a trailer is returned in the second range.
func (h *header) hashed(i int) (a, b, c, d int) {
	start, end := i*BlockSize, (i+1)*BlockSize
	a, b, c, d = start, end, end, end
	if i == 0 {
		a = headerSize
	}
	from, to := int(h.place), int(h.place+h.trailer)
	if from < end {
		b = max(from, a)
	}
	if from < end && to < end {
		c = max(to, start)
	}
	if to <= start {
		return a, end, end, end
	}
	return a, b, c, d
}

// blockSum returns the checksum of block i of frame f as its table must have it, and the bytes it covers.
func (h *header) blockSum(f []byte, i int) (sum uint32, n int) {
	a, b, c, d := h.hashed(i)
	sum = crc32.Update(0, castagnoli, f[a:b])
	return crc32.Update(sum, castagnoli, f[c:d]), b - a + d - c
}

// storedSum returns block i's checksum as the trailer has it.
func (h *header) storedSum(f []byte, i int) uint32 {
	return binary.LittleEndian.Uint32(f[int(h.place)+int(h.entries)*entrySize+i*crcSize:])
}
