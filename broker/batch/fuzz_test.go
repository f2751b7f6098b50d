package batch

import (
	"encoding/binary"
	"testing"
)

// FuzzVerify: whatever a client sends, Verify answers without panicking, and what it accepts holds what
// the package promises.
func FuzzVerify(f *testing.F) {
	f.Add(good(f), false)
	f.Add(good(f)[:61], true)
	f.Add([]byte{}, true)
	d := NewDecoder(1 << 20)
	f.Fuzz(func(t *testing.T, p []byte, fix bool) {
		if b, err := Parse(p); err == nil && fix {
			binary.BigEndian.PutUint32(p[crcAt:], b.ComputeCRC()) // let mutations past the CRC
		}
		b, err := Verify(p, Rules{Zstd: true})
		if err != nil {
			return
		}
		if b.Count() != b.LastOffsetDelta()+1 || b.Count() < 1 || len(b) != b.Size() {
			t.Fatalf("accepted count %d delta %d len %d size %d", b.Count(), b.LastOffsetDelta(), len(b), b.Size())
		}
		var rec Record
		if d.Open(b) == nil {
			for d.Next(&rec) {
			}
		}
	})
}

// FuzzUnpack: no payload makes a codec panic or give more than the limit.
func FuzzUnpack(f *testing.F) {
	const limit = 1 << 16
	var w packer
	for c := Gzip; c <= Zstd; c++ {
		p, err := w.pack(nil, c, []byte("hello hello hello hello hello"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(c), p)
	}
	u := unpacker{limit: limit}
	f.Fuzz(func(t *testing.T, c uint8, p []byte) {
		out, err := u.unpack(nil, Codec(c%5), p)
		if err == nil && c%5 != 0 && len(out) > limit {
			t.Fatalf("%d bytes, limit %d", len(out), limit)
		}
	})
}
