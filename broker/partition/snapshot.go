package partition

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// The layout is drawn in docs/format/partition-state.md.
const (
	stateMagic    = "wPST"
	stateVersion  = 1
	stateFixed    = 4 + 1 + 3 + 3*8 + 3*4 // magic, version, zero, offsets, counts
	epochSize     = 4 + 8
	producerFixed = 8 + 2 + 1 + 1 + 4*8
	appendedSize  = 4 + 4 + 8 + 8
	abortedSize   = 4 * 8
	crcSize       = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot encodes the state. Equal states give equal bytes.
func (s *State) Snapshot() []byte {
	size := stateFixed + epochSize*len(s.epochs) + abortedSize*len(s.aborted) + crcSize +
		(producerFixed+window*appendedSize)*len(s.producers.byID)
	be := binary.BigEndian
	p := append(make([]byte, 0, size), stateMagic...)
	p = append(p, stateVersion, 0, 0, 0)
	p = be.AppendUint64(p, uint64(s.end))
	p = be.AppendUint64(p, uint64(s.maxTimestamp))
	p = be.AppendUint64(p, uint64(s.maxTimestampBase))
	p = be.AppendUint32(p, uint32(len(s.epochs)))
	p = be.AppendUint32(p, uint32(len(s.producers.byID)))
	p = be.AppendUint32(p, uint32(len(s.aborted)))
	for _, e := range s.epochs {
		p = be.AppendUint32(p, uint32(e.Epoch))
		p = be.AppendUint64(p, uint64(e.Start))
	}
	for x := s.producers.oldest; x != nil; x = x.newer {
		p = x.encode(p)
	}
	for _, a := range s.aborted {
		for _, v := range [...]int64{a.ProducerID, a.First, a.Last, a.LastStable} {
			p = be.AppendUint64(p, uint64(v))
		}
	}
	return be.AppendUint32(p, crc32.Checksum(p, castagnoli))
}

func (x *producer) encode(p []byte) []byte {
	be := binary.BigEndian
	p = be.AppendUint64(p, uint64(x.id))
	p = be.AppendUint16(p, uint16(x.epoch))
	p = append(p, byte(x.n), 0)
	for _, v := range [...]int64{x.last, x.timestamp, x.marker, x.txnFirst} {
		p = be.AppendUint64(p, uint64(v))
	}
	for _, a := range x.batches[:x.n] {
		p = be.AppendUint32(p, uint32(a.sequence))
		p = be.AppendUint32(p, uint32(a.count))
		p = be.AppendUint64(p, uint64(a.base))
		p = be.AppendUint64(p, uint64(a.timestamp))
	}
	return p
}

// Restore decodes a snapshot. It accepts exactly what Snapshot writes.
func Restore(p []byte) (*State, error) { return restore(p, MaxProducers) }

func restore(p []byte, limit int) (*State, error) {
	if len(p) < stateFixed+crcSize || string(p[:4]) != stateMagic {
		return nil, fmt.Errorf("restore state of %d bytes: no header: %w", len(p), ErrStateDamaged)
	}
	if p[4] != stateVersion {
		return nil, fmt.Errorf("restore state of version %d, want %d: %w", p[4], stateVersion, ErrStateVersion)
	}
	body := p[:len(p)-crcSize]
	if got, want := crc32.Checksum(body, castagnoli), binary.BigEndian.Uint32(p[len(body):]); got != want {
		return nil, fmt.Errorf("restore state: stored CRC %08x, computed %08x: %w", want, got, ErrStateDamaged)
	}
	r := reader{p: body[5:]}
	s := newState(limit)
	r.check(r.u8() == 0 && r.u8() == 0 && r.u8() == 0)
	s.end, s.maxTimestamp, s.maxTimestampBase = r.i64(), r.i64(), r.i64()
	r.check(s.end >= 0 && s.maxTimestamp >= -1 && s.maxTimestampBase >= noOffset && s.maxTimestampBase < s.end)
	epochs, prods, aborted := r.i32(), r.i32(), r.i32()
	r.epochs(s, epochs)
	r.producers(s, prods)
	for i := int32(0); i < aborted && !r.bad; i++ {
		s.aborted = append(s.aborted, Aborted{r.i64(), r.i64(), r.i64(), r.i64()})
	}
	if r.check(len(r.p) == 0 && epochs >= 0 && prods >= 0 && aborted >= 0); r.bad {
		return nil, fmt.Errorf("restore state at offset %d: fields contradict each other: %w", s.end, ErrStateDamaged)
	}
	for len(s.producers.byID) > limit && s.producers.forget() {
	}
	return s, nil
}

// reader takes fields from p; after the first failure bad is set and everything reads as zero.
type reader struct {
	p   []byte
	bad bool
}

func (r *reader) check(ok bool) { r.bad = r.bad || !ok }

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.p) {
		r.bad = true
		return make([]byte, 8)[:n]
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) u8() byte   { return r.take(1)[0] }
func (r *reader) i16() int16 { return int16(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) i32() int32 { return int32(binary.BigEndian.Uint32(r.take(4))) }
func (r *reader) i64() int64 { return int64(binary.BigEndian.Uint64(r.take(8))) }

func (r *reader) epochs(s *State, n int32) {
	last := EpochStart{-1, -1}
	r.check(n <= MaxEpochs)
	for i := int32(0); i < n && !r.bad; i++ {
		e := EpochStart{r.i32(), r.i64()}
		r.check(e.Epoch > last.Epoch && e.Start > last.Start && e.Start < s.end)
		s.epochs = append(s.epochs, e)
		last = e
	}
}

func (r *reader) producers(s *State, n int32) {
	last := int64(-1)
	for i := int32(0); i < n && !r.bad; i++ {
		x := &producer{id: r.i64(), epoch: r.i16(), n: int(r.u8())}
		r.check(r.u8() == 0 && x.n <= window)
		x.last, x.timestamp, x.marker, x.txnFirst = r.i64(), r.i64(), r.i64(), r.i64()
		for k := 0; k < x.n && !r.bad; k++ {
			x.batches[k] = appended{r.i32(), r.i32(), r.i64(), r.i64()}
			r.check(x.batches[k].valid(x.last))
		}
		r.check(x.id >= 0 && x.epoch >= 0 && x.last > last && x.last < s.end)
		r.check(x.txnFirst >= noOffset && x.txnFirst <= x.last && s.producers.byID[x.id] == nil)
		if r.bad {
			return
		}
		last = x.last
		s.producers.byID[x.id] = x
		s.producers.link(x)
		if x.txnFirst != noOffset {
			s.producers.open++
		}
	}
}

// valid reports whether the batch could lie at or below the producer's last offset.
func (a appended) valid(last int64) bool {
	return a.sequence >= 0 && a.count > 0 && a.base >= 0 && a.base <= last-int64(a.count)+1
}
