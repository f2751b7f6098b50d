//go:build integration

package crashtest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file reads docs/format/wal.md again, from the page and not from package wal.

const blockBytes = 4096

// walFile returns the path of the ring in a data directory.
func walFile(t *testing.T, data string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(data, "wal", "ring-*-*-*-*-????????????"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// slots are the file offsets of the two superblocks.
func slots(raw []byte) [2]int { return [2]int{0, len(raw) - blockBytes} }

// ring is where positions lie in the file, as the newer superblock says.
type ring struct {
	margin, capacity int
	trim             int
}

func readRing(t *testing.T, raw []byte) ring {
	t.Helper()
	var r ring
	newest := uint64(0)
	for _, at := range slots(raw) {
		b := raw[at : at+blockBytes]
		require.Equal(t, "WEIRWALS", string(b[:8]))
		if seq := binary.LittleEndian.Uint64(b[24:]); seq > newest {
			newest = seq
			r.capacity, r.trim = int(binary.LittleEndian.Uint64(b[104:])), int(binary.LittleEndian.Uint64(b[120:]))
		}
	}
	r.margin = min(max(r.capacity/64/blockBytes*blockBytes, blockBytes), 1<<20)
	require.Equal(t, len(raw), r.capacity+2*r.margin)
	return r
}

func (r ring) offset(position int) int { return r.margin + position%r.capacity }

// frameAt is one frame as its header describes it; offsets are in the file.
type frameAt struct {
	at, length        int
	entries           int
	trailer, trailerN int
}

// frames lists the frames from the trim position on, in a ring that did not wrap.
func frames(t *testing.T, raw []byte) []frameAt {
	t.Helper()
	r := readRing(t, raw)
	var out []frameAt
	for position := r.trim; ; {
		at := r.offset(position)
		h := raw[at : at+128]
		if string(h[:8]) != "WEIRFRAM" || int(binary.LittleEndian.Uint64(h[40:])) != position {
			require.NotEmpty(t, out, "the ring holds no frame")
			return out
		}
		field := func(at int) int { return int(binary.LittleEndian.Uint32(h[at:])) }
		f := frameAt{at: at, length: field(56), entries: field(64), trailer: at + field(68), trailerN: field(72)}
		out = append(out, f)
		position += f.length
	}
}

// frameOf returns the frame whose body holds text.
func frameOf(t *testing.T, raw []byte, text string) frameAt {
	t.Helper()
	for _, f := range frames(t, raw) {
		if bytes.Contains(raw[f.at:f.trailer], []byte(text)) {
			return f
		}
	}
	require.FailNow(t, "no frame holds "+name(text))
	return frameAt{}
}

// flip changes one bit of a file.
func flip(t *testing.T, file string, at int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], int64(at))
	require.NoError(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	done.flipped(t, file, at)
}

// newerSuperblocks raises the version in both superblocks, with right checksums.
func newerSuperblocks(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, at := range slots(raw) {
		b := raw[at : at+blockBytes]
		require.Equal(t, "WEIRWALS", string(b[:8]))
		binary.LittleEndian.PutUint32(b[8:], 2)
		sum := crc32.Checksum(b[:blockBytes-4], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(b[blockBytes-4:], sum)
	}
	require.NoError(t, os.WriteFile(file, raw, 0o600))
}
