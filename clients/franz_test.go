//go:build integration

package clients

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go.
type franz struct{}

func (franz) name() string { return "franz-go" }

// newFranz returns a client that is closed with the test.
func newFranz(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// patient is a context that bounds one step of a test.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (franz) produce(t *testing.T, addr, topic, codec string, values []string) {
	t.Helper()
	opts := []kgo.Opt{kgo.AllowAutoTopicCreation()}
	if codec != "" {
		opts = append(opts, kgo.ProducerBatchCompression(franzCodecs[codec]))
	}
	client := newFranz(t, addr, opts...)
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Value: []byte(v)}
	}
	if err := client.ProduceSync(patient(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (franz) consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	var values []string
	for _, r := range franzRecords(t, addr, topic, n) {
		values = append(values, string(r.Value))
	}
	return values
}

// franzRecords reads n records from the beginning of partition 0, all they carry included.
func franzRecords(t *testing.T, addr, topic string, n int) []*kgo.Record {
	t.Helper()
	client := newFranz(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().AtStart()},
	}))
	var records []*kgo.Record
	for ctx := patient(t); len(records) < n; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func (franz) join(t *testing.T, addr, topic, group string, to *crowd) *member {
	t.Helper()
	m := to.newMember()
	took := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.assign(parts[topic]...) }
	lost := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.revoke(parts[topic]...) }
	client := newFranz(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsAssigned(took),
		kgo.OnPartitionsLost(lost), kgo.OnPartitionsRevoked(
			func(ctx context.Context, cl *kgo.Client, parts map[string][]int32) {
				if err := cl.CommitUncommittedOffsets(ctx); err != nil {
					t.Errorf("commit before partitions are given away: %v", err)
				}
				lost(ctx, cl, parts)
			}))
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil || fetches.IsClientClosed() {
				return
			}
			fetches.EachError(func(_ string, p int32, err error) { t.Errorf("fetch partition %d: %v", p, err) })
			fetches.EachRecord(func(r *kgo.Record) { m.read(string(r.Value)) })
		}
	}()
	m.stop = func() {
		cancel()
		<-done
		if err := client.CommitUncommittedOffsets(patient(t)); err != nil {
			t.Errorf("commit before leaving: %v", err)
		}
		client.Close()
	}
	return m
}
