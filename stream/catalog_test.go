package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// catalog is a small faithful model of what metadata does with streams: it outlives machines, judges each
// entry of a commit by rule 31, and checks what it can see.
type catalog struct {
	streams map[stream.ID]*mStream
	objects map[string]mObject // judged, by key
	seq     uint64
	low     uint64
	trim    wal.Position

	fenced    bool
	lostEvery int // each so-many-th commit loses its answer; 0 = none
	commits   int
	holes     []stream.HoleError
	takesNot  func(stream.HoleError) bool
	untold    int // holes that were not taken
	refuse    func(stream.CommitEntry) bool
	exists    func(key string) bool
	stale     []stream.Location // the next answers of Checkpoint
	h         host.Host
}

type mObject struct {
	size     int64
	crc      uint32
	verdicts []stream.Verdict
}

type mStream struct {
	logStart int64
	ranges   []*mRange
}

type mRange struct {
	epoch           stream.Epoch
	start, end      int64
	committed       int64
	refs            []mRef
	checkpoint      mRef
	hasCheckpoint   bool
	checkpointEpoch stream.Epoch
}

type mRef struct {
	start, end, maxTs int64
	key               string
	size              int64
}

func newCatalog() *catalog {
	return &catalog{streams: map[stream.ID]*mStream{}, objects: map[string]mObject{}}
}

func (c *catalog) create(id stream.ID) {
	c.streams[id] = &mStream{ranges: []*mRange{{epoch: 1, end: stream.Open}}}
}

func (s *mStream) last() *mRange { return s.ranges[len(s.ranges)-1] }

// seal closes the open range and opens the next one there.
func (c *catalog) seal(id stream.ID, end int64) {
	st := c.streams[id]
	r := st.last()
	r.end = max(end, r.committed)
	st.ranges = append(st.ranges, &mRange{epoch: r.epoch + 1, start: r.end, end: stream.Open, committed: r.end})
}

func (c *catalog) rangeInfos() []stream.RangeInfo {
	var out []stream.RangeInfo
	ids := make([]stream.ID, 0, len(c.streams))
	for id := range c.streams {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		for _, r := range c.streams[id].ranges {
			out = append(out, stream.RangeInfo{ID: id, Epoch: r.epoch, Start: r.start, End: r.end, Committed: r.committed,
				LogStart: c.streams[id].logStart, Checkpointed: r.hasCheckpoint})
		}
	}
	return out
}

func (c *catalog) Lookup(id stream.ID, from int64) (stream.Location, error) {
	st := c.streams[id]
	if st == nil {
		return stream.Location{}, stream.ErrGone
	}
	asked := max(from, st.logStart)
	for _, r := range st.ranges {
		for _, ref := range r.refs {
			if ref.end > asked {
				return stream.Location{Key: ref.key, Size: ref.size, Epoch: r.epoch, Start: ref.start, End: ref.end,
					MaxTimestamp: ref.maxTs, LogStart: st.logStart}, nil
			}
		}
	}
	return stream.Location{LogStart: st.logStart}, stream.ErrNoObject
}

func (c *catalog) Checkpoint(id stream.ID, upTo int64) (stream.Location, error) {
	if n := len(c.stale); n > 0 {
		loc := c.stale[0]
		c.stale = c.stale[1:]
		return loc, nil
	}
	st := c.streams[id]
	if st == nil {
		return stream.Location{}, stream.ErrGone
	}
	for i := len(st.ranges) - 1; i >= 0; i-- {
		if r := st.ranges[i]; r.hasCheckpoint && r.checkpoint.start <= upTo {
			return stream.Location{Key: r.checkpoint.key, Size: r.checkpoint.size, Epoch: r.epoch,
				Start: r.checkpoint.start, End: r.checkpoint.start, LogStart: st.logStart}, nil
		}
	}
	return stream.Location{}, stream.ErrNoObject
}

func (c *catalog) NextKey() (uint64, string) {
	c.seq++
	return c.seq, fmt.Sprintf("%02x/objects/%06d", byte(c.seq*151), c.seq)
}

func (c *catalog) Commit(sc *host.Scope, com stream.Commit) ([]stream.Verdict, error) {
	if err := c.h.Sleep(sc, time.Millisecond); err != nil {
		return nil, err
	}
	if c.fenced {
		return nil, stream.ErrFenced
	}
	c.commits++
	verdicts, err := c.apply(com)
	if err != nil {
		return nil, err
	}
	if err := c.h.Sleep(sc, time.Millisecond); err != nil {
		return nil, err
	}
	if c.lostEvery > 0 && c.commits%c.lostEvery == 0 {
		return nil, errors.New("answer lost")
	}
	return verdicts, nil
}

func (c *catalog) apply(com stream.Commit) ([]stream.Verdict, error) {
	if com.Seq < c.low {
		return nil, fmt.Errorf("key %s was given up", com.Key)
	}
	if !c.exists(com.Key) {
		panic("invariant ObjectReferencedExists: commit of missing " + com.Key)
	}
	if o, ok := c.objects[com.Key]; ok {
		if o.crc != com.CRC || o.size != com.Size || len(o.verdicts) != len(com.Entries) {
			panic("key " + com.Key + " was reused")
		}
		return o.verdicts, nil
	}
	c.trim = max(c.trim, com.Trim)
	verdicts := make([]stream.Verdict, len(com.Entries))
	for i, e := range com.Entries {
		verdicts[i] = c.judge(com, e)
	}
	c.objects[com.Key] = mObject{com.Size, com.CRC, verdicts}
	return verdicts, nil
}

func (c *catalog) judge(com stream.Commit, e stream.CommitEntry) stream.Verdict {
	st := c.streams[e.ID]
	if st == nil {
		return stream.Gone
	}
	i := slices.IndexFunc(st.ranges, func(r *mRange) bool { return r.epoch == e.Epoch })
	if i < 0 || c.refuse != nil && c.refuse(e) {
		return stream.Refused
	}
	r := st.ranges[i]
	checkpoint := func() {
		r.checkpoint, r.hasCheckpoint = mRef{e.End, e.End, 0, com.Key, com.Size}, true
	}
	switch {
	case e.End > r.committed && e.Start <= max(r.committed, st.logStart) && (r.end == stream.Open || e.End <= r.end):
		if e.End > st.logStart {
			r.refs = append(r.refs, mRef{max(e.Start, r.committed), e.End, e.MaxTimestamp, com.Key, com.Size})
		}
		r.committed = e.End
		checkpoint()
		return stream.Accepted
	case e.Start == e.End && e.End == r.committed && !r.hasCheckpoint:
		checkpoint()
		return stream.Accepted
	case e.End <= r.committed:
		return stream.Already
	case e.End <= st.logStart:
		return stream.Gone
	}
	return stream.Refused
}

func (c *catalog) GiveUp(_ *host.Scope, seq uint64) error {
	c.low = max(c.low, seq+1)
	return nil
}

func (c *catalog) Trim(_ *host.Scope, id stream.ID, _ stream.Epoch, offset int64) (int64, error) {
	st := c.streams[id]
	st.logStart = max(st.logStart, offset)
	return st.logStart, nil
}

func (c *catalog) MarkHole(_ *host.Scope, hole stream.HoleError) error {
	if c.takesNot != nil && c.takesNot(hole) {
		c.untold++
		return errors.New("not taken")
	}
	c.holes = append(c.holes, hole)
	return nil
}

// lockedCatalog is a catalog for many threads.
type lockedCatalog struct {
	*catalog
	mu host.Mutex
}

func (c *lockedCatalog) create(id stream.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catalog.create(id)
}

func (c *lockedCatalog) Lookup(id stream.ID, from int64) (stream.Location, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catalog.Lookup(id, from)
}

func (c *lockedCatalog) Checkpoint(id stream.ID, upTo int64) (stream.Location, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catalog.Checkpoint(id, upTo)
}

func (c *lockedCatalog) NextKey() (uint64, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catalog.NextKey()
}

func (c *lockedCatalog) Commit(_ *host.Scope, com stream.Commit) ([]stream.Verdict, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apply(com)
}
