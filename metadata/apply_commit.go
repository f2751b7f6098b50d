package metadata

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// commitObject judges each entry of an object by itself (rule 31). Asked again for a key it knows it gives
// the stored answer; for a key that it has judged and forgotten it judges once more but accepts nothing.
func (s *State) commitObject(c *metadatapb.CommitObject, ms int64) *metadatapb.Result {
	id := ObjectID{Broker: c.GetBroker(), Epoch: c.GetEpoch(), Seq: c.GetSeq()}
	if o := s.objects[id]; o != nil {
		if o.size != c.GetSize() || o.crc != c.GetCrc() || int(o.entries) != len(c.GetEntries()) {
			return refuse(metadatapb.Refusal_REFUSAL_KEY_REUSED, "key %s is known with other content", id)
		}
		probe.Hit(probe.MetadataKnownKey)
		return o.answer()
	}
	w, refused := s.holding(c.GetWal(), c.GetBroker(), c.GetEpoch())
	if refused != nil {
		return refused
	}
	if w.generation != c.GetGeneration() {
		return refuse(metadatapb.Refusal_REFUSAL_GENERATION, "WAL %s is at generation %d, not %d",
			w.id, w.generation, c.GetGeneration())
	}
	b := s.brokers[id.Broker]
	spent := b.spent.has(id.Seq)
	if spent {
		probe.Hit(probe.MetadataSpentKey)
	} else {
		if refused := fresh(b, id.Seq); refused != nil {
			return refused
		}
	}
	invariant.Check(!s.Garbage(id), invariant.GarbageForever, "commit of key %s, which is garbage", id)
	w.note(c.GetWalTrim(), c.GetDurable())
	b.spent = b.spent.add(id.Seq)
	p := &pending{id: id, wal: w, dry: spent}
	verdicts := make([]metadatapb.Verdict, len(c.GetEntries()))
	for i, e := range c.GetEntries() {
		if mutant.On(mutant.EntryDecidesAnother) && slices.ContainsFunc(c.GetEntries(), s.unknown) {
			verdicts[i] = metadatapb.Verdict_VERDICT_GONE
			continue
		}
		verdicts[i] = s.judgeEntry(p, e)
		if r := rareVerdicts[verdicts[i]]; r != nil {
			probe.Hit(r)
		}
	}
	s.settleCommit(p, c, verdicts, ms)
	return &metadatapb.Result{Body: &metadatapb.Result_Commit{Commit: &metadatapb.CommitResult{Verdicts: verdicts}}}
}

// rareVerdicts are those that few runs see.
var rareVerdicts = map[metadatapb.Verdict]*probe.Point{
	metadatapb.Verdict_VERDICT_ALREADY: probe.MetadataAlready,
	metadatapb.Verdict_VERDICT_GONE:    probe.MetadataGone,
	metadatapb.Verdict_VERDICT_REFUSED: probe.MetadataRefused,
}

// fresh refuses a sequence that b has given up, used, or can never use.
func fresh(b *broker, seq uint64) *metadatapb.Result {
	switch {
	case seq > math.MaxInt64:
		return invalid("sequence %d is out of range", seq)
	case seq < b.low:
		return refuse(metadatapb.Refusal_REFUSAL_LOW_SEQUENCE, "sequence %d is below the low sequence %d", seq, b.low)
	case b.spent.has(seq):
		return refuse(metadatapb.Refusal_REFUSAL_KEY_REUSED, "sequence %d was used before", seq)
	}
	return nil
}

// pending is a commit while its entries are being judged.
type pending struct {
	id    ObjectID
	wal   *wal
	dry   bool          // judged before: nothing may take effect
	live  []streamCount // references taken, unsorted
	stale []checkpoint  // checkpoints that were replaced
	shed  []*stream     // streams whose oldest ranges may no longer be needed
}

type checkpoint struct {
	stream uint64
	id     ObjectID
}

// unknown tells whether an entry's stream is not there, any more or yet.
func (s *State) unknown(e *metadatapb.CommitEntry) bool { return s.streams[e.GetStream()] == nil }

// judgeEntry is rule 31 for one entry, effects included.
func (s *State) judgeEntry(p *pending, e *metadatapb.CommitEntry) metadatapb.Verdict {
	st := s.streams[e.GetStream()]
	if s.unknown(e) {
		if e.GetStream() != 0 && e.GetStream() < s.nextStream {
			return metadatapb.Verdict_VERDICT_GONE
		}
		return metadatapb.Verdict_VERDICT_REFUSED
	}
	r := st.find(e.GetLeaderEpoch())
	if r == nil {
		if e.GetLeaderEpoch() <= st.epoch && e.GetEnd() <= st.logStart {
			return metadatapb.Verdict_VERDICT_GONE
		}
		return metadatapb.Verdict_VERDICT_REFUSED
	}
	if r.wal == p.wal.id && !p.dry && e.GetStart() >= r.start && e.GetStart() <= e.GetEnd() {
		if s.acceptData(p, st, r, e) || s.acceptCheckpoint(p, st, r, e) {
			return metadatapb.Verdict_VERDICT_ACCEPTED
		}
	}
	switch {
	case e.GetEnd() <= r.committed:
		return metadatapb.Verdict_VERDICT_ALREADY
	case e.GetEnd() <= st.logStart:
		return metadatapb.Verdict_VERDICT_GONE
	}
	return metadatapb.Verdict_VERDICT_REFUSED
}

// acceptData takes an entry that moves the range's committed end on. One without records, or wholly below
// the log start offset, moves nothing unless it brings a checkpoint.
func (s *State) acceptData(p *pending, st *stream, r *rng, e *metadatapb.CommitEntry) bool {
	start, end := e.GetStart(), e.GetEnd()
	if start > st.frontier(r) || end <= r.committed || r.end != Open && end > r.end {
		return false
	}
	from := max(start, r.committed)
	data := end > st.logStart && from < end
	if !data && !e.GetCheckpoint() || st.overlap(r.epoch, from, end) {
		return false
	}
	invariant.Check(end > r.committed, invariant.CommitContiguous,
		"stream %d epoch %d committed %d, then %d", st.id, r.epoch, r.committed, end)
	r.committed = end
	if !data {
		probe.Hit(probe.MetadataCommitTrimmed)
	}
	if data {
		r.refs = append(r.refs, ref{from, end, e.GetMaxTimestamp(), p.id})
		p.live = append(p.live, streamCount{st.id, 1})
	}
	if e.GetCheckpoint() {
		p.replace(st, r, end)
	}
	return true
}

// acceptCheckpoint takes a zero-length entry at the committed end that brings the state there.
func (s *State) acceptCheckpoint(p *pending, st *stream, r *rng, e *metadatapb.CommitEntry) bool {
	at := e.GetEnd()
	if !e.GetCheckpoint() || e.GetStart() != at || at != r.committed || r.checkpointAt == at {
		return false
	}
	p.replace(st, r, at)
	return true
}

// replace makes the pending object r's checkpoint.
func (p *pending) replace(st *stream, r *rng, at int64) {
	if r.checkpointAt >= 0 {
		p.stale = append(p.stale, checkpoint{st.id, r.checkpoint})
	}
	r.checkpoint, r.checkpointAt = p.id, at
	p.live = append(p.live, streamCount{st.id, 1})
	if len(st.ranges) > 1 {
		p.shed = append(p.shed, st)
	}
}

// settleCommit makes the object known if anything refers to it, then lets go of what it replaced.
func (s *State) settleCommit(p *pending, c *metadatapb.CommitObject, verdicts []metadatapb.Verdict, ms int64) {
	if len(p.live) == 0 {
		return
	}
	o := &object{size: c.GetSize(), crc: c.GetCrc(), entries: uint32(len(verdicts))}
	for _, v := range verdicts {
		if v != metadatapb.Verdict_VERDICT_ACCEPTED {
			o.verdicts = make([]byte, len(verdicts))
			for i, v := range verdicts {
				o.verdicts[i] = byte(v)
			}
			break
		}
	}
	slices.SortStableFunc(p.live, func(a, b streamCount) int { return cmp.Compare(a.stream, b.stream) })
	for _, x := range p.live {
		if n := len(o.live); n > 0 && o.live[n-1].stream == x.stream {
			o.live[n-1].count++
		} else {
			o.live = append(o.live, x)
		}
	}
	s.objects[p.id] = o
	for _, x := range p.stale {
		s.unref(x.id, x.stream, ms)
	}
	for _, st := range p.shed {
		s.shed(st, ms)
	}
}

// answer is the stored answer to the object's commit.
func (o *object) answer() *metadatapb.Result {
	r := &metadatapb.CommitResult{Verdicts: make([]metadatapb.Verdict, o.entries)}
	for i := range r.Verdicts {
		r.Verdicts[i] = metadatapb.Verdict_VERDICT_ACCEPTED
		if o.verdicts != nil {
			r.Verdicts[i] = metadatapb.Verdict(o.verdicts[i])
		}
	}
	return &metadatapb.Result{Body: &metadatapb.Result_Commit{Commit: r}}
}

// unref takes one reference of a stream from an object; without any it is destroyed, now.
func (s *State) unref(id ObjectID, stream uint64, ms int64) {
	o := s.objects[id]
	ok := o != nil && o.destroyedIndex == 0
	i, found := 0, false
	if ok {
		i, found = slices.BinarySearchFunc(o.live, stream, func(x streamCount, id uint64) int {
			return cmp.Compare(x.stream, id)
		})
	}
	invariant.Check(ok && found, invariant.ObjectReferencedExists,
		"stream %d lets go of object %s, which does not count it", stream, id)
	if o.live[i].count--; o.live[i].count > 0 {
		return
	}
	o.live = slices.Delete(o.live, i, i+1)
	if len(o.live) == 0 {
		o.live, o.destroyedIndex, o.destroyedMs = nil, s.index, ms
		s.dead++
	}
}

func (s *State) raiseLow(c *metadatapb.RaiseLow) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	if c.GetSeq() > math.MaxInt64 {
		return invalid("sequence %d is out of range", c.GetSeq())
	}
	if c.GetSeq() > b.low {
		probe.Hit(probe.MetadataRaised)
		b.low = c.GetSeq()
		b.spent = b.spent.below(b.low)
	}
	return &metadatapb.Result{}
}

func (s *State) forget(c *metadatapb.Forget) *metadatapb.Result {
	for _, p := range c.GetObjects() {
		if o := s.objects[objectIDOf(p)]; o != nil && o.destroyedIndex == 0 {
			return refuse(metadatapb.Refusal_REFUSAL_NOT_DESTROYED, "object %s is live", objectIDOf(p))
		}
	}
	for _, p := range c.GetObjects() {
		if id := objectIDOf(p); s.objects[id] != nil {
			delete(s.objects, id)
			s.dead--
		}
	}
	return &metadatapb.Result{}
}
