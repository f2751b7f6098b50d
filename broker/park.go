package broker

import (
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// Requests are parked in two places (PROTOCOL A36). The old owner keeps appends that came after the seal, without their
// records, until it can name the next owner: they were never framed, so the answer is definite. The next owner keeps
// requests for a partition that it is about to open.

const (
	// parkedMax bounds the appends that one sealed partition keeps; more are answered at once.
	parkedMax = 4096
	// arrivalWait bounds how long a request waits for a partition to open here.
	arrivalWait = time.Second
)

// parkLocked keeps an append until the part is closed, or its request's time is over. p.mu is held.
func (p *part) parkLocked(it *produceItem) {
	if p.closed != codeNone {
		it.settle(p.closed, "")
		return
	}
	if it.call.acks == 0 || len(p.parked) >= parkedMax { // who hears nothing is told by the end of its connection
		it.settle(codeNotLeaderOrFollower, "")
		return
	}
	probe.Hit(probe.BrokerAppendParked)
	p.parked = append(p.parked, it)
}

// unparkLocked answers the appends that were parked. p.mu is held.
func (p *part) unparkLocked() {
	for _, it := range p.parked {
		it.settle(p.closed, "")
	}
	p.parked = nil
}

// turnAway answers an append that found the range sealed. A duplicate of what is in the log is answered as such: it
// waits for its original, as ever (rule 29).
func (p *part) turnAway(it *produceItem, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == codeNone && p.leaving {
		if d, err := p.log.Check(it.data); err == nil && d.Duplicate {
			p.duplicateLocked(it, d)
		} else {
			p.parkLocked(it)
		}
		return
	}
	if p.closed != codeNone {
		it.settle(p.closed, "")
		return
	}
	it.settle(codeKafkaStorageError, "nothing was appended: "+cause.Error())
}

// noteMoves remembers which partitions are about to come here, as of an index of metadata.
func (b *Broker) noteMoves(moves []metadata.Move, index uint64) {
	v := &b.moving
	applied := b.appliedIndex()
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, c := range v.coming {
		if c.index < applied { // the index that requests use shows what became of it
			delete(v.coming, id)
		}
	}
	for _, m := range moves {
		if !m.Nobody && m.To == b.cfg.NodeID && m.ToEpoch == b.epoch {
			v.coming[stream.ID(m.Stream)] = arrival{epoch: m.LeaderEpoch, index: index}
		}
	}
}

// arrival is a range that was about to be followed by one of this broker when metadata was at index.
type arrival struct {
	epoch int32
	index uint64
}

// awaitPart is partition n of t once it is open, if it is about to be: a request waits for that for a while, but not
// past until.
func (b *Broker) awaitPart(sc *host.Scope, t *topic, n int32, until host.Time) (*part, Code) {
	p, code := t.partition(n)
	if code == codeNone || b.cfg.Cluster == nil || !b.arrives(t, n) {
		return p, code
	}
	probe.Hit(probe.BrokerRequestParked)
	until = min(until, b.h.Now().Add(arrivalWait))
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		now := b.topics.byID[t.id]
		if now == nil || now.deleting {
			return nil, codeUnknownTopicOrPartition
		}
		if p, code = now.partition(n); code == codeNone || !b.arrives(now, n) {
			return p, code
		}
		if b.follows.Wait(sc, until) != nil {
			return nil, codeNotLeaderOrFollower
		}
	}
}

// arrives reports whether partition n of t is being opened here, or about to be.
func (b *Broker) arrives(t *topic, n int32) bool {
	if n < 0 || int(n) >= len(t.parts) || t.internal {
		return false
	}
	ref := &t.parts[n]
	if ref.part != nil {
		return !ref.part.isOpen() && !ref.part.isBroken() && !ref.part.isClosed()
	}
	id := stream.ID(ref.stream)
	v := &b.moving
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := v.states[id]; h != nil && h.LeaderEpoch >= ref.leaderEpoch && h.From != b.cfg.NodeID {
		return true
	}
	c, known := v.coming[id]
	return known && c.epoch >= ref.leaderEpoch
}

// arrived wakes the requests that wait for a partition to open.
func (b *Broker) arrived() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follows.Broadcast()
}
