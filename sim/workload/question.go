package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// reading is a partition as it was read back, with what its records and batches say besides their values. The lists
// are by offset from Start.
type reading struct {
	check.Log
	times  []int64
	epochs []int32
}

// latestTime asks ListOffsets for the record with the largest timestamp.
const latestTime = -3

// question asks what has one right answer once a log is known: where a timestamp is, where an epoch ends, what lies at
// an offset in the middle of a batch, all partitions in one request. The log may only have grown since it was read.
func (a *actor) question(sc *host.Scope, logs []reading) error {
	for i := range logs {
		log := &logs[i]
		n := len(log.Values)
		if n == 0 {
			continue
		}
		for _, at := range []int{n / 3, n / 2, n - 1} {
			if err := a.askTime(sc, log, log.times[at]); err != nil {
				return err
			}
			if err := a.askTime(sc, log, log.times[at]+1); err != nil {
				return err
			}
			if err := a.askEpoch(sc, log, log.epochs[at]); err != nil {
				return err
			}
		}
		if err := a.askLatest(sc, log); err != nil {
			return err
		}
		if err := a.askRefused(sc, log); err != nil {
			return err
		}
	}
	return a.askMiddle(sc, logs)
}

// askTime asks for the first record that is not older than ts.
func (a *actor) askTime(sc *host.Scope, log *reading, ts int64) error {
	got, err := a.sendListOffsets(sc, topicName, log.Index, ts)
	if err != nil || got.ErrorCode != 0 {
		return fmt.Errorf("list the offset of a time: %d, %w", code(got), err)
	}
	for i, t := range log.times {
		if t < ts {
			continue
		}
		if at := log.Start + int64(i); got.Offset != at || got.Timestamp != t {
			a.c.fail(oracleAnswer, "the first record of %s at or after time %d is at offset %d, time %d; the answer was "+
				"offset %d, time %d", log.Partition, ts, at, t, got.Offset, got.Timestamp)
		}
		return nil
	}
	if got.Offset >= 0 && got.Offset < log.End() {
		a.c.fail(oracleAnswer, "no record of %s is as new as time %d; the answer was offset %d", log.Partition, ts,
			got.Offset)
	}
	return nil
}

func code(p *kmsg.ListOffsetsResponseTopicPartition) int16 {
	if p == nil {
		return 0
	}
	return p.ErrorCode
}

// askLatest asks for the record with the largest timestamp.
func (a *actor) askLatest(sc *host.Scope, log *reading) error {
	got, err := a.sendListOffsets(sc, topicName, log.Index, latestTime)
	if err != nil || got.ErrorCode != 0 {
		return fmt.Errorf("list the offset of the largest timestamp: %d, %w", code(got), err)
	}
	best := 0
	for i, t := range log.times {
		if t > log.times[best] {
			best = i
		}
	}
	grown := got.Offset >= log.End() && got.Timestamp > log.times[best]
	if at := log.Start + int64(best); !grown && (got.Offset != at || got.Timestamp != log.times[best]) {
		a.c.fail(oracleAnswer, "the newest record of %s is at offset %d, time %d; the answer was offset %d, time %d",
			log.Partition, at, log.times[best], got.Offset, got.Timestamp)
	}
	return nil
}

// askEpoch asks where a leader epoch ends.
func (a *actor) askEpoch(sc *host.Scope, log *reading, epoch int32) error {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.SetVersion(3)
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topicName
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = log.Index, -1, epoch
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return err
	}
	topics := resp.(*kmsg.OffsetForLeaderEpochResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return errNoAnswer
	}
	got := &topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		return fmt.Errorf("end of leader epoch %d: code %d", epoch, got.ErrorCode)
	}
	end, last := log.End(), true
	for i, e := range log.epochs {
		if e > epoch {
			end, last = log.Start+int64(i), false
			break
		}
	}
	if got.LeaderEpoch != epoch || got.EndOffset != end && !(last && got.EndOffset > end) {
		a.c.fail(oracleAnswer, "leader epoch %d of %s ends at offset %d; the answer was offset %d of epoch %d", epoch,
			log.Partition, end, got.EndOffset, got.LeaderEpoch)
	}
	return nil
}

// askRefused fetches far above the end, and with a leader epoch that is over: both must be refused.
func (a *actor) askRefused(sc *host.Scope, log *reading) error {
	type ask struct {
		offset int64
		epoch  int32
		code   int16
	}
	asks := []ask{{log.End() + 1<<40, -1, codeOutOfRange}}
	if first, last := log.epochs[0], log.epochs[len(log.epochs)-1]; first < last {
		asks = append(asks, ask{log.Start, first, codeFencedEpoch})
	}
	for _, k := range asks {
		got, err := a.fetchMany(sc, []fetchAsk{{log.Index, k.offset, k.epoch}})
		if err != nil {
			return err
		}
		if got[0].ErrorCode != k.code {
			a.c.fail(oracleAnswer, "a fetch of %s at offset %d with leader epoch %d was answered with code %d, not %d",
				log.Partition, k.offset, k.epoch, got[0].ErrorCode, k.code)
		}
	}
	return nil
}

// askMiddle fetches all partitions at once, each from somewhere inside.
func (a *actor) askMiddle(sc *host.Scope, logs []reading) error {
	for third := range 3 {
		var asks []fetchAsk
		for i := range logs {
			asks = append(asks, fetchAsk{logs[i].Index, logs[i].Start + int64(len(logs[i].Values)*third/3), -1})
		}
		got, err := a.fetchMany(sc, asks)
		if err != nil {
			return err
		}
		for i := range got {
			if err := a.judgeMiddle(&logs[i], asks[i].offset, &got[i], i == 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeMiddle compares a fetch with what was read before. The first partition of a request always gets something.
func (a *actor) judgeMiddle(log *reading, from int64, got *kmsg.FetchResponseTopicPartition, first bool) error {
	if got.ErrorCode != 0 {
		return fmt.Errorf("fetch %s at offset %d: code %d", log.Partition, from, got.ErrorCode)
	}
	next := from
	_, err := eachRecord(got.RecordBatches, from, func(_ batch.Batch, rec *batch.Record, v check.Value) {
		if i := rec.Offset - log.Start; i < int64(len(log.Values)) && (rec.Offset != next || log.Values[i] != v) {
			a.c.fail(oracleAnswer, "a fetch of %s from offset %d has %s at offset %d, where offset %d is due and %s lies",
				log.Partition, from, v, rec.Offset, next, log.Values[i])
		}
		next++
	})
	if err != nil {
		a.c.fail(oracleAnswer, "fetch of %s at offset %d: %w", log.Partition, from, err)
	}
	if first && next == from && from < log.End() {
		a.c.fail(oracleAnswer, "a fetch of %s from offset %d, below its end %d, has no record", log.Partition, from,
			log.End())
	}
	return nil
}

type fetchAsk struct {
	partition int32
	offset    int64
	epoch     int32 // the leader epoch that the client believes in, -1 for none
}

// fetchMany fetches from several partitions in one request and returns the answers in the order asked.
func (a *actor) fetchMany(sc *host.Scope, asks []fetchAsk) ([]kmsg.FetchResponseTopicPartition, error) {
	if a.wire.guide != nil && len(asks) > 1 { // they may have several leaders
		var all []kmsg.FetchResponseTopicPartition
		for i := range asks {
			one, err := a.fetchMany(sc, asks[i:i+1])
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, readBackBytes, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topicName
	for _, k := range asks {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch = k.partition, k.offset, k.epoch
		rp.PartitionMaxBytes = readBackBytes / 4
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.FetchResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != len(asks) {
		return nil, fmt.Errorf("%w: fetch response of another shape", errNoAnswer)
	}
	return topics[0].Partitions, nil
}
