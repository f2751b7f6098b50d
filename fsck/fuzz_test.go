package fsck

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every reader must end with a value or an error, whatever it is given. Checksums hide what lies behind them from a
// fuzzer, so the targets put right ones in.

// signed puts a right CRC at the end of b's first n bytes.
func signed(b []byte, n int, order binary.ByteOrder) []byte {
	if len(b) >= n && n >= 4 {
		order.PutUint32(b[n-4:], crc(b[:n-4]))
	}
	return b
}

func FuzzSuperblock(f *testing.F) {
	f.Add(whole(dump(f, "../wal/testdata/superblock.hex"), blockSize))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = decodeSuperblock(b)
		_, _ = decodeSuperblock(signed(b, blockSize, binary.LittleEndian))
	})
}

func FuzzFence(f *testing.F) {
	f.Add(goldenFence(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = decodeFence(b)
		_, _ = decodeFence(signed(b, fenceSize, binary.LittleEndian))
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(dump(f, "../wal/testdata/frame.hex"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		h, err := decodeFrame(signed(b, frameHeader, binary.LittleEndian))
		if err == nil && int(h.length) <= len(b) {
			x := &seen{f: h, b: b[:h.length]}
			s := &scan{ring: &ring{capacity: 1 << 20}}
			s.inspect(x)
			_, _ = h.table(x.b)
		}
	})
}

func FuzzRaftRecord(f *testing.F) {
	raw, err := os.ReadFile("../controller/testdata/records.v1")
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte{1, raftMember, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		l := &raftLog{}
		for at := 0; at < len(b); at += 97 { // several records of what there is
			if x, err := decodeRaft(b[at:]); err == nil {
				_ = l.add(x, uint64(at))
			}
		}
	})
}

func FuzzObject(f *testing.F) {
	f.Add(goldenObject(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = parseObject(b)
		if n := len(b); n >= objectFooter+8 { // right checksums for footer and index, wherever it says that lies
			foot := b[n-objectFooter:]
			at := binary.LittleEndian.Uint64(foot[16:])
			if size := uint64(binary.LittleEndian.Uint32(foot[24:])); at < uint64(n) && size >= 4 &&
				at+size <= uint64(n-objectFooter) {
				signed(b[at:], int(size), binary.LittleEndian)
				binary.LittleEndian.PutUint32(foot[28:], crc(b[at:][:size]))
			}
			signed(foot, objectFooter, binary.LittleEndian)
			_ = parseObject(b)
		}
	})
}

func FuzzQuarantine(f *testing.F) {
	f.Add(goldenQuarantine(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		signed(b, quarantineHeader, binary.LittleEndian)
		_, _ = parseQuarantine(signed(b, len(b), binary.LittleEndian))
	})
}

func FuzzBatch(f *testing.F) {
	f.Add(goldenBatch(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) > batchCovered {
			binary.BigEndian.PutUint32(b[17:], crc(b[batchCovered:]))
		}
		_, _, _, _ = decodeBatch(b)
		_, _ = decodeEntry(&entry{data: b, count: 1})
	})
}

func FuzzState(f *testing.F) {
	f.Add(goldenState(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if s, err := decodeState(signed(b, len(b), binary.BigEndian)); err == nil {
			_ = newTracker(true).differs(s)
		}
	})
}

func FuzzGroupLog(f *testing.F) {
	f.Add(goldenGroups(f))
	f.Add(goldenRecords(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		signed(b, len(b), binary.BigEndian)
		_, _ = decodeGroupState(b)
		_, _ = decodeGroupEntry(b)
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add(goldenIdentity(f))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = decodeIdentity(b) })
}
