package workload

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// sending is one batch of a produce on its way.
type sending struct {
	check.Op
	data  []byte
	ended bool // it is recorded
}

// produce sends the operation's batches in one request and, if its producer is idempotent, sends them again until
// they are answered or given up.
func (a *actor) produce(sc *host.Scope, op *Op) {
	if op.Idempotent && a.producerID < 0 && !a.initProducer(sc) {
		return
	}
	batches := make([]sending, len(op.Batches))
	for i, b := range op.Batches {
		s := &batches[i]
		s.Op = a.begin(check.Produce, b.Partition)
		s.Idempotent = op.Idempotent
		s.data = a.build(&s.Op, b, op.Idempotent)
		if s.data == nil {
			return
		}
	}
	for attempt := 1; ; attempt++ {
		for i := range batches {
			batches[i].Attempts = attempt
		}
		a.wire.timeout = min(requestTimeout, op.Patience<<min(attempt-1, 8))
		err := a.sendProduce(sc, topicName, batches)
		if a.settled(batches, op, attempt, err) || a.h.Sleep(sc, op.Pause.Sub(0)) != nil {
			break
		}
	}
	a.lose(batches, op.Idempotent)
	if op.Again && batches[0].Outcome == check.OK {
		a.again(sc, &batches[0])
	}
}

// settled tells whether a produce is over after an attempt: it is answered, or not to be sent again.
func (a *actor) settled(batches []sending, op *Op, attempt int, err error) bool {
	if errors.Is(err, errNotSent) && attempt == 1 { // no byte of it left the client
		for i := range batches {
			a.end(&batches[i], check.Failed)
		}
		return true
	}
	open := false
	for i := range batches {
		open = open || !batches[i].ended
	}
	return !open || attempt > op.Retries || a.r.over
}

// lose records batches that were not answered. An idempotent producer starts over with a fresh id then: the
// sequence may be taken or not.
func (a *actor) lose(batches []sending, idempotent bool) {
	for i := range batches {
		if batches[i].ended {
			continue
		}
		a.end(&batches[i], check.Unknown)
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

// build returns a batch of records with values that nobody else produces.
func (a *actor) build(op *check.Op, b Batch, idempotent bool) []byte {
	records := make([]batch.Record, len(b.Records))
	at := a.h.Wall().UnixMilli()
	for i, pad := range b.Records {
		a.seq++
		v := check.ValueOf(a.id, a.seq)
		op.Values = append(op.Values, v)
		records[i] = batch.Record{Value: appendToken(make([]byte, 0, tokenBytes+pad), v, pad), Timestamp: at}
	}
	o := batch.Plain()
	if idempotent {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = a.producerID, a.epoch, a.sequence[b.Partition]
	}
	data, err := batch.Build(o, records...)
	if err != nil {
		a.r.w.Fail(fmt.Errorf("build a batch: %w", err))
		return nil
	}
	return data
}

// sendProduce sends the batches that are not recorded yet and judges the answers.
func (a *actor) sendProduce(sc *host.Scope, topic string, batches []sending) error {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9 + int16(a.id%4))
	req.Acks, req.TimeoutMillis = -1, 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	for i := range batches {
		if batches[i].ended {
			continue
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = batches[i].Index, batches[i].data
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return err
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != len(t.Partitions) {
		a.r.fail(oracleAnswer, "a produce of %d batches was answered in another shape", len(t.Partitions))
		return errNoAnswer
	}
	for i := range topics[0].Partitions {
		p := &topics[0].Partitions[i]
		for j := range batches {
			if s := &batches[j]; s.Index == p.Partition && !s.ended {
				a.judgeProduce(s, p)
				break
			}
		}
	}
	return nil
}

// judgeProduce takes the answer to one batch; the batch stays open if it is to be sent again.
func (a *actor) judgeProduce(s *sending, p *kmsg.ProduceResponseTopicPartition) {
	if s.Index == absentPartition {
		if p.ErrorCode != codeUnknownTopic {
			a.r.fail(oracleAnswer, "produce to a partition that does not exist was answered with code %d", p.ErrorCode)
		}
		s.ended = true
		return
	}
	switch p.ErrorCode {
	case 0:
		s.Offset = p.BaseOffset
		a.r.acknowledged(&s.Op)
		a.end(s, check.OK)
		if s.Idempotent {
			a.sequence[s.Index] += int32(len(s.Values))
		}
	case codeNotLeader, codeUnknownTopic, codeLeaderNotAvail:
		if s.Attempts == 1 { // nothing was appended, now or before
			a.end(s, check.Failed)
		}
	case codeTimedOut, codeStorage:
	default:
		a.r.fail(oracleAnswer, "produce of client %d to %s: unexpected error code %d", a.id, s.Partition, p.ErrorCode)
	}
}

// again sends an acknowledged batch once more, as a client does whose answer was lost: it must be answered with the
// offset that it has.
func (a *actor) again(sc *host.Scope, s *sending) {
	twin := *s
	twin.ended = false
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topicName
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = s.Index, s.data
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		a.r.fail(oracleAnswer, "a produce of one batch was answered in another shape")
		return
	}
	switch p := &topics[0].Partitions[0]; p.ErrorCode {
	case 0:
		if p.BaseOffset != s.Offset {
			a.r.fail(oracleAnswer, "client %d sent a batch of %s again: it is at offset %d, and was acknowledged at %d",
				a.id, s.Partition, p.BaseOffset, s.Offset)
		}
	case codeNotLeader, codeUnknownTopic, codeLeaderNotAvail, codeTimedOut, codeStorage:
	default:
		a.r.fail(oracleAnswer, "client %d sent a batch of %s again: error code %d", a.id, s.Partition, p.ErrorCode)
	}
}

func (a *actor) initProducer(sc *host.Scope) bool {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return false
	}
	r := resp.(*kmsg.InitProducerIDResponse)
	if r.ErrorCode != 0 {
		return false
	}
	if a.r.producerIDs[r.ProducerID] {
		a.r.fail(oracleAnswer, "producer id %d was given out twice", r.ProducerID)
	}
	a.r.producerIDs[r.ProducerID] = true
	a.producerID, a.epoch = r.ProducerID, r.ProducerEpoch
	clear(a.sequence)
	return true
}
