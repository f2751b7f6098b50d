package partition

import (
	"fmt"
	"math"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
)

const (
	// MaxProducers bounds the producers a partition remembers. When one more writes, the one that wrote
	// longest ago is forgotten; if it comes back it may go on with any sequence.
	MaxProducers = 4096
	// window is how many batches of a producer are remembered: clients keep at most five in flight.
	window = 5

	noOffset = -1
)

// appended is one batch of a producer.
type appended struct {
	sequence  int32 // first
	count     int32
	base      int64
	timestamp int64 // the batch's largest
}

func (a appended) lastSequence() int32 { return batch.AddSequence(a.sequence, a.count-1) }

// producer is what the log knows of one producer id.
type producer struct {
	id        int64
	epoch     int16
	batches   [window]appended // oldest first
	n         int              // batches in use
	last      int64            // offset of its last record or marker
	timestamp int64            // of its last batch, for people
	marker    int64            // ordinal of the last transaction marker applied, -1 if none
	txnFirst  int64            // first offset of its open transaction, noOffset if none

	older, newer *producer // in the order of last
}

// find returns the remembered batch that b repeats. p may be nil.
func (p *producer) find(b batch.Batch) (appended, bool) {
	if p == nil || p.epoch != b.ProducerEpoch() {
		return appended{}, false
	}
	from := 0
	if mutant.On(mutant.DedupEvictsEarly) {
		from = max(0, p.n-1)
	}
	for _, a := range p.batches[from:p.n] {
		if a.sequence == b.BaseSequence() && a.count == b.LastOffsetDelta()+1 {
			return a, true
		}
	}
	return appended{}, false
}

// admits says whether b, which repeats nothing, may follow. A producer that the log does not know, or
// has forgotten, may begin with any sequence, as in Kafka.
func (p *producer) admits(b batch.Batch) error {
	if p == nil {
		return nil
	}
	epoch, seq := b.ProducerEpoch(), b.BaseSequence()
	want := int32(0) // of a new epoch, or after a marker
	switch {
	case epoch < p.epoch:
		probe.Hit(probe.PartitionOldEpoch)
		return fmt.Errorf("append for producer %d at epoch %d, last was %d: %w",
			p.id, epoch, p.epoch, ErrProducerEpoch)
	case epoch == p.epoch && p.n > 0:
		want = batch.AddSequence(p.batches[p.n-1].lastSequence(), 1)
	}
	if seq != want {
		probe.Hit(probe.PartitionGap)
		return fmt.Errorf("append for producer %d epoch %d at sequence %d, want %d: %w",
			p.id, epoch, seq, want, ErrOutOfOrderSequence)
	}
	return nil
}

// note records a batch that is in the log. It never refuses: the log is right.
func (p *producer) note(b batch.Batch) {
	if b.ProducerEpoch() != p.epoch {
		probe.Hit(probe.PartitionNewEpoch)
		p.n = 0
	} else if p.admits(b) != nil {
		p.n = 0 // forgotten, and came back
	}
	p.epoch = b.ProducerEpoch()
	if p.n == window {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = appended{b.BaseSequence(), b.LastOffsetDelta() + 1, b.BaseOffset(), b.MaxTimestamp()}
	p.n++
	p.last = b.NextOffset() - 1
	p.timestamp = b.MaxTimestamp()
	if b.Transactional() && p.txnFirst == noOffset {
		p.txnFirst = b.BaseOffset()
	}
}

// producers is the table of producers and their order of writing.
type producers struct {
	limit  int // MaxProducers, less in tests
	byID   map[int64]*producer
	oldest *producer
	newest *producer
	open   int // producers with an open transaction
}

func newProducers(limit int) producers {
	return producers{limit: limit, byID: map[int64]*producer{}}
}

func (t *producers) get(id int64) *producer { return t.byID[id] }

// note records a data batch.
func (t *producers) note(b batch.Batch) {
	p := t.byID[b.ProducerID()]
	if p == nil {
		p = &producer{id: b.ProducerID(), epoch: b.ProducerEpoch(), marker: -1, txnFirst: noOffset}
		t.byID[p.id] = p
	} else {
		t.unlink(p)
	}
	before := p.txnFirst
	p.note(b)
	if before == noOffset && p.txnFirst != noOffset {
		t.open++
	}
	t.link(p)
	for len(t.byID) > t.limit && t.forget() {
	}
}

// forget drops the producer that wrote longest ago and has no open transaction.
func (t *producers) forget() bool {
	for p := t.oldest; p != nil; p = p.newer {
		if p.txnFirst == noOffset {
			probe.Hit(probe.PartitionForgotten)
			t.unlink(p)
			delete(t.byID, p.id)
			return true
		}
	}
	return false
}

// link makes p the newest.
func (t *producers) link(p *producer) {
	p.older, p.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = p
	} else {
		t.oldest = p
	}
	t.newest = p
}

func (t *producers) unlink(p *producer) {
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		t.oldest = p.newer
	}
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		t.newest = p.older
	}
	p.older, p.newer = nil, nil
}

// firstOpen is the first offset of any open transaction, math.MaxInt64 if there is none.
func (s *State) firstOpen() int64 {
	first := int64(math.MaxInt64)
	if s.producers.open == 0 {
		return first
	}
	for p := s.producers.oldest; p != nil; p = p.newer {
		if p.txnFirst != noOffset {
			first = min(first, p.txnFirst)
		}
	}
	return first
}

// Producer describes a producer for tools.
type Producer struct {
	ID            int64
	Epoch         int16
	LastSequence  int32 // -1 if none is remembered
	LastOffset    int64
	LastTimestamp int64 // Unix milliseconds
	TxnFirst      int64 // first offset of its open transaction, -1 if none
}

// Producers lists the producers remembered, the one that wrote longest ago first.
func (s *State) Producers() []Producer {
	out := make([]Producer, 0, len(s.producers.byID))
	for p := s.producers.oldest; p != nil; p = p.newer {
		seq := int32(-1)
		if p.n > 0 {
			seq = p.batches[p.n-1].lastSequence()
		}
		out = append(out, Producer{p.id, p.epoch, seq, p.last, p.timestamp, p.txnFirst})
	}
	return out
}
