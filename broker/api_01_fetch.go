package broker

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/partition"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Fetch (key 1), v4–18.
//
// Behavior: whole batches from the one that holds the fetch offset on, up to the high watermark; at least
// one batch in the answer even when it is larger than the limits (KIP-74). It long-polls until min_bytes
// are there, max_wait has passed, a partition has an error, or another request arrives behind it on the
// connection. Sessions are declined with session id 0 (KIP-227), and a request that goes on with one is
// FETCH_SESSION_ID_NOT_FOUND. An offset below the log start offset or above the high watermark is
// OFFSET_OUT_OF_RANGE; at the high watermark the answer is empty.
//
// Version notes: v5 log start offset; v7 sessions; v9 current leader epoch (74, 75); v12 flexible; v13 topic ids;
// v15 replica state; from v12 on the current leader, from v16 on node endpoints (KIP-951).
//
// A fetch is prefix-consistent, not linearizable: it shows a prefix of the log that only grows.

const (
	fetchWaitMax  = 5 * time.Minute
	gatherMax     = time.Second // about how long an answer that has something is added to
	fetchBytesMax = 64 << 20    // of one answer, whatever the client asks for
	readCommitted = 1
)

// fetchWaiter is a long poll: one parker on the lists of many partitions.
type fetchWaiter struct{ parker host.Parker }

// fetchCall is one Fetch request at work.
type fetchCall struct {
	b       *Broker
	c       *call
	req     *kmsg.FetchRequest
	topics  []fetchedTopic
	parts   []*part // those that can be waited for
	reads   []*stream.Read
	records [][]byte // of all partitions, in the order of the answer
	lent    [][]byte // buffers that records were copied to
	copied  int64    // bytes of copies, counted
	bytes   int
	late    host.Time // from then on no partition is read any more if there is something
	crowded bool      // copy what is read: answers hold too many slabs
	cut     bool      // read no more: answers hold too much of what is cold
	failed  bool      // a partition has an error: answer at once
	version int16
}

func handleFetch(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.FetchRequest)
	if c.version >= fetchSession && req.SessionEpoch > 0 {
		// It names only what changed since an answer of some other broker; nothing here remembers the rest.
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = int16(codeFetchSessionIDNotFound)
		return encode(c, resp), nil
	}
	f := &fetchCall{b: b, c: c, req: req, version: c.version}
	until := c.received.Add(min(time.Duration(req.MaxWaitMillis)*time.Millisecond, fetchWaitMax))
	f.awaitParts(sc, until)
	if err := f.gather(sc); err != nil {
		return reply{}, err
	}
	if !f.enough(until) && !host.Buggify(b.h, "broker.fetch.early") {
		if err := f.longPoll(sc, until); err != nil {
			f.release()
			return reply{}, err
		}
	}
	if !b.vouches() {
		f.disown()
	}
	b.counters.FetchBytes.Add(int64(f.bytes))
	if f.bytes == 0 {
		b.counters.FetchEmpty.Add(1)
	}
	r := reply{bufs: encodeFetch(nil, c.version, c.correlation, f.topics, f.leaders())}
	if len(f.reads)+len(f.lent) > 0 || f.copied > 0 {
		r.release = f.release
	}
	return r, nil
}

// awaitParts waits for partitions that are about to open here, but not past until.
func (f *fetchCall) awaitParts(sc *host.Scope, until host.Time) {
	if f.b.cfg.Cluster == nil {
		return
	}
	for i := range f.req.Topics {
		rt := &f.req.Topics[i]
		if t, code := f.b.find(rt.Topic, rt.TopicID, f.version >= fetchTopicID); code == codeNone {
			for j := range rt.Partitions {
				f.b.awaitPart(sc, t, rt.Partitions[j].Partition, until)
			}
		}
	}
}

// leaders names who leads the partitions that were asked for here and are led elsewhere.
func (f *fetchCall) leaders() []neighbour {
	if f.version < fetchFlexible || f.b.cfg.Cluster == nil {
		return nil
	}
	var hints []*hint
	for i := range f.topics {
		t := &f.topics[i]
		for j := range t.parts {
			p := &t.parts[j]
			if p.code != codeNotLeaderOrFollower && p.code != codeFencedLeaderEpoch {
				continue
			}
			found, _ := f.b.find(t.name, t.id, f.version >= fetchTopicID)
			p.hint = f.b.hintFor(found, p.partition, p.code)
			hints = append(hints, &p.hint)
		}
	}
	list := f.b.endpoints(hints)
	if f.version < fetchEndpoints {
		return nil
	}
	return list
}

// disown takes back what was gathered: others may lead these partitions by now, and have moved their high watermarks
// on. Who is told nothing but an old mark and no records would also never look for them.
func (f *fetchCall) disown() {
	f.release()
	f.bytes = 0
	for i := range f.topics {
		for j := range f.topics[i].parts {
			p := &f.topics[i].parts[j]
			if p.code == codeNone {
				*p = fetchedPart{
					partition: p.partition, code: codeNotLeaderOrFollower, highWatermark: -1, lastStable: -1, logStart: -1,
				}
			}
		}
	}
}

// enough reports whether the answer can leave as it is.
func (f *fetchCall) enough(until host.Time) bool {
	return f.failed || f.bytes >= int(f.req.MinBytes) || len(f.parts) == 0 && f.bytes > 0 ||
		f.c.conn.behind() || f.b.draining.Load() || f.b.h.Now() >= until
}

// longPoll waits on every partition's list and gathers again until there is enough.
func (f *fetchCall) longPoll(sc *host.Scope, until host.Time) error {
	w := &fetchWaiter{parker: f.b.h.Parker()}
	defer w.parker.Release()
	watched := slices.Clone(f.parts)
	for _, p := range watched {
		p.watch(w)
	}
	f.c.conn.setWaiting(w.parker)
	defer func() {
		f.c.conn.setWaiting(nil)
		for _, p := range watched {
			p.unwatch(w)
		}
	}()
	for {
		// Again after the lists are joined: an append between gather and watch woke nobody. Who waits holds nothing that
		// others could read with.
		f.release()
		if err := f.gather(sc); err != nil {
			return err
		}
		if f.enough(until) {
			f.notePoll()
			return nil
		}
		f.release()
		if err := w.parker.Park(sc, until); err != nil && !errors.Is(err, host.ErrTimeout) {
			return err
		}
	}
}

// notePoll marks a long poll that ended because another request has come.
func (f *fetchCall) notePoll() {
	if f.bytes == 0 && f.c.conn.behind() {
		probe.Hit(probe.BrokerFetchParkedBehind)
	}
}

// release gives back what the answer pointed to.
func (f *fetchCall) release() {
	for _, r := range f.reads {
		r.Release()
	}
	for _, p := range f.lent {
		f.b.buffers.put(p)
	}
	f.b.copies.giveBack(f.copied)
	f.copied = 0
	clear(f.reads)
	clear(f.records)
	f.reads, f.lent, f.records = f.reads[:0], nil, f.records[:0]
}

// reserve makes room for an answer, so that a partition costs no allocation.
func (f *fetchCall) reserve() []fetchedPart {
	n := 0
	for i := range f.req.Topics {
		n += len(f.req.Topics[i].Partitions)
	}
	if f.topics == nil {
		f.topics = make([]fetchedTopic, 0, len(f.req.Topics))
		f.parts = make([]*part, 0, n)
		f.reads = make([]*stream.Read, 0, n)
		f.records = make([][]byte, 0, n+n/4+8)
	}
	return make([]fetchedPart, n)
}

// gather reads every requested partition and lays the answer out anew.
func (f *fetchCall) gather(sc *host.Scope) error {
	parts := f.reserve()
	f.topics, f.late = f.topics[:0], f.b.h.Now().Add(gatherMax)
	f.parts, f.bytes, f.failed, f.cut = f.parts[:0], 0, false, false
	budget := min(int(f.req.MaxBytes), fetchBytesMax)
	if budget <= 0 {
		budget = fetchBytesMax
	}
	if host.Buggify(f.b.h, "broker.fetch.tiny") {
		budget = 1
	}
	if f.crowded = f.b.crowded() || host.Buggify(f.b.h, "broker.fetch.copy"); f.crowded {
		probe.Hit(probe.BrokerFetchCrowded)
		budget = min(budget, copiedBytesMax)
	}
	for i := range f.req.Topics {
		rt := &f.req.Topics[i]
		topic, code := f.b.find(rt.Topic, rt.TopicID, f.version >= fetchTopicID)
		n := len(rt.Partitions)
		out := fetchedTopic{name: rt.Topic, id: rt.TopicID, parts: parts[:n:n]}
		parts = parts[n:]
		for j := range rt.Partitions {
			if err := f.fetchPart(sc, topic, code, &rt.Partitions[j], &out.parts[j], budget-f.bytes); err != nil {
				f.release()
				return err
			}
		}
		f.topics = append(f.topics, out)
	}
	return nil
}

// fetchPart answers for one partition with at most budget bytes, but one batch if nothing was found yet.
func (f *fetchCall) fetchPart(sc *host.Scope, t *topic, code Code, want *kmsg.FetchRequestTopicPartition,
	out *fetchedPart, budget int) error {
	out.partition = want.Partition
	out.highWatermark, out.lastStable, out.logStart = -1, -1, -1
	var p *part
	if code == codeNone {
		p, code = t.partition(want.Partition)
		if code == codeKafkaStorageError {
			return f.fetchRemains(sc, t, want, out, budget)
		}
	}
	if code == codeNone {
		code = f.place(p, want, out)
	}
	if code != codeNone {
		out.code, f.failed = code, true
		return nil
	}
	f.parts = append(f.parts, p)
	limit := out.highWatermark
	if f.req.IsolationLevel == readCommitted {
		limit = out.lastStable
	}
	if want.FetchOffset >= limit || (budget <= 0 || f.cut || f.b.h.Now() >= f.late) && f.bytes > 0 {
		return nil
	}
	read, err := p.stream.Read(sc, want.FetchOffset, limit, min(int(want.PartitionMaxBytes), budget), f.bytes > 0)
	if err != nil {
		return f.readFailed(sc, p.name, want, out, err)
	}
	f.take(read, out)
	f.bytes += out.size
	return nil
}

const (
	// copiedBytesMax bounds an answer that is copied because answers hold too many slabs.
	copiedBytesMax = 1 << 20
	// copiedBytesLeast is what of it is copied, if it is not one batch, when copies hold too much as well.
	copiedBytesLeast = 16 << 10
)

// crowded reports whether answers that clients are slow to take hold so many slabs that appends may soon
// find none.
func (b *Broker) crowded() bool {
	return b.cfg.Slabs.Held(wal.HolderAnswer) > b.cfg.Slabs.Slabs()/4
}

// take puts a read into the answer: by reference, or copied when the slabs are needed or the pieces small. When answers
// that clients are slow to take hold too much of what is cold, it is the beginning of it, copied.
func (f *fetchCall) take(read *stream.Read, out *fetchedPart) {
	from := len(f.records)
	out.size = read.Bytes
	if !f.crowded && !read.Keep() {
		probe.Hit(probe.BrokerFetchCut)
		f.cut = true
		read.Cut(copiedBytesMax)
		f.records = append(f.records, f.copy(read))
	} else if f.crowded {
		f.records = append(f.records, f.copy(read))
	} else if f.records = read.Buffers(f.records); shredded(f.records[from:], read.Bytes) && f.mayCopy(read) {
		p := f.b.buffers.get(read.Bytes)
		f.lent = append(f.lent, p)
		f.records = append(f.records[:from], copyChunks(p[:0], read))
	} else {
		f.reads = append(f.reads, read)
		read = nil
	}
	if read != nil {
		out.size = read.Bytes
		read.Release()
	}
	out.records = f.records[from:len(f.records):len(f.records)]
}

// copy returns the read's bytes, and of a large one only its beginning when copies hold too much.
func (f *fetchCall) copy(read *stream.Read) []byte {
	if !f.mayCopy(read) {
		probe.Hit(probe.BrokerFetchCopiesFull)
		f.cut = true
		read.Cut(copiedBytesLeast)
	}
	return copyChunks(make([]byte, 0, read.Bytes), read)
}

// mayCopy counts a copy of the read, if there is room for it.
func (f *fetchCall) mayCopy(read *stream.Read) bool {
	ok := f.b.copies.take(int64(read.Bytes))
	if ok {
		f.copied += int64(read.Bytes)
	}
	return ok
}

// copyMemory is what the copies in answers to Fetch take together, in bytes. Nobody waits for it.
type copyMemory struct {
	most int64
	held atomic.Int64
}

func (m *copyMemory) take(n int64) bool {
	if m.held.Add(n) <= m.most {
		return true
	}
	m.held.Add(-n)
	return false
}

func (m *copyMemory) giveBack(n int64) { m.held.Add(-n) }

// AnswerMemory is what answers to Fetch hold until their clients have taken them.
type AnswerMemory struct {
	Copied, CopiedMost int64 // bytes that are counted, and the most that may be
	Slabs              int
}

// AnswerMemory returns what answers to Fetch hold now.
func (b *Broker) AnswerMemory() AnswerMemory {
	return AnswerMemory{b.copies.held.Load(), b.copies.most, b.cfg.Slabs.Held(wal.HolderAnswer)}
}

func copyChunks(dst []byte, read *stream.Read) []byte {
	for _, ch := range read.Chunks {
		dst = append(dst, ch.Data...)
	}
	return dst
}

// shredded reports whether bufs, of so many bytes, are many and so short that copying them is cheaper than
// naming each to the kernel.
func shredded(bufs [][]byte, bytes int) bool {
	const many, short = 16, 1 << 10
	return len(bufs) > many && bytes/len(bufs) < short
}

// place validates epoch and offset and fills in the partition's watermarks.
func (f *fetchCall) place(p *part, want *kmsg.FetchRequestTopicPartition, out *fetchedPart) Code {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != codeNone {
		return p.closed
	}
	epoch := int32(-1)
	if f.version >= 9 {
		epoch = want.CurrentLeaderEpoch
	}
	if err := p.log.CheckLeaderEpoch(epoch); err != nil {
		return partitionCode(err)
	}
	out.highWatermark, out.lastStable, out.logStart = p.log.HighWatermark(), p.log.LastStable(), p.log.LogStart()
	if mutant.On(mutant.FetchPastHighWatermark) && want.FetchOffset <= p.log.LogEnd() {
		out.highWatermark, out.lastStable = p.log.LogEnd(), p.log.LogEnd()
		return codeNone
	}
	if err := p.log.CheckFetch(want.FetchOffset); err != nil {
		probe.Hit(probe.BrokerFetchBeyond)
		return partitionCode(err)
	}
	return codeNone
}

// readFailed answers for a partition whose bytes could not be read. Only an ended scope is an error.
func (f *fetchCall) readFailed(sc *host.Scope, topic string, want *kmsg.FetchRequestTopicPartition,
	out *fetchedPart, err error) error {
	if sc.Err() != nil {
		return sc.Err()
	}
	if errors.Is(err, stream.ErrNotNow) { // an empty answer: the client asks again
		probe.Hit(probe.BrokerFetchNotNow)
		return nil
	}
	f.failed = true
	probe.Hit(probe.BrokerFetchFailed)
	if errors.Is(err, stream.ErrOutOfRange) {
		out.code = codeOffsetOutOfRange
		return nil
	}
	f.b.h.Log().Error("read a partition", "topic", topic, "partition", want.Partition,
		"offset", want.FetchOffset, "error", err)
	out.code = codeKafkaStorageError
	return nil
}

// partitionCode maps a rule of the partition to the code a client understands.
func partitionCode(err error) Code {
	switch {
	case errors.Is(err, partition.ErrOutOfOrderSequence):
		return codeOutOfOrderSequenceNumber
	case errors.Is(err, partition.ErrProducerEpoch):
		return codeInvalidProducerEpoch
	case errors.Is(err, partition.ErrTransaction):
		return codeInvalidTxnState
	case errors.Is(err, partition.ErrFencedLeaderEpoch):
		return codeFencedLeaderEpoch
	case errors.Is(err, partition.ErrUnknownLeaderEpoch):
		return codeUnknownLeaderEpoch
	case errors.Is(err, partition.ErrOffsetOutOfRange):
		return codeOffsetOutOfRange
	case errors.Is(err, partition.ErrClosed):
		return codeNotLeaderOrFollower
	default:
		return codeInvalidRecord
	}
}
