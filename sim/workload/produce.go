package workload

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// sending is one batch of a produce on its way.
type sending struct {
	check.Op
	data  []byte
	ended bool  // it is recorded
	next  int64 // sequence after its last record, as if it did not wrap
	fresh bool  // nothing of its producer is known to be in the partition
	// refused: its sequence was out of order, and all before it were acknowledged.
	refused bool
	astray  int // attempts that came to a node that does not lead: nothing was appended
}

// produce sends the operation's batches and, if its producer is idempotent, sends them again until they are answered
// or given up. An idempotent producer's batches go to one partition, each in a request of its own, all of them before
// the first answer is read; others go into one request.
func (a *actor) produce(sc *host.Scope, op *Op) {
	if op.Idempotent && a.producerID < 0 && !a.initProducer(sc, false) {
		return
	}
	if a.c.sealed { // it waited for its producer id until nothing is recorded any more
		return
	}
	batches := make([]sending, len(op.Batches))
	a.batches = nil
	for i, b := range op.Batches {
		s := &batches[i]
		s.Op = a.begin(check.Produce, b.Partition)
		s.Idempotent = op.Idempotent
		if s.data = a.build(s, b, batches[:i]); s.data == nil {
			return
		}
	}
	if op.Broken || op.Unheard {
		a.odd(sc, op, &batches[0])
		return
	}
	a.batches = batches
	for attempt := 1; ; attempt++ {
		for i := range batches {
			batches[i].Attempts = attempt
		}
		if attempt > 1 {
			a.c.count(fault.SameSequence)
		}
		a.wire.timeout = min(max(requestTimeout, op.Patience), op.Patience<<min(attempt-1, 8))
		err := a.sendBatches(sc, batches, op.Idempotent)
		if a.settled(batches, op, attempt, err) || a.h.Sleep(sc, max(op.Pause.Sub(0), a.astrayPause())) != nil {
			break
		}
	}
	a.lose(batches, op.Idempotent)
	if op.Again && batches[0].Outcome == check.OK {
		a.again(sc, &batches[0])
	}
}

// odd sends one batch that is not to be answered, or not to be taken.
func (a *actor) odd(sc *host.Scope, op *Op, s *sending) {
	s.Attempts = 1
	if !op.Broken {
		req := a.produceRequest(topicName, []sending{*s})
		req.Acks = 0
		if err := a.wire.send(sc, req); errors.Is(err, errNotSent) {
			a.end(s, check.Failed)
			return
		}
		a.wire.line.answered++ // there is none
		a.end(s, check.Unknown)
		return
	}
	s.data[len(s.data)-2] ^= 1 // of the last value's padding, or its token
	a.end(s, check.Failed)     // whatever becomes of it: nobody may ever see it
	resp, err := a.wire.do(sc, a.produceRequest(topicName, []sending{{Op: s.Op, data: s.data}}))
	if err != nil {
		return
	}
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for i := range t.Partitions {
			switch code := t.Partitions[i].ErrorCode; code {
			case codeCorrupt, codeNotLeader, codeUnknownTopic, codeUnknownTopicID, codeLeaderNotAvail, codeTimedOut,
				codeStorage:
			default:
				a.c.fail(oracleAnswer, "a batch that does not match its checksum was answered with code %d", code)
			}
		}
	}
}

// settled tells whether a produce is over after an attempt: it is answered, or not to be sent again.
func (a *actor) settled(batches []sending, op *Op, attempt int, err error) bool {
	if errors.Is(err, errNotSent) && attempt == 1 { // no byte of it left the client
		a.unsent(batches)
		return true
	}
	open := false
	for i := range batches {
		open = open || !batches[i].ended
	}
	return !open || attempt > op.Retries && !a.onlyAstray(batches, attempt) || a.c.over
}

// astrayMax is how often a client of a cluster looks for the leader of a partition that nobody seems to lead.
const astrayMax = 40

// onlyAstray tells whether a client of a cluster should go on: nobody was there to take the batches.
func (a *actor) onlyAstray(batches []sending, attempt int) bool {
	return attempt < astrayMax && !slices.ContainsFunc(batches, func(s sending) bool {
		return !s.ended && s.astray < s.Attempts
	})
}

// unsent records batches of which no byte left the client.
func (a *actor) unsent(batches []sending) {
	for i := range batches {
		if !batches[i].ended {
			a.end(&batches[i], check.Failed)
		}
	}
}

// lose records batches that were not answered. An idempotent producer starts over with a fresh id then: the
// sequence may be taken or not.
func (a *actor) lose(batches []sending, idempotent bool) {
	for i := range batches {
		if batches[i].ended {
			continue
		}
		if s := &batches[i]; s.astray > 0 && s.astray == s.Attempts {
			a.end(s, check.Failed)
		} else {
			a.end(s, check.Unknown)
		}
		if idempotent {
			a.producerID = -1
			clear(a.sequence)
		}
	}
}

// end records a batch, unless it went to a partition that no topic has.
func (a *actor) end(s *sending, outcome check.Outcome) {
	s.ended, s.Outcome = true, outcome
	if s.Index != absentPartition {
		a.record(s.Op, outcome)
	}
}

// build returns a batch of records with values that nobody else produces. before are the batches that the same
// producer sends before it.
func (a *actor) build(s *sending, b Batch, before []sending) []byte {
	records, at := a.records[:0], a.h.Wall().UnixMilli()
	a.values = a.values[:0]
	for _, pad := range b.Records {
		a.seq++
		v := check.ValueOf(a.id, a.seq)
		s.Values = append(s.Values, v)
		from := len(a.values)
		a.values = appendToken(a.values, v, pad)
		records = append(records, batch.Record{Value: a.values[from:], Timestamp: at})
	}
	o := batch.Plain()
	if s.Idempotent {
		base, known := a.sequence[b.Partition]
		if s.fresh = !known; s.fresh {
			base = a.first
		}
		for i := range before {
			base += int64(len(before[i].Values))
		}
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = a.producerID, a.epoch, wrapped(base)
		s.ProducerID, s.ProducerEpoch = a.producerID, a.epoch
		s.next = base + int64(len(records))
		if s.NextSequence = wrapped(s.next); s.NextSequence == 0 {
			s.NextSequence = math.MinInt32
		}
	}
	a.builder.Start(o)
	for i := range records {
		a.builder.Add(records[i])
	}
	a.records = records
	data, err := a.builder.Append(nil)
	if err != nil {
		a.c.w.Fail(fmt.Errorf("build a batch: %w", err))
		return nil
	}
	return compress(data, b.Codec)
}

// wrapped is a sequence as batches have it: behind 1<<31 - 1 comes 0.
func wrapped(sequence int64) int32 { return int32(sequence & (1<<31 - 1)) }

// produceRequest returns a request with the batches that are not recorded yet.
func (a *actor) produceRequest(topic string, batches []sending) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9 + int16(a.id%4))
	req.Acks, req.TimeoutMillis = a.acks(), 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	if id := a.idOf(topic); id != ([16]byte{}) {
		req.SetVersion(13)
		t.TopicID = id
	}
	for i := range batches {
		if batches[i].ended {
			continue
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = batches[i].Index, batches[i].data
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// idOf is the id of a topic as the client knows it, zero if it names topics by their names.
func (a *actor) idOf(topic string) [16]byte {
	switch {
	case !a.byID:
	case topic == topicName:
		return a.c.topicID
	case topic == adminTopic:
		return a.currentID
	}
	return [16]byte{}
}

// acks is the acknowledgement that a client asks for. To weir all are one: an answer says that the records are durable.
func (a *actor) acks() int16 {
	if a.role == RoleProducer && a.id%2 == 1 {
		return 1
	}
	return -1
}

// sendBatches sends the batches that are not recorded yet and judges the answers.
func (a *actor) sendBatches(sc *host.Scope, batches []sending, pipelined bool) error {
	if !pipelined {
		return a.sendTogether(sc, batches)
	}
	var sent []*kmsg.ProduceRequest
	for i := range batches {
		if batches[i].ended {
			continue
		}
		req := a.produceRequest(topicName, batches[i:i+1])
		if err := a.wire.send(sc, req); err != nil {
			if len(sent) == 0 {
				return err
			}
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		sent = append(sent, req)
	}
	whole := true // everything before was acknowledged
	for i := range batches {
		if batches[i].ended {
			continue
		}
		if err := a.receiveProduce(sc, sent[0], batches[i:i+1], whole); err != nil {
			return err
		}
		sent = sent[1:]
		whole = whole && batches[i].ended
	}
	a.inOrder(batches)
	return nil
}

// sendTogether sends batches in one request, or in a cluster in one for each leader of some.
func (a *actor) sendTogether(sc *host.Scope, batches []sending) (failed error) {
	for _, some := range a.apart(batches) {
		req := a.produceRequest(topicName, some)
		if len(req.Topics[0].Partitions) == 0 {
			continue
		}
		err := a.wire.send(sc, req)
		if err == nil {
			err = a.receiveProduce(sc, req, some, true)
		}
		switch {
		case errors.Is(err, errNotSent) && some[0].Attempts == 1:
			a.unsent(some)
		case err != nil:
			failed = err
		}
	}
	return failed
}

// inOrder fails the run if a batch was refused for its sequence although it was the next one.
func (a *actor) inOrder(batches []sending) {
	for i := range batches {
		if s := &batches[i]; s.refused && !s.ended && !a.overtaken(s) {
			a.c.fail(oracleAnswer, "client %d sent sequences up to %d to %s after all before them were acknowledged: "+
				"OUT_OF_ORDER_SEQUENCE_NUMBER", a.id, s.NextSequence, s.Partition)
		}
		batches[i].refused = false
	}
}

func (a *actor) receiveProduce(sc *host.Scope, req *kmsg.ProduceRequest, batches []sending, whole bool) error {
	resp, err := a.wire.receive(sc, req)
	if err != nil {
		return err
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != len(req.Topics[0].Partitions) {
		a.c.fail(oracleAnswer, "a produce of %d batches was answered in another shape", len(req.Topics[0].Partitions))
		return errNoAnswer
	}
	for i := range topics[0].Partitions {
		p := &topics[0].Partitions[i]
		for j := range batches {
			if s := &batches[j]; s.Index == p.Partition && !s.ended {
				a.judgeProduce(s, p, whole)
				break
			}
		}
	}
	return nil
}

// judgeProduce takes the answer to one batch; the batch stays open if it is to be sent again. whole says that the
// batches that the producer sent before it were all acknowledged.
func (a *actor) judgeProduce(s *sending, p *kmsg.ProduceResponseTopicPartition, whole bool) {
	if s.Index == absentPartition {
		if p.ErrorCode != codeUnknownTopic {
			a.c.fail(oracleAnswer, "produce to a partition that does not exist was answered with code %d", p.ErrorCode)
		}
		s.ended = true
		return
	}
	switch p.ErrorCode {
	case 0:
		s.Offset = p.BaseOffset
		a.c.answerer = a.wire.line.addr
		a.c.acked(&s.Op)
		a.end(s, check.OK)
		if s.Idempotent {
			a.sequence[s.Index] = max(a.sequence[s.Index], s.next)
		}
	case codeNotLeader, codeUnknownTopic, codeUnknownTopicID, codeLeaderNotAvail:
		switch {
		case a.wire.guide != nil:
			s.astray++
		case s.Attempts == 1 && whole: // nothing was appended, now or before
			a.end(s, check.Failed)
		}
	case codeTimedOut, codeStorage:
	case codeOutOfOrder:
		s.refused = whole
	default:
		a.c.fail(oracleAnswer, "produce of client %d to %s: unexpected error code %d", a.id, s.Partition, p.ErrorCode)
	}
}

// overtaken tells whether a batch was refused before it was appended, and a later one of the same producer was not.
// It happens to a producer that the partition does not know: as in Kafka its first batch may have any sequence.
func (a *actor) overtaken(s *sending) bool {
	if !a.batches[0].fresh {
		return false
	}
	return slices.ContainsFunc(a.batches, func(b sending) bool {
		return b.ended && b.Outcome == check.OK && b.next > s.next
	})
}

// again sends an acknowledged batch once more, as a client does whose answer was lost: it must be answered with the
// offset that it has.
func (a *actor) again(sc *host.Scope, s *sending) {
	a.c.count(fault.SameSequence)
	twin := *s
	twin.ended = false
	resp, err := a.wire.do(sc, a.produceRequest(topicName, []sending{twin}))
	if err != nil {
		return
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		a.c.fail(oracleAnswer, "a produce of one batch was answered in another shape")
		return
	}
	switch p := &topics[0].Partitions[0]; p.ErrorCode {
	case 0:
		if p.BaseOffset != s.Offset {
			a.c.fail(oracleAnswer, "client %d sent a batch of %s again: it is at offset %d, and was acknowledged at %d",
				a.id, s.Partition, p.BaseOffset, s.Offset)
		}
	case codeNotLeader, codeUnknownTopic, codeUnknownTopicID, codeLeaderNotAvail, codeTimedOut, codeStorage:
	default:
		a.c.fail(oracleAnswer, "client %d sent a batch of %s again: error code %d", a.id, s.Partition, p.ErrorCode)
	}
}

// initProducer gets a producer id; bump asks with the one that the client has, as a producer does whose sequence is
// lost. The old id is not used again.
func (a *actor) initProducer(sc *host.Scope, bump bool) bool {
	op := a.begin(check.InitProducer, 0)
	op.Partition = check.Partition{}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	if bump {
		req.ProducerID, req.ProducerEpoch = a.producerID, a.epoch
		a.c.count(fault.EpochBump)
	}
	done := a.c.asks()
	resp, err := a.wire.do(sc, req)
	if done(); err != nil {
		return false
	}
	r := resp.(*kmsg.InitProducerIDResponse)
	if r.ErrorCode != 0 {
		return false
	}
	if a.c.producerIDs[r.ProducerID] {
		a.c.fail(oracleAnswer, "producer id %d was given out twice", r.ProducerID)
	}
	a.c.producerIDs[r.ProducerID] = true
	a.producerID, a.epoch = r.ProducerID, r.ProducerEpoch
	clear(a.sequence)
	op.ProducerID, op.ProducerEpoch = r.ProducerID, r.ProducerEpoch
	a.record(op, check.OK)
	return true
}

// initAgain asks for a producer id twice, as a client does whose first answer was late: each must be one of its own.
func (a *actor) initAgain(sc *host.Scope) {
	a.c.count(fault.RepeatInit)
	if a.initProducer(sc, false) {
		a.initProducer(sc, false)
	}
}
