package metadata

import (
	"cmp"
	"slices"
)

// Seat is a broker that can take partitions: live, not draining, with an open WAL.
type Seat struct {
	Broker int32
	Rack   string // "": none known; those without one count as one rack
	Topic  int    // partitions of the same topic that it owns
	Open   int    // open ranges that it owns
	Load   int64  // any measure of work, the same for all; 0 if unknown
}

// Place chooses owners for n new partitions of one topic. Each goes to the rack with the fewest partitions of
// the topic for its number of brokers; there, or where racks are equal, to the broker with the fewest open
// ranges, then the least load, then the lowest id. What was chosen counts for the next. Without seats it
// returns nil. It is pure and does not depend on the order of seats, which it leaves as they are.
func Place(seats []Seat, n int) []int32 {
	if len(seats) == 0 || n <= 0 {
		return nil
	}
	owners := make([]int32, n)
	h := seated(slices.Clone(seats))
	for i := range owners {
		at := h.best(func(Seat) bool { return true })
		h.take(at)
		owners[i] = h.seats[at].Broker
	}
	return owners
}

// hall is seats with the shares of their racks.
type hall struct {
	seats  []Seat
	rack   []int // by seat
	shares []rackShare
}

// rackShare is how many partitions of the topic the brokers of a rack own.
type rackShare struct{ topic, brokers int }

func seated(seats []Seat) *hall {
	h := &hall{seats: seats, rack: make([]int, len(seats))}
	known := map[string]int{}
	for i, x := range seats {
		n, seen := known[x.Rack]
		if !seen {
			n = len(h.shares)
			known[x.Rack], h.shares = n, append(h.shares, rackShare{})
		}
		h.rack[i] = n
		h.shares[n].topic += x.Topic
		h.shares[n].brokers++
	}
	return h
}

// take gives a partition to the seat at an index.
func (h *hall) take(at int) {
	h.seats[at].Topic++
	h.seats[at].Open++
	h.shares[h.rack[at]].topic++
}

// best returns the index of the seat that the next partition goes to among those that may, or -1.
func (h *hall) best(may func(Seat) bool) int {
	at := -1
	for i, x := range h.seats {
		if may(x) && (at < 0 || h.before(i, at)) {
			at = i
		}
	}
	return at
}

func (h *hall) before(i, j int) bool {
	a, b, ra, rb := h.seats[i], h.seats[j], h.shares[h.rack[i]], h.shares[h.rack[j]]
	return cmp.Or(
		cmp.Compare(ra.topic*rb.brokers, rb.topic*ra.brokers),
		cmp.Compare(a.Open, b.Open),
		cmp.Compare(a.Load, b.Load),
		cmp.Compare(a.Broker, b.Broker),
	) < 0
}

// Seats returns by id the brokers that can take partitions, with Topic and Load 0.
func (s *State) Seats() []Seat { return s.seatsBut(-1) }

// seatsBut leaves one broker out.
func (s *State) seatsBut(id int32) []Seat {
	open := map[int32]int{}
	can := map[int32]bool{}
	for _, w := range s.sortedWals() {
		if b := s.brokers[w.holder]; w.usable(b) {
			can[b.id] = true
			open[b.id] += w.open - w.old
		}
	}
	var list []Seat
	for _, b := range s.brokers {
		if can[b.id] && !b.draining && b.id != id {
			list = append(list, Seat{Broker: b.id, Rack: b.rack, Open: open[b.id]})
		}
	}
	slices.SortFunc(list, func(a, b Seat) int { return cmp.Compare(a.Broker, b.Broker) })
	return list
}

// SeatsFor returns Seats with the partitions of a topic counted, for Place.
func (s *State) SeatsFor(topicID UUID) []Seat {
	seats := s.Seats()
	if t := s.topics[topicID]; t != nil {
		s.countTopic(seats, t)
	}
	return seats
}

func (s *State) countTopic(seats []Seat, t *topic) {
	for _, id := range t.streams {
		if r := s.streams[id].last(); s.wals[r.wal].owns(r) {
			sit(seats, s.wals[r.wal].holder, 0)
		}
	}
}

// sit counts a partition of the topic at its owner, and opened ranges that are not counted yet.
func sit(seats []Seat, id int32, opened int) {
	i, found := slices.BinarySearchFunc(seats, id, func(x Seat, id int32) int { return cmp.Compare(x.Broker, id) })
	if found {
		seats[i].Topic++
		seats[i].Open += opened
	}
}

// takers returns the WALs on which new partitions of t are opened for their owners; where place is set, owners
// that cannot take theirs are replaced. nil and the owner in question if that cannot be done.
func (s *State) takers(t *topic, owners []int32, place bool) ([]*wal, int32) {
	targets, known := make([]*wal, len(owners)), map[int32]*wal{}
	var missing []int
	for i, id := range owners {
		w, seen := known[id]
		if !seen {
			w = s.target(id, nil)
			known[id] = w
		}
		if targets[i] = w; w == nil {
			if !place {
				return nil, id
			}
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return targets, 0
	}
	seats := s.Seats()
	s.countTopic(seats, t)
	for i, id := range owners {
		if targets[i] != nil {
			sit(seats, id, 1)
		}
	}
	chosen := Place(seats, len(missing))
	if chosen == nil {
		return nil, owners[missing[0]]
	}
	for n, i := range missing {
		id := chosen[n]
		if known[id] == nil {
			known[id] = s.target(id, nil)
		}
		targets[i] = known[id]
	}
	return targets, 0
}
