package broker

import (
	"sync/atomic"

	"github.com/weirmq/weir/broker/peer"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/stream"
)

// moving is what a broker of a cluster knows of moves, to it and from it.
type moving struct {
	up atomic.Bool // other brokers are answered

	turns host.Semaphore // of the moves that are driven

	mu      host.Mutex                   // guards the fields below; taken under Broker.mu, never the other way round
	states  map[stream.ID]*peer.HandOver // handed over and not opened yet
	bytes   int                          // of all states
	order   []stream.ID                  // of states, oldest first
	leaving map[stream.ID]int32          // moves from here that are driven, by the epoch that they end
	coming  map[stream.ID]arrival        // moves to here that have begun
}

// Bounds of what was handed over and is not open yet. What finds no room is asked for later.
const (
	keptStatesMax = 4096
	keptBytesMax  = 64 << 20
)

func (m *moving) init(h host.Host) {
	m.mu.Init(h)
	m.turns.Init(h, movesMax)
	m.states = map[stream.ID]*peer.HandOver{}
	m.leaving, m.coming = map[stream.ID]int32{}, map[stream.ID]arrival{}
}

// keepState keeps what was handed over until its partition opens, or until newer ones take the room. It reports
// whether it did.
func (b *Broker) keepState(h peer.HandOver) bool {
	m := &b.moving
	id := stream.ID(h.Stream)
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.states[id]; old != nil {
		if old.LeaderEpoch > h.LeaderEpoch {
			return true // of a range that has ended since
		}
		m.dropState(id)
	}
	for len(m.order) > 0 && (len(m.order) >= keptStatesMax || m.bytes+len(h.State) > keptBytesMax) {
		probe.Hit(probe.BrokerStateDropped)
		m.dropState(m.order[0])
	}
	m.states[id] = &h
	m.order = append(m.order, id)
	m.bytes += len(h.State)
	return true
}

// dropState forgets what was handed over of a stream; m.mu is held.
func (m *moving) dropState(id stream.ID) {
	h := m.states[id]
	if h == nil {
		return
	}
	delete(m.states, id)
	m.bytes -= len(h.State)
	for i, x := range m.order {
		if x == id {
			m.order = append(m.order[:i], m.order[i+1:]...)
			return
		}
	}
}

// takeState returns the state at the end of a range if it was handed over, and forgets it. One of another range or end
// is not of use (rule 26).
func (b *Broker) takeState(id stream.ID, epoch int32, end int64) []byte {
	m := &b.moving
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.states[id]
	if h == nil || h.LeaderEpoch > epoch {
		return nil
	}
	m.dropState(id)
	if h.LeaderEpoch != epoch || h.End != end {
		return nil
	}
	return h.State
}
