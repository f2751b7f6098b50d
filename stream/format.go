package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirmq/weir/internal/mutant"
)

// Sizes and magics of the object format; docs/format/object.md draws them. All numbers are little-endian.
const (
	formatVersion = 1

	blockMagic  = 0x4b4c4257 // "WBLK"
	indexMagic  = 0x58444957 // "WIDX"
	footerMagic = "weir.obj"

	blockHeaderSize = 36
	entryHeaderSize = 28
	crcSize         = 4
	indexHeaderSize = 16
	indexEntrySize  = 56
	footerSize      = 80

	maxBlockSize = 64 << 20
	maxBlocks    = 1 << 22
)

// blockKind tells what a block holds.
type blockKind uint8

const (
	blockData       blockKind = 1 // entries of one stream and leader epoch
	blockCheckpoint blockKind = 2 // the owner's state at offset start (= end), as one entry of count 0
)

// WriterID is the identity of who writes objects: cluster, broker and broker epoch as the owner packs them.
// To this package it is opaque; with the sequence it names an object for ever.
type WriterID [28]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFormat = errors.New("stream: bytes are not a valid part of an object")

func formatErr(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errFormat, fmt.Sprintf(format, args...))
}

// block is one entry of an object's index.
type block struct {
	stream   ID
	epoch    Epoch
	kind     blockKind
	start    int64 // first offset
	end      int64 // offset after the last; equal to start in a checkpoint
	position int64 // byte in the object
	maxTs    int64 // largest max timestamp of its entries
	size     uint32
	entries  uint32
}

// entryHeader stands before each entry's bytes in a block.
type entryHeader struct {
	base   int64
	count  uint32
	length uint32
	maxTs  int64
	epoch  Epoch
}

func (h entryHeader) put(p []byte) {
	binary.LittleEndian.PutUint64(p[0:], uint64(h.base))
	binary.LittleEndian.PutUint32(p[8:], h.count)
	binary.LittleEndian.PutUint32(p[12:], h.length)
	binary.LittleEndian.PutUint64(p[16:], uint64(h.maxTs))
	binary.LittleEndian.PutUint32(p[24:], uint32(h.epoch))
}

func getEntryHeader(p []byte) entryHeader {
	return entryHeader{
		base:   int64(binary.LittleEndian.Uint64(p[0:])),
		count:  binary.LittleEndian.Uint32(p[8:]),
		length: binary.LittleEndian.Uint32(p[12:]),
		maxTs:  int64(binary.LittleEndian.Uint64(p[16:])),
		epoch:  Epoch(binary.LittleEndian.Uint32(p[24:])),
	}
}

// putHeader writes b's block header; the body length follows from its size.
func (b block) putHeader(p []byte) {
	binary.LittleEndian.PutUint32(p[0:], blockMagic)
	p[4], p[5], p[6], p[7] = byte(b.kind), 0, 0, 0
	binary.LittleEndian.PutUint64(p[8:], uint64(b.stream))
	binary.LittleEndian.PutUint32(p[16:], uint32(b.epoch))
	binary.LittleEndian.PutUint32(p[20:], b.entries)
	binary.LittleEndian.PutUint64(p[24:], uint64(b.start))
	binary.LittleEndian.PutUint32(p[32:], b.size-blockHeaderSize-crcSize)
}

// checkCRC compares the CRC that ends p with that of the bytes before it.
func checkCRC(what string, p []byte) error {
	n := len(p) - crcSize
	if got, want := crc32.Checksum(p[:n], castagnoli), binary.LittleEndian.Uint32(p[n:]); got != want {
		return formatErr("%s CRC is %08x, computed %08x", what, want, got)
	}
	return nil
}

// checkBlock verifies that p is the block the index calls b: its CRC, its header, and that its entries tile
// [start, end). A nil error means that walking it needs no further checks.
func checkBlock(p []byte, b block) error {
	if len(p) != int(b.size) || len(p) < blockHeaderSize+crcSize {
		return formatErr("block has %d bytes, index says %d", len(p), b.size)
	}
	if err := checkCRC("block", p); err != nil && !mutant.On(mutant.ReadSkipsCRC) {
		return err
	}
	var header [blockHeaderSize]byte
	b.putHeader(header[:])
	if string(header[:]) != string(p[:blockHeaderSize]) {
		return formatErr("block header is not the one of stream %d epoch %d offset %d", b.stream, b.epoch, b.start)
	}
	return checkEntries(p[blockHeaderSize:len(p)-crcSize], b)
}

func checkEntries(p []byte, b block) error {
	next, n, maxTs := b.start, uint32(0), int64(minTimestamp)
	for len(p) > 0 {
		if len(p) < entryHeaderSize {
			return formatErr("entry header cut short")
		}
		h := getEntryHeader(p)
		if h.base != next || h.epoch != b.epoch || uint64(h.length) > uint64(len(p)-entryHeaderSize) {
			return formatErr("entry at offset %d, epoch %d, %d bytes does not follow offset %d",
				h.base, h.epoch, h.length, next)
		}
		if (h.count == 0) != (b.kind == blockCheckpoint) {
			return formatErr("entry at offset %d has %d records", h.base, h.count)
		}
		next += int64(h.count)
		maxTs = max(maxTs, h.maxTs)
		n++
		p = p[entryHeaderSize+int(h.length):]
	}
	if next != b.end || n != b.entries || maxTs != b.maxTs {
		return formatErr("block ends at offset %d after %d entries, index says %d after %d", next, n, b.end, b.entries)
	}
	return nil
}

// minTimestamp is below every max timestamp an entry can have.
const minTimestamp = -1 << 63

// appendIndex appends the index block for blocks, which lie in the object in this order.
func appendIndex(p []byte, blocks []block) []byte {
	at := len(p)
	p = binary.LittleEndian.AppendUint32(p, indexMagic)
	p = binary.LittleEndian.AppendUint16(p, formatVersion)
	p = binary.LittleEndian.AppendUint16(p, 0)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(blocks)))
	p = binary.LittleEndian.AppendUint32(p, 0)
	for _, b := range blocks {
		p = binary.LittleEndian.AppendUint64(p, uint64(b.stream))
		p = binary.LittleEndian.AppendUint64(p, uint64(b.start))
		p = binary.LittleEndian.AppendUint64(p, uint64(b.end))
		p = binary.LittleEndian.AppendUint64(p, uint64(b.position))
		p = binary.LittleEndian.AppendUint64(p, uint64(b.maxTs))
		p = binary.LittleEndian.AppendUint32(p, uint32(b.epoch))
		p = binary.LittleEndian.AppendUint32(p, b.size)
		p = binary.LittleEndian.AppendUint32(p, b.entries)
		p = append(p, byte(b.kind), 0, 0, 0)
	}
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[at:], castagnoli))
}

// decodeIndex verifies and decodes the index block p of an object whose blocks fill [0, length).
func decodeIndex(p []byte, length int64) ([]block, error) {
	if len(p) < indexHeaderSize+crcSize {
		return nil, formatErr("index cut short")
	}
	if err := checkCRC("index", p); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(p) != indexMagic {
		return nil, formatErr("index has a wrong magic")
	}
	if v := binary.LittleEndian.Uint16(p[4:]); v != formatVersion {
		return nil, fmt.Errorf("%w: index version %d", ErrVersion, v)
	}
	n := binary.LittleEndian.Uint32(p[8:])
	if binary.LittleEndian.Uint16(p[6:]) != 0 || binary.LittleEndian.Uint32(p[12:]) != 0 {
		return nil, formatErr("reserved index bytes are set")
	}
	if n > maxBlocks || len(p) != indexHeaderSize+int(n)*indexEntrySize+crcSize {
		return nil, formatErr("index of %d blocks has %d bytes", n, len(p))
	}
	blocks := make([]block, n)
	for i := range blocks {
		if err := decodeIndexEntry(p[indexHeaderSize+i*indexEntrySize:], &blocks[i]); err != nil {
			return nil, err
		}
	}
	return blocks, checkIndex(blocks, length)
}

func decodeIndexEntry(p []byte, b *block) error {
	*b = block{
		stream:   ID(binary.LittleEndian.Uint64(p[0:])),
		start:    int64(binary.LittleEndian.Uint64(p[8:])),
		end:      int64(binary.LittleEndian.Uint64(p[16:])),
		position: int64(binary.LittleEndian.Uint64(p[24:])),
		maxTs:    int64(binary.LittleEndian.Uint64(p[32:])),
		epoch:    Epoch(binary.LittleEndian.Uint32(p[40:])),
		size:     binary.LittleEndian.Uint32(p[44:]),
		entries:  binary.LittleEndian.Uint32(p[48:]),
		kind:     blockKind(p[52]),
	}
	if p[53]|p[54]|p[55] != 0 {
		return formatErr("reserved bytes of an index entry are set")
	}
	return nil
}

// checkIndex verifies that blocks fill [0, length) in order, sorted by stream, epoch and offset.
func checkIndex(blocks []block, length int64) error {
	at := int64(0)
	for i, b := range blocks {
		least := uint64(blockHeaderSize+crcSize) + uint64(b.entries)*entryHeaderSize
		if b.position != at || b.size > maxBlockSize || uint64(b.size) < least {
			return formatErr("block %d lies at byte %d with %d bytes, expected byte %d", i, b.position, b.size, at)
		}
		at += int64(b.size)
		data := b.kind == blockData && b.start >= 0 && b.end > b.start && b.entries > 0
		checkpoint := b.kind == blockCheckpoint && b.start >= 0 && b.end == b.start && b.entries == 1
		if !data && !checkpoint {
			return formatErr("block %d of kind %d has offsets [%d, %d) and %d entries",
				i, b.kind, b.start, b.end, b.entries)
		}
		if i > 0 && !blocks[i-1].before(b) {
			return formatErr("block %d is out of order", i)
		}
	}
	if at != length {
		return formatErr("blocks end at byte %d, the index begins at %d", at, length)
	}
	return nil
}

// before tells whether b may stand before c: by stream, leader epoch, offset; a checkpoint follows its data.
func (b block) before(c block) bool {
	if b.stream != c.stream {
		return b.stream < c.stream
	}
	if b.epoch != c.epoch {
		return b.epoch < c.epoch
	}
	return b.end <= c.start && b.kind == blockData
}

// footer is the last footerSize bytes of an object.
type footer struct {
	indexPos int64
	indexLen uint32
	indexCRC uint32 // of the whole index block, its own CRC included
	writer   WriterID
	seq      uint64
}

func (f footer) append(p []byte) []byte {
	at := len(p)
	p = append(p, footerMagic...)
	p = binary.LittleEndian.AppendUint16(p, formatVersion)
	p = binary.LittleEndian.AppendUint16(p, footerSize)
	p = binary.LittleEndian.AppendUint32(p, 0) // features
	p = binary.LittleEndian.AppendUint64(p, uint64(f.indexPos))
	p = binary.LittleEndian.AppendUint32(p, f.indexLen)
	p = binary.LittleEndian.AppendUint32(p, f.indexCRC)
	p = append(p, f.writer[:]...)
	p = binary.LittleEndian.AppendUint32(p, 0)
	p = binary.LittleEndian.AppendUint64(p, f.seq)
	p = binary.LittleEndian.AppendUint32(p, 0)
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[at:], castagnoli))
}

// decodeFooter verifies and decodes the footer of an object of size bytes.
func decodeFooter(p []byte, size int64) (footer, error) {
	if len(p) != footerSize || string(p[:8]) != footerMagic {
		return footer{}, formatErr("footer has a wrong magic")
	}
	if err := checkCRC("footer", p); err != nil {
		return footer{}, err
	}
	version, length := binary.LittleEndian.Uint16(p[8:]), binary.LittleEndian.Uint16(p[10:])
	features := binary.LittleEndian.Uint32(p[12:])
	if version != formatVersion || length != footerSize || features != 0 {
		return footer{}, fmt.Errorf("%w: version %d, features %#x", ErrVersion, version, features)
	}
	f := footer{
		indexPos: int64(binary.LittleEndian.Uint64(p[16:])),
		indexLen: binary.LittleEndian.Uint32(p[24:]),
		indexCRC: binary.LittleEndian.Uint32(p[28:]),
		seq:      binary.LittleEndian.Uint64(p[64:]),
	}
	copy(f.writer[:], p[32:60])
	if binary.LittleEndian.Uint32(p[60:]) != 0 || binary.LittleEndian.Uint32(p[72:]) != 0 {
		return footer{}, formatErr("reserved footer bytes are set")
	}
	if f.indexPos < 0 || f.indexPos > size || int64(f.indexLen) != size-footerSize-f.indexPos {
		return footer{}, formatErr("index [%d, +%d) does not end at the footer of %d bytes", f.indexPos, f.indexLen, size)
	}
	return f, nil
}
