package controller

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/wal"
)

// replay is what a log says: a state, and entries that may come after it.
type replay struct {
	st    *storage
	state *metadata.State
	blank bool // born, and nothing was written yet
	roll  []member
	// conf is the newest membership that was in force, as of index confAt. Raft starts with the one as of the
	// snapshot (st.conf) and comes to this one as it applies the entries up to confAt.
	conf   *raftpb.ConfState
	confAt uint64

	disk *disklog
	hard hardState
	part *chunk       // a snapshot of which some chunks were read
	at   wal.Position // where its first chunk lies
	snap *chunk       // the newest whole snapshot
	from wal.Position // where it begins: its members, or its first chunk
	hind bool         // the hard state is in the log behind it
	seen bool         // a record of any kind was read

	born   *raftpb.ConfState // as of index 0
	rollOf record            // the newest roll
	rollAt wal.Position      // where it lies
}

// readBack reads the log's records in order. It writes nothing.
func readBack(sc *host.Scope, d *disklog, rec *wal.Recovery) (*replay, error) {
	if len(rec.Damage) > 0 {
		x := rec.Damage[0]
		return nil, fmt.Errorf("%w: %s from position %d to %d (%d places in all): %s: restore the volume",
			ErrDamaged, d.log.Name(), x.From, x.To, len(rec.Damage), x.Why)
	}
	r := &replay{st: &storage{}, disk: d}
	for _, f := range rec.Entries {
		buf := make([]byte, f.Entry.Length)
		if err := d.log.ReadAt(sc, f.Extent, buf); err != nil {
			return nil, fmt.Errorf("read the record at position %d: %w", f.Frame, err)
		}
		x, err := decodeRecord(buf)
		if err == nil {
			err = r.take(x, f)
		}
		if err != nil {
			return nil, fmt.Errorf("record at position %d: %w", f.Frame, err)
		}
	}
	return r, r.finish()
}

func (r *replay) take(x record, f wal.Found) error {
	r.seen = true
	if f.Stream == streamState {
		r.disk.states = max(r.disk.states, f.Base)
	}
	switch {
	case x.batch != nil:
		return r.takeBatch(x.batch, f.Frame)
	case x.chunk != nil:
		return r.takeChunk(x.chunk, f.Frame)
	}
	if x.roll != nil {
		r.rollOf, r.rollAt = x, f.Frame
		return nil
	}
	if x.applied < r.confAt {
		return fmt.Errorf("membership as of %d after that of %d: %w", x.applied, r.confAt, ErrDamaged)
	}
	r.conf, r.confAt = x.conf, x.applied
	if x.applied == 0 {
		r.born = x.conf
	}
	return nil
}

func (r *replay) takeBatch(b *batch, at wal.Position) error {
	if b.term < r.hard.term {
		return fmt.Errorf("term %d after %d: %w", b.term, r.hard.term, ErrDamaged)
	}
	r.hard, r.hind = hardState{b.term, b.vote, max(b.commit, r.hard.commit)}, true
	if len(b.entries) == 0 {
		return nil
	}
	if len(r.st.entries) == 0 && r.snap == nil && b.first > r.st.last()+1 {
		probe.Hit(probe.ControllerLogBeginsLater)
		// The frames before were trimmed: the snapshot that allowed it follows.
		r.st.base = b.first - 1
	}
	return r.st.append(b.entries, at)
}

func (r *replay) takeChunk(c *chunk, at wal.Position) error {
	if c.offset == 0 {
		r.part, r.at = &chunk{index: c.index, term: c.term, conf: c.conf, total: c.total}, at
	}
	p := r.part
	if p == nil {
		probe.Hit(probe.ControllerSnapshotRest)
		return nil // its first chunks were trimmed, so there is a newer one
	}
	if p.index != c.index || p.total != c.total || uint64(len(p.data)) != c.offset {
		return fmt.Errorf("chunk of snapshot %d at %d after %d bytes of snapshot %d: %w",
			c.index, c.offset, len(p.data), p.index, ErrDamaged)
	}
	p.data = append(p.data, c.data...)
	if uint64(len(p.data)) < p.total {
		return nil
	}
	if r.snap == nil && p.index < r.st.base {
		// Entries behind it lay before it, and so did those behind the next snapshot: the log was trimmed to the oldest
		// of these, which may be later than where this one stands. The next one follows, or finish refuses the log.
		probe.Hit(probe.ControllerSnapshotOutlived)
		r.part = nil
		return nil
	}
	if r.snap != nil {
		probe.Hit(probe.ControllerSnapshotAgain)
	}
	r.snap, r.part, r.from, r.hind = p, nil, r.at, false
	if r.rollOf.applied == p.index {
		p.roll, r.from = r.rollOf.roll, min(r.from, r.rollAt)
	}
	if p.index >= r.confAt {
		r.conf, r.confAt = p.conf, p.index
	}
	r.st.conf = p.conf
	r.disk.snapAt, r.disk.snapBytes = r.at, int64(p.total)
	other := false // the log before it was given up for it
	if p.index > r.st.base && p.index <= r.st.last() {
		term, err := r.st.Term(p.index)
		other = err == nil && term != p.term
	}
	if p.index > r.st.last() || other {
		r.st.reset(p.index, p.term, p.conf)
		return nil
	}
	if p.index < r.st.base {
		return fmt.Errorf("snapshot %d, the log before it begins at %d: %w", p.index, r.st.base+1, ErrDamaged)
	}
	r.st.compact(p.index, p.term)
	return nil
}

// letGo trims what the newest snapshot stands for: the last run may have died between making it durable and the trim,
// and a log that is full of what nobody needs could not take the next one.
func (r *replay) letGo(sc *host.Scope) error {
	if r.snap == nil {
		return nil
	}
	if !r.hind {
		if err := r.disk.write(sc, []*draft{r.disk.batch(nil)}); err != nil {
			return err
		}
	}
	r.disk.trim(r.st, r.from)
	return nil
}

// finish turns what was read into a state and a log that Raft can start from.
func (r *replay) finish() error {
	r.state = metadata.NewState()
	r.blank = !r.seen
	if r.part != nil {
		probe.Hit(probe.ControllerSnapshotUnfinished)
	}
	if r.snap != nil {
		s, err := metadata.Restore(r.snap.data)
		if errors.Is(err, metadata.ErrNewer) {
			return fmt.Errorf("%w: %w", ErrNewer, err)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if index, _ := s.Index(); index != r.snap.index {
			return fmt.Errorf("snapshot %d holds the state of %d: %w", r.snap.index, index, ErrDamaged)
		}
		r.state, r.roll = s, r.snap.roll
		if len(r.st.entries) == 0 {
			probe.Hit(probe.ControllerSnapshotAlone)
		}
	} else if r.st.base > 0 {
		return fmt.Errorf("the log begins at %d and there is no snapshot: %w", r.st.base+1, ErrDamaged)
	} else {
		r.st.conf = r.born
	}
	if r.seen && r.st.conf == nil {
		return fmt.Errorf("no membership: %w", ErrDamaged)
	}
	if r.confAt > r.st.last() {
		return fmt.Errorf("membership as of %d, the log ends at %d: %w", r.confAt, r.st.last(), ErrDamaged)
	}
	// A membership is in force once its entry is committed, so that entry is, whatever the last hard state says.
	commit := min(max(r.hard.commit, r.st.base, r.confAt), r.st.last())
	r.disk.hard = hardState{r.hard.term, r.hard.vote, commit}
	hard := r.disk.hard
	r.st.hard = &raftpb.HardState{Term: &hard.term, Vote: &hard.vote, Commit: &hard.commit}
	return nil
}
