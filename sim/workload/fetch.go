package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// fetch reads on from the client's position in a partition, or from the beginning.
func (a *actor) fetch(sc *host.Scope, o *Op) {
	if o.Rewind {
		a.positions[o.Partition] = 0
	}
	if o.Rewind || a.session[o.Partition] == 0 {
		a.assign(o.Partition)
	}
	if o.Slow > 0 {
		a.c.count(fault.SlowConsumer)
	}
	op := a.begin(check.Fetch, o.Partition)
	op.Session = a.session[o.Partition]
	op.Offset = a.positions[o.Partition]
	part, err := a.sendFetch(sc, topicName, o.Partition, op.Offset, o.MaxBytes, int32(o.Wait/1e6))
	if err != nil {
		return // a read that was not answered says nothing
	}
	switch part.ErrorCode {
	case 0:
	case codeNotLeader, codeUnknownTopic, codeUnknownTopicID, codeLeaderNotAvail, codeStorage:
		return
	default:
		a.c.fail(oracleAnswer, "fetch of client %d from %s at offset %d: unexpected error code %d",
			a.id, op.Partition, op.Offset, part.ErrorCode)
		return
	}
	records, next, err := parseRecords(part.RecordBatches, op.Offset)
	if err != nil {
		a.c.fail(oracleAnswer, "fetch of client %d from %s at offset %d: %w", a.id, op.Partition, op.Offset, err)
		return
	}
	op.Records = records
	op.HighWatermark, op.LastStable, op.LogStart = part.HighWatermark, part.LastStableOffset, part.LogStartOffset
	if a.c.damaged { // a partition that is offline from an offset on says so by its marks too
		op.HighWatermark, op.LastStable, op.LogStart = check.NoMark, check.NoMark, check.NoMark
	}
	a.positions[o.Partition] = next
	a.record(op, check.OK)
}

// assign begins a session of reading a partition.
func (a *actor) assign(p int32) {
	a.session[p]++
	op := a.begin(check.Assign, p)
	op.Session = a.session[p]
	a.record(op, check.OK)
}

func (a *actor) sendFetch(
	sc *host.Scope, topic string, p int32, offset int64, maxBytes, wait int32,
) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(7 + int16(a.id%6)) // up to 12: topics by name
	req.MinBytes, req.MaxBytes, req.MaxWaitMillis = 1, maxBytes, wait
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	if id := a.idOf(topic); id != ([16]byte{}) {
		req.SetVersion(13 + int16(a.id%6))
		t.TopicID = id
	}
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = p, offset, maxBytes, -1
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.FetchResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%w: fetch response of another shape", errNoAnswer)
	}
	return &topics[0].Partitions[0], nil
}

// parseRecords returns the records at or after from, and the offset behind the last batch. Every batch's CRC is
// checked, as clients do.
func parseRecords(data []byte, from int64) ([]check.Record, int64, error) {
	var out []check.Record
	next, err := eachRecord(data, from, func(_ batch.Batch, rec *batch.Record, v check.Value) {
		out = append(out, check.Record{Offset: rec.Offset, Value: v})
	})
	return out, next, err
}

// eachRecord is parseRecords that shows the records to fn.
func eachRecord(data []byte, from int64, fn func(batch.Batch, *batch.Record, check.Value)) (int64, error) {
	next := from
	dec := batch.NewDecoder(8 << 20)
	var rec batch.Record
	for len(data) > 0 {
		b, err := batch.Parse(data)
		if err != nil {
			return 0, err
		}
		if b.ComputeCRC() != b.CRC() {
			return 0, fmt.Errorf("batch at offset %d fails its CRC", b.BaseOffset())
		}
		data = data[b.Size():]
		if err := dec.Open(b); err != nil {
			return 0, err
		}
		for dec.Next(&rec) {
			if rec.Offset < from {
				continue
			}
			v, ok := parseToken(rec.Value)
			if !ok {
				return 0, fmt.Errorf("record at offset %d is none of ours", rec.Offset)
			}
			fn(b, &rec, v)
		}
		if err := dec.Err(); err != nil {
			return 0, err
		}
		next = max(next, b.NextOffset())
	}
	return next, nil
}

// listEnd asks for the high watermark, which must be linearizable.
func (a *actor) listEnd(sc *host.Scope, o *Op) {
	op := a.begin(check.ListEnd, o.Partition)
	r, err := a.sendListOffsets(sc, topicName, o.Partition, -1)
	if err != nil || r.ErrorCode != 0 {
		return
	}
	op.Offset = r.Offset
	a.c.told(&op)
	a.record(op, check.OK)
}

func (a *actor) sendListOffsets(
	sc *host.Scope, topic string, p int32, timestamp int64,
) (*kmsg.ListOffsetsResponseTopicPartition, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(5 + int16(a.id%3))
	if timestamp == latestTime {
		req.SetVersion(7)
	}
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p, timestamp, -1
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.ListOffsetsResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("%w: list offsets response of another shape", errNoAnswer)
	}
	return &topics[0].Partitions[0], nil
}

// readBackBytes is the most that one fetch of the second phase asks for.
const readBackBytes = 16 << 10

// readLog reads a partition from its log start offset to its high watermark.
func (a *actor) readLog(sc *host.Scope, p int32) (reading, error) {
	log := reading{Log: check.Log{Partition: check.Partition{Topic: topicName, Index: p}}}
	start, err := a.sendListOffsets(sc, topicName, p, -2)
	if err != nil {
		return log, err
	}
	end, err := a.sendListOffsets(sc, topicName, p, -1)
	if err != nil {
		return log, err
	}
	if start.ErrorCode != 0 || end.ErrorCode != 0 {
		return log, fmt.Errorf("list offsets of %s: codes %d, %d", log.Partition, start.ErrorCode, end.ErrorCode)
	}
	log.Start = start.Offset
	a.byID = p%2 == 1
	n := end.Offset - start.Offset
	log.Values, log.times, log.epochs = make([]check.Value, n), make([]int64, n), make([]int32, n)
	for at := start.Offset; at < end.Offset; {
		r, err := a.sendFetch(sc, topicName, p, at, readBackBytes, 100)
		if err != nil {
			return log, err
		}
		if r.ErrorCode != 0 {
			return log, fmt.Errorf("read %s at offset %d: code %d", log.Partition, at, r.ErrorCode)
		}
		next, err := eachRecord(r.RecordBatches, at, func(b batch.Batch, rec *batch.Record, v check.Value) {
			if i := rec.Offset - start.Offset; i < n {
				log.Values[i], log.times[i], log.epochs[i] = v, rec.Timestamp, b.LeaderEpoch()
			}
		})
		if err != nil {
			return log, err
		}
		if next == at {
			return log, fmt.Errorf("read %s at offset %d of %d: nothing came", log.Partition, at, end.Offset)
		}
		at = next
	}
	return log, nil
}
