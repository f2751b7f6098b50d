package objectwal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// batch is one object of the writer's: being filled, waiting, or in flight.
type batch struct {
	sequence uint64
	slab     *wal.Slab
	blank    wal.Extent // of the slab
	off      int        // of the object in the slab
	end      int        // of the body, from the object's start
	size     int        // bytes, set when nothing more is added

	entries []placed
	drafts  []wal.Draft
	since   host.Time // when the first entry was placed
	began   host.Time // when it was first put

	head header
	sums []uint32 // of the blocks, set by seal
	sum  uint32   // of all bytes, set by seal

	stored bool // the store has it; guarded by Log.mu
}

// bytes returns the object.
func (b *batch) bytes() []byte { return b.slab.Fill(b.off, b.size) }

// seal completes the object in memory: padding, table, checksums and, last, the header.
func (b *batch) seal(id wal.Identity, chain uint32, durable uint64) {
	p := b.bytes()
	place := trailerPlace(b.end)
	b.head = header{
		wal: id.WAL, sequence: b.sequence, epoch: id.BrokerEpoch, generation: id.Generation, broker: id.Broker,
		durable: durable, chain: chain, length: uint32(b.size), entries: uint32(len(b.entries)),
		place: uint32(place), trailer: uint32(b.size - place),
	}
	clear(p[b.end:place])
	at := place
	for _, e := range b.entries {
		wal.EncodeEntry(p[at:], e.Entry, e.off)
		at += wal.EntrySize
	}
	b.sums = make([]uint32, blocks(place)) // they stay with the log until the object is trimmed
	for i := range b.sums {
		from, to := block(i, place)
		b.sums[i] = crc32.Checksum(p[from:to], castagnoli)
		binary.LittleEndian.PutUint32(p[at+i*crcSize:], b.sums[i])
	}
	b.head.trailerCRC = crc32.Checksum(p[place:], castagnoli)
	b.head.encode(p)
	b.sum = crc32.Checksum(p, castagnoli)
}

// tell lets the drafts know, once and in append order, what became of them.
func (b *batch) tell(err error) {
	for _, d := range b.drafts {
		d.Durable(err)
	}
	b.drafts = nil
}
