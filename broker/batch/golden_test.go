package batch

import (
	"bytes"
	"encoding/hex"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/snappy/xerial"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

// golden compares got with testdata/name, kept as lines of 32 hex bytes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var text []byte
	for line := range bytesOf(got, 32) {
		text = append(hex.AppendEncode(text, line), '\n')
	}
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))
}

func bytesOf(p []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(p) > 0 {
			k := min(n, len(p))
			if !yield(p[:k]) {
				return
			}
			p = p[k:]
		}
	}
}

// byKmsg builds a batch with franz-go's codec, which shares no code with ours.
func byKmsg(t testing.TB, o Options, records []Record, payload func([]byte) []byte) []byte {
	t.Helper()
	var raw []byte
	maxTS := records[0].Timestamp
	for i, r := range records {
		maxTS = max(maxTS, r.Timestamp)
		k := kmsg.Record{
			TimestampDelta64: r.Timestamp - records[0].Timestamp, OffsetDelta: int32(i),
			Key: r.Key, Value: r.Value,
		}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // a length of 0 takes one byte
		raw = k.AppendTo(raw)
	}
	if payload != nil {
		raw = payload(raw)
	}
	attributes := int16(o.Codec)
	if o.Transactional {
		attributes |= 0x10
	}
	if o.Control {
		attributes |= 0x20
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes, Length: int32(49 + len(raw)),
		LastOffsetDelta: int32(len(records) - 1), FirstTimestamp: records[0].Timestamp, MaxTimestamp: maxTS,
		ProducerID: o.ProducerID, ProducerEpoch: o.ProducerEpoch, FirstSequence: o.BaseSequence,
		NumRecords: int32(len(records)), Records: raw,
	}
	p := b.AppendTo(nil)
	b.CRC = int32(crc32.Checksum(p[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

var sample = []Record{
	{Timestamp: 1_700_000_000_000, Key: []byte("k0"), Value: []byte("v0")},
	{Timestamp: 1_700_000_000_007, Value: []byte{}, Headers: []Header{
		{Key: "h", Value: nil}, {Key: "", Value: []byte("x")},
	}},
	{Timestamp: 1_699_999_999_990, Key: []byte{}},
}

func TestBuilderWritesTheBytesKmsgWrites(t *testing.T) {
	o := Options{ProducerID: 7, ProducerEpoch: 1, BaseSequence: 40}
	for name, opt := range map[string]Options{"plain": Plain(), "producer": o} {
		got, err := Build(opt, sample...)
		require.NoError(t, err)
		require.Equal(t, byKmsg(t, opt, sample, nil), []byte(got))
		golden(t, name+".hex", got)
	}
}

func TestDecoderReadsBothSnappyFramings(t *testing.T) {
	o := Plain()
	o.Codec = Snappy
	frame := func(p []byte) []byte { return xerial.Encode(nil, p) }
	framed := byKmsg(t, o, sample, frame)
	b, err := Verify(framed, Rules{})
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(b.Payload(), xerialMagic))
	require.Equal(t, absolute(sample, 0), readAll(t, NewDecoder(0), b))
	golden(t, "xerial.hex", framed)
	raw, err := Build(o, sample...)
	require.NoError(t, err)
	require.Equal(t, absolute(sample, 0), readAll(t, NewDecoder(0), raw))
}

func readAll(t testing.TB, d *Decoder, b Batch) []Record {
	t.Helper()
	require.NoError(t, d.Open(b))
	var all []Record
	for {
		var r Record
		if !d.Next(&r) {
			break
		}
		all = append(all, r)
	}
	require.NoError(t, d.Err())
	return all
}

// absolute is what a Decoder says of records at base.
func absolute(in []Record, base int64) []Record {
	out := append([]Record(nil), in...)
	for i := range out {
		out[i].Offset = base + int64(i)
	}
	return out
}
