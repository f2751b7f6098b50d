package peer

import (
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// HandOver gives the state at the end of a sealed range to who is to open the next one.
type HandOver struct {
	From        int32 // who sealed the range …
	FromEpoch   int64 // … in which broker epoch
	Stream      uint64
	LeaderEpoch int32  // of the sealed range
	End         int64  // of the sealed range
	State       []byte // at exactly End
}

// StateAt asks for the state at the end of a sealed range.
type StateAt struct {
	Stream      uint64
	LeaderEpoch int32
	End         int64
	WAL         [16]byte
}

// ReadOwed asks the holder of a WAL for records of a closed range that no object holds.
type ReadOwed struct {
	Stream      uint64
	LeaderEpoch int32
	WAL         [16]byte
	From        int64 // an offset of the range
	Limit       int64 // above From; no entry that ends past it
	MaxBytes    int   // at most ReadMax; the first entry may be larger
}

// Entry is one entry as it was appended.
type Entry struct {
	Base         int64
	Count        uint32
	MaxTimestamp int64
	Data         []byte
}

// Owed is the answer to a ReadOwed. Either it has entries, the first of which holds the offset asked for, or GoneAt is
// the index of metadata from which on objects hold that offset, or nobody does because the log begins later.
type Owed struct {
	GoneAt  uint64
	Entries []Entry
}

func encode(m proto.Message) []byte {
	p, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		invariant.Fail(invariant.Contract, "a message between brokers cannot be encoded: %v", err)
	}
	return p
}

// Encode returns its bytes.
func (m HandOver) Encode() []byte {
	return encode(&metadatapb.PeerHandOver{From: m.From, FromEpoch: m.FromEpoch, Stream: m.Stream,
		LeaderEpoch: m.LeaderEpoch, End: m.End, State: m.State})
}

// DecodeHandOver reads a HandOver.
func DecodeHandOver(p []byte) (HandOver, error) {
	var x metadatapb.PeerHandOver
	if len(p) > RequestMax || proto.Unmarshal(p, &x) != nil {
		return HandOver{}, malformed("hand-over", "not readable")
	}
	m := HandOver{From: x.From, FromEpoch: x.FromEpoch, Stream: x.Stream, LeaderEpoch: x.LeaderEpoch,
		End: x.End, State: x.State}
	if m.Stream == 0 || m.LeaderEpoch < 0 || m.End < 0 || len(m.State) == 0 || len(m.State) > EntryMax {
		return HandOver{}, malformed("hand-over", "a field is out of range")
	}
	return m, nil
}

// Encode returns its bytes.
func (m StateAt) Encode() []byte {
	return encode(&metadatapb.PeerStateAt{Stream: m.Stream, LeaderEpoch: m.LeaderEpoch, End: m.End, Wal: m.WAL[:]})
}

// DecodeStateAt reads a StateAt.
func DecodeStateAt(p []byte) (StateAt, error) {
	var x metadatapb.PeerStateAt
	if len(p) > requestMean || proto.Unmarshal(p, &x) != nil {
		return StateAt{}, malformed("request for a state", "not readable")
	}
	m := StateAt{Stream: x.Stream, LeaderEpoch: x.LeaderEpoch, End: x.End}
	if m.Stream == 0 || m.LeaderEpoch < 0 || m.End < 0 || len(x.Wal) != len(m.WAL) {
		return StateAt{}, malformed("request for a state", "a field is out of range")
	}
	m.WAL = [16]byte(x.Wal)
	return m, nil
}

// EncodeState returns the bytes of the answer to a StateAt.
func EncodeState(state []byte) []byte { return encode(&metadatapb.PeerState{State: state}) }

// DecodeState reads the answer to a StateAt.
func DecodeState(p []byte) ([]byte, error) {
	var x metadatapb.PeerState
	if proto.Unmarshal(p, &x) != nil || len(x.State) == 0 || len(x.State) > EntryMax {
		return nil, malformed("state", "not readable, or out of range")
	}
	return x.State, nil
}

// Encode returns its bytes.
func (m ReadOwed) Encode() []byte {
	return encode(&metadatapb.PeerReadOwed{Stream: m.Stream, LeaderEpoch: m.LeaderEpoch, Wal: m.WAL[:],
		From: m.From, Limit: m.Limit, MaxBytes: uint32(m.MaxBytes)})
}

// DecodeReadOwed reads a ReadOwed.
func DecodeReadOwed(p []byte) (ReadOwed, error) {
	var x metadatapb.PeerReadOwed
	if len(p) > requestMean || proto.Unmarshal(p, &x) != nil {
		return ReadOwed{}, malformed("read of owed records", "not readable")
	}
	m := ReadOwed{Stream: x.Stream, LeaderEpoch: x.LeaderEpoch, From: x.From, Limit: x.Limit}
	if m.Stream == 0 || m.LeaderEpoch < 0 || m.From < 0 || m.Limit <= m.From || x.MaxBytes > ReadMax ||
		len(x.Wal) != len(m.WAL) {
		return ReadOwed{}, malformed("read of owed records", "a field is out of range")
	}
	m.WAL, m.MaxBytes = [16]byte(x.Wal), int(x.MaxBytes)
	return m, nil
}

// Encode returns its bytes.
func (m Owed) Encode() []byte {
	x := &metadatapb.PeerOwed{GoneAt: m.GoneAt}
	size := 0
	for i := range m.Entries {
		size += len(m.Entries[i].Data)
	}
	if size > 0 {
		x.Data = make([]byte, 0, size)
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		x.Entries = append(x.Entries, &metadatapb.PeerEntry{Base: e.Base, Count: e.Count,
			Bytes: uint32(len(e.Data)), MaxTimestamp: e.MaxTimestamp})
		x.Data = append(x.Data, e.Data...)
	}
	return encode(x)
}

// DecodeOwed reads the answer to q. Its entries follow each other, the first one holds q.From, and none ends past
// q.Limit.
func DecodeOwed(p []byte, q ReadOwed) (Owed, error) {
	var x metadatapb.PeerOwed
	if proto.Unmarshal(p, &x) != nil {
		return Owed{}, malformed("owed records", "not readable")
	}
	m := Owed{GoneAt: x.GoneAt}
	if (m.GoneAt != 0) == (len(x.Entries) != 0) || len(x.Entries) > EntriesMax || len(x.Data) > answerMax {
		return Owed{}, malformed("owed records", "neither entries nor where they are, or too many")
	}
	m.Entries = make([]Entry, 0, len(x.Entries))
	next, data := q.From, x.Data
	for i, e := range x.Entries {
		end := e.GetBase() + int64(e.GetCount())
		first := i == 0 && e.GetBase() <= q.From && end > q.From
		if e.GetBase() < 0 || end <= e.GetBase() || !first && (i == 0 || e.GetBase() != next) || end > q.Limit ||
			uint64(e.GetBytes()) > uint64(len(data)) {
			return Owed{}, malformed("owed records", "an entry is out of place")
		}
		n := e.GetBytes()
		m.Entries = append(m.Entries, Entry{Base: e.GetBase(), Count: e.GetCount(),
			MaxTimestamp: e.GetMaxTimestamp(), Data: data[:n:n]})
		next, data = end, data[n:]
	}
	if len(data) != 0 {
		return Owed{}, malformed("owed records", "bytes of no entry")
	}
	return m, nil
}
