package stream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/wal"
)

// Engine keeps all streams of one write-ahead log. See the package comment for its states.
type Engine struct {
	h         host.Host
	cfg       Config
	log       Log
	ringBytes wal.Position // the log's capacity
	store     objectstore.Store
	cat       Catalog

	tasks     *host.Group
	uploading host.Semaphore // one unit: who makes, puts and commits the plan
	plan      *plan          // not yet answered; owned by the holder of uploading
	cold      host.Semaphore // bytes of Config.ColdBytes
	lent      host.Semaphore // bytes of reads for other brokers, whose own wait for these: a quarter as many
	answers   host.Semaphore // bytes that cold reads hold which wait for their clients: half as many

	mu      host.Mutex // guards everything below
	work    host.Cond  // stream.upload waits for something to do
	room    host.Cond  // appends wait for entries < MaxEntries
	seals   host.Cond  // Seal waits for what is in flight
	streams map[ID]*streamLog
	owing   []*rangeLog // ranges that owe entries or their state
	ring    ring
	slabs   []*cacheSlab // oldest first
	damaged []wal.Damage // by position; pins the log while a hole is not quarantined
	entries int          // in the index
	pending int64        // bytes that can be uploaded
	oldest  host.Time    // when the oldest of those was placed; only meaningful while pending > 0
	pin     wal.Position // the plan reads entries from here on; noPin without one
	trimmed wal.Position // what the log was asked to trim to
	newest  wal.Position // frame of the newest entry or state
	planned wal.Position // newest when the last plan was made
	looked  wal.Position // newest when stream.upload last looked at a ring more than half full
	asleep  host.Time    // when stream.upload wakes by itself; 0 = never
	retry   bool         // a plan waits to be repeated
	tellAt  host.Time    // no hole that metadata did not take is told again before
	waitAt  host.Time    // it is not said again before what openings wait for
	rescue  host.Time    // when Rescue was called; 0 = it was not
	closed  bool
	dead    error // why nothing is appended any more
	fenced  error // why nothing is committed any more
	stats   Stats

	indexes *lru[string, []block]
	blocks  *lru[blockKey, []byte]

	freeDrafts *appendDraft
	freeReads  []*Read
}

const noPin = ^wal.Position(0)

// NewEngine returns an engine over a log that was opened and not appended to yet. Give it what the log's
// recovery found with Recover, then Start it. The log and the store stay the caller's.
func NewEngine(h host.Host, cfg Config, log Log, store objectstore.Store, cat Catalog) *Engine {
	cfg.setDefaults()
	e := &Engine{h: h, cfg: cfg, log: log, store: store, cat: cat, streams: map[ID]*streamLog{}, pin: noPin}
	e.ringBytes, e.trimmed = wal.Position(log.Stats().Capacity), log.Trimmed()
	e.newest, e.planned, e.looked = log.End(), e.trimmed, e.trimmed
	e.mu.Init(h)
	e.work.Init(h, &e.mu)
	e.room.Init(h, &e.mu)
	e.seals.Init(h, &e.mu)
	e.uploading.Init(h, 1)
	e.cold.Init(h, cfg.ColdBytes)
	e.lent.Init(h, cfg.ColdBytes/4)
	e.answers.Init(h, cfg.ColdBytes/2)
	e.indexes = newLRU[string, []block](cfg.IndexCacheBytes)
	e.blocks = newLRU[blockKey, []byte](cfg.BlockCacheBytes)
	return e
}

// Start lets go of what the log does not owe and begins uploading in the background, in tasks within sc.
func (e *Engine) Start(sc *host.Scope) {
	e.trim() // no upload will do so if recovery found all of it committed
	e.tasks = host.NewGroup(e.h, sc)
	e.tasks.Go("stream.upload", e.uploadLoop)
}

// Close stops the background tasks, waits for them and gives the cache's slabs back. It uploads nothing:
// Flush first.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.room.Broadcast()
	e.mu.Unlock()
	var err error
	if e.tasks != nil {
		e.tasks.Cancel()
		err = e.tasks.Wait()
	}
	e.releaseAll()
	return err
}

// OpenRange is a range that this log's holder is to append to.
type OpenRange struct {
	ID       ID
	Epoch    Epoch
	Start    int64  // its first offset
	LogStart int64  // the stream's log start offset
	State    []byte // the owner's state at exactly Start
	Shadow   Shadow // the same state, the engine's from now on; nil = Config.NewShadow makes one of State
}

// Open begins a range: it appends the state as the range's first entry and returns when that is durable.
// The command that opened the range must have been seen applied. After an error the range is unusable
// and must be reopened at a higher epoch.
func (e *Engine) Open(sc *host.Scope, o OpenRange) (*Stream, error) {
	d := &stateDraft{e: e, state: o.State}
	d.r = &rangeLog{epoch: o.Epoch, start: o.Start, end: o.Start, durable: o.Start,
		committed: o.Start, discharged: o.Start, shadow: o.Shadow, shadowAt: o.Start, closed: true}
	d.done.Init(e.h)
	if err := e.install(d.r, o); err != nil {
		return nil, err
	}
	err := e.appendState(sc, d)
	if err == nil {
		_, err = d.done.Wait(sc, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("stream: open stream %d epoch %d at offset %d: %w", o.ID, o.Epoch, o.Start, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if d.r.st.gone {
		return nil, ErrGone
	}
	d.r.closed = false
	return &Stream{e: e, r: d.r}, nil
}

// openPatience is how long openings wait for room in the log until it is said why there is none.
const openPatience = 10 * time.Second

// appendState appends d when there is room, and says from time to time what it waits for.
func (e *Engine) appendState(sc *host.Scope, d *stateDraft) error {
	for {
		err := e.log.Append(sc, e.h.Now().Add(openPatience), d)
		if !errors.Is(err, host.ErrTimeout) || sc.Err() != nil {
			return err
		}
		e.tellWait()
	}
}

// tellWait says what keeps the log from being trimmed, once for all openings that wait at the same time.
func (e *Engine) tellWait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.h.Now(); now < e.waitAt {
		return
	} else {
		e.waitAt = now.Add(openPatience)
	}
	probe.Hit(probe.StreamOpenWaits)
	why, first := "nothing: it is being written", noPin
	for _, r := range e.owing {
		at := e.firstOwed(r)
		if at >= first {
			continue
		}
		first = at
		switch why = "it waits to be uploaded"; {
		case r.hole != nil:
			why = "it waits to be copied to an object: " + r.hole.Error()
		case r.refused:
			why = "it cannot be committed, see above"
		}
		why = fmt.Sprintf("stream %d epoch %d from offset %d on: %s", r.st.id, r.epoch, r.discharged, why)
	}
	e.h.Log().Warn("stream: partitions wait for room in the write-ahead log to be opened", "file", e.log.Name(),
		"pinned by", why)
}

// install puts r behind the ranges of its stream.
func (e *Engine) install(r *rangeLog, o OpenRange) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	st := e.streams[o.ID]
	if st == nil {
		st = &streamLog{id: o.ID}
		e.streams[o.ID] = st
	}
	st.logStart = max(st.logStart, o.LogStart)
	r.st = st
	st.add(r)
	return nil
}

// Drop forgets a stream that was deleted in metadata: its entries owe nothing any more.
func (e *Engine) Drop(id ID) {
	e.mu.Lock()
	st := e.streams[id]
	if st == nil {
		e.mu.Unlock()
		return
	}
	delete(e.streams, id)
	st.gone = true
	owing := 0
	for _, r := range slices.Clone(st.ranges) { // a range with nothing left goes
		if len(r.entries) > r.find(r.discharged) {
			if owing++; owing == 2 {
				probe.Hit(probe.StreamDroppedOwing)
			}
		}
		r.closed = true
		e.discharge(r, r.end)
		e.dischargeState(r)
		r.hole = nil
		e.entries -= len(r.entries)
		r.entries = nil
	}
	e.room.Broadcast()
	e.recount()
	e.mu.Unlock()
	e.trim()
}

// discharge notes that the log owes nothing of r below end. The caller holds e.mu and recounts after.
func (e *Engine) discharge(r *rangeLog, end int64) {
	i, j := r.find(r.discharged), r.find(end)
	e.unload(r, r.entries[i:max(i, j)])
	r.discharged = max(r.discharged, end)
	e.forget(r)
}

func (e *Engine) dischargeState(r *rangeLog) {
	if r.stateDue {
		r.stateDue = false
		e.ring.discharge(r.state.Frame, 1, 0)
	}
}

// letGoBelow discharges the ranges of st that lie below its log start offset: metadata has let go of them and of
// their checkpoints. One that a later range has not taken its opening state from is still needed for that. It
// reports whether the log owes less now. The caller holds e.mu.
func (e *Engine) letGoBelow(st *streamLog) bool {
	needed := len(st.ranges) - 1
	for needed >= 0 && !st.ranges[needed].stated {
		needed--
	}
	n := 0
	for _, r := range slices.Clone(st.ranges[:max(needed, 0)]) {
		if r.closed && r.end <= st.logStart && r.durable == r.end && r.hole == nil && r.owing {
			e.discharge(r, r.end)
			e.dischargeState(r)
			n++
		}
	}
	if n > 0 {
		probe.Hit(probe.StreamRangeBelowStart)
		e.recount()
		st.prune()
	}
	return n > 0
}

// unload takes entries of r off the frames that carry them.
func (e *Engine) unload(r *rangeLog, entries []entry) {
	for i := 0; i < len(entries); {
		frame, n, bytes := entries[i].at.Frame, uint32(0), uint32(0)
		for ; i < len(entries) && entries[i].at.Frame == frame; i++ {
			n++
			bytes += r.load(&entries[i])
		}
		r.pending -= int64(bytes)
		e.ring.discharge(frame, n, bytes)
	}
}

// load is how many bytes of en wait for upload: none when it cannot be committed.
func (r *rangeLog) load(en *entry) uint32 {
	if r.refused || r.hole != nil && en.base >= r.hole.From {
		return 0
	}
	return en.at.Len
}

// owe puts r on the list of ranges that owe something.
func (e *Engine) owe(r *rangeLog) {
	if !r.owing {
		r.owing = true
		e.owing = append(e.owing, r)
	}
}

// recount brings the list of owing ranges, the pending bytes and the oldest entry up to date. The caller
// holds e.mu.
func (e *Engine) recount() {
	e.pending, e.oldest = 0, 0
	first := noPin
	e.owing = slices.DeleteFunc(e.owing, func(r *rangeLog) bool {
		i := r.find(r.discharged)
		if r.pending > 0 {
			e.pending += r.pending
			first = min(first, r.entries[i].at.Frame)
		}
		if i < len(r.entries) || r.stateDue || r.hole != nil && !r.quarantined {
			return false
		}
		r.owing = false
		return true
	})
	if f := e.ring.find(first); f != nil {
		e.oldest = f.at
	}
}

// stick takes entries of r that cannot be committed out of the account of what waits for upload. change
// sets the reason.
func (e *Engine) stick(r *rangeLog, change func()) {
	i := r.find(r.discharged)
	was := make([]uint32, len(r.entries)-i)
	for j := range was {
		was[j] = r.load(&r.entries[i+j])
	}
	change()
	for j := range was {
		en := &r.entries[i+j]
		less := was[j] - r.load(en)
		r.pending -= int64(less)
		if f := e.ring.find(en.at.Frame); f != nil {
			invariant.Check(f.bytes >= less, invariant.TrimBelowCommit,
				"entries of the frame at position %d leave the account twice", en.at.Frame)
			f.bytes -= less
		}
	}
	e.recount()
}

// trim tells the log what it may reuse: all below the first entry that is owed or that the plan reads.
func (e *Engine) trim() {
	limit := e.log.Durable() // before looking: later entries lie at or above it
	e.mu.Lock()
	to := min(e.ring.first(limit), e.pin)
	if mutant.On(mutant.TrimFromTwoViews) && to > e.planned {
		to = limit // what is owed as of the last plan, the end of the log as of now
	}
	if len(e.damaged) > 0 {
		to = min(to, e.damaged[0].From)
	}
	if to <= e.trimmed || e.dead != nil {
		e.mu.Unlock()
		return
	}
	for _, r := range e.owing {
		if i := r.find(r.discharged); i < len(r.entries) && !trimsTooFar() {
			invariant.Check(r.entries[i].at.Frame >= to, invariant.TrimBelowCommit,
				"trim to %d past offset %d of stream %d, owed at %d", to, r.entries[i].base, r.st.id, r.entries[i].at.Frame)
		}
	}
	e.trimmed = to
	e.mu.Unlock()
	e.log.Trim(to)
}

// trimsTooFar tells that the planted bug of this process is one that the check of the trim position would find.
func trimsTooFar() bool {
	return mutant.On(mutant.TrimFromTwoViews) || mutant.On(mutant.TrimPastUndischarged)
}

// LossAccepted notes that an operator gave up what a range's hole lost (AcceptLoss was applied): the hole is a
// gap from now on, which reads skip when the catalog says so, and what lies above it in the log is let go.
func (e *Engine) LossAccepted(id ID, epoch Epoch) {
	e.mu.Lock()
	if st := e.streams[id]; st != nil {
		for _, r := range slices.Clone(st.ranges) {
			if r.epoch == epoch && r.hole != nil && r.discharged >= min(r.hole.From, r.durable) {
				e.discharge(r, r.end)
				e.dischargeState(r)
				e.entries -= len(r.entries)
				r.hole, r.entries = nil, nil
			}
		}
	}
	e.recount()
	e.mu.Unlock()
	e.trim()
}
