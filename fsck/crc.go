package fsck

import (
	"bytes"
	"hash/crc32"
)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli()) }

func crcMore(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli(), b) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // the library keeps one

// changedByte tells whether one changed byte of n makes a CRC want into got: which one, and what to exclusive-or it
// with. What a changed byte does to a CRC is shifted through the zeros behind it; this shifts back until only a byte
// is left. A CRC that was itself changed in one byte has at = n.
func changedByte(want, got uint32, n int) (at int, bits byte, ok bool) {
	diff := want ^ got
	if diff == 0 {
		return 0, 0, false
	}
	t := castagnoli()
	for i := n - 1; i >= 0; i-- {
		k := 0
		for t[k]>>24 != diff>>24 { // the table's top bytes are all different
			k++
		}
		diff = (diff^t[k])<<8 | uint32(k)
		if diff < 1<<8 {
			return i, byte(diff), true
		}
	}
	d := want ^ got
	for shift := 0; shift < 32; shift += 8 {
		if d&(0xff<<shift) == d {
			return n, byte(d >> shift), true
		}
	}
	return 0, 0, false
}

// zeros is compared with, never written.
var zeros [blockSize]byte

func blank(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
