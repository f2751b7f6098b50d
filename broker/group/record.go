package group

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// The layout is drawn in docs/format/group-log.md.
const (
	recordMagic   = 'G'
	recordVersion = 1
	recordHead    = 8 // magic, version, kind, zero, length of the body
	recordTail    = 4 // CRC

	kindOffsets    = 1 // offsets committed
	kindMembership = 2 // a generation that became stable, or empty
	kindDeleted    = 3 // the group and its offsets are gone
	kindDropped    = 4 // single offsets are gone
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Membership is what is stored of a group's members: the last generation that was stable or empty.
type Membership struct {
	Since        int64 // Unix milliseconds
	Generation   int32
	ProtocolType string
	Protocol     string
	Leader       string
	Members      []StoredMember // in the order they joined
}

// StoredMember is what is stored of a member.
type StoredMember struct {
	ID, InstanceID       string
	ClientID, ClientHost string
	Session, Rebalance   time.Duration // whole milliseconds
	Metadata, Assignment []byte
}

// seal makes a record of body.
func seal(kind byte, body []byte) []byte {
	p := make([]byte, 0, recordHead+len(body)+recordTail)
	p = append(p, recordMagic, recordVersion, kind, 0)
	p = binary.BigEndian.AppendUint32(p, uint32(len(body)))
	p = append(p, body...)
	return binary.BigEndian.AppendUint32(p, crc32.Checksum(p, castagnoli))
}

// open checks the first record in p and returns its kind, body and what follows it.
func open(p []byte) (kind byte, body, rest []byte, err error) {
	if len(p) < recordHead+recordTail || p[0] != recordMagic {
		return 0, nil, nil, fmt.Errorf("open group record of %d bytes: no header: %w", len(p), ErrDamaged)
	}
	if p[1] != recordVersion {
		return 0, nil, nil, fmt.Errorf("open group record of version %d, want %d: %w",
			p[1], recordVersion, ErrVersion)
	}
	n := int64(binary.BigEndian.Uint32(p[4:]))
	if n > int64(len(p)-recordHead-recordTail) {
		return 0, nil, nil, fmt.Errorf("open group record: body of %d bytes, %d left: %w", n, len(p), ErrDamaged)
	}
	at := recordHead + int(n)
	if got, want := crc32.Checksum(p[:at], castagnoli), binary.BigEndian.Uint32(p[at:]); got != want || p[3] != 0 {
		return 0, nil, nil, fmt.Errorf("open group record: stored CRC %08x, computed %08x: %w", want, got, ErrDamaged)
	}
	return p[2], p[recordHead:at], p[at+recordTail:], nil
}

func appendString[S ~string | ~[]byte](p []byte, s S) []byte {
	p = binary.AppendUvarint(p, uint64(len(s)))
	return append(p, s...)
}

func appendOffset(p []byte, o Offset) []byte {
	p = appendString(p, o.Topic)
	p = binary.AppendVarint(p, int64(o.Partition))
	p = binary.AppendVarint(p, o.Offset)
	p = binary.AppendVarint(p, int64(o.LeaderEpoch))
	p = binary.AppendVarint(p, o.Committed)
	return appendString(p, o.Metadata)
}

func appendMembership(p []byte, m *Membership) []byte {
	p = binary.AppendVarint(p, m.Since)
	p = binary.AppendVarint(p, int64(m.Generation))
	p = appendString(p, m.ProtocolType)
	p = appendString(p, m.Protocol)
	p = appendString(p, m.Leader)
	p = binary.AppendUvarint(p, uint64(len(m.Members)))
	for _, x := range m.Members {
		p = appendString(p, x.ID)
		p = appendString(p, x.InstanceID)
		p = appendString(p, x.ClientID)
		p = appendString(p, x.ClientHost)
		p = binary.AppendVarint(p, x.Session.Milliseconds())
		p = binary.AppendVarint(p, x.Rebalance.Milliseconds())
		p = appendString(p, x.Metadata)
		p = appendString(p, x.Assignment)
	}
	return p
}

func encodeOffsets(group string, offsets []Offset) []byte {
	p := appendString(nil, group)
	p = binary.AppendUvarint(p, uint64(len(offsets)))
	for _, o := range offsets {
		p = appendOffset(p, o)
	}
	return seal(kindOffsets, p)
}

func encodeMembership(group string, m *Membership) []byte {
	return seal(kindMembership, appendMembership(appendString(nil, group), m))
}

func encodeDeleted(group string) []byte { return seal(kindDeleted, appendString(nil, group)) }

func encodeDropped(group string, parts []Part) []byte {
	p := appendString(nil, group)
	p = binary.AppendUvarint(p, uint64(len(parts)))
	for _, x := range parts {
		p = appendString(p, x.Topic)
		p = binary.AppendVarint(p, int64(x.Partition))
	}
	return seal(kindDropped, p)
}

// record is the group's membership now, with the assignments given in place of those held if not nil.
func (g *machine) record(given map[string][]byte) []byte {
	m := &Membership{
		Since: g.since, Generation: g.generation,
		ProtocolType: g.protocolType, Protocol: g.protocol, Leader: g.leader,
	}
	for _, x := range g.members {
		a := x.assignment
		if given != nil {
			a = given[x.id]
		}
		m.Members = append(m.Members, StoredMember{
			ID: x.id, InstanceID: x.instance, ClientID: x.clientID, ClientHost: x.clientHost,
			Session: x.session, Rebalance: x.rebalance, Metadata: x.metadata(g.protocol), Assignment: a,
		})
	}
	return encodeMembership(g.id, m)
}

// fields takes fields from p; after the first failure bad is set and everything reads as zero.
type fields struct {
	p   []byte
	bad bool
}

func (f *fields) int64() int64 {
	v, n := binary.Varint(f.p)
	if n <= 0 {
		f.bad, f.p = true, nil
		return 0
	}
	f.p = f.p[n:]
	return v
}

func (f *fields) int32() int32 {
	v := f.int64()
	f.bad = f.bad || v != int64(int32(v))
	return int32(v)
}

func (f *fields) millis() time.Duration {
	v := f.int64()
	d := time.Duration(v) * time.Millisecond
	f.bad = f.bad || v < 0 || d.Milliseconds() != v
	return d
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.p)
	if n <= 0 {
		f.bad, f.p = true, nil
		return 0
	}
	f.p = f.p[n:]
	return v
}

// count reads a number of elements of which each takes a byte at least.
func (f *fields) count() int {
	n := f.uvarint()
	if n > uint64(len(f.p)) {
		f.bad, f.p = true, nil
		return 0
	}
	return int(n)
}

func (f *fields) bytes() []byte {
	n := f.count()
	if f.bad || n == 0 {
		return nil
	}
	b := append([]byte(nil), f.p[:n]...) // records come in buffers that are used again
	f.p = f.p[n:]
	return b
}

func (f *fields) string() string {
	n := f.count()
	s := string(f.p[:n])
	f.p = f.p[n:]
	return s
}

func (f *fields) offset() Offset {
	return Offset{
		Topic: f.string(), Partition: f.int32(), Offset: f.int64(), LeaderEpoch: f.int32(),
		Committed: f.int64(), Metadata: f.string(),
	}
}

func (f *fields) membership() *Membership {
	m := &Membership{
		Since: f.int64(), Generation: f.int32(),
		ProtocolType: f.string(), Protocol: f.string(), Leader: f.string(),
	}
	n := f.count()
	for i := 0; i < n && !f.bad; i++ {
		m.Members = append(m.Members, StoredMember{
			ID: f.string(), InstanceID: f.string(), ClientID: f.string(), ClientHost: f.string(),
			Session: f.millis(), Rebalance: f.millis(), Metadata: f.bytes(), Assignment: f.bytes(),
		})
	}
	return m
}
