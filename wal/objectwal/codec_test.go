package objectwal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the code writes now")

// golden compares got with the hex dump in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(hex.Dump(got)), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.Dump(got), "the format changed: that needs a version, not a new golden file")
}

// sample returns an object with the bodies given.
func sample(t testing.TB, bodies ...[]byte) []byte {
	var out []byte
	w := sim.New(sim.Config{Seed: 1})
	require.NoError(t, w.Do(w.Machine("m"), func(h host.Host, _ *host.Scope) error {
		pool, err := wal.NewSlabPool(h, 2, 64<<10)
		if err != nil {
			return err
		}
		b := &batch{sequence: 41, slab: pool.Take(), end: headerSize}
		for i, body := range bodies {
			copy(b.slab.Fill(b.end, len(body)), body)
			e := wal.Entry{Stream: 5, Epoch: 3, Kind: wal.KindData, Base: int64(100 + i), Count: 1, MaxTimestamp: 1700,
				Length: uint32(len(body))}
			b.entries = append(b.entries, placed{Entry: e, off: uint32(b.end)})
			b.end += len(body)
		}
		b.size = objectSize(b.end, len(b.entries))
		b.seal(wal.Identity{WAL: wal.UUID{0xaa, 0xbb}, Broker: 2, BrokerEpoch: 9, Generation: 4}, 0x01020304, 38)
		out = bytes.Clone(b.bytes())
		return nil
	}))
	require.NoError(t, w.Close())
	return out
}

func buried() []byte {
	b := make([]byte, headerSize)
	h := header{wal: wal.UUID{0xaa, 0xbb}, sequence: 42, epoch: 10, generation: 5, broker: 3, durable: 42,
		flags: flagTombstone | flagClean, length: headerSize, place: headerSize}
	h.encode(b)
	return b
}

func TestFormatIsTheOneThatIsDrawn(t *testing.T) {
	golden(t, "object.hex", sample(t, []byte("first entry"), bytes.Repeat([]byte{7}, 4100)))
	golden(t, "tombstone.hex", buried())
}

// whole reports whether the decoders believe every byte of p.
func whole(p []byte) bool {
	if len(p) < headerSize {
		return false
	}
	h, err := decodeHeader(p)
	if err != nil || int(h.length) != len(p) {
		return false
	}
	if h.tombstone() {
		return true
	}
	_, sums, ok := h.decodeTrailer(p[h.place:])
	return ok && len(mismatch(p, &h, sums)) == 0
}

func TestEveryChangedByteIsSeen(t *testing.T) {
	for _, p := range [][]byte{sample(t, []byte("x"), bytes.Repeat([]byte{7}, 5000)), buried()} {
		require.True(t, whole(p))
		for i := range p {
			p[i] ^= 0x10
			require.False(t, whole(p), "byte %d", i)
			p[i] ^= 0x10
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	bodies := [][]byte{[]byte("a"), {}, bytes.Repeat([]byte{1}, 4096), []byte("end")}
	p := sample(t, bodies...)
	h, err := decodeHeader(p)
	require.NoError(t, err)
	require.Equal(t, uint64(41), h.sequence)
	require.Equal(t, uint64(38), h.durable)
	require.Equal(t, uint32(0x01020304), h.chain)
	entries, _, ok := h.decodeTrailer(p[h.place:])
	require.True(t, ok)
	for i, e := range entries {
		require.Equal(t, int64(100+i), e.Base)
		require.Equal(t, bodies[i], append([]byte{}, p[e.off:e.off+e.Length]...))
	}
}

func TestLargestEntryFitsItsObject(t *testing.T) {
	for _, limit := range []int{2 * wal.BlockSize, 32 << 10, 1 << 20, wal.MaxFrame} {
		require.LessOrEqual(t, objectSize(headerSize+largestEntry(limit), 1), limit)
	}
}

func TestKeysAreThoseOfTheLogAlone(t *testing.T) {
	id := wal.UUID{1}
	n, ours := parseKey(id, Key(id, 77))
	require.True(t, ours)
	require.Equal(t, uint64(77), n)
	for _, key := range []string{Key(wal.UUID{2}, 77), prefix(id) + "77", prefix(id) + "000000000000007x", "wal/", ""} {
		_, ours := parseKey(id, key)
		require.False(t, ours, key)
	}
}

func FuzzDecodeObject(f *testing.F) {
	f.Add(sample(f, []byte("first entry"), bytes.Repeat([]byte{7}, 4100)))
	f.Add(buried())
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < headerSize {
			return
		}
		p := bytes.Clone(in)
		binary.LittleEndian.PutUint32(p[headerCRC:], crc32.Checksum(p[:headerCRC], castagnoli))
		h, err := decodeHeader(p)
		if err != nil || int(h.length) != len(p) {
			return
		}
		var again [headerSize]byte
		h.encode(again[:])
		if back, err := decodeHeader(again[:]); err != nil || back != h {
			t.Fatalf("%+v came back as %+v, %v", h, back, err)
		}
		if h.tombstone() {
			return
		}
		h.trailerCRC = crc32.Checksum(p[h.place:], castagnoli)
		entries, sums, ok := h.decodeTrailer(p[h.place:])
		if !ok {
			return
		}
		for _, e := range entries {
			_ = p[e.off : e.off+e.Length]
		}
		mismatch(p, &h, sums)
	})
}
