package controller

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/wal"
)

// storage is Raft's view of the log: the entries behind the newest snapshot, in memory, each with its
// place in the WAL. Only the raft task touches it.
type storage struct {
	hard *raftpb.HardState
	conf *raftpb.ConfState // as of the snapshot when opened, then as of the applied index

	base, baseTerm uint64 // of the last entry the snapshot includes
	entries        []*raftpb.Entry
	places         []wal.Position // frame of each entry's record

	// capture makes a snapshot of what is applied, for a member that has fallen behind.
	capture func() *raftpb.Snapshot
}

func (s *storage) last() uint64 { return s.base + uint64(len(s.entries)) }

// append takes entries that the WAL holds in the frame at place, replacing what they contradict.
func (s *storage) append(entries []*raftpb.Entry, place wal.Position) error {
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].GetIndex()
	if first <= s.base || first > s.last()+1 {
		return fmt.Errorf("entry %d after a log from %d to %d: %w", first, s.base+1, s.last(), ErrDamaged)
	}
	s.entries = append(s.entries[:first-s.base-1:first-s.base-1], entries...)
	s.places = s.places[:first-s.base-1]
	for range entries {
		s.places = append(s.places, place)
	}
	return nil
}

// compact drops the entries that a snapshot at index includes.
func (s *storage) compact(index, term uint64) {
	if index < s.base {
		return
	}
	n := min(index-s.base, uint64(len(s.entries)))
	s.entries = append([]*raftpb.Entry(nil), s.entries[n:]...)
	s.places = append([]wal.Position(nil), s.places[n:]...)
	s.base, s.baseTerm = index, term
}

// reset forgets the log in favour of a snapshot from another member.
func (s *storage) reset(index, term uint64, conf *raftpb.ConfState) {
	s.entries, s.places = nil, nil
	s.base, s.baseTerm, s.conf = index, term, conf
}

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return s.hard, s.conf, nil
}

// Entries implements raft.Storage.
func (s *storage) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	if lo <= s.base {
		return nil, raft.ErrCompacted
	}
	if hi > s.last()+1 {
		return nil, raft.ErrUnavailable
	}
	list := s.entries[lo-s.base-1 : hi-s.base-1 : hi-s.base-1]
	size := uint64(0)
	for i, e := range list {
		size += uint64(entrySize(e))
		if i > 0 && size > maxSize {
			return list[:i:i], nil
		}
	}
	return list, nil
}

// Term implements raft.Storage.
func (s *storage) Term(i uint64) (uint64, error) {
	switch {
	case i < s.base:
		return 0, raft.ErrCompacted
	case i == s.base:
		return s.baseTerm, nil
	case i > s.last():
		return 0, raft.ErrUnavailable
	}
	return s.entries[i-s.base-1].GetTerm(), nil
}

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return s.last(), nil }

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return s.base + 1, nil }

// Snapshot implements raft.Storage.
func (s *storage) Snapshot() (*raftpb.Snapshot, error) {
	if !invariant.Holds(s.capture != nil, invariant.Contract) {
		invariant.Fail(invariant.Contract, "a snapshot was asked for before the state was there")
	}
	return s.capture(), nil
}
