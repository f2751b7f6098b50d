package controller

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// The two streams of the log's WAL.
const (
	streamEntries = 1 // batches of Raft entries, each with the hard state after it
	streamState   = 2 // hard states without entries, memberships, snapshots
)

// recordVersion is the first byte of every record.
const recordVersion = 1

// recordKind is the second byte of every record. It is persisted.
type recordKind byte

const (
	recordBatch recordKind = 1 // hard state and zero or more entries
	recordConf  recordKind = 2 // membership as of an applied index
	recordChunk recordKind = 3 // a part of a snapshot
	recordRoll  recordKind = 4 // who the members are, as of the snapshot that follows
)

// Sizes in bytes.
const (
	recordHeader = 2
	batchHeader  = recordHeader + 3*8 + 8 + 4
	entryHeader  = 8 + 1 + 4
)

// batch is what one record of kind recordBatch holds.
type batch struct {
	term, vote, commit uint64
	first              uint64 // index of entries[0]
	entries            []*raftpb.Entry
}

// chunk is a part of a snapshot and, being small, its whole description.
type chunk struct {
	roll        []member // as of index; in a record of its own, before the first chunk, if there is any
	index, term uint64   // of the last entry the snapshot includes
	conf        *raftpb.ConfState
	total       uint64 // bytes of the snapshot
	offset      uint64 // of data in it
	data        []byte
}

func header(kind recordKind, size int) []byte {
	return append(make([]byte, 0, size), recordVersion, byte(kind))
}

// entrySize is what an entry takes in a batch.
func entrySize(e *raftpb.Entry) int { return entryHeader + len(e.GetData()) }

func encodeBatch(b *batch) []byte {
	size := batchHeader
	for _, e := range b.entries {
		size += entrySize(e)
	}
	p := header(recordBatch, size)
	for _, v := range []uint64{b.term, b.vote, b.commit, b.first} {
		p = binary.LittleEndian.AppendUint64(p, v)
	}
	p = binary.LittleEndian.AppendUint32(p, uint32(len(b.entries)))
	for _, e := range b.entries {
		p = binary.LittleEndian.AppendUint64(p, e.GetTerm())
		p = append(p, byte(e.GetType()))
		p = binary.LittleEndian.AppendUint32(p, uint32(len(e.GetData())))
		p = append(p, e.GetData()...)
	}
	return p
}

func encodeConf(applied uint64, conf *raftpb.ConfState) []byte {
	return appendConf(binary.LittleEndian.AppendUint64(header(recordConf, 128), applied), conf)
}

func encodeChunk(c *chunk) []byte {
	p := header(recordChunk, 256+len(c.data))
	for _, v := range []uint64{c.index, c.term, c.total, c.offset} {
		p = binary.LittleEndian.AppendUint64(p, v)
	}
	p = appendConf(p, c.conf)
	return append(p, c.data...)
}

func encodeRoll(index uint64, list []member) []byte {
	return appendRoll(binary.LittleEndian.AppendUint64(header(recordRoll, 128), index), list)
}

func appendConf(p []byte, c *raftpb.ConfState) []byte {
	for _, list := range [][]uint64{c.GetVoters(), c.GetLearners(), c.GetVotersOutgoing(), c.GetLearnersNext()} {
		p = binary.LittleEndian.AppendUint16(p, uint16(len(list)))
		for _, id := range list {
			p = binary.LittleEndian.AppendUint64(p, id)
		}
	}
	if c.GetAutoLeave() {
		return append(p, 1)
	}
	return append(p, 0)
}

// reader takes fixed-size fields off a record. Past the end it gives zeros and is bad.
type reader struct {
	p   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.p)) {
		r.bad = true
		return nil
	}
	b := r.p[:n:n]
	r.p = r.p[n:]
	return b
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) conf() *raftpb.ConfState {
	c := &raftpb.ConfState{}
	for _, list := range []*[]uint64{&c.Voters, &c.Learners, &c.VotersOutgoing, &c.LearnersNext} {
		for n := r.u16(); n > 0 && !r.bad; n-- {
			*list = append(*list, r.u64())
		}
	}
	switch r.u8() {
	case 0:
	case 1:
		yes := true
		c.AutoLeave = &yes
	default:
		r.bad = true
	}
	return c
}

// record is a decoded record; one of the pointers is set, or conf or roll with applied.
type record struct {
	roll    []member
	batch   *batch
	chunk   *chunk
	conf    *raftpb.ConfState
	applied uint64
}

// decodeRecord reads one record. Entries and chunks alias p. Errors: ErrDamaged, ErrNewer.
func decodeRecord(p []byte) (record, error) {
	r := &reader{p: p}
	version, kind := r.u8(), recordKind(r.u8())
	if !r.bad && version > recordVersion {
		return record{}, fmt.Errorf("record of version %d, this program knows %d: %w", version, recordVersion, ErrNewer)
	}
	var out record
	switch {
	case version == 0:
		r.bad = true
	case kind == recordBatch:
		out.batch = r.batch()
	case kind == recordConf:
		out.applied = r.u64()
		out.conf = r.conf()
		r.bad = r.bad || len(r.p) > 0
	case kind == recordRoll:
		out.applied = r.u64()
		out.roll = r.roll()
		r.bad = r.bad || len(r.p) > 0 || len(out.roll) == 0
	case kind == recordChunk:
		c := &chunk{index: r.u64(), term: r.u64(), total: r.u64(), offset: r.u64(), conf: r.conf()}
		c.data = r.take(uint64(len(r.p)))
		r.bad = r.bad || c.offset > c.total || uint64(len(c.data)) > c.total-c.offset
		out.chunk = c
	default:
		r.bad = true
	}
	if r.bad {
		return record{}, fmt.Errorf("record of %d bytes, kind %d, cannot be read: %w", len(p), kind, ErrDamaged)
	}
	return out, nil
}

func (r *reader) batch() *batch {
	b := &batch{term: r.u64(), vote: r.u64(), commit: r.u64(), first: r.u64()}
	n := r.u32()
	for i := uint64(0); i < uint64(n) && !r.bad; i++ {
		term, kind, size := r.u64(), raftpb.EntryType(r.u8()), r.u32()
		data := r.take(uint64(size))
		index := b.first + i
		r.bad = r.bad || kind > raftpb.EntryConfChangeV2 || index == 0
		b.entries = append(b.entries, &raftpb.Entry{Term: &term, Index: &index, Type: &kind, Data: data})
	}
	r.bad = r.bad || len(r.p) > 0
	return b
}
