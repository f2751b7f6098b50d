package broker

import (
	"errors"
	"slices"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/stream"
)

// sealRanges records what holes the scan found and closes every other range of the WAL that is open in metadata,
// whether or not the scan found a record of it (A26). A range with a hole stays unopened (rule 38).
func (r *recovery) sealRanges(sc *host.Scope, ranges []stream.RangeInfo, found []stream.Recovered) error {
	ends := map[uint64]*stream.Recovered{}
	for i := range found {
		f := &found[i]
		if f.Hole == nil {
			continue
		}
		probe.Hit(probe.BrokerRecoveryHole)
		if err := r.patiently(sc, func() error { return r.held.catalog.MarkHole(sc, *f.Hole) }); err != nil {
			return err
		}
		r.b.h.Log().Error("a range is offline", "stream", uint64(f.ID), "epoch", int32(f.Epoch), "why", f.Hole.Error())
	}
	open := openRanges(ranges)
	for i := range found {
		if f := &found[i]; f.Hole == nil && open[f.ID] == f.Epoch {
			ends[uint64(f.ID)] = f
		}
	}
	if mutant.On(mutant.SealsOnlyFound) {
		for id, f := range ends {
			if f.End == f.Start {
				delete(ends, id)
			}
		}
	}
	entries := r.entries(ends)
	for len(entries) > 0 {
		n := min(len(entries), r.b.atMost(sealBatch, "broker.recover.seal"))
		cmd := &metadatapb.SealRecovered{Wal: r.held.id[:], Generation: r.held.gen, Entries: entries[:n]}
		err := r.patiently(sc, func() error {
			_, err := r.held.catalog.propose(sc, "seal the ranges of another broker", metadata.NewCommand(cmd))
			return err
		})
		if err != nil {
			return err
		}
		entries = entries[n:]
		r.b.dawdle(sc, "broker.recover.between-seals")
	}
	return nil
}

// openRanges returns by stream the epoch of the range that is open.
func openRanges(ranges []stream.RangeInfo) map[stream.ID]stream.Epoch {
	open := map[stream.ID]stream.Epoch{}
	for _, x := range ranges {
		if x.End == stream.Open {
			open[x.ID] = x.Epoch
		}
	}
	return open
}

// entries are what SealRecovered is told, by stream, with the next owners.
func (r *recovery) entries(ends map[uint64]*stream.Recovered) []*metadatapb.SealEntry {
	ids := make([]uint64, 0, len(ends))
	for id := range ends {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	owners := map[uint64]int32{}
	r.b.meta.Read(func(s *metadata.State) { owners = nextOwners(s, ids, r.shunned()) })
	list := make([]*metadatapb.SealEntry, 0, len(ids))
	for _, id := range ids {
		f := ends[id]
		e := &metadatapb.SealEntry{Stream: id, LeaderEpoch: int32(f.Epoch), End: f.End}
		if to, ok := owners[id]; ok {
			e.To = &to
		}
		list = append(list, e)
	}
	return list
}

// shunned is a broker that is named no next owner, or -1. Named itself, a broker that got its own old WAL back would
// open the ranges on just that one, which it does not write.
func (r *recovery) shunned() int32 {
	if r.w.Resumed {
		return r.b.cfg.NodeID
	}
	return -1
}

// nextOwners spreads streams over the brokers that can take partitions, in the order given: each topic for itself, and
// a stream that was being moved to where it was to go. Nobody takes any while there is no such broker.
func nextOwners(s *metadata.State, ids []uint64, shun int32) map[uint64]int32 {
	owners := map[uint64]int32{}
	taken := map[int32]int{}
	seats := map[metadata.UUID][]metadata.Seat{}
	for _, id := range ids {
		v, ok := s.PartitionOf(id)
		if !ok {
			continue
		}
		list, seen := seats[v.Topic]
		if !seen {
			list = slices.DeleteFunc(s.SeatsFor(v.Topic), func(x metadata.Seat) bool { return x.Broker == shun })
			for i := range list {
				list[i].Open += taken[list[i].Broker]
			}
			seats[v.Topic] = list
		}
		to := metadata.Place(list, 1)
		if m, moving := s.Move(id); moving && !m.Nobody {
			if slices.ContainsFunc(list, func(x metadata.Seat) bool { return x.Broker == m.To }) {
				to = []int32{m.To}
			}
		}
		if len(to) == 0 {
			continue
		}
		owners[id] = to[0]
		taken[to[0]]++
		for i := range list {
			if list[i].Broker == to[0] {
				list[i].Topic++
				list[i].Open++
			}
		}
	}
	return owners
}

// patiently repeats a proposal until it is answered: without controllers nothing is to be gained by a second scan, and
// what was scanned is served meanwhile.
func (r *recovery) patiently(sc *host.Scope, propose func() error) error {
	for wait := recoverRetryMin; ; wait = min(2*wait, recoverRetryMax) {
		err := propose()
		if err == nil || errors.Is(err, ErrRefused) || r.overtaken(err) {
			return err
		}
		r.b.h.Log().Warn("a command of a recovery was not answered, will be repeated", "wal", r.w.ID.String(),
			"wait", wait, "error", err)
		if err := r.b.h.Sleep(sc, wait); err != nil {
			return err
		}
	}
}
