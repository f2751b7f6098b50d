package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
)

// ListOffsets (key 2), v1–11.
//
// Behavior: -1 latest (the high watermark, or the last stable offset for a read_committed client),
// -2 earliest (the log start offset), -3 the record with the largest timestamp (v7+, KIP-734), -4 earliest
// local and -5 latest tiered (KIP-405, KIP-1005), -6 earliest pending upload (KIP-1023): there is one
// tier, so -4 and -6 are the log start offset and -5 is -1 with no timestamp. A timestamp ≥ 0 is answered
// with the first record whose timestamp is not below it, or offset -1 if there is none.
//
// Version notes: v2 isolation level; v4 leader epoch; v6 flexible; v10 timeout.
func handleListOffsets(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.ListOffsetsRequest)
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for i := range req.Topics {
		rt := &req.Topics[i]
		t, code := b.find(rt.Topic, [16]byte{}, false)
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = rt.Topic
		for j := range rt.Partitions {
			want := &rt.Partitions[j]
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.Timestamp, p.Offset, p.LeaderEpoch = want.Partition, -1, -1, -1
			pc := code
			var pt *part
			if pc == codeNone {
				if pt, pc = b.awaitPart(sc, t, want.Partition, c.received.Add(arrivalWait)); pc == codeKafkaStorageError {
					pc, pt = t.listRemains(want, &p), nil
				}
			}
			if pc == codeNone && pt != nil {
				pc = pt.listOffset(sc, c.version, req.IsolationLevel == readCommitted, want, &p)
			}
			p.ErrorCode = int16(pc)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if asksLatest(req) && !b.holdsFence() {
		refuseAll(resp)
	}
	return encode(c, resp), nil
}

// asksLatest reports whether a request asks for an end, which is linearizable; what is in the log stays true.
func asksLatest(req *kmsg.ListOffsetsRequest) bool {
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if ts := req.Topics[i].Partitions[j].Timestamp; ts == listLatest || ts == listMaxTimestamp {
				return true
			}
		}
	}
	return false
}

// refuseAll takes back what was answered.
func refuseAll(resp *kmsg.ListOffsetsResponse) {
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if p.ErrorCode == int16(codeNone) {
				p.ErrorCode, p.Timestamp, p.Offset, p.LeaderEpoch = int16(codeNotLeaderOrFollower), -1, -1, -1
			}
		}
	}
}

// Special timestamps of ListOffsets.
const (
	listLatest         = -1
	listEarliest       = -2
	listMaxTimestamp   = -3
	listEarliestLocal  = -4
	listLatestTiered   = -5
	listEarliestUpload = -6
)

// listOffset answers for one partition.
func (p *part) listOffset(sc *host.Scope, version int16, committed bool, want *kmsg.ListOffsetsRequestTopicPartition,
	out *kmsg.ListOffsetsResponseTopicPartition) Code {
	current := int32(-1)
	if version >= 4 {
		current = want.CurrentLeaderEpoch
	}
	m, code := p.marks(current, committed)
	if code != codeNone {
		return code
	}
	switch ts := want.Timestamp; {
	case ts == listLatest:
		out.Offset, out.LeaderEpoch = m.end, m.epoch
	case ts == listEarliest, ts == listEarliestLocal && version >= 8, ts == listEarliestUpload && version >= 11:
		out.Offset, out.LeaderEpoch = m.logStart, p.epochAt(m.logStart)
	case ts == listLatestTiered && version >= 9:
		return codeNone
	case ts == listMaxTimestamp && version >= 7:
		if m.maxTimestamp < 0 {
			return codeNone
		}
		return p.listTimestamp(sc, m.maxTimestamp, m.end, out)
	case ts >= 0:
		return p.listTimestamp(sc, ts, m.end, out)
	default:
		return codeUnsupportedVersion
	}
	return codeNone
}

// marks are a partition's watermarks at one moment.
type marks struct {
	epoch         int32
	logStart, end int64
	maxTimestamp  int64 // -1 if there is no record
}

// marks checks the client's leader epoch and returns the watermarks.
func (p *part) marks(current int32, committed bool) (marks, Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != codeNone {
		return marks{}, p.closed
	}
	if p.leaving { // somebody else may have appended by now (rule 28)
		return marks{}, codeNotLeaderOrFollower
	}
	if err := p.log.CheckLeaderEpoch(current); err != nil {
		return marks{}, partitionCode(err)
	}
	m := marks{epoch: p.log.LeaderEpoch(), logStart: p.log.LogStart(), end: p.log.FetchEnd(committed), maxTimestamp: -1}
	if ts, _, ok := p.log.MaxTimestamp(); ok {
		m.maxTimestamp = ts
	}
	return m, codeNone
}

func (p *part) epochAt(offset int64) int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.EpochAt(offset)
}

// timestampUnpackMax bounds what one look-up by timestamp unpacks, in bytes.
const timestampUnpackMax = 64 << 20

// listTimestamp finds the first record at or after ts below end.
func (p *part) listTimestamp(sc *host.Scope, ts, end int64, out *kmsg.ListOffsetsResponseTopicPartition) Code {
	offset, at, ok, err := p.firstSince(sc, ts, end)
	if err != nil {
		p.b.h.Log().Error("look up a timestamp", "topic", p.name, "partition", p.index, "error", err)
		return codeKafkaStorageError
	}
	if ok {
		out.Offset, out.Timestamp, out.LeaderEpoch = offset, at, p.epochAt(offset)
	}
	return codeNone
}

func (p *part) firstSince(sc *host.Scope, ts, end int64) (offset, at int64, ok bool, err error) {
	read, err := p.stream.OffsetForTimestamp(sc, ts)
	if err != nil || read == nil {
		return 0, 0, false, err
	}
	defer read.Release()
	dec := batch.NewDecoder(timestampUnpackMax)
	for _, ch := range read.Chunks {
		b, err := batch.Parse(ch.Data)
		if err != nil {
			return 0, 0, false, fmt.Errorf("parse the batch at offset %d: %w", ch.Base, err)
		}
		offset, at, ok, err = dec.FirstSince(b, ts)
		if err != nil || ok {
			return offset, at, ok && offset < end, err
		}
	}
	return 0, 0, false, nil
}
