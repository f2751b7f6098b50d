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
	for pad > 0 {
		n := min(pad, len(padding))
		dst = append(dst, padding[:n]...)
		pad -= n
	}
	return dst
}

const padding = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"

// parseToken returns the value that b begins with.
func parseToken(b []byte) (check.Value, bool) {
	if len(b) < tokenBytes || !bytes.Equal(b[:4], tokenMagic) ||
		crc32.Checksum(b[:12], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[12:]) {
		return 0, false
	}
	return check.Value(binary.BigEndian.Uint64(b[4:])), true
}
