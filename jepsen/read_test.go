//go:build integration

package jepsen

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
)

const (
	readMax  = 10 * time.Second // one answer
	waitRead = 200              // milliseconds that a fetch waits for records
	fetchMax = 256 << 10
)

// fetcher reads by plain Fetch requests to the leader that it believes in, so that every mark of every answer is
// seen, from which no client hides anything.
type fetcher struct {
	client  *kgo.Client
	leaders map[int32]int32
	id      kadm.TopicID
	topic   string
}

// fetched is one answer.
type fetched struct {
	records           []*kgo.Record
	high, start, last int64
}

// lead learns who leads a partition.
func (f *fetcher) lead(ctx context.Context, partition int32) (int32, error) {
	if id, ok := f.leaders[partition]; ok {
		return id, nil
	}
	meta, err := kadm.NewClient(f.client).Metadata(ctx, f.topic)
	if err != nil {
		return 0, err
	}
	t := meta.Topics[f.topic]
	if t.Err != nil {
		return 0, t.Err
	}
	f.id = t.ID
	clear(f.leaders)
	for _, p := range t.Partitions {
		if p.Leader >= 0 {
			f.leaders[p.Partition] = p.Leader
		}
	}
	id, ok := f.leaders[partition]
	if !ok {
		return 0, kerr.LeaderNotAvailable
	}
	return id, nil
}

// fetch reads once at offset.
func (f *fetcher) fetch(ctx context.Context, partition int32, offset int64) (*fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, readMax)
	defer cancel()
	leader, err := f.lead(ctx, partition)
	if err != nil {
		return nil, err
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, fetchMax
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = f.topic, f.id, append(t.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.Topics = fetchMax, 1, waitRead, append(req.Topics, t)
	answer, err := f.client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		delete(f.leaders, partition)
		return nil, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("a fetch of one partition was answered with another number of them")
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		delete(f.leaders, partition)
		return nil, err
	}
	how := kgo.ProcessFetchPartitionOpts{Offset: offset, Topic: f.topic, Partition: partition}
	part, _ := kgo.ProcessFetchPartition(how, got, kgo.DefaultDecompressor(), nil)
	return &fetched{part.Records, got.HighWatermark, got.LogStartOffset, got.LastStableOffset}, part.Err
}

// reader follows some partitions from their start, and begins anew now and then.
func (r *run) reader(stop <-chan struct{}, own []int32) {
	f := r.newFetcher()
	id := r.rec.client()
	next := map[int32]int64{}
	session := map[int32]int{}
	for _, p := range own {
		session[p] = 1
	}
	r.workers.Go(func() {
		for turn := 0; r.readRate.wait(stop); turn++ {
			p := own[turn%len(own)]
			if turn%again == again-1 {
				next[p], session[p] = 0, session[p]+1
			}
			next[p] = r.read(f, id, p, next[p], session[p])
		}
	})
}

const again = 500 // fetches after which a reader begins anew with a partition

func (r *run) newFetcher() *fetcher {
	return &fetcher{client: r.newClient(), leaders: map[int32]int32{}, topic: topic}
}

// read does one fetch and returns the offset of the next.
func (r *run) read(f *fetcher, id, p int32, offset int64, session int) int64 {
	op := check.Op{Kind: check.Fetch, Client: id, Call: r.rec.now(), Offset: offset, Session: session,
		Partition: check.Partition{Topic: topic, Index: p}}
	got, err := f.fetch(r.clients, p, offset)
	op.Outcome = outcome(err)
	if err != nil {
		op.HighWatermark, op.LogStart, op.LastStable = check.NoMark, check.NoMark, check.NoMark
		r.rec.done(op)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			r.failf("reader %d: partition %d at %d: %v", id, p, offset, err)
		}
		return offset
	}
	op.HighWatermark, op.LogStart, op.LastStable = got.high, got.start, got.last
	op.Records = r.records(got.records)
	r.rec.done(op)
	return offset + int64(len(got.records))
}

// records turns what a client got into what check knows.
func (r *run) records(list []*kgo.Record) []check.Record {
	var out []check.Record
	for _, rec := range list {
		v, err := decode(rec.Value)
		if err != nil {
			r.failf("%s/%d offset %d: %v", rec.Topic, rec.Partition, rec.Offset, err)
		}
		out = append(out, check.Record{Offset: rec.Offset, Value: v})
	}
	return out
}

// lister lists ends.
func (r *run) lister(stop <-chan struct{}) {
	adm := kadm.NewClient(r.newClient())
	id := r.rec.client()
	r.workers.Go(func() {
		for r.slowRate.wait(stop) {
			call := r.rec.now()
			ctx, cancel := context.WithTimeout(r.clients, readMax)
			ends, err := adm.ListEndOffsets(ctx, topic)
			cancel()
			for p := range r.partitions {
				op := check.Op{Kind: check.ListEnd, Client: id, Call: call, Partition: check.Partition{Topic: topic, Index: p}}
				o, ok := ends.Lookup(topic, p)
				op.Outcome = outcome(err)
				if !ok || o.Err != nil || o.Offset < 0 {
					op.Outcome = check.Unknown
				} else if op.Outcome == check.OK {
					op.Offset = o.Offset
				}
				r.rec.done(op)
			}
		}
	})
}

// consumer is franz-go's own consumer on every partition. What it polls was fetched before, so its marks say nothing.
func (r *run) consumer(stop <-chan struct{}) {
	from := map[string]map[int32]kgo.Offset{topic: {}}
	for p := range r.partitions {
		from[topic][p] = kgo.NewOffset().AtStart()
	}
	client := r.newClient(kgo.ConsumePartitions(from))
	id := r.rec.client()
	r.workers.Go(func() {
		r.poll(stop, client, id, "", func(*kgo.Client, kgo.Fetches) {})
	})
}

// poll records what a consumer polls until stop, and hands it on.
func (r *run) poll(stop <-chan struct{}, client *kgo.Client, id int32, group string,
	use func(*kgo.Client, kgo.Fetches)) {
	ctx, cancel := context.WithCancel(r.clients)
	go func() {
		<-stop
		cancel()
	}()
	for r.pollRate.wait(stop) {
		call := r.rec.now()
		fetches := client.PollRecords(ctx, 500)
		fetches.EachError(func(t string, p int32, err error) {
			var session *kgo.ErrGroupSession // it could reach nobody, and goes on trying
			if ctx.Err() == nil && !errors.As(err, &session) {
				r.failf("consumer %d of group %q, partition %d: the application was told: %v", id, group, p, err)
			}
		})
		fetches.EachPartition(func(part kgo.FetchTopicPartition) {
			if len(part.Records) == 0 {
				return
			}
			r.rec.done(check.Op{Kind: check.Fetch, Outcome: check.OK, Client: id, Call: call, Group: group, Session: 1,
				Partition: check.Partition{Topic: topic, Index: part.Partition}, Offset: part.Records[0].Offset,
				Records: r.records(part.Records), HighWatermark: check.NoMark, LogStart: check.NoMark, LastStable: check.NoMark})
		})
		use(client, fetches)
	}
}

// final reads a partition from its start to its end.
func (r *run) final(ctx context.Context, f *fetcher, p int32) (check.Log, error) {
	log := check.Log{Partition: check.Partition{Topic: topic, Index: p}}
	end, last := int64(-1), error(nil)
	for offset := int64(0); end < 0 || offset < end; {
		got, err := f.fetch(ctx, p, offset)
		if err != nil {
			if ctx.Err() != nil {
				return log, fmt.Errorf("partition %d cannot be read back at offset %d: %w", p, offset, last)
			}
			last = err
			time.Sleep(50 * time.Millisecond)
			continue
		}
		end = got.high
		for _, rec := range got.records {
			v, err := decode(rec.Value)
			if err != nil || rec.Offset != offset {
				return log, fmt.Errorf("partition %d: offset %d comes where %d is due (%v)", p, rec.Offset, offset, err)
			}
			log.Values = append(log.Values, v)
			if n := len(log.Epochs); n == 0 || log.Epochs[n-1].Epoch != rec.LeaderEpoch {
				log.Epochs = append(log.Epochs, check.EpochStart{Epoch: rec.LeaderEpoch, From: offset})
			}
			offset++
		}
	}
	return log, nil
}
