package wal

import "hash/crc32"

// castagnoli is the polynomial of every checksum in the format.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// topIndex maps the top byte of a castagnoli table entry to its index: the table's top bytes are all
// different, which is what lets a checksum be run backwards.
var topIndex = buildTopIndex()

func buildTopIndex() (t [256]byte) {
	for i, x := range castagnoli {
		t[x>>24] = byte(i)
	}
	return t
}

// changedByte looks for one byte in n bytes whose change turns the CRC want into got, and returns its
// index and the bits that changed. A CRC is linear: the difference of the two, run backwards one byte at
// a time over zeros, becomes a table entry exactly at the byte that changed. Of random differences about
// n in 2^24 are explained by chance.
func changedByte(want, got uint32, n int) (at int, bits byte, ok bool) {
	diff := want ^ got
	if diff == 0 {
		return 0, 0, false
	}
	for i := n - 1; i >= 0; i-- {
		idx := topIndex[diff>>24]
		rest := diff ^ castagnoli[idx]
		if rest == 0 {
			return i, idx, true
		}
		diff = rest<<8 | uint32(idx)
	}
	return 0, 0, false
}

// oneByte reports whether a and b differ in exactly one byte: a stored checksum that itself was hit.
func oneByte(a, b uint32) bool {
	d := a ^ b
	return d != 0 && (d&0xff == d || d&0xff00 == d || d&0xff0000 == d || d&0xff000000 == d)
}

// explained reports whether one changed byte, in n bytes of content or in the stored checksum, explains
// why the content's checksum is got and not stored.
func explained(stored, got uint32, n int) bool {
	if oneByte(stored, got) {
		return true
	}
	_, _, ok := changedByte(stored, got, n)
	return ok
}
