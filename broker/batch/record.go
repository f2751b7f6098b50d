package batch

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Record is one record. Key, Value and header values are nil where the wire says null. Slices read by a
// Decoder are valid until its next Open.
type Record struct {
	Offset    int64 // absolute; set by Decoder, ignored by Builder
	Timestamp int64 // Unix milliseconds
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// DefaultUnpackLimit bounds what one batch may unpack to: four times the largest batch that the log
// takes (15 MiB), which text seldom reaches and a bomb always does.
const DefaultUnpackLimit = 64 << 20

// Decoder iterates over a batch's records, unpacking them first.
//
//	for err := d.Open(b); err == nil && d.Next(&rec); { … }
//	err := d.Err()
type Decoder struct {
	un    unpacker
	buf   []byte // unpacked payload, reused
	rest  []byte // what is not read yet
	batch Batch
	index int32
	err   error
}

// NewDecoder returns a decoder that refuses batches that unpack to more than limit bytes;
// 0 means DefaultUnpackLimit.
func NewDecoder(limit int) *Decoder {
	if limit <= 0 {
		limit = DefaultUnpackLimit
	}
	return &Decoder{un: unpacker{limit: limit}}
}

// Open unpacks b and starts before its first record. The decoder refers to b until the next Open.
func (d *Decoder) Open(b Batch) error {
	d.batch, d.index, d.rest, d.err = b, 0, nil, nil
	p, err := d.un.unpack(d.buf, b.Codec(), b.Payload())
	if err != nil {
		d.err = err
		return err
	}
	if b.Codec() != None {
		d.buf = p[:0]
	}
	d.rest = p
	return nil
}

// Next reads the next record into rec, reusing rec.Headers' memory. It returns false at the end and on
// damage; Err tells which.
func (d *Decoder) Next(rec *Record) bool {
	if d.err != nil {
		return false
	}
	if d.index == d.batch.Count() {
		if len(d.rest) > 0 {
			d.err = fmt.Errorf("read records: %d bytes behind record %d: %w", len(d.rest), d.index, ErrPayload)
		}
		return false
	}
	c := cursor{p: d.rest}
	n := c.varint()
	body := cursor{p: c.bytes(n)}
	if c.bad || n < 0 {
		d.err = fmt.Errorf("read record %d of %d: %w", d.index, d.batch.Count(), ErrPayload)
		return false
	}
	d.rest = c.p
	if !d.read(&body, rec) || len(body.p) > 0 {
		d.err = fmt.Errorf("read record %d of %d: %w", d.index, d.batch.Count(), ErrPayload)
		return false
	}
	d.index++
	return true
}

func (d *Decoder) read(c *cursor, rec *Record) bool {
	c.byte() // record attributes: none are defined
	rec.Timestamp = d.batch.BaseTimestamp() + c.varint()
	if d.batch.LogAppendTime() {
		rec.Timestamp = d.batch.MaxTimestamp()
	}
	delta := c.varint()
	rec.Offset = d.batch.BaseOffset() + delta
	rec.Key = c.nullable()
	rec.Value = c.nullable()
	rec.Headers = rec.Headers[:0]
	headers := c.varint()
	if c.bad || headers < 0 || delta != int64(d.index) {
		return false
	}
	for range headers {
		key := c.nullable()
		value := c.nullable()
		if c.bad || key == nil {
			return false
		}
		rec.Headers = append(rec.Headers, Header{Key: string(key), Value: value})
	}
	return true
}

// Err is what stopped Next, nil at the end of the batch.
func (d *Decoder) Err() error { return d.err }

// FirstSince finds b's first record with a timestamp ≥ ms. ok is false if there is none.
func (d *Decoder) FirstSince(b Batch, ms int64) (offset, timestamp int64, ok bool, err error) {
	if b.MaxTimestamp() < ms {
		return 0, 0, false, nil // spares unpacking; Builder and clients keep the maximum right
	}
	if b.LogAppendTime() {
		return b.BaseOffset(), b.MaxTimestamp(), true, nil
	}
	if err := d.Open(b); err != nil {
		return 0, 0, false, err
	}
	var rec Record
	for d.Next(&rec) {
		if rec.Timestamp >= ms {
			return rec.Offset, rec.Timestamp, true, nil
		}
	}
	return 0, 0, false, d.Err()
}

// cursor reads record fields; after the first failure bad is set and everything reads as zero.
type cursor struct {
	p   []byte
	bad bool
}

func (c *cursor) byte() byte {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.p)
	if n <= 0 {
		c.bad, c.p = true, nil
		return 0
	}
	c.p = c.p[n:]
	return v
}

// bytes takes n bytes; nil if there are fewer, not nil for n = 0.
func (c *cursor) bytes(n int64) []byte {
	if n < 0 || n > int64(len(c.p)) || n > math.MaxInt32 {
		c.bad, c.p = true, nil
		return nil
	}
	b := c.p[:n:n]
	c.p = c.p[n:]
	return b
}

// nullable reads a length and that many bytes; length -1 is nil.
func (c *cursor) nullable() []byte {
	n := c.varint()
	if n == -1 {
		return nil
	}
	b := c.bytes(n)
	if b == nil && !c.bad {
		return []byte{}
	}
	return b
}
