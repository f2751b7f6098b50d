package batch

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Options are the header fields that Builder cannot tell from the records.
type Options struct {
	Codec         Codec
	ProducerID    int64 // NoProducer, or the id; with it epoch and sequence count
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool
}

// Plain are the options of an uncompressed batch without a producer id.
func Plain() Options {
	return Options{ProducerID: NoProducer, ProducerEpoch: -1, BaseSequence: -1}
}

// Builder writes batches, one after the other, reusing its memory. The zero value builds with Plain().
type Builder struct {
	opt     Options
	started bool
	records []byte // encoded, not compressed
	body    []byte // one record
	count   int32
	base    int64 // first record's timestamp
	max     int64
	pack    packer
}

// Start drops what was added and begins a batch with these options.
func (w *Builder) Start(o Options) {
	w.opt, w.started = o, true
	w.records, w.count, w.base, w.max = w.records[:0], 0, 0, 0
}

// Add appends a record. Its bytes are copied.
func (w *Builder) Add(r Record) {
	if !w.started {
		w.Start(Plain())
	}
	if w.count == 0 {
		w.base, w.max = r.Timestamp, r.Timestamp
	}
	w.max = max(w.max, r.Timestamp)
	p := append(w.body[:0], 0)
	p = binary.AppendVarint(p, r.Timestamp-w.base)
	p = binary.AppendVarint(p, int64(w.count))
	p = appendNullable(p, r.Key)
	p = appendNullable(p, r.Value)
	p = binary.AppendVarint(p, int64(len(r.Headers)))
	for _, h := range r.Headers {
		p = binary.AppendVarint(p, int64(len(h.Key)))
		p = append(p, h.Key...)
		p = appendNullable(p, h.Value)
	}
	w.body = p
	w.records = binary.AppendVarint(w.records, int64(len(p)))
	w.records = append(w.records, p...)
	w.count++
}

func appendNullable(p, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(p, -1)
	}
	p = binary.AppendVarint(p, int64(len(b)))
	return append(p, b...)
}

// Len is the number of records added.
func (w *Builder) Len() int { return int(w.count) }

// Bytes is the size of the records added, before compression.
func (w *Builder) Bytes() int { return len(w.records) }

// Append appends the batch to dst, base offset 0 and leader epoch -1, and starts over with the same
// options. The batch is dst[len(dst before):].
func (w *Builder) Append(dst []byte) ([]byte, error) {
	if w.count == 0 {
		return nil, fmt.Errorf("build batch without records: %w", ErrCount)
	}
	at := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	dst, err := w.pack.pack(dst, w.opt.Codec, w.records)
	if err != nil {
		return nil, fmt.Errorf("build batch: %w", err)
	}
	if len(dst)-at > math.MaxInt32 {
		return nil, fmt.Errorf("build batch of %d bytes: %w", len(dst)-at, ErrTooLarge)
	}
	w.header(Batch(dst[at:]))
	w.Start(w.opt)
	return dst, nil
}

func (w *Builder) header(b Batch) {
	attributes := uint16(w.opt.Codec)
	if w.opt.Transactional {
		attributes |= transactionalBit
	}
	if w.opt.Control {
		attributes |= controlBit
	}
	be := binary.BigEndian
	be.PutUint32(b[lengthAt:], uint32(len(b)-lengthEnd))
	b.SetLeaderEpoch(-1)
	b[magicAt] = version
	be.PutUint16(b[attributesAt:], attributes)
	be.PutUint32(b[lastOffsetDeltaAt:], uint32(w.count-1))
	be.PutUint64(b[baseTimestampAt:], uint64(w.base))
	be.PutUint64(b[maxTimestampAt:], uint64(w.max))
	be.PutUint64(b[producerIDAt:], uint64(w.opt.ProducerID))
	be.PutUint16(b[producerEpochAt:], uint16(w.opt.ProducerEpoch))
	be.PutUint32(b[baseSequenceAt:], uint32(w.opt.BaseSequence))
	be.PutUint32(b[countAt:], uint32(w.count))
	be.PutUint32(b[crcAt:], b.ComputeCRC())
}

// Build returns one batch holding the records, in fresh memory.
func Build(o Options, records ...Record) (Batch, error) {
	var w Builder
	w.Start(o)
	for _, r := range records {
		w.Add(r)
	}
	p, err := w.Append(nil)
	return Batch(p), err
}
