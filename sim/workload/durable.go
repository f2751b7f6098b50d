package workload

import (
	"bytes"
	"maps"
	"slices"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// durableSet knows, for every value, when its token was first on synced media or in a completed put. It is told by
// the simulated disk and store, not by the broker.
type durableSet struct {
	since map[int32][]host.Time // by client and sequence; 0 = never
	edge  map[string][]byte     // by file: the bytes just before the next write, should a token span two
	first func(check.Value)     // is called with each that becomes durable; nil = nobody wants to know
}

func newDurableSet() *durableSet {
	return &durableSet{since: map[int32][]host.Time{}, edge: map[string][]byte{}}
}

// at returns when the value was first durable, 0 for never.
func (s *durableSet) at(v check.Value) host.Time {
	list := s.since[int32(v>>32)]
	if i := int(uint32(v)); i < len(list) {
		return list[i]
	}
	return 0
}

func (s *durableSet) add(v check.Value, now host.Time) {
	client, i := int32(v>>32), int(uint32(v))
	list := s.since[client]
	for len(list) <= i {
		list = append(list, 0)
	}
	if list[i] == 0 {
		list[i] = max(1, now)
		if s.first != nil {
			s.first(v)
		}
	}
	s.since[client] = list
}

// scan adds the values whose tokens lie in b.
func (s *durableSet) scan(b []byte, now host.Time) {
	for {
		i := bytes.Index(b, tokenMagic)
		if i < 0 {
			return
		}
		if v, ok := parseToken(b[i:]); ok {
			s.add(v, now)
		}
		b = b[i+len(tokenMagic):]
	}
}

// scanWrite is scan for a write to a file whose writes may split a token between them, as a ring's does
// where it wraps.
func (s *durableSet) scanWrite(file string, b []byte, now host.Time) {
	joined := append(s.edge[file], b[:min(len(b), tokenBytes-1)]...)
	s.scan(joined, now)
	s.scan(b, now)
	s.edge[file] = append(s.edge[file][:0], b[max(0, len(b)-tokenBytes+1):]...)
}

// acknowledged is called when a client hears that its batch is in the log: it must be durable then.
func (r *run) acknowledged(op *check.Op) {
	r.audits.Acked(op)
	for _, v := range op.Values {
		at := r.durable.at(v)
		if r.damaged {
			continue // a write may have gone astray
		}
		if at == 0 {
			r.fail(oracleAcked, "%s of %s at offset %d was acknowledged and is on no synced medium", v, op.Partition,
				op.Offset)
		}
		if r.usurped > 0 && at > r.usurped {
			r.fail(oracleFenced, "%s of %s at offset %d was acknowledged: durable at %v, the WAL was taken over at %v", v,
				op.Partition, op.Offset, at.Sub(0), r.usurped.Sub(0))
		}
	}
}

// vouched is called when a client hears what only the holder of the WAL knows: where a log ends, what a group has
// committed. Whoever took the WAL over before it was asked may have moved on since (PROTOCOL rule 28).
func (r *run) vouched(op *check.Op) {
	if r.usurped > 0 && op.Call > int64(r.usurped) {
		r.fail(oracleFenced, "%s of %s was asked for at %v and answered with %d: the WAL was taken over at %v", op.Kind,
			op.Partition, host.Time(op.Call).Sub(0), op.Offset, r.usurped.Sub(0))
	}
}

// list returns everything that was ever durable, by client and sequence.
func (s *durableSet) list() []check.Durable {
	var list []check.Durable
	for _, client := range slices.Sorted(maps.Keys(s.since)) {
		for seq, at := range s.since[client] {
			if at > 0 {
				list = append(list, check.Durable{Value: check.ValueOf(client, uint32(seq)), At: int64(at)})
			}
		}
	}
	return list
}
