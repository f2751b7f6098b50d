package wal

import (
	"sync/atomic"

	"github.com/weirmq/weir/host"
)

// Log is an open WAL. All methods may be called from any task.
type Log struct {
	h    host.Host
	cfg  Config
	pool *SlabPool
	ring ring
	id   Identity
	bufs *readBuffers
	line line // appends that wait for room

	foreign    bool     // another holder's, opened by OpenReadOnly: nothing is ever written
	reading    *Reading // where the memory for that comes from
	frameLimit int      // no frame grows beyond it
	start      Position // where appending began at Open
	window     int64    // how far ahead the ring is searched and zeroed
	done       [2]host.Future[struct{}]
	syncing    atomic.Int64 // when the frame in flight began to be written, 0 if none is

	// Owned by the commit task.
	sb        superblock // the newest written
	slot      int        // where
	slotTrim  [2]Position
	chain     uint32 // CRC of the last frame's header
	superBuf  []byte
	lastSuper host.Time

	mu      host.Mutex // guards the fields below; held while Draft.Place copies
	fill    *frame     // takes entries; its slab may be nil
	pending []*frame   // full, waiting for the commit task; at most one beside fill
	spare   []*frame
	next    Position // where the frame behind fill will begin if fill is empty
	durable Position // end of the last frame that was synced and fenced
	endMark mark     // what a frame at durable carries
	marks   []mark   // of the frames in [trim, durable), by position, behind
	marked  int      // that many which were trimmed
	trim    mark
	freed   Position // both superblock slots carry a trim of at least this
	cleared Position // the ring is searched and zeroed up to here
	sums    []uint32 // checksum of every block of the ring that is durable
	hungry  bool     // an append waits for ring space
	closing bool
	failure error // set by the ahead task, for the commit task to die of
	err     error // the log has ended: ErrClosed or a deadError
	commitP host.Parker
	aheadP  host.Parker
	stats   Stats
}

// Name returns the file's name, for people.
func (l *Log) Name() string { return l.ring.name }

// Identity returns what the volume says since Open.
func (l *Log) Identity() Identity { return l.id }

// MaxEntry returns the most bytes an entry may have.
func (l *Log) MaxEntry() int { return largestEntry(l.frameLimit) }

// End returns the position behind everything appended, durable or not.
func (l *Log) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fill.entries) == 0 {
		return l.next
	}
	return l.fill.pos + Position(frameSize(l.fill.end, len(l.fill.entries)))
}

// Durable returns the position below which everything is synced and was fenced.
func (l *Log) Durable() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Trimmed returns the position below which nothing is needed any more.
func (l *Log) Trimmed() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trim.pos
}

// Err returns nil while the log takes appends, else why it does not.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats returns a copy of the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Capacity = l.ring.capacity
	s.Used = int64(l.next - l.freed)
	return s
}

// Trim says that nothing below pos is needed any more. The space is reused only when both superblock
// slots say so (ReuseAfterSuperblock). pos is rounded down to the beginning of a frame and cannot pass
// what is durable; a lower pos than before is ignored.
func (l *Log) Trim(pos Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.endMark
	if pos < l.durable {
		live := l.marks[l.marked:]
		i := lastMark(live, pos)
		if i < 0 {
			return
		}
		m = live[i]
	}
	if m.pos <= l.trim.pos || l.err != nil && !l.foreign {
		return
	}
	l.trim = m
	if l.foreign { // its superblocks stay as they are
		l.freed = m.pos
	}
	for l.marked < len(l.marks) && l.marks[l.marked].pos < m.pos {
		l.marked++
	}
	if l.marked*2 >= len(l.marks) { // so that appending to marks reuses their memory
		l.marks = append(l.marks[:0], l.marks[l.marked:]...)
		l.marked = 0
	}
	l.poke()
}

// lastMark returns the index of the last mark at or below pos, or -1.
func lastMark(marks []mark, pos Position) int {
	lo, hi := 0, len(marks)
	for lo < hi {
		mid := (lo + hi) / 2
		if marks[mid].pos <= pos {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// poke wakes the commit task. Called with l.mu held.
func (l *Log) poke() {
	if l.commitP != nil {
		l.commitP.Unpark()
	}
}

// pokeAhead wakes the ahead task if there is something for it. Called with l.mu held.
func (l *Log) pokeAhead() {
	if l.aheadP != nil {
		l.aheadP.Unpark()
	}
}

// Close stops taking appends, waits for those in flight, writes the clean mark and closes the file. It
// returns why the log died if it did. A second call returns ErrClosed. Another holder's log it only closes.
func (l *Log) Close(sc *host.Scope) error {
	if !l.shut() {
		return ErrClosed
	}
	for i := range l.done {
		if _, err := l.done[i].Wait(sc, 0); err != nil {
			return err
		}
	}
	if !l.foreign {
		l.pool.leave(&l.line)
	}
	err := l.ring.close()
	if dead := l.Err(); dead != nil && dead != ErrClosed && dead != ErrReadOnly {
		return dead
	}
	return err
}

func (l *Log) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	l.poke()
	l.pokeAhead()
	l.line.wakeAll()
	return true
}
