package wal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// ringOf returns a ring whose first frames are the given ones, each of one entry.
func ringOf(blocks int, frames ...*frame) memFile {
	file := make(memFile, blocks*BlockSize)
	for _, f := range frames {
		copy(file[int(f.pos)%len(file):], f.buf())
	}
	return file
}

func sealed(wal UUID, pos Position, epoch int64, chain uint32, base int64) *frame {
	f := &frame{slab: &Slab{mem: make([]byte, BlockSize)}, pos: pos, end: headerSize + 10, size: BlockSize}
	copy(f.slab.mem[headerSize:], bytes.Repeat([]byte{'x'}, 10))
	f.entries = []placed{{Entry{Stream: 1, Epoch: 1, Kind: KindData, Base: base, Count: 1, Length: 10}, headerSize}}
	f.seal(wal, epoch, chain, pos)
	return f
}

func scanOf(t *testing.T, file memFile, trim mark, durable Position) (*scanner, []int64) {
	t.Helper()
	s := &scanner{
		ring: &ring{name: "ring", r: file, capacity: int64(len(file))}, wal: uuid(0x50),
		frameLimit: 4 * BlockSize, limit: trim.pos + Position(len(file)), buf: make([]byte, 8*BlockSize),
		rec: &Recovery{}, sums: make([]uint32, len(file)/BlockSize),
		pos: trim.pos, chain: trim.chain, epoch: trim.epoch, anchored: true, durable: durable,
	}
	require.NoError(t, s.run())
	var found []int64
	for _, e := range s.rec.Entries {
		found = append(found, e.Base)
	}
	return s, found
}

// Rule 12, one condition at a time: each frame is whole and at its place, and yet not next.
func TestAStaleFrameIsNotNext(t *testing.T) {
	const lap = 16 * BlockSize
	start := mark{pos: 3 * lap, chain: 77, epoch: 5}
	a := sealed(uuid(0x50), start.pos, 6, 77, 1)
	next := func(change func(f *frame)) (*scanner, []int64) {
		b := sealed(uuid(0x50), start.pos+BlockSize, 6, a.head.crc, 2)
		change(b)
		return scanOf(t, ringOf(16, a, b), start, 0)
	}
	_, found := next(func(*frame) {})
	require.Equal(t, []int64{1, 2}, found)
	for name, change := range map[string]func(f *frame){
		"another WAL":    func(f *frame) { f.seal(uuid(0x60), 6, a.head.crc, f.pos) },
		"another chain":  func(f *frame) { f.seal(uuid(0x50), 6, 1234, f.pos) },
		"an older epoch": func(f *frame) { f.seal(uuid(0x50), 5, a.head.crc, f.pos) },
		"an earlier lap": func(f *frame) { f.pos -= lap; f.seal(uuid(0x50), 6, a.head.crc, f.pos); f.pos += lap },
		"a later lap":    func(f *frame) { f.pos += lap; f.seal(uuid(0x50), 6, a.head.crc, start.pos); f.pos -= lap },
		"another position": func(f *frame) {
			f.pos += BlockSize
			f.seal(uuid(0x50), 6, a.head.crc, start.pos)
			f.pos -= BlockSize
		},
	} {
		s, found := next(change)
		require.Equal(t, []int64{1}, found, name)
		require.Empty(t, s.rec.Damage, name)
		require.Equal(t, start.pos+BlockSize, s.pos, name)
	}
	// The superblock's own copy of chain and epoch guards the first frame after a trim.
	_, found = scanOf(t, ringOf(16, a), mark{start.pos, 78, 5}, 0)
	require.Empty(t, found)
	_, found = scanOf(t, ringOf(16, a), mark{start.pos, 77, 7}, 0)
	require.Empty(t, found)
}

// TestOneChangedByteIsDamage (rule 17): the last frame was acknowledged, and nothing else says so yet. What may be a
// sector that was torn before its last byte cannot be told from it; but most of a small frame is padding.
func TestOneChangedByteIsDamage(t *testing.T) {
	for _, pos := range []Position{0, 3 * 16 * BlockSize} {
		f := sealed(uuid(0x50), pos, 6, 77, 1)
		for at := range BlockSize {
			file := ringOf(16, f)
			b := file[int(pos)%len(file):][:BlockSize]
			last := pos > 0 && at >= headerSize && b[at] != 0 && allZero(b[at+1:(at/sector+1)*sector])
			b[at] ^= 0x11
			s, _ := scanOf(t, file, mark{pos: pos, chain: 77, epoch: 5}, 0)
			require.Equal(t, last, len(s.rec.Damage) == 0, "byte %d at %d", at, pos)
		}
	}
}

func TestALaterFrameIsEvidence(t *testing.T) {
	a := sealed(uuid(0x50), 0, 6, 0, 1)
	b := sealed(uuid(0x50), BlockSize, 6, a.head.crc, 2)
	c := sealed(uuid(0x50), 2*BlockSize, 6, b.head.crc, 3)
	file := ringOf(16, a, b, c)
	clear(file[BlockSize : 2*BlockSize])
	s, found := scanOf(t, file, mark{}, 0)
	require.Equal(t, []int64{1, 3}, found)
	require.Len(t, s.rec.Damage, 1)
	require.Equal(t, Position(BlockSize), s.rec.Damage[0].From)
	require.Equal(t, Position(2*BlockSize), s.rec.Damage[0].To)
}

func TestEvidenceBeyondEverythingIsDamageUpToThere(t *testing.T) {
	a := sealed(uuid(0x50), 0, 6, 0, 1)
	s, found := scanOf(t, ringOf(16, a), mark{}, 5*BlockSize)
	require.Equal(t, []int64{1}, found)
	require.Equal(t, Position(5*BlockSize), s.pos)
	require.Equal(t, []Damage{{From: BlockSize, To: 5 * BlockSize,
		Why: "no frame here, and it is known to have been durable"}}, s.rec.Damage)
}

func TestARingFullOfFramesEndsAtItsOwnBeginning(t *testing.T) {
	var frames []*frame
	chain := uint32(0)
	for i := range 16 {
		f := sealed(uuid(0x50), Position(i*BlockSize), 6, chain, int64(i))
		chain = f.head.crc
		frames = append(frames, f)
	}
	s, found := scanOf(t, ringOf(16, frames...), mark{}, 0)
	require.Len(t, found, 16)
	require.Equal(t, Position(16*BlockSize), s.pos)
}
