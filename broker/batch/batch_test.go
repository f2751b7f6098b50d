package batch

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func good(t testing.TB) []byte {
	b, err := Build(Options{ProducerID: 7, ProducerEpoch: 1, BaseSequence: 40}, sample...)
	require.NoError(t, err)
	return b
}

// resum makes the CRC right again after a test damaged a field it covers.
func resum(p []byte) []byte {
	binary.BigEndian.PutUint32(p[crcAt:], Batch(p).ComputeCRC())
	return p
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(p []byte) []byte { binary.BigEndian.PutUint16(p[at:], v); return resum(p) }
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(p []byte) []byte { binary.BigEndian.PutUint32(p[at:], v); return resum(p) }
	}
	magic := func(v byte) func([]byte) []byte {
		return func(p []byte) []byte { p[magicAt] = v; return p }
	}
	length := func(v uint32) func([]byte) []byte {
		return func(p []byte) []byte { binary.BigEndian.PutUint32(p[lengthAt:], v); return p }
	}
	cases := []struct {
		name   string
		damage func([]byte) []byte
		rules  Rules
		want   error
	}{
		{"whole", func(p []byte) []byte { return p }, Rules{}, nil},
		{"nothing", func([]byte) []byte { return nil }, Rules{}, ErrNotOneBatch},
		{"two batches", func(p []byte) []byte { return append(p, p...) }, Rules{}, ErrNotOneBatch},
		{"a byte behind", func(p []byte) []byte { return append(p, 0) }, Rules{}, ErrNotOneBatch},
		{"16 bytes", func(p []byte) []byte { return p[:16] }, Rules{}, ErrTruncated},
		{"header only in part", func(p []byte) []byte { return p[:60] }, Rules{}, ErrTruncated},
		{"last byte missing", func(p []byte) []byte { return p[:len(p)-1] }, Rules{}, ErrTruncated},
		{"length negative", length(0xffffffff), Rules{}, ErrTruncated},
		{"length 2 GiB", length(math.MaxInt32), Rules{}, ErrTruncated},
		{"length below header", length(48), Rules{}, ErrTruncated},
		{"message set v0", magic(0), Rules{}, ErrMagic},
		{"message set v1", magic(1), Rules{}, ErrMagic},
		{"format 3", magic(3), Rules{}, ErrMagic},
		{"too large", func(p []byte) []byte { return p }, Rules{MaxBytes: 91}, ErrTooLarge},
		{"bit flipped", func(p []byte) []byte { p[70] ^= 1; return p }, Rules{}, ErrCRC},
		{"no records", put32(countAt, 0), Rules{}, ErrCount},
		{"count negative", put32(countAt, 0xffffffff), Rules{}, ErrCount},
		{"count above delta", put32(countAt, 4), Rules{}, ErrCount},
		{"delta wraps", func(p []byte) []byte {
			binary.BigEndian.PutUint32(p[lastOffsetDeltaAt:], math.MaxInt32)
			binary.BigEndian.PutUint32(p[countAt:], 0x80000000)
			return resum(p)
		}, Rules{}, ErrCount},
		{"control", put16(attributesAt, controlBit), Rules{}, ErrControl},
		{"control, ours", put16(attributesAt, controlBit), Rules{Internal: true}, nil},
		{"log append time", put16(attributesAt, logAppendTimeBit), Rules{}, ErrTimestampType},
		{"codec 5", put16(attributesAt, 5), Rules{Zstd: true}, ErrCodec},
		{"zstd before v7", put16(attributesAt, uint16(Zstd)), Rules{}, ErrCodec},
		{"zstd since v7", put16(attributesAt, uint16(Zstd)), Rules{Zstd: true}, nil},
		{"sequence missing", put32(baseSequenceAt, 0xffffffff), Rules{}, ErrProducer},
		{"epoch missing", put16(producerEpochAt, 0xffff), Rules{}, ErrProducer},
		{"producer id -2", func(p []byte) []byte {
			binary.BigEndian.PutUint64(p[producerIDAt:], ^uint64(1))
			return resum(p)
		}, Rules{}, ErrProducer},
		{"transaction without producer", func(p []byte) []byte {
			binary.BigEndian.PutUint64(p[producerIDAt:], ^uint64(0))
			binary.BigEndian.PutUint16(p[attributesAt:], transactionalBit)
			return resum(p)
		}, Rules{}, ErrProducer},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, err := Verify(c.damage(good(t)), c.rules)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				require.Equal(t, int32(3), b.Count())
			}
		})
	}
}

func TestVerifyOfAGoodBatchAllocatesNothing(t *testing.T) {
	p := good(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := Verify(p, Rules{MaxBytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestPlacingABatchLeavesItsCRCValid(t *testing.T) {
	p := good(t)
	b := Batch(p)
	b.SetBaseOffset(1 << 40)
	b.SetLeaderEpoch(12)
	b, err := Verify(p, Rules{})
	require.NoError(t, err)
	require.Equal(t, int64(1<<40), b.BaseOffset())
	require.Equal(t, int64(1<<40+3), b.NextOffset())
	require.Equal(t, int32(12), b.LeaderEpoch())
}

func TestLogAppendTimeIsEveryRecordsTimestamp(t *testing.T) {
	p := good(t)
	Batch(p).SetLogAppendTime(1_800_000_000_000)
	b, err := Verify(p, Rules{Internal: true})
	require.NoError(t, err, "the CRC is recomputed")
	require.True(t, b.LogAppendTime())
	d := NewDecoder(0)
	for _, r := range readAll(t, d, b) {
		require.Equal(t, int64(1_800_000_000_000), r.Timestamp)
	}
	off, ts, ok, err := d.FirstSince(b, 1_800_000_000_000)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []int64{0, 1_800_000_000_000}, []int64{off, ts})
}

func TestSequencesCountAroundFromTheLargest(t *testing.T) {
	for _, c := range []struct{ seq, n, want int32 }{
		{0, 0, 0}, {0, 5, 5}, {math.MaxInt32, 0, math.MaxInt32}, {math.MaxInt32, 1, 0},
		{math.MaxInt32 - 1, 3, 1}, {math.MaxInt32, math.MaxInt32, math.MaxInt32 - 1},
	} {
		require.Equal(t, c.want, AddSequence(c.seq, c.n))
	}
}

func TestFirstSinceFindsTheFirstRecordInOffsetOrder(t *testing.T) {
	records := []Record{{Timestamp: 10}, {Timestamp: 30}, {Timestamp: 20}, {Timestamp: 30}}
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		o := Plain()
		o.Codec = codec
		b, err := Build(o, records...)
		require.NoError(t, err)
		b.SetBaseOffset(100)
		d := NewDecoder(0)
		for _, c := range []struct {
			since, offset, ts int64
			ok                bool
		}{{-1, 100, 10, true}, {10, 100, 10, true}, {11, 101, 30, true}, {30, 101, 30, true}, {31, 0, 0, false}} {
			off, ts, ok, err := d.FirstSince(b, c.since)
			require.NoError(t, err)
			require.Equal(t, c.ok, ok)
			require.Equal(t, []int64{c.offset, c.ts}, []int64{off, ts})
		}
	}
}

func TestDecoderStopsBombsAtItsLimit(t *testing.T) {
	big := []Record{{Value: make([]byte, 1<<20)}}
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		o := Plain()
		o.Codec = codec
		b, err := Build(o, big...)
		require.NoError(t, err)
		require.ErrorIs(t, NewDecoder(1<<19).Open(b), ErrUnpacked, codec.String())
		require.Equal(t, absolute(big, 0), readAll(t, NewDecoder(2<<20), b))
	}
}

func TestDecoderBelievesNoClaimedLength(t *testing.T) {
	claim := binary.AppendUvarint(nil, 60<<20) // a snappy block of 60 MiB, then one byte
	_, err := unpackSnappy(nil, append(claim, 0), DefaultUnpackLimit)
	require.ErrorIs(t, err, ErrPayload)
	frame := append(append([]byte(nil), xerialMagic...), make([]byte, 8)...)
	_, err = unpackSnappy(nil, append(frame, 0x7f, 0xff, 0xff, 0xff), DefaultUnpackLimit)
	require.ErrorIs(t, err, ErrPayload)
}

func TestDecoderJoinsConcatenatedStreams(t *testing.T) {
	var z bytes.Buffer
	for _, part := range []string{"ab", "cd"} {
		w := gzip.NewWriter(&z)
		_, _ = w.Write([]byte(part))
		require.NoError(t, w.Close())
	}
	u := unpacker{limit: 100}
	got, err := u.unpack(nil, Gzip, z.Bytes())
	require.NoError(t, err)
	require.Equal(t, "abcd", string(got))
	framed := append(append([]byte(nil), xerialMagic...), make([]byte, 8)...)
	for _, part := range []string{"ab", "cd"} {
		block := s2.EncodeSnappy(nil, []byte(part))
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	got, err = u.unpack(nil, Snappy, framed)
	require.NoError(t, err)
	require.Equal(t, "abcd", string(got))
}

func TestBuilderRefusesAnEmptyBatch(t *testing.T) {
	_, err := Build(Plain())
	require.ErrorIs(t, err, ErrCount)
}

func TestCodecNamesParse(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		got, err := ParseCodec(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	_, err := ParseCodec("brotli")
	require.ErrorIs(t, err, ErrCodec)
}

func records() *rapid.Generator[[]Record] {
	maybe := func(label string) *rapid.Generator[[]byte] {
		return rapid.Custom(func(t *rapid.T) []byte {
			if rapid.Bool().Draw(t, label+" null") {
				return nil
			}
			return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, label)
		})
	}
	return rapid.Custom(func(t *rapid.T) []Record {
		rs := make([]Record, rapid.IntRange(1, 20).Draw(t, "records"))
		for i := range rs {
			rs[i] = Record{
				Timestamp: rapid.Int64Range(-1, 1<<42).Draw(t, "timestamp"),
				Key:       maybe("key").Draw(t, "key"), Value: maybe("value").Draw(t, "value"),
			}
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				rs[i].Headers = append(rs[i].Headers,
					Header{Key: rapid.String().Draw(t, "name"), Value: maybe("header").Draw(t, "header")})
			}
		}
		return rs
	})
}

func TestWhatBuilderBuildsVerifiesAndReadsBack(t *testing.T) {
	d := NewDecoder(0)
	var w Builder
	rapid.Check(t, func(t *rapid.T) {
		rs := records().Draw(t, "records")
		o := Plain()
		o.Codec = Codec(rapid.IntRange(0, 4).Draw(t, "codec"))
		w.Start(o)
		for _, r := range rs {
			w.Add(r)
		}
		p, err := w.Append([]byte("before"))
		require.NoError(t, err)
		b, err := Verify(p[6:], Rules{Zstd: true})
		require.NoError(t, err)
		require.NoError(t, d.Open(b))
		for i := range rs {
			var r Record
			require.True(t, d.Next(&r), "record %d: %v", i, d.Err())
			want := rs[i]
			want.Offset = int64(i)
			require.Equal(t, want, r)
		}
		require.False(t, d.Next(new(Record)))
		require.NoError(t, d.Err())
	})
}
