package broker

import (
	"errors"
	"sync/atomic"

	"github.com/weirmq/weir/broker/partition"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// part is one topic partition that this broker leads: its rules (partition.Log), its bytes
// (stream.Stream) and whoever waits for it. Lock order: the WAL's lock, then part.mu; nothing that blocks
// is called under part.mu.
type part struct {
	b      *Broker
	topic  metadata.UUID
	name   string // of the topic, for messages
	index  int32
	id     stream.ID
	stream *stream.Stream // set by open
	broken string         // set by open instead: why the partition cannot be served

	opened gate          // open has ended, with its error
	phase  atomic.Uint32 // a partPhase; what open sets may be read once it is not partOpening
	cancel func()        // ends an opening under way; guarded by mu, nil before it begins

	// Of the range it serves, as metadata says.
	epoch    int32
	start    int64
	logStart int64

	mu      host.Mutex     // guards the fields below
	log     *partition.Log // offsets, producers, epochs
	config  topicConfig
	closed  Code           // why it is not served any more; codeNone while it is
	waiters []*fetchWaiter // long polls to wake when the high watermark moves
	dups    []*produceItem // duplicates that wait for their originals (rule 29)
	leaving bool           // its range is being sealed, or is: appends are parked
	parked  []*produceItem // appends that wait for the next owner's name, see park.go
}

// partPhase is how far the opening of a part has come.
type partPhase = uint32

const (
	partOpening partPhase = iota
	partOpen
	partBroken // its bytes cannot be read
	partFailed // or it was closed meanwhile
)

// isOpen reports whether the part can be asked.
func (p *part) isOpen() bool { return p.phase.Load() == partOpen }

func (p *part) isBroken() bool { return p.phase.Load() == partBroken }

// setConfig installs the topic's settings.
func (p *part) setConfig(c topicConfig) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config = c
}

// limits returns the settings that are checked before the append.
func (p *part) limits() topicConfig {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}

// close ends the partition on this broker: appends are refused from now on, waiters answered.
func (p *part) close(code Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == codeNone {
		p.closed = code
	}
	if p.cancel != nil {
		p.cancel()
	}
	if p.log != nil {
		p.log.Fail()
	}
	p.wakeLocked()
	for _, d := range p.dups {
		probe.Hit(probe.BrokerDuplicateLost)
		d.lose(errOriginalInFlight)
	}
	p.dups = nil
	p.unparkLocked()
}

// end closes the partition on this broker and returns when nothing of it is under way any more: an opening neither.
func (p *part) end(sc *host.Scope, code Code) error {
	p.close(code)
	if err := p.opened.wait(sc); err != nil && sc.Err() != nil {
		return sc.Err()
	}
	if p.isOpen() {
		p.stream.Close()
	}
	return nil
}

// noteDeleted marks a deletion that overtakes an append.
func (p *part) noteDeleted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == codeNone && p.log != nil && p.log.HighWatermark() < p.log.LogEnd() {
		probe.Hit(probe.BrokerDeleteInFlight)
	}
}

// errOriginalInFlight is why a duplicate's outcome is unknown: no error may be answered for records that may
// be in the log, nor success before they are (rules 29, 30).
var errOriginalInFlight = errors.New("the partition was closed while the original of a duplicate was in flight")

// wakeLocked wakes every long poll; p.mu is held.
func (p *part) wakeLocked() {
	for _, w := range p.waiters {
		w.parker.Unpark()
	}
}

// watch puts w on the list of those to wake, or takes it off.
func (p *part) watch(w *fetchWaiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters = append(p.waiters, w)
}

func (p *part) unwatch(w *fetchWaiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range p.waiters {
		if x == w {
			last := len(p.waiters) - 1
			p.waiters[i], p.waiters[last] = p.waiters[last], nil
			p.waiters = p.waiters[:last]
			return
		}
	}
}
