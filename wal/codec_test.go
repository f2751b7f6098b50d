package wal

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the code writes now")

// golden compares got with the hex dump in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(hex.Dump(got)), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.Dump(got), "the format changed: that needs a version, not a new golden file")
}

func uuid(first byte) (u UUID) {
	for i := range u {
		u[i] = first + byte(i)
	}
	return u
}

func sampleSuper() superblock {
	return superblock{
		id: Identity{Cluster: uuid(0x10), Volume: uuid(0x30), WAL: uuid(0x50), Broker: 7,
			BrokerEpoch: 0x0102030405060708, Generation: 0x1112131415161718},
		seq: 42, capacity: 1 << 30, frameLimit: MaxFrame,
		trim:    mark{3 << 30, 0xAABBCCDD, 0x0102030405060707},
		durable: 3<<30 + 8192, clean: true, cleanEpoch: 0x0102030405060708, cleanEnd: 3<<30 + 8192,
	}
}

// sampleFrame is a sealed frame of two entries over two blocks.
func sampleFrame() *frame {
	mem := bytes.Repeat([]byte{poison}, 4*BlockSize)
	f := &frame{slab: &Slab{mem: mem}, off: BlockSize, pos: 5 << 20, end: headerSize}
	for i, n := range []int{300, 4000} {
		copy(f.slab.mem[f.off+f.end:], bytes.Repeat([]byte{byte('a' + i)}, n))
		f.entries = append(f.entries, placed{Entry{
			Stream: StreamID(0x21 + i), Epoch: Epoch(3 + i), Kind: Kind(2 - i), Base: int64(1000 * (i + 1)),
			Count: uint32(10 * i), MaxTimestamp: 1700000000000 + int64(i), Length: uint32(n),
		}, uint32(f.end)})
		f.end += n
	}
	f.size = frameSize(f.end, len(f.entries))
	f.seal(uuid(0x50), 9, 0xCAFEF00D, 5<<20)
	return f
}

func TestGoldenSuperblock(t *testing.T) {
	b := bytes.Repeat([]byte{poison}, BlockSize)
	want := sampleSuper()
	want.encode(b)
	golden(t, "superblock.hex", b)
	got, st, err := decodeSuperblock(b)
	require.NoError(t, err)
	require.Equal(t, slotValid, st)
	require.Equal(t, want, got)
}

func TestGoldenFrame(t *testing.T) {
	f := sampleFrame()
	golden(t, "frame.hex", f.buf())
	h, err := decodeHeader(f.buf())
	require.NoError(t, err)
	require.Equal(t, f.head, h)
	for i, want := range f.entries {
		require.Equal(t, want, decodePlaced(f.buf()[int(h.place)+i*entrySize:]))
	}
	require.Equal(t, byte(poison), f.slab.mem[f.off-1], "nothing before the frame is touched")
	require.Equal(t, byte(poison), f.slab.mem[f.off+f.size], "nothing behind the frame is touched")
}

func TestGoldenFenceWord(t *testing.T) {
	b := make([]byte, fenceSize)
	encodeFence(b, uuid(0x50), 0x1112131415161718)
	golden(t, "fence.hex", b)
	wal, generation, err := decodeFence(b)
	require.NoError(t, err)
	require.Equal(t, uuid(0x50), wal)
	require.Equal(t, int64(0x1112131415161718), generation)
}

func TestEveryByteOfAFrameIsCoveredByAChecksum(t *testing.T) {
	f := sampleFrame()
	for at := range f.buf() {
		b := bytes.Clone(f.buf())
		b[at] ^= 0x40
		require.False(t, wholeFrame(b), "byte %d changed and nothing notices", at)
	}
	require.True(t, wholeFrame(f.buf()))
}

// wholeFrame is the check of a frame in its plainest form.
func wholeFrame(b []byte) bool {
	h, err := decodeHeader(b)
	if err != nil || int(h.length) != len(b) ||
		crc32.Checksum(b[h.place:h.place+h.trailer], castagnoli) != h.trailerCRC {
		return false
	}
	for i := range len(b) / BlockSize {
		if sum, _ := h.blockSum(b, i); sum != h.storedSum(b, i) {
			return false
		}
	}
	return true
}

func TestEveryByteOfASuperblockIsCovered(t *testing.T) {
	b := make([]byte, BlockSize)
	s := sampleSuper()
	s.encode(b)
	for at := range b {
		b[at] ^= 0x01
		_, st, _ := decodeSuperblock(b)
		require.Equal(t, slotBad, st, "byte %d", at)
		b[at] ^= 0x01
	}
}

func TestOneChangedByteIsFoundWhereverItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "bytes")
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		bits := byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		want := crc32.Checksum(b, castagnoli)
		b[at] ^= bits
		gotAt, gotBits, ok := changedByte(want, crc32.Checksum(b, castagnoli), len(b))
		if !ok || gotAt != at || gotBits != bits {
			t.Fatalf("change of %02x at %d of %d found as %v, %02x at %d", bits, at, len(b), ok, gotBits, gotAt)
		}
	})
}

func TestAHeaderWithOneChangedByteIsRepaired(t *testing.T) {
	f := sampleFrame()
	for at := range headerSize {
		for _, bits := range []byte{1, 0x80, 0xFF} {
			b := bytes.Clone(f.buf()[:headerSize])
			b[at] ^= bits
			h, ok := repairHeader(b)
			require.True(t, ok, "byte %d", at)
			require.Equal(t, f.head, h)
		}
	}
}

func TestFrameSizeIsTheLeastThatHoldsItsTrailer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		end := headerSize + rapid.IntRange(0, 3*BlockSize).Draw(t, "body")
		n := rapid.IntRange(0, 300).Draw(t, "entries")
		size := frameSize(end, n)
		content := func(size int) int { return trailerPlace(end) + n*entrySize + size/BlockSize*crcSize }
		if size%BlockSize != 0 || content(size) > size || size > BlockSize && content(size-BlockSize) <= size-BlockSize {
			t.Fatalf("body to %d with %d entries got %d bytes", end, n, size)
		}
	})
}

func TestTheLargestEntryFitsAndTheNextDoesNot(t *testing.T) {
	for limit := 2 * BlockSize; limit <= MaxFrame; limit *= 2 {
		n := largestEntry(limit)
		require.LessOrEqual(t, frameSize(headerSize+n, 1), limit)
		require.Greater(t, frameSize(headerSize+n+8, 1), limit)
	}
	require.GreaterOrEqual(t, largestEntry(MaxFrame), 15<<20, "max.message.bytes may be 15 MiB")
}

func TestSlotsAreChosenAsTheRulesSay(t *testing.T) {
	block := func(change func(*superblock)) []byte {
		s := sampleSuper()
		change(&s)
		b := make([]byte, BlockSize)
		s.encode(b)
		return b
	}
	same := func(*superblock) {}
	older := block(func(s *superblock) { s.seq = 41 })
	newer := block(same)
	blank := make([]byte, BlockSize)
	rotten := block(same)
	rotten[700] ^= 4
	born := block(func(s *superblock) { s.seq = 1 })
	future := block(same)
	future[8] = 9
	sum := crc32.Checksum(future[:superCRC], castagnoli)
	copy(future[superCRC:], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
	for _, c := range []struct {
		name     string
		a, b     []byte
		at       int
		warnings int
		err      error
	}{
		{"newer in the last", older, newer, 1, 0, nil},
		{"newer in the first", newer, older, 0, 0, nil},
		{"last rotten", older, rotten, 0, 1, nil},
		{"first rotten", rotten, older, 1, 1, nil},
		{"just born", born, blank, 0, 0, nil},
		{"blank later in life", newer, blank, 0, 1, nil},
		{"both rotten", rotten, rotten, 0, 0, ErrSuperblock},
		{"rotten and blank", rotten, blank, 0, 0, ErrSuperblock},
		{"both blank", blank, blank, 0, 0, ErrBlank},
		{"equal sequences", newer, newer, 0, 0, ErrSuperblock},
		{"two WALs", older, block(func(s *superblock) { s.id.WAL = uuid(9) }), 0, 0, ErrSuperblock},
		{"newer format", older, future, 0, 0, ErrVersion},
		{"impossible values", block(func(s *superblock) { s.trim.pos = s.durable + BlockSize }), blank,
			0, 0, ErrSuperblock},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := chooseSlot("ring", c.a, c.b)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.ErrorContains(t, err, "ring")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.at, got.at)
			require.Len(t, got.warnings, c.warnings, fmt.Sprint(got.warnings))
		})
	}
}
