package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata")

// sampleObject builds an object without an engine: two streams, one with two leader epochs and a checkpoint.
func sampleObject() ([]byte, []block) {
	var p []byte
	var blocks []block
	add := func(b block, entries ...[]byte) {
		b.position, b.entries, b.size = int64(len(p)), uint32(len(entries)), blockHeaderSize+crcSize
		for _, e := range entries {
			b.size += uint32(len(e))
		}
		at := len(p)
		p = append(p, make([]byte, blockHeaderSize)...)
		b.putHeader(p[at:])
		for _, e := range entries {
			p = append(p, e...)
		}
		p = binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[at:], castagnoli))
		blocks = append(blocks, b)
	}
	entry := func(base int64, count uint32, ts int64, epoch Epoch, data string) []byte {
		e := make([]byte, entryHeaderSize)
		entryHeader{base: base, count: count, length: uint32(len(data)), maxTs: ts, epoch: epoch}.put(e)
		return append(e, data...)
	}
	add(block{stream: 3, epoch: 1, kind: blockData, start: 10, end: 15, maxTs: 1700000000123},
		entry(10, 2, 1700000000123, 1, "first"), entry(12, 3, 1700000000000, 1, "second"))
	add(block{stream: 3, epoch: 1, kind: blockCheckpoint, start: 15, end: 15}, entry(15, 0, 0, 1, "state"))
	add(block{stream: 3, epoch: 2, kind: blockData, start: 15, end: 16, maxTs: -1}, entry(15, 1, -1, 2, "third"))
	add(block{stream: 7, epoch: 4, kind: blockCheckpoint, start: 1 << 40, end: 1 << 40}, entry(1<<40, 0, 0, 4, ""))
	at := int64(len(p))
	index := appendIndex(nil, blocks)
	p = append(p, index...)
	f := footer{indexPos: at, indexLen: uint32(len(index)), indexCRC: crc32.Checksum(index, castagnoli), seq: 42}
	copy(f.writer[:], "cluster-cluster-brokerepoch!")
	return f.append(p), blocks
}

// readObject verifies a whole object and returns its entries, joined.
func readObject(p []byte) (string, error) {
	if len(p) < footerSize {
		return "", errFormat
	}
	f, err := decodeFooter(p[len(p)-footerSize:], int64(len(p)))
	if err != nil {
		return "", err
	}
	index := p[f.indexPos : f.indexPos+int64(f.indexLen)]
	if crc32.Checksum(index, castagnoli) != f.indexCRC {
		return "", errFormat
	}
	blocks, err := decodeIndex(index, f.indexPos)
	if err != nil {
		return "", err
	}
	var out []string
	for _, b := range blocks {
		body := p[b.position : b.position+int64(b.size)]
		if err := checkBlock(body, b); err != nil {
			return "", err
		}
		for rest := body[blockHeaderSize : len(body)-crcSize]; len(rest) > 0; {
			h := getEntryHeader(rest)
			out = append(out, string(rest[entryHeaderSize:entryHeaderSize+int(h.length)]))
			rest = rest[entryHeaderSize+int(h.length):]
		}
	}
	return strings.Join(out, ","), nil
}

func TestObjectFormatIsWhatItWas(t *testing.T) {
	p, _ := sampleObject()
	const name = "testdata/object-v1.hex"
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(hex.Dump(p)), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), hex.Dump(p))
	got, err := readObject(p)
	require.NoError(t, err)
	require.Equal(t, "first,second,state,third,", got)
}

func TestEveryChangedByteOfAnObjectIsNoticed(t *testing.T) {
	p, _ := sampleObject()
	for i := range p {
		for _, mask := range []byte{1, 0x80, 0xff} {
			q := bytes.Clone(p)
			q[i] ^= mask
			_, err := readObject(q)
			require.Error(t, err, "byte %d ^ %#x", i, mask)
		}
	}
	for n := range p {
		_, err := readObject(p[:n])
		require.Error(t, err, "cut to %d bytes", n)
	}
}

func TestNewerFormatIsRefusedByName(t *testing.T) {
	p, _ := sampleObject()
	foot := p[len(p)-footerSize:]
	foot[8] = 2
	binary.LittleEndian.PutUint32(foot[footerSize-crcSize:], crc32.Checksum(foot[:footerSize-crcSize], castagnoli))
	_, err := readObject(p)
	require.ErrorIs(t, err, ErrVersion)
}

func TestBodyYieldsTheLayoutWhateverTheBuffer(t *testing.T) {
	e := &Engine{cfg: Config{BlockBytes: 100, Writer: WriterID{1}}}
	r := &rangeLog{st: &streamLog{id: 9}, epoch: 2}
	p := &plan{seq: 5, parts: []part{{r: r, end: 7, state: bytes.Repeat([]byte("s"), 300)}}}
	b := e.layout(p)
	all, err := io.ReadAll(b.Open(nil))
	require.NoError(t, err)
	require.Equal(t, b.Size(), int64(len(all)))
	require.Equal(t, crc32.Checksum(all, castagnoli), b.crc)
	got, err := readObject(all)
	require.NoError(t, err)
	require.Len(t, got, 300)
	for n := 1; n <= len(all)+1; n++ {
		b.crc = 0
		rd, buf := b.Open(nil), make([]byte, n)
		var again []byte
		for int64(len(again)) < b.Size() { // a store may stop at Size without seeing io.EOF
			k, err := rd.Read(buf)
			require.NoError(t, err)
			again = append(again, buf[:k]...)
		}
		require.Equal(t, all, again)
		require.Equal(t, crc32.Checksum(all, castagnoli), b.crc)
	}
}

func FuzzDecodeObject(f *testing.F) {
	p, _ := sampleObject()
	f.Add(p)
	f.Add(p[:len(p)-1])
	f.Fuzz(func(t *testing.T, p []byte) {
		// Make the CRCs right, so that what lies behind them is reached.
		if n := len(p); n >= footerSize {
			foot := p[n-footerSize:]
			pos, size := binary.LittleEndian.Uint64(foot[16:]), binary.LittleEndian.Uint32(foot[24:])
			if end := uint64(n - footerSize); pos <= end && uint64(size) == end-pos && size >= crcSize {
				index := p[pos:end]
				binary.LittleEndian.PutUint32(index[len(index)-crcSize:], crc32.Checksum(index[:len(index)-crcSize], castagnoli))
				binary.LittleEndian.PutUint32(foot[28:], crc32.Checksum(index, castagnoli))
			}
			binary.LittleEndian.PutUint32(foot[footerSize-crcSize:], crc32.Checksum(foot[:footerSize-crcSize], castagnoli))
		}
		_, _ = readObject(p)
	})
}

func FuzzDecodeIndex(f *testing.F) {
	p, blocks := sampleObject()
	last := blocks[len(blocks)-1]
	length := last.position + int64(last.size)
	f.Add(p[length:len(p)-footerSize], length)
	f.Fuzz(func(t *testing.T, p []byte, length int64) {
		if len(p) >= crcSize {
			binary.LittleEndian.PutUint32(p[len(p)-crcSize:], crc32.Checksum(p[:len(p)-crcSize], castagnoli))
		}
		blocks, err := decodeIndex(p, length)
		if err != nil {
			return
		}
		if !bytes.Equal(appendIndex(nil, blocks), p) {
			t.Fatal("an index was accepted that encodes to other bytes")
		}
	})
}

func FuzzCheckBlock(f *testing.F) {
	p, blocks := sampleObject()
	for _, b := range blocks {
		f.Add(p[b.position:b.position+int64(b.size)], uint64(b.stream), int32(b.epoch), b.start, b.end, b.maxTs,
			b.entries, byte(b.kind))
	}
	f.Fuzz(func(t *testing.T, p []byte, stream uint64, epoch int32, start, end, maxTs int64, entries uint32, kind byte) {
		if len(p) >= crcSize {
			binary.LittleEndian.PutUint32(p[len(p)-crcSize:], crc32.Checksum(p[:len(p)-crcSize], castagnoli))
		}
		_ = checkBlock(p, block{stream: ID(stream), epoch: Epoch(epoch), start: start, end: end, maxTs: maxTs,
			size: uint32(len(p)), entries: entries, kind: blockKind(kind)})
	})
}

func TestIndexThatDoesNotTileIsRefused(t *testing.T) {
	_, good := sampleObject()
	length := good[len(good)-1].position + int64(good[len(good)-1].size)
	require.NoError(t, checkIndex(good, length))
	for name, bend := range map[string]func([]block){
		"a gap between blocks":      func(b []block) { b[1].position++ },
		"a block shorter than it":   func(b []block) { b[0].size = blockHeaderSize },
		"no entries":                func(b []block) { b[0].entries = 0 },
		"end below start":           func(b []block) { b[0].end = 9 },
		"a checkpoint with records": func(b []block) { b[1].end++ },
		"streams out of order":      func(b []block) { b[3].stream = 2 },
		"epochs out of order":       func(b []block) { b[2].epoch = 0 },
		"overlapping offsets":       func(b []block) { b[0].end = 16 },
		"an unknown kind":           func(b []block) { b[0].kind = 3 },
		"a negative offset":         func(b []block) { b[0].start = -1 },
	} {
		bad := append([]block(nil), good...)
		bend(bad)
		require.Error(t, checkIndex(bad, length), name)
	}
	require.Error(t, checkIndex(good, length+1), "bytes after the last block")
}
