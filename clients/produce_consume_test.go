//go:build integration

package clients

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEveryClientProducesAndConsumesWithDefaults(t *testing.T) {
	s := startServer(t)
	t.Run("clients", func(t *testing.T) {
		eachClient(t, func(t *testing.T, c client) {
			topic := "made-by-" + c.name()
			want := numbered(c.name(), 2000)
			start := time.Now()
			c.produce(t, s.addr, topic, "", want)
			produced := time.Now()
			sameValues(t, c.consume(t, s.addr, topic, len(want)), want)
			t.Logf("produced in %s, consumed in %s", produced.Sub(start), time.Since(produced))
		})
	})
	// Orderly end while nobody is connected, and everything is there afterwards.
	s.stop()
	s.start()
	for _, c := range clients {
		want := numbered(c.name(), 2000)
		var got []string
		for _, r := range franzRecords(t, s.addr, "made-by-"+c.name(), len(want)) {
			got = append(got, string(r.Value))
			if r.ProducerID >= 0 != idempotent[c.name()] {
				t.Fatalf("%s: offset %d has producer id %d", c.name(), r.Offset, r.ProducerID)
			}
		}
		sameValues(t, got, want)
	}
}

// idempotent are the clients whose producers are idempotent by default.
var idempotent = map[string]bool{"franz-go": true, "kafka-python": true, "java": true}

// sameValues says where two lists part.
func sameValues(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("value %d is %q, want %q", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
}

// codecNumbers are the codecs as batch attributes name them.
var codecNumbers = map[string]uint8{"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

func TestEveryCodecOfEveryProducerReachesEveryConsumer(t *testing.T) {
	s := startServer(t)
	const each = 50
	wants := map[string][]string{}
	t.Run("produce", func(t *testing.T) {
		for _, c := range clients {
			var want []string
			for _, codec := range codecs {
				for _, v := range numbered(codec, each) {
					want = append(want, v+strings.Repeat("-compressible", 40))
				}
			}
			wants[c.name()] = want
			t.Run(c.name(), func(t *testing.T) {
				t.Parallel()
				for i, codec := range codecs {
					c.produce(t, s.addr, "codecs-"+c.name(), codec, want[i*each:(i+1)*each])
				}
			})
		}
	})
	t.Run("in the log", func(t *testing.T) {
		for _, c := range clients {
			for i, r := range franzRecords(t, s.addr, "codecs-"+c.name(), len(codecs)*each) {
				if codec := codecs[i/each]; r.Attrs.CompressionType() != codecNumbers[codec] {
					t.Fatalf("%s: offset %d has codec %d, want %s", c.name(), r.Offset, r.Attrs.CompressionType(), codec)
				}
			}
		}
	})
	t.Run("consume", func(t *testing.T) {
		eachClient(t, func(t *testing.T, c client) {
			for _, producer := range clients {
				want := wants[producer.name()]
				sameValues(t, c.consume(t, s.addr, "codecs-"+producer.name(), len(want)), want)
			}
		})
	})
}

func TestLargeRecordsAndManyPartitions(t *testing.T) {
	s := startServer(t)
	s.mustWeir("", "topic", "create", "wide", "-p", "64")
	client := newFranz(t, s.addr, kgo.ConsumeTopics("wide"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	var want []string
	var records []*kgo.Record
	for _, prefix := range numbered("large", 128) {
		v := prefix + strings.Repeat("x", 500_000)
		want = append(want, v[:20])
		records = append(records, &kgo.Record{Topic: "wide", Value: []byte(v)})
	}
	if err := client.ProduceSync(patient(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for ctx := patient(t); len(got) < len(want); {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), len(want), err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value[:20])) })
	}
	slices.Sort(got)
	sameValues(t, got, want)
}
