package metadata

import (
	"cmp"
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// What the controller's leader drives: work that is begun and recorded, and that any later leader goes on
// with. Nothing here knows a time: deadlines count from when a leader first saw the work.

// Move is a move that has begun. It ends when the range is closed.
type Move struct {
	Stream      uint64
	Topic       UUID
	Partition   int32
	LeaderEpoch int32 // of the range that is to be sealed
	From        int32 // who owned it when the move began; Seal is sent there while that epoch is live
	FromEpoch   int64
	Recovering  bool // the owner is gone: SealRecovered ends the move
	Nobody      bool // there was nobody to take it: To and ToEpoch are of no use
	To          int32
	ToEpoch     int64
	Begun       uint64 // index of the BeginMove
}

// Move returns the move of a stream, if one has begun.
func (s *State) Move(streamID uint64) (Move, bool) {
	m := s.moves[streamID]
	if m == nil {
		return Move{}, false
	}
	st := s.streams[streamID]
	r := st.last()
	return Move{
		Stream: st.id, Topic: st.topic, Partition: st.partition, LeaderEpoch: r.epoch,
		From: m.from, FromEpoch: m.fromEpoch, Recovering: !s.wals[r.wal].owns(r),
		Nobody: m.toEpoch == 0, To: m.to, ToEpoch: m.toEpoch, Begun: m.begun,
	}, true
}

// Moves returns all moves that have begun, in the order in which they began. The cost is that of the moves.
func (s *State) Moves() []Move {
	list := make([]Move, 0, len(s.moves))
	for _, id := range s.sortedMoves() {
		m, _ := s.Move(id)
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b Move) int { return cmp.Compare(a.Begun, b.Begun) })
	return list
}

// Draining returns the draining brokers by id.
func (s *State) Draining() []Broker {
	return slices.DeleteFunc(s.Brokers(), func(b Broker) bool { return !b.Draining })
}

// Orphans returns the WALs that are to be recovered and that nobody holds, in the order in which they were
// opened: each waits for AssignRecoverer. The cost is that of all WALs.
func (s *State) Orphans() []WAL {
	list := slices.DeleteFunc(s.WALs(), func(w WAL) bool {
		return w.State != metadatapb.WalState_WAL_STATE_RECOVERING || w.Held || w.Lost
	})
	slices.SortStableFunc(list, func(a, b WAL) int { return cmp.Compare(s.wals[a.ID].opened, s.wals[b.ID].opened) })
	return list
}

// Debt is what closed ranges leave owed by one WAL.
type Debt struct {
	WAL    WAL
	Ranges []OwedRange // by stream and offset: of one stream the oldest first
}

// Debts returns the WALs that owe something of a closed range, by uuid; its holder, if any, uploads that
// first. It looks at every range of every WAL that is not released.
func (s *State) Debts() []Debt {
	var list []Debt
	for _, w := range s.sortedWals() {
		if w.state == metadatapb.WalState_WAL_STATE_RELEASED {
			continue
		}
		if owed := s.Owed(w.id); len(owed) > 0 {
			v, _ := s.WAL(w.id)
			list = append(list, Debt{WAL: v, Ranges: owed})
		}
	}
	return list
}

// Unowned returns the partitions whose last range is closed and that OpenRange may give an owner, by stream:
// no hole stands in the way and their topics are not being deleted. The cost is that of the closed ones.
func (s *State) Unowned() []Partition {
	ids := make([]uint64, 0, len(s.unowned))
	for id := range s.unowned {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var list []Partition
	for _, id := range ids {
		if p, _ := s.PartitionOf(id); !p.Holed && !p.Deleting {
			list = append(list, p)
		}
	}
	return list
}
