package rpc

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	"github.com/weirmq/weir/internal/invariant"
)

// Method names what is called; the number is the caller's and the handler's affair, but for its highest bit.
type Method uint16

// BulkMethod is the bit of methods whose requests or answers may be large: they have connections of their own,
// so that nothing small and urgent waits behind them.
const BulkMethod Method = 1 << 15

// Class returns the connections that the method uses.
func (m Method) Class() Class {
	if m&BulkMethod != 0 {
		return Bulk
	}
	return Urgent
}

// check panics for a method without a number: it is a bug of the caller's.
func (m Method) check() {
	if !invariant.Holds(m&^BulkMethod != 0, invariant.Contract) {
		invariant.Fail(invariant.Contract, "method %#x has no number", uint16(m))
	}
}

// Class is one of the two connections between a pair of nodes.
type Class uint8

// The classes.
const (
	Urgent Class = iota
	Bulk

	classes = 2
)

// String returns "urgent" or "bulk".
func (c Class) String() string {
	if c == Bulk {
		return "bulk"
	}
	return "urgent"
}

// PayloadMax is the most bytes that a request or an answer of the class may have.
func (c Class) PayloadMax() int {
	if c == Bulk {
		return 64 << 20
	}
	return 1 << 20
}

// kind is what a frame is.
type kind uint8

const (
	kindRequest kind = iota + 1
	kindAnswer
	kindRefusal // its payload is a Status
	kindOneWay
	kindCancel // of the request with this id
	kindPing
	kindPong

	kindEnd // one past the last
)

// header is what stands before a frame's payload. docs/format/rpc.md draws it.
type header struct {
	sum    uint32 // CRC-32C of all that follows it
	size   int    // bytes of the payload
	kind   kind
	method Method
	id     uint64
	within uint32 // a request's milliseconds from arrival to its deadline; 0 = none
}

const headerSize = 24

// append appends the header of payload to p, with its checksum.
func (d *header) append(p, payload []byte) []byte {
	at := len(p)
	p = append(p, 0, 0, 0, 0)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(payload)))
	p = append(p, byte(d.kind), 0)
	p = binary.LittleEndian.AppendUint16(p, uint16(d.method))
	p = binary.LittleEndian.AppendUint64(p, d.id)
	p = binary.LittleEndian.AppendUint32(p, d.within)
	sum := crc32.Update(crc32.Checksum(p[at+4:], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(p[at:], sum)
	return p
}

// decodeHeader reads the headerSize bytes of p, which came over a connection of class c. The checksum is not
// checked yet: what the header says is good for finding the end of the frame.
func decodeHeader(p []byte, c Class) (header, error) {
	size := binary.LittleEndian.Uint32(p[4:])
	d := header{
		sum: binary.LittleEndian.Uint32(p), kind: kind(p[8]), method: Method(binary.LittleEndian.Uint16(p[10:])),
		id: binary.LittleEndian.Uint64(p[12:]), within: binary.LittleEndian.Uint32(p[20:]),
	}
	if uint64(size) > uint64(c.PayloadMax()) {
		return d, fmt.Errorf("%w: a frame of %d bytes, the limit of the class is %d", ErrProtocol, size, c.PayloadMax())
	}
	d.size = int(size)
	called := d.kind == kindRequest || d.kind == kindAnswer || d.kind == kindRefusal || d.kind == kindCancel
	named := d.kind == kindRequest || d.kind == kindAnswer || d.kind == kindRefusal || d.kind == kindOneWay
	switch {
	case d.kind == 0 || d.kind >= kindEnd || p[9] != 0:
		return d, fmt.Errorf("%w: a frame of kind %d and flags %d", ErrProtocol, d.kind, p[9])
	case called != (d.id != 0), named != (d.method != 0), !named && size != 0, d.kind != kindRequest && d.within != 0:
		return d, fmt.Errorf("%w: kind %d with method %d, id %d, %d ms and %d bytes",
			ErrProtocol, d.kind, d.method, d.id, d.within, size)
	case named && d.method.Class() != c:
		return d, fmt.Errorf("%w: method %d on a connection of class %s", ErrProtocol, d.method, c)
	}
	return d, nil
}

const (
	// statusTextMax bounds a Status's text.
	statusTextMax = 1 << 10
	// statusFixed is what stands before the text.
	statusFixed = 4
)

// append appends the payload of a refusal. What does not fit the class is left out.
func (s *Status) append(p []byte, c Class) []byte {
	text := s.Text
	if len(text) > statusTextMax {
		end := statusTextMax
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	detail := s.Detail
	if statusFixed+len(text)+len(detail) > c.PayloadMax() {
		detail = nil
	}
	p = binary.LittleEndian.AppendUint16(p, uint16(s.Code))
	p = binary.LittleEndian.AppendUint16(p, uint16(len(text)))
	return append(append(p, text...), detail...)
}

// decodeStatus reads the payload of a refusal. Detail is a part of p.
func decodeStatus(p []byte) (*Status, error) {
	if len(p) < statusFixed {
		return nil, fmt.Errorf("%w: a refusal of %d bytes", ErrProtocol, len(p))
	}
	n := int(binary.LittleEndian.Uint16(p[2:]))
	if n > statusTextMax || statusFixed+n > len(p) {
		return nil, fmt.Errorf("%w: a refusal of %d bytes with %d of text", ErrProtocol, len(p), n)
	}
	s := &Status{Code: Code(binary.LittleEndian.Uint16(p)), Text: string(p[statusFixed : statusFixed+n])}
	if rest := p[statusFixed+n:]; len(rest) > 0 {
		s.Detail = rest
	}
	if s.Code == 0 {
		return nil, fmt.Errorf("%w: a refusal with code 0", ErrProtocol)
	}
	return s, nil
}
