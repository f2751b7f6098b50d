package broker

import (
	"encoding/binary"
	"slices"
)

// fetchHeadBytes is about what an answer's structure takes for itself, for a topic and for a partition.
const fetchHeadBytes = 64

// Versions at which the Fetch response changed (KIP-227, KIP-392, KIP-482, KIP-516, KIP-951).
const (
	fetchLogStart    = 5
	fetchSession     = 7
	fetchReadReplica = 11
	fetchFlexible    = 12
	fetchTopicID     = 13
	fetchEndpoints   = 16
)

// fetchedTopic is one topic of a Fetch response.
type fetchedTopic struct {
	name  string
	id    [16]byte
	parts []fetchedPart
}

// fetchedPart is one partition of a Fetch response. The record bytes point into slabs or read buffers.
type fetchedPart struct {
	partition     int32
	code          Code
	highWatermark int64
	lastStable    int64
	logStart      int64
	hint          hint // from fetchFlexible on
	size          int  // bytes in records
	records       [][]byte
}

// encodeFetch writes a Fetch response v4–18: the structure into buf, the record bytes by reference. The
// result is what a writev needs, in order. Session id 0 declines fetch sessions (KIP-227). The
// leaders are for versions from fetchEndpoints on.
func encodeFetch(
	buf []byte, version int16, correlation int32, topics []fetchedTopic, leaders []neighbour,
) [][]byte {
	n := 0
	for i := range topics {
		n += len(topics[i].parts)
	}
	w := wire{buf: slices.Grow(buf[:0], fetchHeadBytes*(1+len(topics)+n)), flexible: version >= fetchFlexible}
	w.header(correlation)
	w.i32(0) // throttle time, ms
	if version >= fetchSession {
		w.i16(0)
		w.i32(0)
	}
	cuts := make([]fetchCut, 0, n)
	total := 0
	w.arrayLen(len(topics))
	for i := range topics {
		t := &topics[i]
		if version >= fetchTopicID {
			w.buf = append(w.buf, t.id[:]...)
		} else {
			w.str(t.name)
		}
		w.arrayLen(len(t.parts))
		for j := range t.parts {
			p := &t.parts[j]
			encodeFetchedHead(&w, version, p)
			if p.size > 0 {
				cuts = append(cuts, fetchCut{at: len(w.buf), records: p.records})
				total += p.size
			}
			w.endTagged(1, p.hint)
		}
		w.tags()
	}
	w.endWithEndpoints(leaders)
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-4+total))
	return interleave(w.buf, cuts)
}

// fetchCut is a place in the structure where record bytes belong.
type fetchCut struct {
	at      int
	records [][]byte
}

func encodeFetchedHead(w *wire, version int16, p *fetchedPart) {
	w.i32(p.partition)
	w.i16(int16(p.code))
	w.i64(p.highWatermark)
	w.i64(p.lastStable)
	if version >= fetchLogStart {
		w.i64(p.logStart)
	}
	w.arrayLen(0) // aborted transactions
	if version >= fetchReadReplica {
		w.i32(-1)
	}
	w.bytesLen(p.size)
}

// interleave cuts buf where records belong and puts them there.
func interleave(buf []byte, cuts []fetchCut) [][]byte {
	n := 1
	for _, c := range cuts {
		n += 1 + len(c.records)
	}
	out := make([][]byte, 0, n)
	from := 0
	for _, c := range cuts {
		out = append(out, buf[from:c.at])
		out = append(out, c.records...)
		from = c.at
	}
	if from < len(buf) {
		out = append(out, buf[from:])
	}
	return out
}
