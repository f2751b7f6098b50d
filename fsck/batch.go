package fsck

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A record batch, Kafka's format 2; all of it is big-endian.
const (
	batchHead      = 61
	batchPrefix    = 12 // base offset and length are not in the length
	batchMagic     = 2
	batchCovered   = 21 // the CRC covers everything from here on
	noProducer     = -1
	attrsTxn       = 1 << 4
	attrsControl   = 1 << 5
	attrsCodec     = 7
	codecMax       = 4
	timestampUnset = -1
)

// batchInfo is what a batch's header says.
type batchInfo struct {
	base     int64
	count    int32
	stamp    int64
	producer int64
	pepoch   int16
	sequence int32
	txn      bool
	control  bool
}

func (b *batchInfo) end() int64 { return b.base + int64(b.count) }

// next is the sequence that follows b's.
func (b *batchInfo) next() int32 {
	return int32((int64(b.sequence) + int64(b.count)) % (math.MaxInt32 + 1))
}

// decodeBatch reads one batch off p and returns how many bytes it takes.
func decodeBatch(p []byte) (b batchInfo, epoch int32, size int, err error) {
	be := binary.BigEndian
	if len(p) < batchHead {
		return b, 0, 0, fmt.Errorf("%d bytes are too few for a record batch", len(p))
	}
	n := int64(be.Uint32(p[8:])) + batchPrefix
	if n < batchHead || n > int64(len(p)) {
		return b, 0, 0, fmt.Errorf("a record batch of %d bytes in %d", n, len(p))
	}
	size, p = int(n), p[:n]
	if p[16] != batchMagic {
		return b, 0, 0, fmt.Errorf("a record batch of format %d, not %d", p[16], batchMagic)
	}
	if got, want := crc(p[batchCovered:]), be.Uint32(p[17:]); got != want {
		return b, 0, 0, fmt.Errorf("its CRC is %08x, its content gives %08x", want, got)
	}
	attrs := be.Uint16(p[21:])
	last := int32(be.Uint32(p[23:]))
	b = batchInfo{
		base: int64(be.Uint64(p)), count: last + 1, stamp: int64(be.Uint64(p[35:])),
		producer: int64(be.Uint64(p[43:])),
		pepoch:   int16(be.Uint16(p[51:])), sequence: int32(be.Uint32(p[53:])),
		txn: attrs&attrsTxn != 0, control: attrs&attrsControl != 0,
	}
	records := int32(be.Uint32(p[57:]))
	if last < 0 || last == math.MaxInt32 || records != b.count || attrs&attrsCodec > codecMax {
		return b, 0, 0, fmt.Errorf("last offset delta %d with %d records, attributes %#x", last, records, attrs)
	}
	return b, int32(be.Uint32(p[12:])), size, nil
}

// decodeEntry reads the batches of a log entry and holds them against it.
func decodeEntry(e *entry) ([]batchInfo, error) {
	var list []batchInfo
	next, stamp := e.base, int64(math.MinInt64)
	for p := e.data; len(p) > 0; {
		b, epoch, size, err := decodeBatch(p)
		if err != nil {
			return nil, fmt.Errorf("batch at offset %d: %w", next, err)
		}
		if b.base != next || epoch != e.epoch {
			return nil, fmt.Errorf("batch of offset %d and leader epoch %d where offset %d and epoch %d must be",
				b.base, epoch, next, e.epoch)
		}
		next, stamp = b.end(), max(stamp, b.stamp)
		list = append(list, b)
		p = p[size:]
	}
	if next != e.end() || len(list) == 0 {
		return nil, fmt.Errorf("the batches end at offset %d, their entry at %d", next, e.end())
	}
	if stamp != e.stamp {
		return nil, fmt.Errorf("the largest timestamp of the batches is %d, their entry says %d", stamp, e.stamp)
	}
	return list, nil
}
