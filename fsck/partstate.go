package fsck

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// A partition's state, as docs/format/partition-state.md draws it.
const (
	stateMagic    = "wPST"
	producersMax  = 4096
	epochsMax     = 1024
	windowBatches = 5
)

// partState is a partition's state at an offset.
type partState struct {
	end       int64
	stamp     int64
	stampBase int64
	epochs    []epochStart
	producers []producerState
}

type epochStart struct {
	epoch int32
	start int64
}

// producerState is what a state remembers of a producer.
type producerState struct {
	id      int64
	epoch   int16
	last    int64
	batches []batchInfo // oldest first; sequence, count, base and stamp
}

// decodeState reads a partition's state.
func decodeState(p []byte) (*partState, error) {
	if len(p) < 8+4 || string(p[:4]) != stateMagic {
		return nil, fmt.Errorf("it does not begin with %s", stateMagic)
	}
	if p[4] != 1 {
		return nil, fmt.Errorf("it has version %d, this program knows 1", p[4])
	}
	body := p[:len(p)-4]
	if crc(body) != binary.BigEndian.Uint32(p[len(body):]) {
		return nil, fmt.Errorf("its checksum is wrong")
	}
	r := &fields{p: body[5:], order: binary.BigEndian}
	if !blank(r.take(3)) {
		r.bad = true
	}
	s := &partState{end: r.i64(), stamp: r.i64(), stampBase: r.i64()}
	ne, np, na := r.u32(), r.u32(), r.u32()
	r.bad = r.bad || ne > epochsMax || s.end < 0 || s.stampBase >= s.end || s.stampBase < -1
	for i := uint32(0); i < ne && !r.bad; i++ {
		e := epochStart{r.i32(), r.i64()}
		n := len(s.epochs)
		r.bad = r.bad || n > 0 && (e.epoch <= s.epochs[n-1].epoch || e.start <= s.epochs[n-1].start) ||
			e.start >= s.end
		s.epochs = append(s.epochs, e)
	}
	for i := uint32(0); i < np && !r.bad; i++ {
		x := r.producer()
		n := len(s.producers)
		r.bad = r.bad || n > 0 && x.last <= s.producers[n-1].last || x.last >= s.end
		s.producers = append(s.producers, x)
	}
	r.take(uint64(na) * 32)
	if r.bad || len(r.p) > 0 {
		return nil, fmt.Errorf("its %d bytes, of offset %d, contradict each other", len(p), s.end)
	}
	return s, nil
}

func (r *fields) producer() producerState {
	x := producerState{id: r.i64(), epoch: int16(r.u16())}
	n := int(r.u8())
	r.bad = r.bad || r.u8() != 0 || n > windowBatches
	x.last = r.i64()
	r.take(3 * 8) // timestamp, marker, open transaction
	if n > 0 && n <= windowBatches {
		x.batches = make([]batchInfo, 0, n)
	}
	for range n {
		b := batchInfo{producer: x.id, pepoch: x.epoch}
		b.sequence, b.count, b.base, b.stamp = r.i32(), r.i32(), r.i64(), r.i64()
		x.batches = append(x.batches, b)
	}
	return x
}

// tracker follows the batches of a partition's log: what a state at the offset it has reached must remember.
type tracker struct {
	whole     bool // nothing below was missed
	producers map[int64]*producerState
	epochs    []epochStart
	stamp     int64
	stampBase int64
}

func newTracker(whole bool) *tracker {
	return &tracker{whole: whole, producers: map[int64]*producerState{}, stamp: -1, stampBase: -1}
}

// add takes the next batch. It returns why the batch may not stand here, or "".
func (t *tracker) add(b *batchInfo, epoch int32) string {
	if n := len(t.epochs); n == 0 || t.epochs[n-1].epoch < epoch {
		t.epochs = append(t.epochs, epochStart{epoch, b.base})
	}
	if b.stamp > t.stamp {
		t.stamp, t.stampBase = b.stamp, b.base
	}
	if b.producer == noProducer || b.control {
		return ""
	}
	p := t.producers[b.producer]
	if p == nil {
		p = &producerState{id: b.producer, epoch: b.pepoch}
		t.producers[b.producer] = p
	}
	why := p.judge(b)
	if p.epoch != b.pepoch || why != "" {
		p.batches = nil
	}
	if p.epoch, p.last = b.pepoch, b.end()-1; len(p.batches) == windowBatches {
		copy(p.batches, p.batches[1:])
		p.batches = p.batches[:windowBatches-1]
	}
	p.batches = append(p.batches, *b)
	return why
}

// judge says why b may not follow what p wrote before.
func (p *producerState) judge(b *batchInfo) string {
	n := len(p.batches)
	if n == 0 {
		return ""
	}
	last := &p.batches[n-1]
	switch {
	case b.pepoch < p.epoch:
		return fmt.Sprintf("producer %d wrote at epoch %d after epoch %d", p.id, b.pepoch, p.epoch)
	case b.pepoch > p.epoch && b.sequence != 0:
		return fmt.Sprintf("producer %d begins epoch %d with sequence %d", p.id, b.pepoch, b.sequence)
	case b.pepoch > p.epoch || b.sequence == last.next():
		return ""
	}
	for i := range p.batches {
		if x := &p.batches[i]; x.sequence == b.sequence && x.count == b.count {
			return fmt.Sprintf("producer %d's batch of sequence %d stands at offset %d too", p.id, b.sequence, x.base)
		}
	}
	return fmt.Sprintf("producer %d wrote sequence %d after %d records from sequence %d on", p.id, b.sequence,
		last.count, last.sequence)
}

// differs says what of the log a state at this offset has forgotten or has otherwise, "" if nothing.
func (t *tracker) differs(s *partState) string {
	if len(s.producers) >= producersMax || len(t.producers) >= producersMax {
		return "" // the oldest were forgotten, and rightly
	}
	found := map[int64]*producerState{}
	for i := range s.producers {
		found[s.producers[i].id] = &s.producers[i]
	}
	for _, id := range slices.Sorted(maps.Keys(t.producers)) {
		if why := t.producers[id].missingIn(found[id], t.whole); why != "" {
			return why
		}
	}
	switch {
	case t.whole && len(t.producers) != len(s.producers):
		return fmt.Sprintf("it remembers %d producers, %d have written", len(s.producers), len(t.producers))
	case s.stamp < t.stamp || t.whole && (s.stamp != t.stamp || s.stampBase != t.stampBase):
		return fmt.Sprintf("its largest timestamp is %d at offset %d, the log has %d at %d", s.stamp, s.stampBase,
			t.stamp, t.stampBase)
	}
	return t.epochsDiffer(s)
}

func (t *tracker) epochsDiffer(s *partState) string {
	n := len(t.epochs)
	if n > len(s.epochs) && len(s.epochs) < epochsMax || t.whole && n != len(s.epochs) && n <= epochsMax {
		return fmt.Sprintf("it knows %d leader epochs, the log has %d", len(s.epochs), n)
	}
	for i := 1; i <= min(n, len(s.epochs)); i++ {
		a, b := t.epochs[n-i], s.epochs[len(s.epochs)-i]
		if a.epoch != b.epoch || a.start != b.start && (i < n || t.whole) {
			return fmt.Sprintf("it has leader epoch %d from offset %d, the log epoch %d from %d", b.epoch, b.start,
				a.epoch,
				a.start)
		}
	}
	return ""
}

// missingIn says what of p another memory of it lacks.
func (p *producerState) missingIn(s *producerState, whole bool) string {
	switch {
	case s == nil:
		return fmt.Sprintf("it does not remember producer %d, which wrote offset %d", p.id, p.last)
	case s.epoch != p.epoch || s.last != p.last:
		return fmt.Sprintf("it remembers producer %d at epoch %d and offset %d, the log has epoch %d and offset %d",
			p.id, s.epoch, s.last, p.epoch, p.last)
	case len(s.batches) < len(p.batches) || whole && len(s.batches) != len(p.batches):
		return fmt.Sprintf("it remembers %d batches of producer %d, the log has %d", len(s.batches), p.id,
			len(p.batches))
	}
	for i := 1; i <= len(p.batches); i++ {
		a, b := &p.batches[len(p.batches)-i], &s.batches[len(s.batches)-i]
		if a.sequence != b.sequence || a.count != b.count || a.base != b.base || a.stamp != b.stamp {
			return fmt.Sprintf("it remembers sequence %d of producer %d at offset %d, the log has sequence %d at %d",
				b.sequence, p.id, b.base, a.sequence, a.base)
		}
	}
	return ""
}

// full reports whether no producer can have been forgotten for want of room.
func (t *tracker) full() bool { return len(t.producers) < producersMax }

// skip goes on behind offsets that cannot be read: what was written there is not known.
func (t *tracker) skip() {
	t.whole = false
	clear(t.producers)
}
