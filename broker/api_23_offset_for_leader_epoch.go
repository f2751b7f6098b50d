package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// OffsetForLeaderEpoch (key 23), v2–4.
//
// Behavior: the end offset of the asked leader epoch, from the epoch history of the log (KIP-101,
// KIP-320); -1 and -1 when the epoch is newer than any or older than the log. Clients compare it with
// their position to see whether the log was cut below them.
func handleOffsetForLeaderEpoch(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.OffsetForLeaderEpochRequest)
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range req.Topics {
		rt := &req.Topics[i]
		t, code := b.find(rt.Topic, [16]byte{}, false)
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = rt.Topic
		for j := range rt.Partitions {
			want := &rt.Partitions[j]
			p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			p.Partition, p.LeaderEpoch, p.EndOffset = want.Partition, -1, -1
			pc := code
			var pt *part
			if pc == codeNone {
				pt, pc = b.awaitPart(sc, t, want.Partition, c.received.Add(arrivalWait))
			}
			if pc == codeNone {
				p.LeaderEpoch, p.EndOffset, pc = pt.epochEnd(want.CurrentLeaderEpoch, want.LeaderEpoch)
			}
			p.ErrorCode = int16(pc)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return encode(c, resp), nil
}

// epochEnd answers for one partition.
func (p *part) epochEnd(current, asked int32) (int32, int64, Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed != codeNone {
		return -1, -1, p.closed
	}
	if err := p.log.CheckLeaderEpoch(current); err != nil {
		return -1, -1, partitionCode(err)
	}
	epoch, end := p.log.OffsetForLeaderEpoch(asked)
	return epoch, end, codeNone
}
