//go:build integration

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const callMax = 30 * time.Second

// newClient returns a client of s that is closed at the end of the test.
func newClient(t *testing.T, s *server, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(s.kafka), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond })}, opts...)
	c, err := kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// createTopic makes a topic and returns its reader.
func createTopic(t *testing.T, s *server, topic string, partitions int32) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callMax)
	defer cancel()
	adm := kadm.NewClient(newClient(t, s))
	r, err := adm.CreateTopic(ctx, partitions, -1, nil, topic)
	require.NoError(t, err)
	require.NoError(t, r.Err)
	return &reader{t: t, client: newClient(t, s), topic: topic, id: r.ID}
}

// reader reads partitions by plain Fetch requests, so that every error code is seen.
type reader struct {
	t      *testing.T
	client *kgo.Client
	topic  string
	id     kadm.TopicID
}

// fetch reads once at offset and returns the values and the high watermark, or the error of the partition.
func (r *reader) fetch(partition int32, offset int64) ([]string, int64, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), callMax)
	defer cancel()
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 8<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = r.topic, r.id, append(topic.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.Topics = 16<<20, append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return nil, 0, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, 0, err
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return nil, 0, err
	}
	how := kgo.ProcessFetchPartitionOpts{Offset: offset, Topic: r.topic, Partition: partition}
	part, _ := kgo.ProcessFetchPartition(how, got, kgo.DefaultDecompressor(), nil)
	if part.Err != nil {
		return nil, 0, part.Err
	}
	var values []string
	for i, rec := range part.Records {
		require.Equal(r.t, offset+int64(i), rec.Offset, "a gap in partition %d", partition)
		values = append(values, string(rec.Value))
	}
	return values, got.HighWatermark, nil
}

// end returns the log end offset that ListOffsets gives.
func (r *reader) end(partition int32) (int64, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), callMax)
	defer cancel()
	ends, err := kadm.NewClient(r.client).ListEndOffsets(ctx, r.topic)
	if err != nil {
		return 0, err
	}
	o, ok := ends.Lookup(r.topic, partition)
	require.True(r.t, ok)
	return o.Offset, o.Err
}

// readFrom reads from offset to the log's end as it is at the call.
func (r *reader) readFrom(partition int32, offset int64) []string {
	r.t.Helper()
	values, err := r.tryFrom(partition, offset)
	require.NoError(r.t, err, "read partition %d of %s from %d", partition, r.topic, offset)
	return values
}

func (r *reader) tryFrom(partition int32, offset int64) ([]string, error) {
	r.t.Helper()
	end, err := r.end(partition)
	if err != nil {
		return nil, err
	}
	var all []string
	for offset < end {
		values, _, err := r.fetch(partition, offset)
		if err != nil {
			return all, err
		}
		if len(values) == 0 {
			return all, fmt.Errorf("nothing at offset %d below the end %d: served short", offset, end)
		}
		all = append(all, values...)
		offset += int64(len(values))
	}
	return all, nil
}

// load is a set of writers under way.
type load struct {
	*ledger
	topic *reader
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// loadOptions say how hard the writers push.
type loadOptions struct {
	writers int
	every   time.Duration // pause of one writer between two records
	size    int           // bytes of a value
	plain   bool          // not compressed
}

var modest = loadOptions{writers: 4, every: time.Millisecond, size: 400}

// startLoad creates a topic and writes to all its partitions, with idempotent producers that never give up.
func startLoad(t *testing.T, s *server, topic string, partitions int32, o loadOptions) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{ledger: newLedger(int(partitions)), topic: createTopic(t, s, topic, partitions), stop: cancel}
	opts := []kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(500), kgo.ProducerLinger(0), kgo.RequiredAcks(kgo.AllISRAcks())}
	if o.plain {
		opts = append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	for w := range o.writers {
		client := newClient(t, s, opts...)
		l.done.Go(func() { l.write(ctx, client, fmt.Sprint("w", w), partitions, o) })
	}
	t.Cleanup(func() { l.stop(); l.done.Wait() })
	return l
}

// write produces until ctx ends and then waits for the records under way.
func (l *load) write(ctx context.Context, client *kgo.Client, writer string, partitions int32, o loadOptions) {
	fill := strings.Repeat("x", o.size)
	for n := int64(0); ctx.Err() == nil; n++ {
		value := fmt.Sprintf("%s-%d ", writer, n)
		value += fill[:max(0, o.size-len(value))]
		rec := &kgo.Record{Partition: int32(n) % partitions, Value: []byte(value)}
		sent := time.Now()
		client.Produce(context.Background(), rec, func(r *kgo.Record, err error) {
			if err != nil {
				l.fail(fmt.Errorf("%s: %w", name(value), err))
				return
			}
			l.ack(r.Partition, r.Offset, value, sent)
		})
		time.Sleep(o.every)
	}
	flush, cancel := context.WithTimeout(context.Background(), callMax)
	defer cancel()
	if err := client.Flush(flush); err != nil {
		l.fail(fmt.Errorf("%s: the last records were never answered: %w", writer, err))
	}
}

// finish stops the writers and waits until everything is acknowledged.
func (l *load) finish() {
	l.stop()
	l.done.Wait()
}

// awaitAcks waits until n more records are acknowledged.
func (l *load) awaitAcks(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	want := l.total() + n
	require.Eventually(t, func() bool { return l.total() >= want }, limit, 5*time.Millisecond,
		"%d more acknowledgements", n)
}

// groupReader is a consumer group of one member that commits what it has read.
type groupReader struct {
	t         *testing.T
	name      string
	topic     string
	mu        sync.Mutex
	committed map[int32]int64 // acknowledged
	attempted map[int32]int64
	stop      context.CancelFunc
	done      sync.WaitGroup
}

func startGroup(t *testing.T, s *server, group, topic string) *groupReader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	g := &groupReader{t: t, name: group, topic: topic, stop: cancel,
		committed: map[int32]int64{}, attempted: map[int32]int64{}}
	client := newClient(t, s, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	g.done.Go(func() { g.run(ctx, client) })
	t.Cleanup(func() { g.stop(); g.done.Wait() })
	return g
}

func (g *groupReader) run(ctx context.Context, client *kgo.Client) {
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 200)
		offsets := map[int32]kgo.EpochOffset{}
		fetches.EachRecord(func(r *kgo.Record) {
			offsets[r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
		})
		if len(offsets) == 0 {
			continue
		}
		g.mu.Lock()
		for p, o := range offsets {
			g.attempted[p] = max(g.attempted[p], o.Offset)
		}
		g.mu.Unlock()
		call, cancel := context.WithTimeout(ctx, 2*time.Second)
		client.CommitOffsetsSync(call, map[string]map[int32]kgo.EpochOffset{g.topic: offsets}, g.answered(offsets))
		cancel()
	}
}

// answered notes the partitions whose commit was acknowledged.
func (g *groupReader) answered(offsets map[int32]kgo.EpochOffset) func(
	*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {
	return func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil || resp == nil {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode == 0 {
					g.committed[p.Partition] = offsets[p.Partition].Offset
				}
			}
		}
	}
}

// acknowledged copies the commits that were answered, by partition.
func (g *groupReader) acknowledged() map[int32]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[int32]int64{}
	for p, o := range g.committed {
		out[p] = o
	}
	return out
}

// judge asks the server for the group's offsets: none below what was known committed, none beyond what was
// ever asked for.
func (g *groupReader) judge(s *server, known map[int32]int64) {
	g.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
	require.NoError(g.t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(g.t.Context(), callMax)
	defer cancel()
	got, err := kadm.NewClient(client).FetchOffsets(ctx, g.name)
	if err != nil && errors.Is(err, kerr.GroupIDNotFound) && len(known) == 0 {
		return
	}
	require.NoError(g.t, err)
	for p, offset := range known {
		at, ok := got.Lookup(g.topic, p)
		require.True(g.t, ok, "the group's offset of partition %d is gone; %d was committed", p, offset)
		require.NoError(g.t, at.Err)
		require.GreaterOrEqual(g.t, at.At, offset, "the group's offset of partition %d went back", p)
		g.mu.Lock()
		require.LessOrEqual(g.t, at.At, g.attempted[p], "partition %d: nobody committed that", p)
		g.mu.Unlock()
	}
}
