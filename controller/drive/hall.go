package drive

import (
	"cmp"
	"slices"

	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// hall is the seats, with what this plan and the moves under way give them already.
type hall struct {
	s        *metadata.State
	suspects map[Epoch]bool
	epochs   map[int32]int64 // of the seats
	list     []metadata.Seat // by id
	given    map[int32]int   // partitions that are on their way
	topics   map[metadata.UUID][]metadata.Seat
	recovers map[int32]int // WALs of others, by who recovers them
}

func newHall(s *metadata.State, suspects map[Epoch]bool) *hall {
	h := &hall{
		s: s, suspects: suspects, epochs: map[int32]int64{}, given: map[int32]int{},
		topics: map[metadata.UUID][]metadata.Seat{}, recovers: map[int32]int{},
	}
	for _, x := range s.Seats() {
		b, _ := s.Broker(x.Broker)
		if !suspects[Epoch{b.ID, b.Epoch}] {
			h.epochs[b.ID] = b.Epoch
			h.list = append(h.list, x)
		}
	}
	for _, w := range s.WALs() {
		if w.State == metadatapb.WalState_WAL_STATE_RECOVERING && w.Held && !w.Resumed {
			h.recovers[w.Holder]++
		}
	}
	for _, m := range s.Moves() {
		if !m.Nobody {
			h.sit(m.Topic, m.To)
		}
	}
	return h
}

// recoverer takes the seat for one more recovery.
func (h *hall) recoverer() (Epoch, bool) {
	if len(h.list) == 0 {
		return Epoch{}, false
	}
	x := slices.MinFunc(h.list, func(a, b metadata.Seat) int {
		return cmp.Or(
			cmp.Compare(h.recovers[a.Broker], h.recovers[b.Broker]),
			cmp.Compare(a.Open+h.given[a.Broker], b.Open+h.given[b.Broker]),
			cmp.Compare(a.Broker, b.Broker),
		)
	})
	h.recovers[x.Broker]++
	return Epoch{x.Broker, h.epochs[x.Broker]}, true
}

// place takes the seat for one more partition of a topic.
func (h *hall) place(topic metadata.UUID) (int32, bool) {
	seats := slices.Clone(h.seats(topic))
	for i := range seats {
		seats[i].Open += h.given[seats[i].Broker]
	}
	to := metadata.Place(seats, 1)
	if to == nil {
		return 0, false
	}
	h.sit(topic, to[0])
	return to[0], true
}

// sit counts a partition that is on its way to a broker.
func (h *hall) sit(topic metadata.UUID, to int32) {
	h.given[to]++
	for i, x := range h.seats(topic) {
		if x.Broker == to {
			h.topics[topic][i].Topic++
		}
	}
}

// seats returns the seats with the partitions of a topic counted.
func (h *hall) seats(topic metadata.UUID) []metadata.Seat {
	list, known := h.topics[topic]
	if !known {
		for _, x := range h.s.SeatsFor(topic) {
			if _, free := h.epochs[x.Broker]; free {
				list = append(list, x)
			}
		}
		h.topics[topic] = list
	}
	return list
}
