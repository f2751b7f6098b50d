package api

import "time"

// StatusRequest asks a member what it knows. An empty one is the zero value.
type StatusRequest struct {
	Brokers bool // of the brokers and of gossip, too
}

// Encode returns its bytes.
func (q StatusRequest) Encode() []byte {
	var w writer
	w.flag(q.Brokers)
	return w
}

// DecodeStatusRequest reads a StatusRequest.
func DecodeStatusRequest(p []byte) (StatusRequest, error) {
	if len(p) == 0 {
		return StatusRequest{}, nil
	}
	r := &reader{p: p}
	q := StatusRequest{Brokers: r.flag()}
	return q, r.end("status request")
}

// Broker is what a member knows of a broker: the first fields as of the applied index, the others from its last
// heartbeat, if this member leads and has granted one.
type Broker struct {
	Node       int32
	Epoch      int64
	Live       bool
	Draining   bool
	Left       bool // the epoch ended by itself, owing nothing
	Rack       string
	Addr       string // of its rpc server
	Kafka      string // "host:port" that clients are told
	WALs       uint32 // that it holds, …
	Recovering uint32 // … and those of them that it recovers
	Open       uint32 // ranges that are open on them: partitions that it leads
	Heard      bool   // there was a heartbeat
	Load       uint64 // bytes a second in and out
	Applied    uint64 // index of its metadata
	SyncAge    time.Duration
	LeaseLeft  time.Duration // 0: run out, or nobody was told
}

func (w *writer) broker(b *Broker) {
	w.u32(uint32(b.Node))
	w.u64(uint64(b.Epoch))
	w.flag(b.Live)
	w.flag(b.Draining)
	w.flag(b.Left)
	for _, s := range []string{b.Rack, b.Addr, b.Kafka} {
		w.bytes([]byte(s))
	}
	for _, v := range []uint32{b.WALs, b.Recovering, b.Open} {
		w.u32(v)
	}
	w.flag(b.Heard)
	for _, v := range []uint64{b.Load, b.Applied, uint64(b.SyncAge), uint64(b.LeaseLeft)} {
		w.u64(v)
	}
}

func (r *reader) broker() Broker {
	b := Broker{Node: int32(r.u32()), Epoch: int64(r.u64()), Live: r.flag(), Draining: r.flag(), Left: r.flag()}
	b.Rack, b.Addr, b.Kafka = string(r.bytes()), string(r.bytes()), string(r.bytes())
	b.WALs, b.Recovering, b.Open, b.Heard = r.u32(), r.u32(), r.u32(), r.flag()
	b.Load, b.Applied = r.u64(), r.u64()
	b.SyncAge, b.LeaseLeft = time.Duration(r.u64()), time.Duration(r.u64())
	return b
}

// brokerMin is the fewest bytes of a broker.
const brokerMin = 4 + 8 + 3 + 3*4 + 3*4 + 1 + 4*8

// Sighting is what gossip says of a node: a hint, never a proof.
type Sighting struct {
	Node  int32
	Roles uint32 // as rpc.Roles
	State uint8  // 1 alive, 2 suspect, 3 gone
	Since time.Duration
	Addr  string // of its rpc server
}

func (w *writer) sighting(s *Sighting) {
	w.u32(uint32(s.Node))
	w.u32(s.Roles)
	w.u8(s.State)
	w.u64(uint64(s.Since))
	w.bytes([]byte(s.Addr))
}

func (r *reader) sighting() Sighting {
	s := Sighting{Node: int32(r.u32()), Roles: r.u32(), State: r.u8(), Since: time.Duration(r.u64())}
	s.Addr = string(r.bytes())
	return s
}

// sightingMin is the fewest bytes of a sighting.
const sightingMin = 4 + 4 + 1 + 8 + 4
