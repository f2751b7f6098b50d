package fsck

import (
	"encoding/binary"
	"fmt"

	"github.com/weirmq/weir/metadata"
)

// A record of the metadata log, as docs/format/raftlog.md draws it.
const (
	raftBatch   = 1
	raftMember  = 2
	raftChunk   = 3
	raftMembers = 4

	raftStreamBatch = 1
	raftStreamOther = 2

	raftNormal   = 0 // types of Raft entries
	raftConfV2   = 2
	proposalHead = 16 // the proposer's incarnation, and its number
)

// raftEntry is one entry of the Raft log.
type raftEntry struct {
	index, term uint64
	kind        byte
	data        []byte
	at          uint64 // position of the frame
}

// raftRecord is a decoded record; the fields of its kind count.
type raftRecord struct {
	kind               byte
	term, vote, commit uint64
	entries            []raftEntry
	applied            uint64
	voters, others     []uint64
	index, total, off  uint64
	data               []byte
}

// fields takes fixed-size fields off a slice. Past the end it gives zeros and is bad.
type fields struct {
	p     []byte
	order binary.ByteOrder
	bad   bool
}

func (r *fields) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.p)) {
		r.bad = true
		return nil
	}
	b := r.p[:n:n]
	r.p = r.p[n:]
	return b
}

func (r *fields) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *fields) u16() uint16 {
	if b := r.take(2); b != nil {
		return r.order.Uint16(b)
	}
	return 0
}

func (r *fields) u32() uint32 {
	if b := r.take(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

func (r *fields) u64() uint64 {
	if b := r.take(8); b != nil {
		return r.order.Uint64(b)
	}
	return 0
}

func (r *fields) i32() int32 { return int32(r.u32()) }
func (r *fields) i64() int64 { return int64(r.u64()) }

// members reads a membership: its voters, and everybody else.
func (r *fields) members() (voters, others []uint64) {
	for list := range 4 {
		for n := r.u16(); n > 0 && !r.bad; n-- {
			if id := r.u64(); list == 0 {
				voters = append(voters, id)
			} else {
				others = append(others, id)
			}
		}
	}
	if r.u8() > 1 {
		r.bad = true
	}
	return voters, others
}

// decodeRaft reads one record. Its data aliases p.
func decodeRaft(p []byte) (raftRecord, error) {
	r := &fields{p: p, order: binary.LittleEndian}
	version := r.u8()
	x := raftRecord{kind: r.u8()}
	if !r.bad && version != 1 {
		return x, fmt.Errorf("it has version %d, this program knows 1", version)
	}
	switch x.kind {
	case raftBatch:
		x.term, x.vote, x.commit = r.u64(), r.u64(), r.u64()
		first, n := r.u64(), r.u32()
		r.bad = r.bad || n > 0 && first == 0
		for i := uint64(0); i < uint64(n) && !r.bad; i++ {
			e := raftEntry{index: first + i, term: r.u64(), kind: r.u8()}
			e.data = r.take(uint64(r.u32()))
			r.bad = r.bad || e.kind > raftConfV2
			x.entries = append(x.entries, e)
		}
		r.bad = r.bad || len(r.p) > 0
	case raftMember:
		x.applied = r.u64()
		x.voters, x.others = r.members()
		r.bad = r.bad || len(r.p) > 0
	case raftChunk:
		x.index, x.term, x.total, x.off = r.u64(), r.u64(), r.u64(), r.u64()
		x.voters, x.others = r.members()
		x.data = r.p
		r.bad = r.bad || x.off > x.total || uint64(len(x.data)) > x.total-x.off
	case raftMembers:
		x.applied = r.u64()
		n := r.u16()
		for r.bad = r.bad || n == 0; n > 0 && !r.bad; n-- {
			id := r.u64()
			r.i32() // node
			r.take(uint64(r.u16()))
			r.bad = r.bad || len(x.others) > 0 && id <= x.others[len(x.others)-1]
			x.others = append(x.others, id)
		}
		r.bad = r.bad || len(r.p) > 0
	default:
		r.bad = true
	}
	if r.bad {
		return x, fmt.Errorf("a record of %d bytes, kind %d, cannot be read", len(p), x.kind)
	}
	return x, nil
}

// raftLog is what the records say when they are read in order.
type raftLog struct {
	term, commit uint64
	voters       []uint64
	member       bool   // a membership was read
	base         uint64 // entries[0] has index base+1
	entries      []raftEntry
	snapIndex    uint64
	snapTerm     uint64
	agreed       uint64 // what the logs of other members say of this one: up to here it counts
	snap         []byte // the newest whole snapshot
	seen         bool

	part      raftRecord // a snapshot of which some chunks were read
	partOpen  bool
	partBytes []byte
}

func (l *raftLog) last() uint64 { return l.base + uint64(len(l.entries)) }

// add takes the next record.
func (l *raftLog) add(x raftRecord, at uint64) error {
	l.seen = true
	switch x.kind {
	case raftBatch:
		return l.addBatch(x, at)
	case raftChunk:
		return l.addChunk(x)
	case raftMembers:
		return nil // where members are reached is nothing to a volume
	}
	l.voters, l.member = x.voters, true
	l.commit = max(l.commit, x.applied) // it is written when all up to there was applied
	return nil
}

func (l *raftLog) addBatch(x raftRecord, at uint64) error {
	if x.term < l.term {
		return fmt.Errorf("term %d follows term %d", x.term, l.term)
	}
	l.term, l.commit = x.term, max(l.commit, x.commit)
	if len(x.entries) == 0 {
		return nil
	}
	first := x.entries[0].index
	if len(l.entries) == 0 && l.snap == nil && first > l.last()+1 {
		l.base = first - 1 // what lay before was trimmed: a snapshot follows
	}
	if first <= l.base || first > l.last()+1 {
		return fmt.Errorf("entry %d follows entries %d to %d", first, l.base+1, l.last())
	}
	l.entries = l.entries[:first-1-l.base]
	for _, e := range x.entries {
		if n := len(l.entries); e.term > x.term || n > 0 && e.term < l.entries[n-1].term {
			return fmt.Errorf("entry %d has term %d in a batch of term %d", e.index, e.term, x.term)
		}
		e.at = at
		l.entries = append(l.entries, e)
	}
	return nil
}

func (l *raftLog) addChunk(x raftRecord) error {
	if x.off == 0 {
		l.part, l.partOpen, l.partBytes = x, true, nil
	}
	if !l.partOpen {
		return nil // its first chunk was trimmed, so a newer one follows
	}
	if l.part.index != x.index || l.part.total != x.total || uint64(len(l.partBytes)) != x.off {
		return fmt.Errorf("byte %d of snapshot %d follows byte %d of snapshot %d", x.off, x.index, len(l.partBytes),
			l.part.index)
	}
	l.partBytes = append(l.partBytes, x.data...)
	if uint64(len(l.partBytes)) < x.total {
		return nil
	}
	l.partOpen = false
	if l.snap == nil && x.index < l.base {
		return nil // the log was trimmed to entries behind a newer snapshot, which follows
	}
	l.snap, l.snapIndex, l.snapTerm, l.voters = l.partBytes, x.index, x.term, x.voters
	switch {
	case x.index > l.last():
		l.base, l.entries = x.index, nil
	case x.index < l.base:
		return fmt.Errorf("snapshot %d, and the entries before it begin at %d", x.index, l.base+1)
	default:
		l.entries, l.base = l.entries[x.index-l.base:], x.index
	}
	return nil
}

// upTo is the last entry that counts: with one voter every entry that is durable, else what is known committed, here or
// by the logs of others. A member that has yet to join has no voter, and knows of nothing.
func (l *raftLog) upTo() uint64 {
	if len(l.voters) == 1 {
		return l.last()
	}
	return min(max(l.commit, l.agreed), l.last())
}

// apply brings the state at the log's end. state is the one of an earlier check, at an entry that this log has too,
// or nil.
func (l *raftLog) apply(state *metadata.State, each func(*metadata.State, raftEntry) error) (*metadata.State, error) {
	if state == nil {
		state = metadata.NewState()
		if l.snap != nil {
			var err error
			if state, err = metadata.Restore(l.snap); err != nil {
				return nil, fmt.Errorf("snapshot %d: %w", l.snapIndex, err)
			}
			if index, _ := state.Index(); index != l.snapIndex {
				return nil, fmt.Errorf("snapshot %d holds the state of %d", l.snapIndex, index)
			}
		} else if l.base > 0 {
			return nil, fmt.Errorf("the entries begin at %d and there is no snapshot", l.base+1)
		}
	}
	at, _ := state.Index()
	for i := at; i < l.upTo(); i++ {
		if err := each(state, l.entries[i-l.base]); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// applyEntry applies one entry of the log.
func applyEntry(s *metadata.State, e raftEntry) error {
	if _, term := s.Index(); e.term < term {
		return fmt.Errorf("entry %d has term %d after term %d", e.index, e.term, term)
	}
	if e.kind != raftNormal || len(e.data) == 0 {
		s.Skip(e.index, e.term)
		return nil
	}
	if len(e.data) < proposalHead {
		return fmt.Errorf("entry %d has %d bytes, no proposer fits in", e.index, len(e.data))
	}
	cmd, err := metadata.DecodeCommand(e.data[proposalHead:])
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.index, err)
	}
	s.Apply(e.index, e.term, cmd)
	return nil
}
