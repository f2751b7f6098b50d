package workload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

const (
	topicName      = "orders"
	topicParts     = 4
	groupName      = "billing"
	requestTimeout = host.Time(3 * time.Second)
	valuePadMax    = 3000
	thinkMax       = 45 * time.Millisecond
)

// actor is one client of a run: its connection, its randomness, and what it did.
type actor struct {
	r    *run
	id   int32
	wire wireClient
	rng  *rand.Rand
	h    host.Host
	seq  uint32 // of its values

	coordinated bool // the offsets topic is there

	producerID int64 // -1: none yet, or not idempotent
	epoch      int16
	sequence   map[int32]int32 // next sequence by partition
	positions  map[int32]int64 // next offset to fetch by partition
}

func (r *run) newActor(h host.Host, id int32) *actor {
	return &actor{
		r: r, id: id, h: h, rng: h.Rand(fmt.Sprintf("client-%d", id)), producerID: -1,
		wire:     wireClient{h: h, addr: nodeAddr, id: fmt.Sprintf("sim-%d", id), timeout: requestTimeout},
		sequence: map[int32]int32{}, positions: map[int32]int64{},
	}
}

// loop does op until the run's work is over.
func (a *actor) loop(sc *host.Scope, op func(*host.Scope)) {
	for !a.r.over && sc.Err() == nil {
		op(sc)
		if err := a.h.Sleep(sc, time.Duration(a.rng.Int64N(int64(thinkMax)))); err != nil {
			break
		}
	}
	a.wire.drop()
	a.r.running--
}

func (a *actor) partition() int32 { return a.rng.Int32N(topicParts) }

// now is the time that all clients of a history share.
func (a *actor) now() int64 { return int64(a.r.w.Now()) }

func (a *actor) begin(kind check.Kind, partition int32) check.Op {
	return check.Op{Kind: kind, Client: a.id, Call: a.now(),
		Partition: check.Partition{Topic: topicName, Index: partition}}
}

// record ends an operation and keeps it.
func (a *actor) record(op check.Op, outcome check.Outcome) {
	op.Outcome, op.Return = outcome, a.now()
	if outcome == check.Unknown {
		op.Return = check.NoReturn
	}
	a.r.history.Ops = append(a.r.history.Ops, op)
}

// produce appends one batch of 1–5 records and retries it until it is answered or given up.
func (a *actor) produce(sc *host.Scope, idempotent bool) {
	if idempotent && a.producerID < 0 && !a.initProducer(sc) {
		return
	}
	p := a.partition()
	op := a.begin(check.Produce, p)
	op.Idempotent = idempotent
	records := a.values(&op)
	data, err := batch.Build(a.options(p, idempotent), records...)
	if err != nil {
		a.r.w.Fail(fmt.Errorf("build a batch: %w", err))
		return
	}
	for op.Attempts = 1; ; op.Attempts++ {
		a.wire.timeout = a.patience()
		answer, err := a.sendProduce(sc, topicName, p, data)
		done := err == nil && a.judgeProduce(&op, answer, p)
		if done {
			return
		}
		if errors.Is(err, errNotSent) && op.Attempts == 1 {
			a.record(op, check.Failed)
			a.giveUp(idempotent, false)
			return
		}
		if !idempotent || op.Attempts >= 12 || sc.Err() != nil || a.r.over {
			a.record(op, check.Unknown)
			a.giveUp(idempotent, true)
			return
		}
		if a.h.Sleep(sc, a.pause()) != nil {
			a.record(op, check.Unknown)
			return
		}
	}
}

// patience is how long a client waits for an answer: mostly long enough, sometimes not for a slow sync.
func (a *actor) patience() host.Time {
	if a.rng.IntN(4) == 0 {
		return host.Time(20*time.Millisecond) + host.Time(a.rng.Int64N(int64(200*time.Millisecond)))
	}
	return requestTimeout
}

// pause is how long a client waits before it sends again: mostly a while, sometimes not at all.
func (a *actor) pause() time.Duration {
	if a.rng.IntN(3) == 0 {
		return time.Duration(a.rng.Int64N(int64(2 * time.Millisecond)))
	}
	return time.Duration(a.rng.Int64N(int64(400 * time.Millisecond)))
}

// giveUp starts over with a fresh producer id once an idempotent batch was abandoned: its sequence may or
// may not be taken.
func (a *actor) giveUp(idempotent, sent bool) {
	if idempotent && sent {
		a.producerID = -1
		clear(a.sequence)
	}
}

func (a *actor) values(op *check.Op) []batch.Record {
	n := 1 + a.rng.IntN(5)
	records := make([]batch.Record, n)
	for i := range records {
		a.seq++
		v := check.ValueOf(a.id, a.seq)
		op.Values = append(op.Values, v)
		records[i].Value = appendToken(nil, v, a.rng.IntN(valuePadMax))
		records[i].Timestamp = a.h.Wall().UnixMilli()
	}
	return records
}

func (a *actor) options(p int32, idempotent bool) batch.Options {
	o := batch.Plain()
	if idempotent {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = a.producerID, a.epoch, a.sequence[p]
	}
	return o
}

func (a *actor) sendProduce(
	sc *host.Scope, topic string, p int32, data []byte,
) (*kmsg.ProduceResponseTopicPartition, error) {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9 + int16(a.id%4))
	req.Acks, req.TimeoutMillis = -1, 2000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = p, data
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%w: produce response of another shape", errNoAnswer)
	}
	return &topics[0].Partitions[0], nil
}

// Error codes that a run meets.
const (
	codeTimedOut       = 7
	codeOutOfOrder     = 45
	codeOutOfRange     = 1
	codeUnknownTopic   = 3
	codeNotLeader      = 6
	codeStorage        = 56
	codeUnknownLeader  = 75
	codeLeaderNotAvail = 5
)

// judgeProduce records an answered produce; false means "try again".
func (a *actor) judgeProduce(op *check.Op, r *kmsg.ProduceResponseTopicPartition, p int32) bool {
	switch r.ErrorCode {
	case 0:
		op.Offset = r.BaseOffset
		for _, v := range op.Values {
			if !a.r.durable.seen[v] {
				a.r.w.Fail(fmt.Errorf("AckedDurable: %s of %s at offset %d was acknowledged and is on no synced medium",
					v, op.Partition, op.Offset))
			}
		}
		a.record(*op, check.OK)
		if op.Idempotent {
			a.sequence[p] += int32(len(op.Values))
		}
		return true
	case codeNotLeader, codeUnknownTopic, codeLeaderNotAvail:
		if op.Attempts == 1 { // nothing was appended, now or before
			a.record(*op, check.Failed)
			return true
		}
		return false
	case codeTimedOut, codeStorage:
		return false
	default:
		a.r.w.Fail(fmt.Errorf("produce of client %d to %s: unexpected error code %d", a.id, op.Partition, r.ErrorCode))
		return true
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
		a.r.w.Fail(fmt.Errorf("producer id %d was given out twice", r.ProducerID))
	}
	a.r.producerIDs[r.ProducerID] = true
	a.producerID, a.epoch = r.ProducerID, r.ProducerEpoch
	clear(a.sequence)
	return true
}
