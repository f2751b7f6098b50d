package workload

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/weirmq/weir/broker/batch"
)

// Each codec has a way to say "these bytes as they are". Batches of the clients are compressed so: a token can be found
// in them on any medium, as in any other batch, and the broker must take them for what they say they are.

// codecs is how many codecs there are, none not counted.
const codecs = 4

// storedMax is the most bytes that one stored block of every codec holds.
const storedMax = 60_000

// Where a batch's header has what compression changes.
const (
	batchLength     = 8
	batchCRC        = 17
	batchAttributes = 21
)

// compress returns a batch whose records are compressed; as it is if they do not fit into one block.
func compress(data []byte, codec int8) []byte {
	records := data[batch.HeaderSize:]
	if codec <= 0 || codec > codecs || len(records) > storedMax {
		return data
	}
	out := append([]byte{}, data[:batch.HeaderSize]...)
	switch codec {
	case 1:
		out = storeGzip(out, records)
	case 2:
		out = storeSnappy(out, records)
	case 3:
		out = storeLZ4(out, records)
	case 4:
		out = storeZstd(out, records)
	}
	binary.BigEndian.PutUint32(out[batchLength:], uint32(len(out)-batchLength-4))
	out[batchAttributes+1] |= byte(codec)
	seal(out)
	return out
}

// seal writes a batch's checksum.
func seal(data []byte) {
	sum := crc32.Checksum(data[batchAttributes:], crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(data[batchCRC:], sum)
}

// storeGzip appends a gzip member with one stored block (RFC 1952, RFC 1951 3.2.4).
func storeGzip(dst, p []byte) []byte {
	dst = append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
	dst = append(dst, 1)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p)))
	dst = binary.LittleEndian.AppendUint16(dst, ^uint16(len(p)))
	dst = append(dst, p...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(p))
	return binary.LittleEndian.AppendUint32(dst, uint32(len(p)))
}

// storeSnappy appends a snappy block that is one literal.
func storeSnappy(dst, p []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(p)))
	dst = append(dst, 61<<2) // a literal whose length less one has two bytes
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p)-1))
	return append(dst, p...)
}

// storeLZ4 appends an LZ4 frame with one block that is not compressed: version 1, blocks of up to 4 MiB, no checksums.
func storeLZ4(dst, p []byte) []byte {
	dst = append(dst, 0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p))|1<<31)
	dst = append(dst, p...)
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// storeZstd appends a zstd frame of one segment with one raw block, which is the last (RFC 8878 3.1.1).
func storeZstd(dst, p []byte) []byte {
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 0xa0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p)))
	header := uint32(len(p))<<3 | 1
	dst = append(dst, byte(header), byte(header>>8), byte(header>>16))
	return append(dst, p...)
}
