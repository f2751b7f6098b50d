package batch

import "fmt"

// Rules are what Verify asks beyond the format itself.
type Rules struct {
	MaxBytes int  // largest batch, header included; 0 = no limit
	Zstd     bool // zstd is allowed: the request is Produce v7 or newer
	Internal bool // our own batch: control batches and log append time are allowed
}

// Verify checks data as the records field of a produce request: exactly one batch of format 2, whole,
// within the rules, its CRC right. The batch returned is data itself. The payload stays packed.
func Verify(data []byte, r Rules) (Batch, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("verify records: %w, got none", ErrNotOneBatch)
	}
	b, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if len(b) < len(data) {
		return nil, fmt.Errorf("verify records: %w, got %d bytes behind the first", ErrNotOneBatch, len(data)-len(b))
	}
	if r.MaxBytes > 0 && len(b) > r.MaxBytes {
		return nil, fmt.Errorf("verify batch of %d bytes, limit %d: %w", len(b), r.MaxBytes, ErrTooLarge)
	}
	// Before any field the CRC covers is believed.
	if got := b.ComputeCRC(); got != b.CRC() {
		return nil, fmt.Errorf("verify batch: stored %08x, computed %08x: %w", b.CRC(), got, ErrCRC)
	}
	if b.Count() <= 0 || int64(b.Count()) != int64(b.LastOffsetDelta())+1 {
		return nil, fmt.Errorf("verify batch of %d records, last offset delta %d: %w",
			b.Count(), b.LastOffsetDelta(), ErrCount)
	}
	if err := b.verifyAttributes(r); err != nil {
		return nil, err
	}
	return b, b.verifyProducer()
}

func (b Batch) verifyAttributes(r Rules) error {
	switch c := b.Codec(); {
	case c > Zstd:
		return fmt.Errorf("verify batch: codec %d: %w", c, ErrCodec)
	case c == Zstd && !r.Zstd:
		return fmt.Errorf("verify batch: zstd needs Produce v7: %w", ErrCodec)
	case r.Internal:
		return nil
	case b.Control():
		return fmt.Errorf("verify batch: %w", ErrControl)
	case b.LogAppendTime():
		return fmt.Errorf("verify batch: %w", ErrTimestampType)
	}
	return nil
}

func (b Batch) verifyProducer() error {
	id, epoch, seq := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	ok := id == NoProducer && !b.Transactional()
	if id >= 0 {
		// A marker has no sequence: it is written for the producer, not by it.
		ok = epoch >= 0 && (seq >= 0 || b.Control())
	}
	if !ok {
		return fmt.Errorf("verify batch: producer %d epoch %d sequence %d transactional %v: %w",
			id, epoch, seq, b.Transactional(), ErrProducer)
	}
	return nil
}
