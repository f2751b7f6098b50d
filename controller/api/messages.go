package api

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// Member is a controller.
type Member struct {
	ID    uint64 // its Raft id, drawn from its disk
	Node  int32
	Addr  string // of its rpc server
	Voter bool   // no learner; ignored in a Join
}

func (w *writer) member(m Member) {
	w.u64(m.ID)
	w.u32(uint32(m.Node))
	w.flag(m.Voter)
	w.bytes([]byte(m.Addr))
}

func (r *reader) member() Member {
	m := Member{ID: r.u64(), Node: int32(r.u32()), Voter: r.flag()}
	m.Addr = string(r.bytes())
	return m
}

// Encode returns the bytes of a Join.
func (m Member) Encode() []byte {
	var w writer
	w.member(m)
	return w
}

// DecodeMember reads a Join.
func DecodeMember(p []byte) (Member, error) {
	r := &reader{p: p}
	return r.member(), r.end("member")
}

// EncodeID returns the bytes of a Leave or Transfer.
func EncodeID(id uint64) []byte {
	var w writer
	w.u64(id)
	return w
}

// DecodeID reads a Leave or Transfer.
func DecodeID(p []byte) (uint64, error) {
	r := &reader{p: p}
	return r.u64(), r.end("member id")
}

// Encode returns the bytes of a hint.
func (h Hint) Encode() []byte {
	var w writer
	w.u64(h.Term)
	w.u64(h.Member)
	w.u32(uint32(h.Node))
	w.bytes([]byte(h.Addr))
	return w
}

// DecodeHint reads a hint.
func DecodeHint(p []byte) (Hint, error) {
	r := &reader{p: p}
	h := Hint{Term: r.u64(), Member: r.u64(), Node: int32(r.u32())}
	h.Addr = string(r.bytes())
	return h, r.end("hint")
}

// ProposeRequest asks for a command to be applied.
type ProposeRequest struct {
	Term    uint64 // propose it in this term or not at all; 0 = in any
	Command []byte // metadata.EncodeCommand
}

// Encode returns its bytes.
func (q ProposeRequest) Encode() []byte {
	var w writer
	w.u64(q.Term)
	w.bytes(q.Command)
	return w
}

// DecodePropose reads a ProposeRequest. The command aliases p.
func DecodePropose(p []byte) (ProposeRequest, error) {
	r := &reader{p: p}
	q := ProposeRequest{Term: r.u64(), Command: r.bytes()}
	return q, r.end("proposal")
}

// EncodeResult returns the bytes of a Propose's answer.
func EncodeResult(r *metadatapb.Result) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(r)
}

// DecodeResult reads a Propose's answer.
func DecodeResult(p []byte) (*metadatapb.Result, error) {
	r := &metadatapb.Result{}
	if err := proto.Unmarshal(p, r); err != nil {
		return nil, ErrMalformed
	}
	return r, nil
}

// ReadAnswer is the applied index that a linearizable read has to wait for.
type ReadAnswer struct{ Index, Term uint64 }

// Encode returns its bytes.
func (a ReadAnswer) Encode() []byte {
	var w writer
	w.u64(a.Index)
	w.u64(a.Term)
	return w
}

// DecodeRead reads a ReadAnswer.
func DecodeRead(p []byte) (ReadAnswer, error) {
	r := &reader{p: p}
	a := ReadAnswer{Index: r.u64(), Term: r.u64()}
	return a, r.end("read index")
}

// WALEnd is how far a WAL is durable.
type WALEnd struct {
	WAL      [16]byte
	Position uint64
}

// HeartbeatRequest asks for a lease.
type HeartbeatRequest struct {
	Broker  int32
	Epoch   int64
	Number  uint64 // lease.Holder.Send
	Load    uint64 // bytes a second in and out
	Applied uint64 // index of the broker's metadata
	SyncAge time.Duration
	WALs    []WALEnd
}

// Encode returns its bytes.
func (q HeartbeatRequest) Encode() []byte {
	var w writer
	w.u32(uint32(q.Broker))
	for _, v := range []uint64{uint64(q.Epoch), q.Number, q.Load, q.Applied, uint64(q.SyncAge)} {
		w.u64(v)
	}
	w.u32(uint32(len(q.WALs)))
	for _, e := range q.WALs {
		w = append(w, e.WAL[:]...)
		w.u64(e.Position)
	}
	return w
}

// DecodeHeartbeat reads a HeartbeatRequest.
func DecodeHeartbeat(p []byte) (HeartbeatRequest, error) {
	r := &reader{p: p}
	q := HeartbeatRequest{
		Broker: int32(r.u32()), Epoch: int64(r.u64()), Number: r.u64(), Load: r.u64(), Applied: r.u64(),
		SyncAge: time.Duration(r.u64()),
	}
	for n := r.count(24); n > 0; n-- {
		var e WALEnd
		copy(e.WAL[:], r.take(16))
		e.Position = r.u64()
		q.WALs = append(q.WALs, e)
	}
	return q, r.end("heartbeat")
}

// SuspectRequest asks who leads to end a broker epoch: it gets no lease any more.
type SuspectRequest struct {
	Broker int32
	Epoch  int64
}

// Encode returns its bytes.
func (q SuspectRequest) Encode() []byte {
	var w writer
	w.u32(uint32(q.Broker))
	w.u64(uint64(q.Epoch))
	return w
}

// DecodeSuspect reads a SuspectRequest.
func DecodeSuspect(p []byte) (SuspectRequest, error) {
	r := &reader{p: p}
	q := SuspectRequest{Broker: int32(r.u32()), Epoch: int64(r.u64())}
	return q, r.end("suspect")
}

// HeartbeatAnswer is a grant if Why is 0, else a refusal: a lease.Why.
type HeartbeatAnswer struct {
	Number uint64
	Why    uint8
}

// Encode returns its bytes.
func (a HeartbeatAnswer) Encode() []byte {
	var w writer
	w.u64(a.Number)
	w.u8(a.Why)
	return w
}

// DecodeGrant reads a HeartbeatAnswer.
func DecodeGrant(p []byte) (HeartbeatAnswer, error) {
	r := &reader{p: p}
	a := HeartbeatAnswer{Number: r.u64(), Why: r.u8()}
	return a, r.end("grant")
}

// StatusAnswer is what one member knows.
type StatusAnswer struct {
	Cluster [16]byte
	Self    Member
	Applied uint64
	Leads   bool     // it leads, and has applied the first entry of its term
	Leader  Hint     // with the member's term
	Members []Member // as of Applied, by id
	// What follows is there if it was asked for.
	Brokers   []Broker   // those that ever registered, by id
	Sightings []Sighting // what gossip says, if this node has any
	// Always there:
	Gossip string        // address of this node's gossip, "" without
	Lease  time.Duration // of brokers, as this member was told
}

// Encode returns its bytes.
func (a StatusAnswer) Encode() []byte {
	w := writer(a.Cluster[:])
	w.member(a.Self)
	w.u64(a.Applied)
	w.flag(a.Leads)
	w.bytes(a.Leader.Encode())
	w.u32(uint32(len(a.Members)))
	for _, m := range a.Members {
		w.member(m)
	}
	w.u32(uint32(len(a.Brokers)))
	for i := range a.Brokers {
		w.broker(&a.Brokers[i])
	}
	w.u32(uint32(len(a.Sightings)))
	for i := range a.Sightings {
		w.sighting(&a.Sightings[i])
	}
	w.bytes([]byte(a.Gossip))
	w.u64(uint64(a.Lease))
	return w
}

// DecodeStatus reads a StatusAnswer.
func DecodeStatus(p []byte) (StatusAnswer, error) {
	r := &reader{p: p}
	var a StatusAnswer
	copy(a.Cluster[:], r.take(16))
	a.Self, a.Applied, a.Leads = r.member(), r.u64(), r.flag()
	hint, err := DecodeHint(r.bytes())
	r.bad = r.bad || err != nil
	a.Leader = hint
	for n := r.count(17); n > 0 && !r.bad; n-- {
		a.Members = append(a.Members, r.member())
	}
	for n := r.count(brokerMin); n > 0 && !r.bad; n-- {
		a.Brokers = append(a.Brokers, r.broker())
	}
	for n := r.count(sightingMin); n > 0 && !r.bad; n-- {
		a.Sightings = append(a.Sightings, r.sighting())
	}
	a.Gossip = string(r.bytes())
	a.Lease = time.Duration(r.u64())
	return a, r.end("status")
}
