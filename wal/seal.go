package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// frame is one write of the log: being filled, waiting, or in flight. Frames are recycled.
type frame struct {
	slab *Slab
	life uint32   // of the slab
	off  int      // of the frame in the slab
	pos  Position // in the ring
	end  int      // of the body, from the frame's start
	size int      // bytes, set when nothing more is added

	entries []placed
	drafts  []Draft
	sums    []uint32 // of the whole blocks as written, set by seal
	head    header
}

// buf returns the frame's bytes.
func (f *frame) buf() []byte { return f.slab.mem[f.off : f.off+f.size] }

// after returns the position behind the frame.
func (f *frame) after() Position { return f.pos + Position(f.size) }

// seal completes the frame in memory: padding, table, block checksums and, last, the header. It runs
// without the log's lock, and its cost is linear in the frame's bytes.
func (f *frame) seal(wal UUID, epoch int64, chain uint32, durable Position) {
	b := f.buf()
	h := &f.head
	*h = header{
		wal: wal, epoch: epoch, pos: f.pos, length: uint32(f.size), chain: chain, durable: durable,
		entries: uint32(len(f.entries)), place: uint32(trailerPlace(f.end)),
	}
	blocks := f.size / BlockSize
	h.trailer = uint32(len(f.entries)*entrySize + blocks*crcSize)
	clear(b[f.end:h.place])
	clear(b[h.place+h.trailer:])
	at := int(h.place)
	for i := range f.entries {
		f.entries[i].encode(b[at : at+entrySize])
		at += entrySize
	}
	f.sums = f.sums[:0]
	for i := range blocks {
		sum, _ := h.blockSum(b, i)
		binary.LittleEndian.PutUint32(b[at+i*crcSize:], sum)
		f.sums = append(f.sums, sum)
	}
	h.trailerCRC = crc32.Checksum(b[h.place:h.place+h.trailer], castagnoli)
	h.encode(b)
	// Reads by position check whole blocks: those with a part of header or trailer differ from the table.
	f.sums[0] = crc32.Checksum(b[:BlockSize], castagnoli)
	for i := int(h.place) / BlockSize; i < blocks; i++ {
		f.sums[i] = crc32.Checksum(b[i*BlockSize:(i+1)*BlockSize], castagnoli)
	}
}
