package workload

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/weirmq/weir/check"
)

// A record's value is a token that can be found in raw bytes, then padding:
//
//	"W31R" | check.Value (8, big-endian) | CRC-32C of those 12 bytes (4) | padding
const tokenBytes = 16

var tokenMagic = []byte("W31R")

// appendToken appends the token of v and pad bytes of padding.
func appendToken(dst []byte, v check.Value, pad int) []byte {
	at := len(dst)
	dst = append(dst, tokenMagic...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(v))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], crc32.MakeTable(crc32.Castagnoli)))
	for i := range pad {
		dst = append(dst, byte('a'+i%26))
	}
	return dst
}

// valueOfScratch is a value of the scratch topic.
func valueOfScratch(seq uint32) check.Value { return check.ValueOf(scratchID, seq) }

// parseToken returns the value that b begins with.
func parseToken(b []byte) (check.Value, bool) {
	if len(b) < tokenBytes || !bytes.Equal(b[:4], tokenMagic) ||
		crc32.Checksum(b[:12], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[12:]) {
		return 0, false
	}
	return check.Value(binary.BigEndian.Uint64(b[4:])), true
}

// durableSet is every value whose token has been on synced media or in a completed put.
type durableSet struct {
	seen map[check.Value]bool
	edge map[string][]byte // by file: the bytes just before the next write, should a token span two
}

func newDurableSet() *durableSet {
	return &durableSet{seen: map[check.Value]bool{}, edge: map[string][]byte{}}
}

// scan adds the values whose tokens lie in b.
func (s *durableSet) scan(b []byte) {
	for {
		i := bytes.Index(b, tokenMagic)
		if i < 0 {
			return
		}
		if v, ok := parseToken(b[i:]); ok {
			s.seen[v] = true
		}
		b = b[i+len(tokenMagic):]
	}
}

// scanWrite is scan for a write to a file whose writes may split a token between them, as a ring's does
// where it wraps.
func (s *durableSet) scanWrite(file string, b []byte) {
	joined := append(s.edge[file], b[:min(len(b), tokenBytes-1)]...)
	s.scan(joined)
	s.scan(b)
	s.edge[file] = append([]byte(nil), b[max(0, len(b)-tokenBytes+1):]...)
}
