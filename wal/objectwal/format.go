package objectwal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/weirmq/weir/wal"
)

const (
	objectMagic   = "WEIROBJW"
	objectVersion = 1
	headerSize    = 128
	headerCRC     = headerSize - 4 // offset of the header's own CRC
	crcSize       = 4

	// span is how far apart the positions of two sequences are: no object is longer.
	span = wal.MaxFrame
	// lastSequence keeps positions below 1 << 62.
	lastSequence = 1<<38 - 1
)

// Flags of an object.
const (
	flagTombstone = 1 << iota // the log ends here
	flagClean                 // its writer put the tombstone when it had nothing left to write
)

// castagnoli is written by nobody.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first 128 bytes of an object; a tombstone has nothing else. docs/format/objectwal.md draws it.
type header struct {
	wal        wal.UUID
	sequence   uint64
	epoch      int64 // broker epoch of who put it
	generation int64
	durable    uint64 // all sequences below were acknowledged when it was sealed
	broker     int32
	flags      uint32
	length     uint32 // bytes of the object
	chain      uint32 // crc of the header before it; 0 in the first
	entries    uint32
	place      uint32 // of the trailer
	trailer    uint32 // its length
	trailerCRC uint32
	crc        uint32 // of the 124 bytes before it
}

func (h *header) encode(b []byte) {
	clear(b[:headerSize])
	le := binary.LittleEndian
	copy(b, objectMagic)
	le.PutUint32(b[8:], objectVersion)
	le.PutUint32(b[12:], h.flags)
	copy(b[16:], h.wal[:])
	le.PutUint64(b[32:], h.sequence)
	le.PutUint64(b[40:], uint64(h.epoch))
	le.PutUint64(b[48:], uint64(h.generation))
	le.PutUint64(b[56:], h.durable)
	le.PutUint32(b[64:], uint32(h.broker))
	le.PutUint32(b[68:], h.length)
	le.PutUint32(b[72:], h.chain)
	le.PutUint32(b[76:], h.entries)
	le.PutUint32(b[80:], h.place)
	le.PutUint32(b[84:], h.trailer)
	le.PutUint32(b[88:], h.trailerCRC)
	h.crc = crc32.Checksum(b[:headerCRC], castagnoli)
	le.PutUint32(b[headerCRC:], h.crc)
}

var (
	errHeaderCRC   = errors.New("header checksum does not match")
	errHeaderShape = errors.New("header contradicts itself")
	errHeaderNewer = errors.New("object has a newer format")
)

// decodeHeader reads 128 bytes.
func decodeHeader(b []byte) (header, error) {
	var h header
	le := binary.LittleEndian
	h.crc = le.Uint32(b[headerCRC:])
	if string(b[:8]) != objectMagic || crc32.Checksum(b[:headerCRC], castagnoli) != h.crc {
		return h, errHeaderCRC
	}
	if le.Uint32(b[8:]) > objectVersion {
		return h, errHeaderNewer
	}
	h.flags = le.Uint32(b[12:])
	copy(h.wal[:], b[16:])
	h.sequence = le.Uint64(b[32:])
	h.epoch = int64(le.Uint64(b[40:]))
	h.generation = int64(le.Uint64(b[48:]))
	h.durable = le.Uint64(b[56:])
	h.broker = int32(le.Uint32(b[64:]))
	h.length = le.Uint32(b[68:])
	h.chain = le.Uint32(b[72:])
	h.entries = le.Uint32(b[76:])
	h.place = le.Uint32(b[80:])
	h.trailer = le.Uint32(b[84:])
	h.trailerCRC = le.Uint32(b[88:])
	if le.Uint32(b[8:]) != objectVersion || !h.shaped() {
		return h, errHeaderShape
	}
	return h, nil
}

// shaped checks the arithmetic between the header's fields.
func (h *header) shaped() bool {
	if h.flags&^(flagTombstone|flagClean) != 0 || h.flags == flagClean || h.sequence > lastSequence ||
		h.durable > h.sequence {
		return false
	}
	if h.tombstone() {
		return h.length == headerSize && h.entries == 0 && h.place == headerSize && h.trailer == 0
	}
	return h.entries > 0 && h.entries <= wal.MaxEntries && h.length <= span && h.place >= headerSize &&
		h.place%8 == 0 && h.place <= h.length &&
		h.trailer == h.entries*wal.EntrySize+uint32(blocks(int(h.place)))*crcSize && h.place+h.trailer == h.length
}

func (h *header) tombstone() bool { return h.flags&flagTombstone != 0 }

// placed is an entry in an object.
type placed struct {
	wal.Entry
	off uint32 // of its bytes, from the object's start
}

// decodeTrailer returns the table and the blocks' checksums of a trailer that fits h, and false if it does not.
func (h *header) decodeTrailer(b []byte) ([]placed, []uint32, bool) {
	if crc32.Checksum(b, castagnoli) != h.trailerCRC {
		return nil, nil, false
	}
	entries, sums := make([]placed, h.entries), make([]uint32, blocks(int(h.place)))
	for i := range entries {
		p := &entries[i]
		p.Entry, p.off = wal.DecodeEntry(b[i*wal.EntrySize:])
		if p.off < headerSize || uint64(p.off)+uint64(p.Length) > uint64(h.place) {
			return nil, nil, false
		}
	}
	b = b[len(entries)*wal.EntrySize:]
	for i := range sums {
		sums[i] = binary.LittleEndian.Uint32(b[i*crcSize:])
	}
	return entries, sums, true
}

// blocks returns how many blocks a body that ends at place has checksums for.
func blocks(place int) int { return (place + wal.BlockSize - 1) / wal.BlockSize }

// block returns the bytes [from, to) that block i's checksum covers: the block without the header and the trailer,
// which have their own.
func block(i, place int) (from, to int) {
	return max(headerSize, i*wal.BlockSize), min((i+1)*wal.BlockSize, place)
}

// trailerPlace returns where a trailer begins behind a body that ends at end.
func trailerPlace(end int) int { return (end + 7) / 8 * 8 }

// objectSize returns the bytes of an object whose body ends at end and that carries n entries.
func objectSize(end, n int) int {
	place := trailerPlace(end)
	return place + n*wal.EntrySize + blocks(place)*crcSize
}

// largestEntry returns the most bytes one entry may have in an object of at most limit bytes.
func largestEntry(limit int) int {
	return limit - wal.EntrySize - headerSize - 7 - (limit/wal.BlockSize+1)*crcSize
}

// sequenceOf returns the sequence of the object that pos lies in.
func sequenceOf(pos wal.Position) uint64 { return uint64(pos / span) }

// positionOf returns where the object of a sequence begins.
func positionOf(sequence uint64) wal.Position { return wal.Position(sequence) * span }

// prefix is what the keys of a log begin with.
func prefix(id wal.UUID) string { return "wal/" + id.String() + "/" }

// Key returns the key of a sequence of the log called id.
func Key(id wal.UUID, sequence uint64) string { return fmt.Sprintf("%s%016d", prefix(id), sequence) }

// parseKey returns the sequence of a key of the log called id, and false for any other key.
func parseKey(id wal.UUID, key string) (uint64, bool) {
	digits, ours := strings.CutPrefix(key, prefix(id))
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ours && err == nil && n <= lastSequence && Key(id, n) == key
}
