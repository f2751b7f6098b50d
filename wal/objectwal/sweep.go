package objectwal

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// deletePause is how long the owner waits after a delete that failed.
const deletePause = time.Second

// runDelete deletes the keys below the trim that metadata carries, while the log is open.
func (l *Log) runDelete(sc *host.Scope) {
	defer l.done[1].Complete(struct{}{}, nil)
	p := l.deleteP
	defer l.leaveDelete(p)
	c := l.client()
	for {
		sequence, due, over := l.deletable()
		if over {
			return
		}
		var until host.Time
		if due {
			key := Key(l.id.WAL, sequence)
			err := c.once(sc, func(sc *host.Scope) error { return l.store.Delete(sc, key) })
			if err == nil {
				l.gone(sequence)
				continue
			}
			until = l.h.Now().Add(deletePause)
		}
		if err := p.Park(sc, until); err != nil && sc.Err() != nil {
			return
		}
	}
}

// deletable returns the next key to delete, if there is one, and whether the task is over.
func (l *Log) deletable() (sequence uint64, due, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := min(l.trim, l.carried)
	if mutant.On(mutant.DeleteBeforeCarried) {
		limit = l.trim
	}
	if l.closing || l.err != nil || l.deleted >= limit {
		return 0, false, l.closing || l.err != nil
	}
	// Everything below the durable end holds entries: a tombstone lies at or above it.
	invariant.Check(l.deleted < l.durable, invariant.TombstoneStays, "sequence %d of %s is deleted, durable end %d",
		l.deleted, l.id.WAL, l.durable)
	return l.deleted, true, false
}

func (l *Log) gone(sequence uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleted = sequence + 1
}

func (l *Log) leaveDelete(p host.Parker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleteP = nil
	p.Release()
}

// sweepPage is how many keys a sweep lists at a time.
const sweepPage = 1000

// Sweep deletes what of a log nobody will ask for, and returns how much it was: the keys below trim, which metadata
// carries, and, if the log was ended and end is the position that Fence found (Recovery.End), those above its
// tombstone, which hold puts that came too late. end 0 = the log may live. The tombstone stays for ever: a put may be
// under way for as long as it likes (PROTOCOL rule 20); so it is to be repeated. What a listing leaves out is found by
// another one.
func Sweep(sc *host.Scope, store objectstore.Store, id wal.UUID, trim, end wal.Position) (int, error) {
	deleted, after := 0, ""
	for {
		page, err := store.List(sc, prefix(id), after, sweepPage)
		if err != nil {
			return deleted, fmt.Errorf("objectwal: sweep %s: %w", prefix(id), err)
		}
		for _, info := range page {
			after = info.Key
			sequence, ours := parseKey(id, info.Key)
			// Only a tombstone is a header and nothing else.
			if !ours || !garbage(sequence, trim, end) || info.Size == headerSize && !mutant.On(mutant.TombstoneSwept) {
				continue
			}
			if !mutant.On(mutant.TombstoneSwept) {
				invariant.Check(end == 0 || sequence != sequenceOf(end), invariant.TombstoneStays,
					"%s is swept, and the log ends there", info.Key)
			}
			if err := store.Delete(sc, info.Key); err != nil {
				return deleted, fmt.Errorf("objectwal: sweep %s: %w", prefix(id), err)
			}
			deleted++
		}
		if len(page) < sweepPage {
			return deleted, nil
		}
	}
}

// garbage reports whether nobody will ask for a sequence.
func garbage(sequence uint64, trim, end wal.Position) bool {
	if end == 0 {
		return sequence < sequenceOf(trim)
	}
	last := sequenceOf(end)
	if mutant.On(mutant.TombstoneSwept) && sequence == last {
		return true
	}
	return sequence < min(sequenceOf(trim), last) || sequence > last
}
