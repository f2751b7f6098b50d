package controller

import (
	"fmt"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// chunkBytes is how much of a snapshot one record carries at most.
const chunkBytes = 256 << 10

// disklog is the log on its WAL. Only the raft task writes it.
type disklog struct {
	h        host.Host
	log      *wal.Log
	capacity int64
	every    int64 // SnapshotBytes

	hard      hardState     // as last written
	snapAt    wal.Position  // where the newest snapshot begins, or the log if there is none
	snapBytes int64         // its size
	states    int64         // records in streamState, a base for the next
	snapshots atomic.Uint64 // taken since Open
}

type hardState struct{ term, vote, commit uint64 }

// draft is a record on its way into the WAL.
type draft struct {
	stream  wal.StreamID
	base    int64
	count   uint32
	payload []byte
	place   wal.Position
	done    *host.Future[struct{}] // of the last record of a write, nil in the others
}

// Size implements wal.Draft.
func (d *draft) Size() int { return len(d.payload) }

// Place implements wal.Draft.
func (d *draft) Place(dst []byte, at wal.Extent) (wal.Entry, error) {
	copy(dst, d.payload)
	d.place = at.Frame
	return wal.Entry{Stream: d.stream, Kind: wal.KindData, Base: d.base, Count: d.count}, nil
}

// Durable implements wal.Draft. Records become durable in order, so the last one speaks for all.
func (d *draft) Durable(err error) {
	if d.done != nil {
		d.done.Complete(struct{}{}, err)
	}
}

// write appends records and waits until they are durable. They share a frame if they fit.
func (d *disklog) write(sc *host.Scope, drafts []*draft) error {
	done := &host.Future[struct{}]{}
	done.Init(d.h)
	drafts[len(drafts)-1].done = done
	for _, x := range drafts {
		if err := d.log.AppendReserved(sc, 0, x); err != nil {
			return fmt.Errorf("append to the raft log: %w", err)
		}
	}
	if mutant.On(mutant.EpochBeforeDurable) {
		return nil
	}
	if _, err := done.Wait(sc, 0); err != nil {
		return fmt.Errorf("sync the raft log: %w", err)
	}
	return nil
}

// maxEntry is the most data that one Raft entry may have.
func (d *disklog) maxEntry() int { return d.log.MaxEntry() - batchHeader - entryHeader }

// save makes entries and a hard state durable, in one sync, and tells storage where they are. A hard state
// that differs in its commit index alone is not worth a sync: the next record carries it.
func (d *disklog) save(sc *host.Scope, st *storage, entries []*raftpb.Entry, hard *raftpb.HardState) error {
	next := d.hard
	if hard != nil {
		next = hardState{hard.GetTerm(), hard.GetVote(), hard.GetCommit()}
	}
	if len(entries) == 0 && next.term == d.hard.term && next.vote == d.hard.vote {
		d.hard = next
		return nil
	}
	d.hard = next
	var drafts []*draft
	var parts [][]*raftpb.Entry
	for first := true; first || len(entries) > 0; first = false {
		n, size := 0, batchHeader
		for n < len(entries) && (n == 0 || size+entrySize(entries[n]) <= d.log.MaxEntry()) {
			size += entrySize(entries[n])
			n++
		}
		drafts = append(drafts, d.batch(entries[:n]))
		parts = append(parts, entries[:n])
		entries = entries[n:]
		if len(entries) > 0 {
			probe.Hit(probe.ControllerBatchSplit)
		}
	}
	if err := d.write(sc, drafts); err != nil {
		return err
	}
	for i, part := range parts {
		if err := st.append(part, drafts[i].place); err != nil {
			return err
		}
	}
	return nil
}

func (d *disklog) batch(entries []*raftpb.Entry) *draft {
	b := &batch{term: d.hard.term, vote: d.hard.vote, commit: d.hard.commit, entries: entries}
	if len(entries) == 0 {
		d.states++
		return &draft{stream: streamState, base: d.states, count: 1, payload: encodeBatch(b)}
	}
	b.first = entries[0].GetIndex()
	return &draft{
		stream: streamEntries, base: int64(b.first), count: uint32(len(entries)), payload: encodeBatch(b),
	}
}

// saveConf makes a membership durable.
func (d *disklog) saveConf(sc *host.Scope, applied uint64, conf *raftpb.ConfState) error {
	d.states++
	x := &draft{stream: streamState, base: d.states, count: 1, payload: encodeConf(applied, conf)}
	return d.write(sc, []*draft{x})
}

// due reports whether the log has grown enough for a snapshot.
func (d *disklog) due() bool {
	if host.Buggify(d.h, "controller.snapshot.now") {
		return true
	}
	limit := max(d.every, 2*d.snapBytes)
	limit = min(limit, d.capacity*7/8-2*d.snapBytes)
	return int64(d.log.End()-d.snapAt) >= limit
}

// saveSnapshot makes a snapshot durable, then lets go of the log below it. Entries behind it that are in
// the log before it are kept.
func (d *disklog) saveSnapshot(sc *host.Scope, st *storage, s chunk) error {
	data := s.data
	s.total = uint64(len(data))
	if 2*int64(len(data)) > d.capacity*3/4 {
		return fmt.Errorf("%w: metadata of %d bytes outgrow the log of %d bytes: make a larger one (LogBytes)",
			ErrTooLarge, len(data), d.capacity)
	}
	size := min(chunkBytes, d.log.MaxEntry()-1024)
	var drafts []*draft
	if len(s.roll) > 0 {
		d.states++
		drafts = append(drafts, &draft{
			stream: streamState, base: d.states, count: 1, payload: encodeRoll(s.index, s.roll),
		})
	}
	for first := true; first || len(data) > 0; first = false {
		n := min(size, len(data))
		s.data, data = data[:n], data[n:]
		d.states++
		drafts = append(drafts, &draft{stream: streamState, base: d.states, count: 1, payload: encodeChunk(&s)})
		s.offset += uint64(n)
	}
	// The hard state goes behind it: what was written of it before is trimmed.
	drafts = append(drafts, d.batch(nil))
	if err := d.write(sc, drafts); err != nil {
		return err
	}
	if s.total > uint64(size) {
		probe.Hit(probe.ControllerSnapshotInParts)
	}
	d.snapAt, d.snapBytes = drafts[0].place, int64(s.total)
	d.snapshots.Add(1)
	st.compact(s.index, s.term)
	d.trim(st, d.snapAt)
	return nil
}

// trim lets go of the log below a snapshot that begins at from, but not of entries behind it that lie before it.
func (d *disklog) trim(st *storage, from wal.Position) {
	if len(st.places) > 0 {
		probe.Hit(probe.ControllerEntriesBehind)
		from = min(from, st.places[0])
	}
	d.log.Trim(from)
}
