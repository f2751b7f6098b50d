//go:build integration

package jepsen

import (
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirmq/weir/check"
)

const slots = 4 // records that one producer has under way

// producer is a franz-go client with slots, each of which has one record under way at a time. Its retries are its
// own, without end: an operation returns when the answer came, or never.
func (r *run) producer(stop <-chan struct{}) {
	client := r.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DefaultProduceTopic(topic))
	for range slots {
		id := r.rec.client()
		r.workers.Go(func() {
			for seq := uint32(1); r.produceRate.wait(stop); seq++ {
				r.produce(client, id, seq)
			}
		})
	}
}

// produce sends one record and waits for its answer.
func (r *run) produce(client *kgo.Client, id int32, seq uint32) {
	value := check.ValueOf(id, seq)
	p := rand.Int32N(r.partitions)
	op := check.Op{Kind: check.Produce, Client: id, Call: r.rec.now(), Values: []check.Value{value}, Idempotent: true,
		Partition: check.Partition{Topic: topic, Index: p}}
	defer r.rec.begun(&op)()
	answered := make(chan error, 1)
	client.Produce(r.clients, &kgo.Record{Partition: p, Value: encode(value)}, func(rec *kgo.Record, err error) {
		if err == nil {
			op.Offset = rec.Offset
		}
		op.Outcome = outcome(err)
		r.rec.done(op)
		answered <- err
	})
	if err := <-answered; err != nil && r.clients.Err() == nil {
		r.failf("client %d: the application was told that its record failed: %v", id, err)
	}
}
