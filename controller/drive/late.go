package drive

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// moveKey names a move: a stream has one at a time.
type moveKey struct {
	stream uint64
	begun  uint64 // index of its BeginMove
}

// movesInTurn is how many moves an owner drives at a time, those that began first (as broker.movesMax). The others wait
// for their turn, which is nobody's fault: an operator may begin any number at once.
const movesInTurn = 64

// late suspects who holds things up.
func (p *planner) late() {
	p.lateMoves()
	p.d.debts.look(p)
}

// lateMoves suspects the living owner of a move that it has not ended in time. Nobody else may close the range of an
// epoch that lives (rule 25), so what is left is to end the owner.
func (p *planner) lateMoves() {
	seen := make(map[moveKey]host.Time, len(p.d.moves))
	turn := map[Epoch]int{}
	for _, m := range p.s.Moves() { // those that began first come first
		k, owner := moveKey{m.Stream, m.Begun}, Epoch{m.From, m.FromEpoch}
		since, known := p.d.moves[k]
		if turn[owner]++; !known || turn[owner] > movesInTurn {
			since = p.now
		}
		seen[k] = since
		if !m.Recovering && p.now >= since.Add(p.d.cfg.MoveDeadline) {
			p.suspect(owner, fmt.Sprintf("a move of stream %d has not ended in %v",
				m.Stream, p.d.cfg.MoveDeadline))
		}
	}
	p.d.moves = seen
}

// drains begins moves of what draining brokers own, a few at a time.
func (p *planner) drains() {
	draining := p.s.Draining()
	if len(draining) == 0 {
		return
	}
	under := map[int32]int{}
	all := 0
	for _, m := range p.s.Moves() {
		under[m.From]++
		all++
	}
	var queues [][]metadata.Partition
	for _, b := range draining {
		list := p.leaving(b)
		queues = append(queues, list[:min(len(list), max(0, p.d.cfg.MovesOfOne-under[b.ID]))])
	}
	for more := true; more; { // in turn, so that all of them get out
		more = false
		for i, q := range queues {
			if len(q) == 0 {
				continue
			}
			if all >= p.d.cfg.Moves || !p.room(subject{stream: q[0].Stream}) {
				return
			}
			to, found := p.hall.place(q[0].Topic)
			if !found {
				return // it stays: its owner seals it in leaving
			}
			p.add(&metadatapb.BeginMove{Stream: q[0].Stream, LeaderEpoch: q[0].LeaderEpoch, To: &to})
			queues[i], all, more = q[1:], all+1, true
		}
	}
}

// leaving returns the partitions that a broker owns and that no move was begun of.
func (p *planner) leaving(b metadata.Broker) []metadata.Partition {
	var list []metadata.Partition
	for _, w := range p.s.WALs() {
		if !w.Held || w.Holder != b.ID || w.HolderEpoch != b.Epoch {
			continue
		}
		for _, r := range p.s.OpenOn(w.ID) {
			x, known := p.s.PartitionOf(r.Stream)
			if _, moves := p.s.Move(r.Stream); moves || !known || !x.Owned || x.Holed || x.Deleting {
				continue
			}
			if p.room(subject{stream: r.Stream}) {
				list = append(list, x)
			}
		}
	}
	return list
}
