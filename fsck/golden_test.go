package fsck

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Golden bytes that the writers of each format keep: this package must read them by the drawing alone.

// dump reads a file of hexadecimal digits, plain or as hexdump -C prints them.
func dump(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var digits strings.Builder
	line := regexp.MustCompile(`^[0-9a-f]{8}  ([0-9a-f ]*)`)
	for _, l := range strings.Split(string(raw), "\n") {
		if m := line.FindStringSubmatch(l); m != nil {
			l = m[1]
		}
		digits.WriteString(strings.ReplaceAll(strings.TrimSpace(l), " ", ""))
	}
	b, err := hex.DecodeString(digits.String())
	require.NoError(t, err, path)
	return b
}

func goldenObject(t testing.TB) []byte     { return dump(t, "../stream/testdata/object-v1.hex") }
func goldenQuarantine(t testing.TB) []byte { return dump(t, "../broker/testdata/quarantine-v1.hex") }
func goldenState(t testing.TB) []byte      { return dump(t, "../broker/partition/testdata/state-v1.hex") }
func goldenGroups(t testing.TB) []byte     { return dump(t, "../broker/group/testdata/snapshot-v1.hex") }
func goldenRecords(t testing.TB) []byte    { return dump(t, "../broker/group/testdata/records-v1.hex") }
func goldenBatch(t testing.TB) []byte      { return dump(t, "../broker/batch/testdata/producer.hex") }
func goldenFence(t testing.TB) []byte      { return dump(t, "../wal/testdata/fence.hex") }

// whole fills a dump that leaves out zeros at the end up to n bytes.
func whole(b []byte, n int) []byte { return append(bytes.Clone(b), make([]byte, max(0, n-len(b)))...) }

func goldenIdentity(t testing.TB) []byte {
	b, err := os.ReadFile("../node/testdata/identity.v1")
	require.NoError(t, err)
	return b
}

func TestGoldenObject(t *testing.T) {
	o := parseObject(goldenObject(t))
	require.NoError(t, o.err)
	require.Len(t, o.blocks, 4)
	for i := range o.blocks {
		require.NoError(t, o.blocks[i].err)
	}
	require.Equal(t, "first", string(o.blocks[0].entries[0].data))
	require.Equal(t, int64(15), o.blocks[0].end)
	require.Equal(t, byte(blockCheckpoint), o.blocks[1].kind)
	require.Equal(t, "state", string(o.blocks[1].entries[0].data))
}

func TestGoldenQuarantine(t *testing.T) {
	_, err := parseQuarantine(goldenQuarantine(t))
	require.NoError(t, err)
}

func TestGoldenState(t *testing.T) {
	s, err := decodeState(goldenState(t))
	require.NoError(t, err)
	require.EqualValues(t, 10, s.end)
	require.Len(t, s.epochs, 2)
	require.Len(t, s.producers, 3)
}

func TestGoldenGroupLog(t *testing.T) {
	n, err := decodeGroupState(goldenGroups(t))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	records, err := decodeGroupEntry(goldenRecords(t))
	require.NoError(t, err)
	require.Positive(t, records)
}

func TestGoldenBatch(t *testing.T) {
	b, _, size, err := decodeBatch(goldenBatch(t))
	require.NoError(t, err)
	require.Equal(t, len(goldenBatch(t)), size)
	require.GreaterOrEqual(t, b.producer, int64(0))
}

func TestGoldenFence(t *testing.T) {
	f, err := decodeFence(goldenFence(t))
	require.NoError(t, err)
	require.Positive(t, f.generation)
}

func TestGoldenIdentity(t *testing.T) {
	id, err := decodeIdentity(goldenIdentity(t))
	require.NoError(t, err)
	require.Positive(t, id.node)
}

// TestOneChangedByteIsExplained: shifting a difference back finds the byte, whichever it is.
func TestOneChangedByteIsExplained(t *testing.T) {
	b := goldenBatch(t)
	want := crc(b)
	for at := range b {
		b[at] ^= 0x5a
		got, bits, ok := changedByte(want, crc(b), len(b))
		require.True(t, ok)
		require.Equal(t, at, got)
		require.Equal(t, byte(0x5a), bits)
		b[at] ^= 0x5a
	}
	_, _, ok := changedByte(want, want, len(b))
	require.False(t, ok)
}

// TestEveryChangedByteIsSeen: no byte of a format that has checksums may change unseen.
func TestEveryChangedByteIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		read func([]byte) error
	}{
		"object": {goldenObject(t), func(b []byte) error {
			o := parseObject(b)
			for i := range o.blocks {
				if o.blocks[i].err != nil {
					return o.blocks[i].err
				}
			}
			return o.err
		}},
		"quarantine": {goldenQuarantine(t), func(b []byte) error { _, err := parseQuarantine(b); return err }},
		"state":      {goldenState(t), func(b []byte) error { _, err := decodeState(b); return err }},
		"groups":     {goldenGroups(t), func(b []byte) error { _, err := decodeGroupState(b); return err }},
		"records":    {goldenRecords(t), func(b []byte) error { _, err := decodeGroupEntry(b); return err }},
		"fence":      {goldenFence(t), func(b []byte) error { _, err := decodeFence(b); return err }},
		"identity":   {goldenIdentity(t), func(b []byte) error { _, err := decodeIdentity(b); return err }},
	} {
		require.NoError(t, c.read(c.b), name)
		for at := range c.b {
			c.b[at] ^= 0x20
			require.Error(t, c.read(c.b), "%s byte %d", name, at)
			c.b[at] ^= 0x20
		}
	}
}
