package broker

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/broker/partition"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Produce (key 0), v3–13; advertised from v0, because librdkafka otherwise stops compressing
// (KAFKA-18659). v0–2 are refused by closing the connection.
//
// Behavior: one record batch v2 a partition, verified whole (CRC included) and appended as it is: only
// base offset and leader epoch, which lie outside the CRC, are written. The append happens in the reader
// task, so requests of one connection are pipelined; the answer waits for the ack condition (PROTOCOL
// rule 6). Every acks value waits for the same; acks=0 gets no answer. A request that waited for room
// until its own timeout is answered REQUEST_TIMED_OUT and never appended afterwards. A failure after the
// bytes were handed to the WAL has an unknown outcome and closes the connection (rule 30).
//
// Version notes: v5 log start offset; v7 zstd; v8 record errors and message; v9 flexible; v10 current
// leader and node endpoints (KIP-951); v12 as v11 without transactions; v13 topic ids (KIP-516).

const (
	produceTimeoutMin = time.Millisecond
	produceTimeoutMax = 5 * time.Minute
	zstdFrom          = 7
)

// produceCall is one Produce request between begin and finish.
type produceCall struct {
	acks   int16
	topics []producedTopic
	done   host.Future[struct{}]
	until  host.Time

	oneTopic [1]producedTopic // topics of most requests
	oneItem  [1]produceItem

	mu      host.Mutex // guards the fields below and the outcome of every item
	pending int        // items without an outcome, and one while the request is being begun
	unknown error      // an item whose outcome is not known: hang up
}

type producedTopic struct {
	name  string
	id    metadata.UUID
	items []produceItem
}

// produceItem is one partition of a Produce request; it is the stream's draft of its append.
type produceItem struct {
	call      *produceCall
	part      *part
	partition int32
	data      batch.Batch // aliases the request until Place has copied it

	end int64 // offset after the batch, once placed or known as a duplicate

	// The outcome, guarded by call.mu.
	settled    bool
	code       Code
	text       string
	hint       hint // who leads instead, once the answer is made
	base       int64
	appendTime int64 // ms, -1 unless the broker stamped the records
	logStart   int64
}

var errNotAppended = errors.New("broker: settled without an append")

func beginProduce(b *Broker, sc *host.Scope, c *call) error {
	req := c.req.(*kmsg.ProduceRequest)
	timeout := min(max(time.Duration(req.TimeoutMillis)*time.Millisecond, produceTimeoutMin), produceTimeoutMax)
	p := &produceCall{acks: req.Acks, until: c.received.Add(timeout)}
	p.mu.Init(b.h)
	p.done.Init(b.h)
	c.produce = p
	p.pending = 1
	for i := range req.Topics {
		p.pending += len(req.Topics[i].Partitions)
	}
	p.shape(b, sc, req, c.version)
	b.dawdle(sc, "broker.produce.delay")
	for i := range p.topics {
		for j := range p.topics[i].items {
			if it := &p.topics[i].items[j]; !it.settled {
				it.append(b, sc)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lessLocked()
	return nil
}

// lessLocked takes one off what the answer waits for; p.mu is held.
func (p *produceCall) lessLocked() {
	if p.pending--; p.pending == 0 {
		p.done.Complete(struct{}{}, nil)
	}
}

// shape lays out the answer and settles what can be judged without the partitions.
func (p *produceCall) shape(b *Broker, sc *host.Scope, req *kmsg.ProduceRequest, version int16) {
	byID := version >= produceTopicID
	rules := batch.Rules{Zstd: version >= zstdFrom}
	single := len(req.Topics) == 1 && len(req.Topics[0].Partitions) == 1
	if single {
		p.topics, p.oneTopic[0].items = p.oneTopic[:], p.oneItem[:]
	} else {
		p.topics = make([]producedTopic, len(req.Topics))
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := &p.topics[i]
		t.name, t.id = rt.Topic, rt.TopicID
		if !single {
			t.items = make([]produceItem, len(rt.Partitions))
		}
		topic, topicCode := b.find(rt.Topic, rt.TopicID, byID)
		for j := range rt.Partitions {
			it := &t.items[j]
			it.call, it.partition, it.base, it.appendTime, it.logStart = p, rt.Partitions[j].Partition, -1, -1, -1
			code := topicCode
			switch {
			case p.acks < -1 || p.acks > 1:
				code = codeInvalidRequiredAcks
			case req.TransactionID != nil:
				code = codeTransactionalIDAuthFailed
			case code == codeNone:
				it.part, code = b.awaitPart(sc, topic, it.partition, p.until)
			}
			if code == codeNone {
				it.verify(rt.Partitions[j].Records, rules)
			} else {
				it.settle(code, "")
			}
		}
	}
}

// verify checks the batch against the format and the topic's limits.
func (it *produceItem) verify(records []byte, rules batch.Rules) {
	limits := it.part.limits()
	rules.MaxBytes = int(limits.maxMessageBytes)
	var err error
	if it.data, err = batch.Verify(records, rules); err != nil {
		it.settle(batchCode(err), err.Error())
	} else if limits.logAppendTime {
		it.data.SetLogAppendTime(it.part.b.h.Wall().UnixMilli())
	}
}

// append hands the batch to its stream. It blocks while the WAL has no room, until the request's timeout.
func (it *produceItem) append(b *Broker, sc *host.Scope) {
	size := int64(len(it.data))
	err := it.part.stream.Append(sc, it.call.until, it)
	defer func() { it.data = nil }() // the request's buffer is reused
	switch {
	case err == nil:
		b.counters.ProduceBatch.Add(1)
		b.counters.ProduceBytes.Add(size)
	case errors.Is(err, errNotAppended): // Place settled it, or a duplicate waits
	case errors.Is(err, stream.ErrClosed):
		it.part.turnAway(it, err)
	case errors.Is(err, host.ErrTimeout):
		probe.Hit(probe.BrokerAppendTimedOut)
		it.settle(codeRequestTimedOut, "the write-ahead log had no room in time; nothing was appended")
	case errors.Is(err, wal.ErrTooLarge):
		it.settle(codeMessageTooLarge, err.Error())
	case errors.Is(err, host.ErrCancelled), errors.Is(err, host.ErrKilled):
		it.settle(codeNotLeaderOrFollower, "")
	default:
		it.settle(codeKafkaStorageError, "nothing was appended: "+err.Error())
	}
}

// Size implements stream.Draft.
func (it *produceItem) Size() int { return len(it.data) }

// Place implements stream.Draft: it judges the batch, gives it its offsets and copies it. It runs under
// the WAL's lock.
func (it *produceItem) Place(dst []byte) (stream.Meta, error) {
	p := it.part
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != codeNone {
		probe.Hit(probe.BrokerProduceToClosed)
		it.settle(p.closed, "")
		return stream.Meta{}, errNotAppended
	}
	d, err := p.log.Check(it.data)
	if err == nil && d.Duplicate {
		p.duplicateLocked(it, d)
		return stream.Meta{}, errNotAppended
	}
	if p.leaving && !mutant.On(mutant.SealNotFinal) {
		p.parkLocked(it)
		return stream.Meta{}, errNotAppended
	}
	if err != nil {
		it.settle(partitionCode(err), err.Error())
		return stream.Meta{}, errNotAppended
	}
	it.base, it.end, it.appendTime = d.Base, d.End, d.LogAppendTime
	copy(dst, it.data)
	placed := batch.Batch(dst)
	if _, err = p.log.Append(placed); err != nil {
		invariant.Fail(invariant.LogOrder, "append of a batch that was checked: %v", err)
	}
	return stream.Meta{Base: it.base, Count: uint32(placed.Count()), MaxTimestamp: placed.MaxTimestamp()}, nil
}

// duplicateLocked answers an append of what is in the log already, or has it wait for its original; p.mu is held.
func (p *part) duplicateLocked(it *produceItem, d partition.Decision) {
	it.base, it.end, it.appendTime = d.Base, d.End, d.LogAppendTime
	p.b.counters.Duplicates.Add(1)
	if p.log.HighWatermark() >= it.end || mutant.On(mutant.DuplicateEarly) {
		it.succeed(p.log.LogStart())
		return
	}
	probe.Hit(probe.BrokerDuplicateWaits)
	p.dups = append(p.dups, it)
}

// Durable implements stream.Draft: the ack condition holds, or the outcome is unknown for good.
func (it *produceItem) Durable(err error) {
	p := it.part
	if err != nil && mutant.On(mutant.FailedAppendStaysOpen) {
		it.settle(codeNotLeaderOrFollower, "")
		return
	}
	if err != nil {
		probe.Hit(probe.BrokerAppendUnknown)
		p.close(codeKafkaStorageError)
		it.lose(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.Durable(it.end)
	p.wakeLocked()
	it.succeed(p.log.LogStart())
	kept := p.dups[:0]
	for _, d := range p.dups {
		if d.end <= it.end {
			d.succeed(p.log.LogStart())
		} else {
			kept = append(kept, d)
		}
	}
	clear(p.dups[len(kept):])
	p.dups = kept
}

// settle records the item's outcome; the last one completes the request.
func (it *produceItem) settle(code Code, text string) { it.outcome(code, text, -1) }

// succeed settles the item as durable.
func (it *produceItem) succeed(logStart int64) { it.outcome(codeNone, "", logStart) }

func (it *produceItem) outcome(code Code, text string, logStart int64) {
	c := it.call
	c.mu.Lock()
	defer c.mu.Unlock()
	if it.settled {
		return
	}
	it.settled, it.code, it.text, it.logStart = true, code, text, logStart
	if code != codeNone {
		it.base, it.appendTime = -1, -1
	}
	c.lessLocked()
}

// lose records that the item's outcome is unknown.
func (it *produceItem) lose(err error) {
	c := it.call
	c.mu.Lock()
	if c.unknown == nil {
		c.unknown = err
	}
	c.mu.Unlock()
	it.settle(codeRequestTimedOut, "")
}

func finishProduce(b *Broker, sc *host.Scope, c *call) (reply, error) {
	p := c.produce
	if p.acks == 0 {
		return reply{}, p.hangUpUnheard()
	}
	_, err := p.done.Wait(sc, p.until)
	if errors.Is(err, host.ErrTimeout) {
		probe.Hit(probe.BrokerProduceTimedOut)
		p.timeOut()
	} else if err != nil {
		return reply{}, err
	}
	leaders := p.leaders(b, c.version) // before the lock, which comes last of all
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unknown != nil {
		return reply{}, hangUp("the outcome of a produce request is unknown: %v", p.unknown)
	}
	c.one[0] = encodeProduce(c.conn.out.room(b), c.version, c.correlation, p.topics, leaders)
	return reply{bufs: c.one[:]}, nil
}

// leaders names who leads the partitions that were asked for here and are led elsewhere. Every item has
// its outcome by now.
func (p *produceCall) leaders(b *Broker, version int16) []neighbour {
	if version < produceHint || b.cfg.Cluster == nil {
		return nil
	}
	var hints []*hint
	for i := range p.topics {
		t := &p.topics[i]
		for j := range t.items {
			it := &t.items[j]
			if it.code != codeNotLeaderOrFollower && it.code != codeFencedLeaderEpoch {
				continue
			}
			found, _ := b.find(t.name, t.id, version >= produceTopicID)
			it.hint = b.hintFor(found, it.partition, it.code)
			hints = append(hints, &it.hint)
		}
	}
	return b.endpoints(hints)
}

// hangUpUnheard closes the connection when an acks=0 request failed, the only way to say so.
func (p *produceCall) hangUpUnheard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.topics {
		for j := range p.topics[i].items {
			if it := &p.topics[i].items[j]; it.settled && it.code != codeNone {
				probe.Hit(probe.BrokerUnheardHangUp)
				return hangUp("an acks=0 produce request failed with code %d", it.code)
			}
		}
	}
	return nil
}

// timeOut settles what has no outcome yet; the records are framed, so their outcome is unknown to the
// client, as REQUEST_TIMED_OUT says.
func (p *produceCall) timeOut() {
	for i := range p.topics {
		for j := range p.topics[i].items {
			p.topics[i].items[j].settle(codeRequestTimedOut, "")
		}
	}
}

// batchCode maps what batch.Verify found to the code a client understands.
func batchCode(err error) Code {
	switch {
	case errors.Is(err, batch.ErrMagic):
		return codeUnsupportedForMessageFmt
	case errors.Is(err, batch.ErrTooLarge):
		return codeMessageTooLarge
	case errors.Is(err, batch.ErrCRC), errors.Is(err, batch.ErrTruncated):
		return codeCorruptMessage
	case errors.Is(err, batch.ErrCodec):
		return codeUnsupportedCompressionType
	default:
		return codeInvalidRecord
	}
}
