package wal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

func FuzzDecodeSuperblock(f *testing.F) {
	b := make([]byte, BlockSize)
	s := sampleSuper()
	s.encode(b)
	f.Add(bytes.Clone(b))
	f.Fuzz(func(t *testing.T, in []byte) {
		b := make([]byte, BlockSize)
		copy(b, in)
		binary.LittleEndian.PutUint32(b[superCRC:], crc32.Checksum(b[:superCRC], castagnoli))
		got, st, err := decodeSuperblock(b)
		if st != slotValid || err != nil {
			return
		}
		again := make([]byte, BlockSize)
		got.encode(again)
		if back, _, _ := decodeSuperblock(again); back != got {
			t.Fatalf("%+v came back as %+v", got, back)
		}
	})
}

func FuzzDecodeFence(f *testing.F) {
	b := make([]byte, fenceSize)
	encodeFence(b, uuid(1), 5)
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		b := make([]byte, fenceSize)
		copy(b, in)
		_, _, _ = decodeFence(b)
	})
}

// FuzzScan feeds a ring's bytes to the scan: whatever they are, it ends, and what it accepts lies inside.
func FuzzScan(f *testing.F) {
	f.Add(bytes.Clone(sampleFrame().buf()), uint64(0))
	f.Add([]byte{}, uint64(16*BlockSize))
	f.Fuzz(func(t *testing.T, in []byte, durable uint64) {
		const capacity = 16 * BlockSize
		file := make(memFile, capacity)
		copy(file, in)
		resum(file)
		s := &scanner{
			ring: &ring{name: "ring", r: file, capacity: capacity}, wal: uuid(0x50), frameLimit: 4 * BlockSize,
			limit: capacity, buf: make([]byte, 4*BlockSize), rec: &Recovery{}, sums: make([]uint32, 16),
			durable: Position(durable % (capacity + 1) / BlockSize * BlockSize),
		}
		if err := s.run(); err != nil {
			t.Fatal(err)
		}
		if s.pos > s.limit || s.pos < s.durable {
			t.Fatalf("the scan ended at %d, durable %d, limit %d", s.pos, s.durable, s.limit)
		}
		for _, e := range s.rec.Entries {
			if e.Position()+Position(e.Len) > s.pos {
				t.Fatalf("entry %+v lies behind the end %d", e, s.pos)
			}
		}
	})
}

// resum makes the checksums of header and table at the front right, so that the fuzzer gets past them.
func resum(b []byte) {
	h := header{
		wal: uuid(0x50), length: uint32(b[56]) | uint32(b[57])<<8, entries: uint32(b[64]),
		place: uint32(b[68]) | uint32(b[69])<<8, trailer: uint32(b[72]) | uint32(b[73])<<8,
	}
	if end := int(h.place) + int(h.trailer); end <= len(b) {
		h.trailerCRC = crc32.Checksum(b[h.place:end], castagnoli)
	}
	h.encode(b)
}

// memFile is a file in memory, for reading.
type memFile []byte

func (f memFile) ReadAt(p []byte, off int64) (int, error)  { return copy(p, f[off:]), nil }
func (f memFile) WriteAt(p []byte, off int64) (int, error) { return copy(f[off:], p), nil }
func (f memFile) Close() error                             { return nil }
func (f memFile) Sync() error                              { return nil }
func (f memFile) Resize(int64) error                       { return nil }
func (f memFile) Size() (int64, error)                     { return int64(len(f)), nil }
func (f memFile) Align() int                               { return 1 }
