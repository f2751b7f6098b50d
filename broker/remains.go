package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/stream"
)

// remains is what can still be read of a partition that is offline: everything below its first hole (rule
// 38). Nothing is appended, and nobody learns an end: what lies behind is an error and never an empty answer.
type remains struct {
	logStart int64
	end      int64 // of what can be read; the hole begins there
}

// belowHole returns what lies below the first unaccepted hole of a stream.
func belowHole(st *metadata.Stream) remains {
	r := remains{logStart: st.LogStart, end: -1}
	for i := range st.Holes {
		if h := &st.Holes[i]; !h.Accepted && (r.end < 0 || h.From < r.end) {
			r.end = h.From
		}
	}
	return r
}

// remains returns what is left of partition n, nil unless it is offline and something is.
func (t *topic) remains(n int32) *remains {
	if n < 0 || int(n) >= len(t.parts) || t.internal {
		return nil
	}
	if ref := &t.parts[n]; ref.offline != "" && ref.remains.end > ref.remains.logStart {
		return &ref.remains
	}
	return nil
}

// fetchRemains answers for a partition that is offline, from below its hole.
func (f *fetchCall) fetchRemains(sc *host.Scope, t *topic, want *kmsg.FetchRequestTopicPartition,
	out *fetchedPart, budget int) error {
	r := t.remains(want.Partition)
	switch {
	case r == nil || want.FetchOffset >= r.end:
		out.code, f.failed = codeKafkaStorageError, true
		return nil
	case want.FetchOffset < r.logStart:
		out.code, f.failed = codeOffsetOutOfRange, true
		return nil
	}
	probe.Hit(probe.BrokerFetchRemains)
	out.highWatermark, out.lastStable, out.logStart = r.end, r.end, r.logStart
	if (budget <= 0 || f.cut) && f.bytes > 0 {
		return nil
	}
	id := stream.ID(t.parts[want.Partition].stream)
	read, err := f.b.engine.Read(sc, id, want.FetchOffset, r.end, min(int(want.PartitionMaxBytes), budget), f.bytes > 0)
	if err != nil {
		return f.readFailed(sc, t.name, want, out, err)
	}
	if read.Bytes == 0 && f.bytes == 0 { // below the hole and yet not there
		read.Release()
		out.code, f.failed = codeKafkaStorageError, true
		return nil
	}
	f.take(read, out)
	f.bytes += out.size
	return nil
}

// listRemains answers ListOffsets for a partition that is offline: where it begins is known, where it ends is
// not.
func (t *topic) listRemains(want *kmsg.ListOffsetsRequestTopicPartition,
	out *kmsg.ListOffsetsResponseTopicPartition) Code {
	r := t.remains(want.Partition)
	if r == nil || want.Timestamp != listEarliest {
		return codeKafkaStorageError
	}
	out.Offset = r.logStart
	return codeNone
}
