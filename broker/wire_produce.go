package broker

import "encoding/binary"

// Versions at which the Produce response changed (KIP-467, KIP-482, KIP-951, KIP-516).
const (
	produceLogStart    = 5
	produceRecordError = 8
	produceFlexible    = 9
	produceHint        = 10
	produceTopicID     = 13
)

// encodeProduce writes a Produce response v3–13 into buf and returns it framed. It is written by hand
// because a response is encoded for each produce request (DESIGN §10); a test compares it with kmsg. Hints and leaders
// are for versions from produceHint on.
func encodeProduce(
	buf []byte, version int16, correlation int32, topics []producedTopic, leaders []neighbour,
) []byte {
	w := wire{buf: buf[:0], flexible: version >= produceFlexible}
	w.header(correlation)
	w.arrayLen(len(topics))
	for i := range topics {
		t := &topics[i]
		if version >= produceTopicID {
			w.buf = append(w.buf, t.id[:]...)
		} else {
			w.str(t.name)
		}
		w.arrayLen(len(t.items))
		for j := range t.items {
			encodeProduced(&w, version, &t.items[j])
		}
		w.tags()
	}
	w.i32(0) // throttle time, ms
	w.endWithEndpoints(leaders)
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-4))
	return w.buf
}

func encodeProduced(w *wire, version int16, it *produceItem) {
	w.i32(it.partition)
	w.i16(int16(it.code))
	w.i64(it.base)
	w.i64(it.appendTime)
	if version >= produceLogStart {
		w.i64(it.logStart)
	}
	if version >= produceRecordError {
		w.arrayLen(0)
		w.nullableStr(it.text)
	}
	w.endTagged(0, it.hint)
}
