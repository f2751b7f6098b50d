package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// Chunk is one entry as it was appended.
type Chunk struct {
	Base  int64
	Count uint32
	off   uint32 // of Data in slab
	Data  []byte
	slab  *wal.Slab // nil if Data is not in one
}

// Read is an answer of Engine.Read. Its chunks tile the offsets they cover (but for gaps an operator
// accepted), and their bytes stay valid until Release.
type Read struct {
	Chunks []Chunk
	Bytes  int // of all chunks

	e     *Engine
	slabs []*wal.Slab     // one hold each
	cold  int64           // bytes of the cold budget …
	share *host.Semaphore // … which is this one
	kept  bool            // … of that of answers
}

// Keep moves what the read holds of the memory for cold reads to that of answers, for as long as a client takes: others
// go on reading. It reports whether there is room; if not, the caller copies what it wants and releases the Read.
func (r *Read) Keep() bool {
	if r.cold == 0 || r.kept {
		return true
	}
	if !r.e.answers.TryAcquire(r.cold) {
		return false
	}
	r.share.Release(r.cold)
	r.kept = true
	return true
}

// Cut drops the chunks behind the first n bytes, all but the first one if need be.
func (r *Read) Cut(n int) {
	bytes, keep := 0, 0
	for keep < len(r.Chunks) && (keep == 0 || bytes+len(r.Chunks[keep].Data) <= n) {
		bytes += len(r.Chunks[keep].Data)
		keep++
	}
	clear(r.Chunks[keep:])
	r.Chunks, r.Bytes = r.Chunks[:keep], bytes
}

// Release gives the slabs and the memory back. The Read and its chunks must not be used afterwards.
func (r *Read) Release() {
	for _, s := range r.slabs {
		s.Release(wal.HolderAnswer)
	}
	if r.kept {
		r.e.answers.Release(r.cold)
	} else if r.cold > 0 {
		r.share.Release(r.cold)
	}
	clear(r.Chunks)
	clear(r.slabs)
	*r = Read{e: r.e, Chunks: r.Chunks[:0], slabs: r.slabs[:0]}
	e := r.e
	e.mu.Lock()
	defer e.mu.Unlock()
	limit := freeChunksMax
	if len(e.freeReads) >= freeLargeMax {
		limit = freeChunksSmall
	}
	if len(e.freeReads) < freeReadsMax && cap(r.Chunks) <= limit {
		e.freeReads = append(e.freeReads, r)
	}
}

// Reads are pooled, a few of them large: what the pool keeps is 22 MiB at most.
const (
	freeReadsMax    = 256
	freeLargeMax    = 8
	freeChunksMax   = 16384 // of each of those
	freeChunksSmall = 1024
)

// Buffers appends the bytes of all chunks to dst, entries that lie side by side in memory as one.
func (r *Read) Buffers(dst [][]byte) [][]byte {
	for i := 0; i < len(r.Chunks); {
		first := &r.Chunks[i]
		n := uint32(len(first.Data))
		for i++; i < len(r.Chunks) && first.slab != nil; i++ {
			next := &r.Chunks[i]
			if next.slab != first.slab || next.off != first.off+n {
				break
			}
			n += uint32(len(next.Data))
		}
		if first.slab == nil {
			dst = append(dst, first.Data)
		} else {
			dst = append(dst, first.slab.Bytes(first.off, n))
		}
	}
	return dst
}

func (e *Engine) newRead() *Read {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.freeReads); n > 0 {
		r := e.freeReads[n-1]
		e.freeReads = e.freeReads[:n-1]
		return r
	}
	return &Read{e: e}
}

// cursor is a read under way.
type cursor struct {
	id     ID
	pos    int64 // next offset
	limit  int64 // exclusive
	left   int   // bytes
	strict bool  // the first entry too must fit
	inner  bool  // for rebuilding state: the log start offset does not matter
	alone  bool  // from this log alone
	free   bool  // of the cold budget: the upload must not wait for slow readers
	rd     *Read
}

// fits reports whether an entry of n bytes that ends at offset end may be added.
func (c *cursor) fits(n int, end int64) bool {
	if end > c.limit {
		return false
	}
	return n <= c.left || len(c.rd.Chunks) == 0 && !c.strict
}

// add adds an entry's own bytes.
func (c *cursor) add(base int64, count uint32, data []byte) {
	c.append(Chunk{Base: base, Count: count, Data: data})
}

func (c *cursor) append(ch Chunk) {
	if n := len(c.rd.Chunks); n > 0 {
		last := &c.rd.Chunks[n-1]
		if !invariant.Holds(ch.Base >= last.Base+int64(last.Count), invariant.LogOrder) {
			invariant.Fail(invariant.LogOrder, "stream %d: read gives offset %d after %d", c.id, ch.Base, last.Base)
		}
	}
	c.rd.Chunks = append(c.rd.Chunks, ch)
	c.rd.Bytes += len(ch.Data)
	c.left -= len(ch.Data)
	c.pos = ch.Base + int64(ch.Count)
}

// Read returns whole entries of a stream from the one that holds offset from, none that ends past limit, and
// at most maxBytes of them, but at least one unless strictMax. It joins slabs, log and objects and never
// returns what is not durable. A read that begins at or past limit or the durable end is empty, and so is one
// with strictMax for which there is no memory now: who holds a Read already must not wait for another.
// Entries that are in slabs cost no wait. Errors: OutOfRangeError, HoleError, DamageError, ErrGone, or why the
// store could not be asked; after a partial success the error is left for the next read. Release the answer.
func (e *Engine) Read(sc *host.Scope, id ID, from, limit int64, maxBytes int, strictMax bool) (*Read, error) {
	c := &cursor{id: id, pos: from, limit: limit, left: maxBytes, strict: strictMax}
	return e.run(sc, c)
}

func (e *Engine) run(sc *host.Scope, c *cursor) (*Read, error) {
	c.rd = e.newRead()
	done := false
	defer func() {
		if !done { // an error, or the task is being killed
			c.rd.Release()
		}
	}()
	until := e.h.Now().Add(readPatience)
	for moved := 0; ; {
		before := c.pos
		more, err := e.step(sc, c)
		if errors.Is(err, errMoved) && moved < 100 {
			probe.Hit(probe.StreamReadMoved)
			moved++ // discharged between the look and the read: look again, objects have it
			continue
		}
		if err != nil && err != errCrowded && len(c.rd.Chunks) == 0 {
			return nil, err
		}
		if late := !c.inner && len(c.rd.Chunks) > 0 && e.h.Now() >= until; late && more {
			probe.Hit(probe.StreamReadCutShort)
			more = false
		}
		if err != nil || !more || c.pos == before {
			done = true
			c.shrink(e)
			return c.rd, nil
		}
	}
}

// readPatience is after how long a read is answered with what it has: a reader of many small objects at a slow store
// would give up, begin again, and never get past them.
const readPatience = time.Second

// step adds what one source has at c.pos and reports whether another may have more.
func (e *Engine) step(sc *host.Scope, c *cursor) (bool, error) {
	logged, more, err := e.fromSlabs(c)
	if err != nil || !more {
		return false, err
	}
	if len(logged.entries) > 0 {
		return e.fromLog(sc, c, logged)
	}
	if c.pos >= c.limit || c.left <= 0 || c.alone {
		return false, nil
	}
	return e.fromObjects(sc, c)
}

// run of entries that were evicted and are to be read from the log.
type loggedRun struct {
	r       *rangeLog
	entries []entry // copies without slabs
}

// fromSlabs adds what slabs hold from c.pos on. It returns the evicted entries that follow, and more = false
// when the read is over.
func (e *Engine) fromSlabs(c *cursor) (run loggedRun, more bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.streams[c.id]
	if st == nil {
		return run, c.pos < c.limit, nil
	}
	if c.pos < st.logStart && !c.inner {
		return run, false, &OutOfRangeError{c.id, c.pos, st.logStart}
	}
	if last := st.last(); last != nil && !last.over(c) && !mutant.On(mutant.FetchPastHighWatermark) {
		c.limit = min(c.limit, last.durable)
	}
	for c.pos < c.limit {
		r := st.rangeAt(c.pos)
		if r == nil {
			return run, true, nil
		}
		if r.hole.covers(c.pos) {
			return run, false, r.hole
		}
		i := r.find(c.pos)
		if i == len(r.entries) || r.entries[i].base > c.pos {
			return run, true, nil
		}
		before, skip := c.pos, host.Buggify(e.h, "stream.slab.skip")
		for ; i < len(r.entries) && r.entries[i].at.Slab != nil && !skip; i++ {
			en := &r.entries[i]
			if !c.fits(int(en.at.Len), en.end()) {
				return run, false, nil
			}
			c.rd.hold(en.at.Slab)
			c.append(Chunk{Base: en.base, Count: en.count, off: en.at.Off, slab: en.at.Slab,
				Data: en.at.Slab.Bytes(en.at.Off, en.at.Len)})
			e.stats.TailReads++
		}
		if i < len(r.entries) {
			run = evicted(r, i, c, skip)
			return run, len(run.entries) > 0, nil
		}
		if c.pos == before {
			return run, true, nil
		}
	}
	return run, false, nil
}

// evicted copies the evicted entries of r from i on, or with all also those in slabs, that the read has room for.
func evicted(r *rangeLog, i int, c *cursor, all bool) loggedRun {
	run := loggedRun{r: r}
	left, none := c.left, len(c.rd.Chunks) == 0 && !c.strict
	for ; i < len(r.entries) && (all || r.entries[i].at.Slab == nil); i++ {
		en := r.entries[i]
		if en.end() > c.limit || int(en.at.Len) > left && !none || r.hole.covers(en.base) {
			break
		}
		none = false
		left -= int(en.at.Len)
		run.entries = append(run.entries, en)
	}
	return run
}

// hold holds slab until the Read is released, once for a run of entries in it.
func (r *Read) hold(slab *wal.Slab) {
	if n := len(r.slabs); n > 0 && r.slabs[n-1] == slab {
		return
	}
	slab.Hold(wal.HolderAnswer)
	r.slabs = append(r.slabs, slab)
}

// errCrowded ends a strict read that finds no memory. It does not leave this file.
var errCrowded = errors.New("stream: no memory for a cold read now")

// budget takes the read's share of the memory for cold reads, once: what it may return and a block. A strict
// read belongs to an answer that holds some already, so it does not wait: it could be for itself.
func (c *cursor) budget(sc *host.Scope, e *Engine) error {
	if c.rd.cold > 0 || c.free {
		return nil
	}
	limit := e.cfg.ColdBytes
	if c.rd.share = &e.cold; c.alone {
		c.rd.share, limit = &e.lent, e.cfg.ColdBytes/4
	}
	n := min(max(int64(c.left), 0)+int64(e.cfg.BlockBytes), limit)
	if c.strict {
		if !c.rd.share.TryAcquire(n) {
			probe.Hit(probe.StreamReadCrowded)
			return errCrowded
		}
		c.rd.cold = n
		return nil
	}
	if err := c.rd.share.Acquire(sc, n); err != nil {
		return fmt.Errorf("stream: wait for memory to read offset %d of stream %d: %w", c.pos, c.id, err)
	}
	c.rd.cold = n
	return nil
}

// shrink gives back what of its share the finished read does not need: its bytes may lie in one block more.
func (c *cursor) shrink(e *Engine) {
	need := int64(c.rd.Bytes) + int64(e.cfg.BlockBytes)
	if len(c.rd.Chunks) == 0 {
		need = 0
	}
	if c.rd.cold > need {
		c.rd.share.Release(c.rd.cold - need)
		c.rd.cold = need
	}
}

// fromLog adds evicted entries, neighbours in one read.
func (e *Engine) fromLog(sc *host.Scope, c *cursor, run loggedRun) (bool, error) {
	if err := c.budget(sc, e); err != nil {
		return false, err
	}
	for rest := run.entries; len(rest) > 0; {
		at, n := neighbours(rest)
		p := make([]byte, at.Len)
		if n > 1 && e.log.ReadAt(sc, at, p) != nil {
			probe.Hit(probe.StreamReadOneByOne)
			at, n = rest[0].place(), 1 // one by one: damage is for the entry that has it
			p = p[:at.Len]
		}
		if err := e.readLog(sc, run.r, rest[0].base, rest[n-1].end(), at, p, n > 1); err != nil {
			return false, err
		}
		for _, en := range rest[:n] {
			c.add(en.base, en.count, p[:en.at.Len:en.at.Len])
			p = p[en.at.Len:]
		}
		rest = rest[n:]
	}
	return true, nil
}

// maxLogRead bounds one read of the log that joins entries.
const maxLogRead = 1 << 20

// neighbours returns the extent of the first entry and of those that lie right behind it in its frame.
func neighbours(entries []entry) (wal.Extent, int) {
	at := entries[0].place()
	n := 1
	for ; n < len(entries); n++ {
		next := entries[n].place()
		if next.Frame != at.Frame || next.FrameOff != at.FrameOff+at.Len || at.Len+next.Len > maxLogRead {
			break
		}
		at.Len += next.Len
	}
	return at, n
}

// fromObjects adds what one object holds from c.pos on.
func (e *Engine) fromObjects(sc *host.Scope, c *cursor) (bool, error) {
	loc, err := e.cat.Lookup(c.id, c.pos)
	if err != nil && !errors.Is(err, ErrNoObject) {
		return false, err
	}
	if err == nil && c.pos < loc.LogStart && !c.inner {
		return false, &OutOfRangeError{c.id, c.pos, loc.LogStart}
	}
	if err == nil && loc.Start > c.pos && loc.Gap {
		probe.Hit(probe.StreamReadOverGap)
		c.pos = loc.Start
		return true, nil
	}
	if err != nil || loc.Start > c.pos {
		return e.fromElsewhere(sc, c)
	}
	if len(c.rd.slabs) == 0 && len(c.rd.Chunks) > 0 && host.Buggify(e.h, "stream.read.short") {
		return false, nil
	}
	if err := c.budget(sc, e); err != nil {
		return false, err
	}
	n, err := e.addObject(sc, c, loc)
	if err != nil && n == 0 && e.moved(c, loc) {
		return false, errMoved
	}
	return n > 0, err
}

// moved tells that metadata says something else by now about where c.pos is.
func (e *Engine) moved(c *cursor, loc Location) bool {
	now, err := e.cat.Lookup(c.id, c.pos)
	return err != nil || now.Key != loc.Key || now.LogStart > c.pos
}

// unheld is the error for an offset that is nowhere, although it is below the end.
func (e *Engine) unheld(c *cursor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	hole := &HoleError{ID: c.id, From: c.pos, To: Unknown, Why: "neither the log nor an object holds it"}
	if st := e.streams[c.id]; st != nil {
		if r := st.rangeAt(c.pos); r != nil {
			hole.Epoch = r.epoch
			if r.at(c.pos) != nil {
				return errMoved // it came while we looked
			}
		}
	}
	return hole
}

// addObject adds entries of one object and returns how many.
func (e *Engine) addObject(sc *host.Scope, c *cursor, loc Location) (int, error) {
	blocks, err := e.index(sc, loc)
	if err != nil {
		return 0, withID(err, c.id)
	}
	n := 0
	for _, b := range dataFrom(blocks, c.id, loc, c.pos) {
		if c.pos >= c.limit || c.left <= 0 || b.start > c.pos {
			break
		}
		p, err := e.block(sc, loc, b)
		if err != nil {
			return n, withID(err, c.id)
		}
		added, full := c.addBlock(p)
		n += added
		if full {
			return n, nil
		}
	}
	if n == 0 && c.pos < c.limit && c.left > 0 {
		d := loc.damage(0, "its index does not hold offsets that metadata says it does", nil)
		d.ID = c.id
		return 0, d
	}
	e.mu.Lock()
	e.stats.ObjectReads += uint64(n)
	e.mu.Unlock()
	return n, nil
}

// addBlock adds entries of the block body p from c.pos on; full when the next does not fit.
func (c *cursor) addBlock(p []byte) (n int, full bool) {
	for len(p) > 0 {
		h := getEntryHeader(p)
		data := p[entryHeaderSize : entryHeaderSize+int(h.length) : entryHeaderSize+int(h.length)]
		p = p[entryHeaderSize+int(h.length):]
		end := h.base + int64(h.count)
		if end <= c.pos {
			continue
		}
		if !c.fits(len(data), end) {
			return n, true
		}
		c.add(h.base, h.count, data)
		n++
	}
	return n, false
}
