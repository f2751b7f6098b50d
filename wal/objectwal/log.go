package objectwal

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// Config shapes a log. Zero fields take the default.
type Config struct {
	Store objectstore.Store // with or without retries of its own
	Slabs *wal.SlabPool     // where objects are filled and put from; several logs may share a pool
	// Linger is how long an object waits for more entries [50 ms]. Bytes is from which size on it does not [4 MiB];
	// no object is larger than a slab.
	Linger time.Duration
	Bytes  int
	// Parallel is how many objects may be in flight [4]: entries in them are not acknowledged.
	Parallel int
	// Objects is how many may be there untrimmed [1024]: a recovery reads as many. A sixteenth is for
	// AppendReserved alone.
	Objects int
	// Attempt bounds one call to the store [10 s]. What a put did that had no answer is not known: it is repeated.
	Attempt time.Duration
	// Lease is asked before drafts hear that they are durable: as wal.Config.Lease. The fence needs no second look,
	// for it is the put that won.
	Lease func(sc *host.Scope) (parked bool, err error)
	// Dead is called once, by the task that found out, after the drafts in flight were told. It must not block.
	Dead func(error)
}

func (c *Config) setDefaults() error {
	if c.Store == nil || c.Slabs == nil {
		return fmt.Errorf("objectwal: create a log: it needs a store and slabs")
	}
	if c.Linger == 0 {
		c.Linger = 50 * time.Millisecond
	}
	if c.Bytes == 0 {
		c.Bytes = 4 << 20
	}
	if c.Parallel == 0 {
		c.Parallel = 4
	}
	if c.Objects == 0 {
		c.Objects = 1024
	}
	if c.Attempt == 0 {
		c.Attempt = 10 * time.Second
	}
	if c.Linger < 0 || c.Bytes < 0 || c.Parallel < 1 || c.Objects < 4 || c.Attempt < 0 {
		return fmt.Errorf("objectwal: create a log: linger %v, bytes %d, parallel %d, objects %d, attempt %v: none may "+
			"be negative, one object must be in flight and four there", c.Linger, c.Bytes, c.Parallel, c.Objects,
			c.Attempt)
	}
	return nil
}

// object is what a log keeps of an object that is durable and not trimmed.
type object struct {
	place uint32
	sums  []uint32 // of its blocks; nil if it is lost
	crc   uint32   // of its header
}

// Log is an open log. All methods may be called from any task.
type Log struct {
	h       host.Host
	cfg     Config
	id      wal.Identity
	limit   int // no object grows beyond it
	foreign bool
	lines   [2]wal.Line // appends that wait for room; the reserve's users
	reads   host.Semaphore
	done    [2]host.Future[struct{}]
	chain   uint32 // CRC of the last sealed header; the commit task's
	store   objectstore.Store

	mu       host.Mutex // guards the fields below; held while Draft.Place copies
	fill     *batch     // takes entries; its slab may be nil
	pending  *batch     // full, waiting for the commit task; may be nil
	flight   []*batch   // sealed, in order of their sequences
	durable  uint64     // sequences below are stored, and their drafts may know
	trim     uint64     // sequences below are not needed
	carried  uint64     // metadata carries a trim of this sequence
	deleted  uint64     // keys below are deleted
	objects  []object   // of the sequences from trim to durable
	closing  bool
	failure  error // what the log is to die of
	err      error // the log has ended
	commitP  host.Parker
	deleteP  host.Parker
	stats    wal.Stats
	attempts uint64
}

// Create begins a log under a uuid that was never used and starts its tasks in sc. Metadata must know id.WAL as fresh
// before, and must be told that it is open before the first append. A log is never opened again: its holder after a
// restart recovers it with Fence, as anybody else would, and creates another.
func Create(sc *host.Scope, h host.Host, cfg Config, id wal.Identity) (*Log, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	l := &Log{h: h, cfg: cfg, id: id, limit: cfg.Slabs.SlabBytes(), store: cfg.Store}
	l.init()
	l.fill = &batch{end: headerSize}
	l.commitP, l.deleteP = h.Parker(), h.Parker()
	for i := range l.lines {
		cfg.Slabs.Join(&l.lines[i])
	}
	h.Go(sc, "objectwal.commit", l.run)
	h.Go(sc, "objectwal.delete", l.runDelete)
	return l, nil
}

// readsAtOnce is how many reads by position run at the same time; more wait.
const readsAtOnce = 4

func (l *Log) init() {
	l.mu.Init(l.h)
	for i := range l.lines {
		l.lines[i].Init(l.h)
	}
	l.reads.Init(l.h, readsAtOnce)
	for i := range l.done {
		l.done[i].Init(l.h)
	}
}

// Name returns the log's place in the store, for people.
func (l *Log) Name() string { return prefix(l.id.WAL) + " in " + l.store.Name() }

// Identity returns whose log it is.
func (l *Log) Identity() wal.Identity { return l.id }

// MaxEntry returns the most bytes an entry may have.
func (l *Log) MaxEntry() int { return largestEntry(l.limit) }

// End returns the position behind everything appended, durable or not.
func (l *Log) End() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return positionOf(l.end())
}

// end returns the sequence behind the last one with an entry. Called with l.mu held.
func (l *Log) end() uint64 {
	if l.fill != nil && len(l.fill.entries) > 0 {
		return l.fill.sequence + 1
	}
	if l.fill != nil {
		return l.fill.sequence
	}
	return l.durable
}

// Durable returns the position below which everything is stored and was acknowledged.
func (l *Log) Durable() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return positionOf(l.durable)
}

// Trimmed returns the position below which nothing is needed any more. It is what CommitObject has metadata carry.
func (l *Log) Trimmed() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return positionOf(l.trim)
}

// Err returns nil while the log takes appends, else why it does not.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats returns a copy of the counters. Frames are objects, and Syncs are attempts to put one; Capacity and Used count
// in positions: 16 MiB for an object, whatever its size.
func (l *Log) Stats() wal.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Syncs = l.attempts
	s.Capacity = int64(l.cfg.Objects) * span
	s.Used = int64(l.end()-l.trim) * span
	return s
}

// SyncBegan returns when the oldest object in flight was first put, 0 if none is: a holder whose store hangs must not
// keep others from taking over. Waiting for the lease does not count.
func (l *Log) SyncBegan() host.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.flight {
		if !b.stored {
			return b.began
		}
	}
	return 0
}

// Trim says that nothing below pos is needed any more. pos is rounded down to the beginning of an object and cannot
// pass what is durable; a lower pos than before is ignored. Keys stay until metadata carries the trim: see Carried.
func (l *Log) Trim(pos wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := min(sequenceOf(pos), l.durable)
	if to <= l.trim || l.err != nil && !l.foreign {
		return
	}
	l.objects = append([]object(nil), l.objects[to-l.trim:]...)
	l.trim = to
	l.wake()
	l.poke(l.deleteP)
}

// Carried says that metadata carries a trim of pos: a walk from it never asks for keys below, so they are deleted, in
// the background (PROTOCOL rule 20). It does nothing to another holder's log, whose keys are Sweep's.
func (l *Log) Carried(pos wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carried = max(l.carried, sequenceOf(pos))
	l.poke(l.deleteP)
}

// poke wakes a task that may have ended. Called with l.mu held.
func (l *Log) poke(p host.Parker) {
	if p != nil {
		p.Unpark()
	}
}

// Close stops taking appends, waits for those in flight and ends the log with a tombstone. It returns why the log died
// if it did. A second call returns ErrClosed. Another holder's log it only closes.
func (l *Log) Close(sc *host.Scope) error {
	if !l.shut() {
		return wal.ErrClosed
	}
	for i := range l.done {
		if _, err := l.done[i].Wait(sc, 0); err != nil {
			return err
		}
	}
	if l.foreign {
		return nil
	}
	for i := range l.lines {
		l.cfg.Slabs.Leave(&l.lines[i])
	}
	if err := l.Err(); err != wal.ErrClosed {
		return err
	}
	return nil
}

func (l *Log) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	l.poke(l.commitP)
	l.poke(l.deleteP)
	for i := range l.lines {
		l.lines[i].WakeAll()
	}
	return true
}
