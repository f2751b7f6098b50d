package broker_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
)

// broken returns a batch that change has damaged, with a CRC that fits again.
func broken(change func(b batch.Batch)) []byte {
	b := batchOf(batch.Plain(), "a", "b")
	change(b)
	binary.BigEndian.PutUint32(b[17:], b.ComputeCRC())
	return b
}

func zstdOptions() batch.Options {
	o := batch.Plain()
	o.Codec = batch.Zstd
	return o
}

func TestAProduceIsJudgedAsKafkaDoes(t *testing.T) {
	good := batchOf(batch.Plain(), "a")
	producer := batch.Plain()
	producer.ProducerID = 7
	cases := []struct {
		name    string
		records []byte
		version int16
		acks    int16
		code    int16
	}{
		{"one good batch", good, 9, -1, 0},
		{"acks=1", good, 9, 1, 0},
		{"acks=2", good, 9, 2, 21},
		{"a wrong CRC", append(append([]byte{}, good[:len(good)-1]...), good[len(good)-1]^1), 9, -1, 2},
		{"half a batch", good[:len(good)-5], 9, -1, 2},
		{"two batches", append(append([]byte{}, good...), good...), 9, -1, 87},
		{"message format 1", broken(func(b batch.Batch) { b[16] = 1 }), 9, -1, 43},
		{"fewer offsets than records", broken(func(b batch.Batch) { b[26] = 0 }), 9, -1, 87},
		{"a control batch", broken(func(b batch.Batch) { b[22] |= 1 << 5 }), 9, -1, 87},
		{"an unknown codec", broken(func(b batch.Batch) { b[22] |= 5 }), 9, -1, 76},
		{"a producer without a sequence", batchOf(producer, "a"), 9, -1, 87},
		{"zstd before version 7", batchOf(zstdOptions(), "a"), 6, -1, 76},
		{"zstd in version 7", batchOf(zstdOptions(), "a"), 7, -1, 0},
		{"more than max.message.bytes", batchOf(batch.Plain(), string(make([]byte, 2000))), 9, -1, 10},
	}
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1, "max.message.bytes", "2000")
		next := int64(0)
		for _, k := range cases {
			req := produceOf(k.records)
			req.SetVersion(k.version)
			req.Acks = k.acks
			got := c.produced(req)
			c.expect(got.ErrorCode == k.code, "%s: code %d, want %d (%v)", k.name, got.ErrorCode, k.code, got.ErrorMessage)
			if k.code != 0 {
				c.expect(got.BaseOffset == -1, "%s: no offset, got %d", k.name, got.BaseOffset)
				continue
			}
			c.expect(got.BaseOffset == next && got.LogAppendTime == -1 && (k.version < 5 || got.LogStartOffset == 0),
				"%s: at offset %d: %+v", k.name, next, got)
			next++
		}
	})
}

func TestAProduceOfEveryVersionIsReadByEveryVersionOfFetch(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		id := c.topic(wireTopic, 1)
		for v := int16(3); v <= 13; v++ {
			req := produceOf(batchOf(batch.Plain(), fmt.Sprint("v", v)))
			req.SetVersion(v)
			req.Topics[0].TopicID = id
			got := c.produced(req)
			c.expect(got.ErrorCode == 0 && got.BaseOffset == int64(v-3), "produce v%d: %+v", v, got)
		}
		for v := int16(4); v <= 18; v++ {
			req := fetchOf(2)
			req.SetVersion(v)
			req.Topics[0].TopicID = id
			got := c.fetched(req)
			c.expect(got.ErrorCode == 0 && got.HighWatermark == 11, "fetch v%d: %+v", v, got)
			c.expect(len(got.RecordBatches) > 500, "fetch v%d has the batches: %d bytes", v, len(got.RecordBatches))
		}
	})
}

func TestOffsetAndEpochAreWrittenOutsideTheCRC(t *testing.T) {
	w := newWorld(t)
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		c.values("a", "b")
		sent := batchOf(batch.Plain(), "c")
		c.expect(c.produced(produceOf(sent)).ErrorCode == 0, "appended")
		got := batch.Batch(c.fetched(fetchOf(2)).RecordBatches)
		c.expect(got.BaseOffset() == 2 && got.LeaderEpoch() >= 0, "offset %d, epoch %d", got.BaseOffset(), got.LeaderEpoch())
		c.expect(got.CRC() == sent.CRC() && got.CRC() == got.ComputeCRC(), "the CRC is the producer's")
	})
}

func TestLogAppendTimeIsOnTheBatchAndInTheAnswer(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1, "message.timestamp.type", "LogAppendTime")
		answer := c.produced(produceOf(batchOf(batch.Plain(), "a", "b")))
		b := batch.Batch(c.fetched(fetchOf(0)).RecordBatches)
		c.expect(answer.LogAppendTime > 1_000_000_000_000, "the answer has the broker's time: %+v", answer)
		c.expect(b.LogAppendTime() && b.MaxTimestamp() == answer.LogAppendTime, "so has the batch")
		c.expect(b.CRC() == b.ComputeCRC(), "the CRC covers it")
		dec := batch.NewDecoder(1 << 20)
		c.must(dec.Open(b))
		for rec := (batch.Record{}); dec.Next(&rec); {
			c.expect(rec.Timestamp == answer.LogAppendTime, "every record has it: %+v", rec)
		}
	})
}

func TestAcks0HasNoAnswerAndAFailureHangsUp(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		quiet := produceOf(batchOf(batch.Plain(), "a"))
		quiet.Acks = 0
		c.send(quiet)
		c.sent = c.sent[1:] // nothing comes for it
		got := c.produced(produceOf(batchOf(batch.Plain(), "b")))
		c.expect(got.BaseOffset == 1, "it was appended before the next request: %+v", got)
		quiet.Topics[0].Partitions[0].Partition = 9
		c.send(quiet)
		c.sent = c.sent[1:]
		c.expect(c.hangsUp(fetchOf(0)), "a failed acks=0 request closes the connection")
	})
}

func TestIdempotentProducersAreJudgedBySequence(t *testing.T) {
	w := newWorld(t)
	var id int64
	send := func(c *wire, epoch int16, sequence int32, n int) kmsg.ProduceResponseTopicPartition {
		o := batch.Plain()
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = id, epoch, sequence
		return c.produced(produceOf(batchOf(o, make([]string, n)...)))
	}
	w.do(func(c *wire) {
		c.topic(wireTopic, 1)
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(5)
		got := ask[*kmsg.InitProducerIDResponse](c, req)
		id = got.ProducerID
		c.expect(got.ErrorCode == 0 && id >= 0 && got.ProducerEpoch == 0, "an id at epoch 0: %+v", got)
		for i := range int32(7) {
			p := send(c, 0, 2*i, 2)
			c.expect(p.ErrorCode == 0 && p.BaseOffset == int64(2*i), "batch %d: %+v", i, p)
		}
		c.expect(send(c, 0, 20, 1).ErrorCode == 45, "a gap is OUT_OF_ORDER_SEQUENCE_NUMBER")
		p := send(c, 0, 4, 2)
		c.expect(p.ErrorCode == 0 && p.BaseOffset == 4, "the fifth batch from the end is known: %+v", p)
	})
	w.kill()
	w.do(func(c *wire) {
		p := send(c, 0, 12, 2)
		c.expect(p.ErrorCode == 0 && p.BaseOffset == 12, "a duplicate after a crash has its offset: %+v", p)
		p = send(c, 0, 14, 1)
		c.expect(p.ErrorCode == 0 && p.BaseOffset == 14, "the sequence goes on after a crash: %+v", p)
		c.expect(send(c, 1, 3, 1).ErrorCode == 45, "a new epoch begins at sequence 0")
		c.expect(send(c, 1, 0, 1).ErrorCode == 0, "a new epoch")
		c.expect(send(c, 0, 15, 1).ErrorCode == 47, "an old epoch is INVALID_PRODUCER_EPOCH")
	})
}

func TestTransactionsAreRefusedByName(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		name := "tx"
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(4)
		req.TransactionalID = &name
		c.expect(ask[*kmsg.InitProducerIDResponse](c, req).ErrorCode == 53, "InitProducerId")
		p := produceOf(batchOf(batch.Plain(), "a"))
		p.TransactionID = &name
		c.expect(c.produced(p).ErrorCode == 53, "Produce")
	})
}

func TestRequestsArePipelinedAndAnsweredInOrder(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		start := c.h.Now()
		c.values("first")
		one := c.h.Now() - start
		start = c.h.Now()
		const many = 50
		for i := range many {
			c.send(produceOf(batchOf(batch.Plain(), fmt.Sprint(i))))
		}
		for i := range int64(many) {
			resp, err := c.receive()
			c.must(err)
			p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
			c.expect(p.ErrorCode == 0 && p.BaseOffset == 1+i, "answer %d: %+v", i, p)
		}
		took := c.h.Now() - start
		c.expect(took < 10*one, "%d requests share their syncs: %s, one takes %s", many,
			time.Duration(took), time.Duration(one))
	})
}
