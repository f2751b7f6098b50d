package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// HeaderSize is the number of bytes of a batch before its records.
const HeaderSize = 61

// Where the header's fields lie. The CRC covers everything from attributesAt to the end.
const (
	baseOffsetAt      = 0
	lengthAt          = 8 // bytes after this field
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	countAt           = 57

	lengthEnd = 12 // a batch is lengthEnd plus its length field long
	version   = 2
)

// Attribute bits.
const (
	codecMask        = 0x07
	logAppendTimeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
)

// NoProducer is the producer id of a batch that is not idempotent.
const NoProducer = -1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is one record batch of format 2, exactly its bytes. The caller owns them.
type Batch []byte

// BaseOffset is the offset of the first record.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[baseOffsetAt:])) }

// Size is the batch's length in bytes, header included, as the header says.
func (b Batch) Size() int { return lengthEnd + int(int32(binary.BigEndian.Uint32(b[lengthAt:]))) }

// LeaderEpoch is the epoch of the leader that appended the batch; clients send -1 or 0.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[leaderEpochAt:])) }

// Magic is the format version.
func (b Batch) Magic() int8 { return int8(b[magicAt]) }

// CRC is the stored CRC-32C.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[crcAt:]) }

// Attributes are the raw attribute bits.
func (b Batch) Attributes() uint16 { return binary.BigEndian.Uint16(b[attributesAt:]) }

// LastOffsetDelta is the last record's offset minus BaseOffset.
func (b Batch) LastOffsetDelta() int32 {
	return int32(binary.BigEndian.Uint32(b[lastOffsetDeltaAt:]))
}

// BaseTimestamp is what the records' timestamps count from, in Unix milliseconds.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[baseTimestampAt:])) }

// MaxTimestamp is the largest record timestamp in Unix milliseconds; with LogAppendTime every record's.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[maxTimestampAt:])) }

// ProducerID is the idempotent producer's id or NoProducer.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[producerIDAt:])) }

// ProducerEpoch is the producer's epoch, -1 without a producer id.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[producerEpochAt:])) }

// BaseSequence is the first record's sequence, -1 without a producer id.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[baseSequenceAt:])) }

// Count is the number of records.
func (b Batch) Count() int32 { return int32(binary.BigEndian.Uint32(b[countAt:])) }

// Codec is how the records are compressed.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & codecMask) }

// LogAppendTime reports whether MaxTimestamp is every record's timestamp, set by the broker.
func (b Batch) LogAppendTime() bool { return b.Attributes()&logAppendTimeBit != 0 }

// Transactional reports whether the batch belongs to a transaction.
func (b Batch) Transactional() bool { return b.Attributes()&transactionalBit != 0 }

// Control reports whether the batch holds a transaction marker.
func (b Batch) Control() bool { return b.Attributes()&controlBit != 0 }

// NextOffset is the offset after the last record.
func (b Batch) NextOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) + 1 }

// LastSequence is the last record's sequence, counting around from 2^31-1 to 0. It is -1 without a
// producer id.
func (b Batch) LastSequence() int32 {
	if b.ProducerID() < 0 {
		return -1
	}
	return AddSequence(b.BaseSequence(), b.LastOffsetDelta())
}

// AddSequence returns the sequence n records after seq; after 2^31-1 comes 0.
func AddSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

// Payload is the records as they are stored, compressed or not. It aliases b.
func (b Batch) Payload() []byte { return b[HeaderSize:b.Size()] }

// ComputeCRC returns the CRC-32C of the bytes it covers.
func (b Batch) ComputeCRC() uint32 { return crc32.Checksum(b[attributesAt:b.Size()], castagnoli) }

// SetBaseOffset places the batch in a log. It lies outside the CRC.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(offset))
}

// SetLeaderEpoch stamps the leader's epoch. It lies outside the CRC.
func (b Batch) SetLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(epoch))
}

// SetLogAppendTime gives every record the timestamp ms (Unix milliseconds) and recomputes the CRC.
func (b Batch) SetLogAppendTime(ms int64) {
	binary.BigEndian.PutUint16(b[attributesAt:], b.Attributes()|logAppendTimeBit)
	binary.BigEndian.PutUint64(b[maxTimestampAt:], uint64(ms))
	binary.BigEndian.PutUint32(b[crcAt:], b.ComputeCRC())
}

// Parse returns the first batch in data, which comes from our own log: its frame is checked, its CRC is
// not. What follows it in data is left to the caller, at data[b.Size():].
func Parse(data []byte) (Batch, error) {
	if len(data) <= magicAt {
		return nil, fmt.Errorf("parse batch of %d bytes: %w", len(data), ErrTruncated)
	}
	b := Batch(data)
	if b.Magic() != version {
		return nil, fmt.Errorf("parse batch of format %d: %w", b.Magic(), ErrMagic)
	}
	size := b.Size()
	if len(data) < HeaderSize || size < HeaderSize || size > len(data) {
		return nil, fmt.Errorf("parse batch that says %d bytes and has %d: %w", size, len(data), ErrTruncated)
	}
	return b[:size:size], nil
}
