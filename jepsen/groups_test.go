//go:build integration

package jepsen

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
)

const group = "readers"

// member is one member of a consumer group, which commits what it has polled.
func (r *run) member(stop <-chan struct{}) {
	client := r.newClient(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10*time.Second))
	id := r.rec.client()
	r.workers.Go(func() {
		r.poll(stop, client, id, group, func(client *kgo.Client, fetches kgo.Fetches) { r.commit(client, id, fetches) })
	})
}

func (r *run) commit(client *kgo.Client, id int32, fetches kgo.Fetches) {
	offsets := map[int32]kgo.EpochOffset{}
	fetches.EachRecord(func(rec *kgo.Record) {
		offsets[rec.Partition] = kgo.EpochOffset{Epoch: rec.LeaderEpoch, Offset: rec.Offset + 1}
	})
	if len(offsets) == 0 {
		return
	}
	call := r.rec.now()
	answered := map[int32]bool{}
	ctx, cancel := context.WithTimeout(r.clients, readMax)
	defer cancel()
	client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if err != nil || resp == nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					answered[p.Partition] = p.ErrorCode == 0
				}
			}
		})
	for p, o := range offsets {
		op := check.Op{Kind: check.Commit, Outcome: check.Unknown, Client: id, Call: call, Group: group, Offset: o.Offset,
			Partition: check.Partition{Topic: topic, Index: p}}
		if answered[p] {
			op.Outcome = check.OK
		}
		r.rec.done(op)
	}
}

// committer writes and reads the offsets of a group that has no members, and reads those of the group that has.
func (r *run) committer(stop <-chan struct{}, own string) {
	adm := kadm.NewClient(r.newClient())
	id := r.rec.client()
	r.workers.Go(func() {
		for n := int64(1); r.slowRate.wait(stop); n++ {
			switch n % 4 {
			case 0:
				r.fetchCommitted(adm, id, group)
			case 2:
				r.fetchCommitted(adm, id, own)
			default:
				r.commitNumber(adm, id, own, n)
			}
		}
	})
}

func (r *run) commitNumber(adm *kadm.Client, id int32, name string, n int64) {
	p := int32(n/2) % r.partitions
	op := check.Op{Kind: check.Commit, Client: id, Call: r.rec.now(), Group: name, Offset: n,
		Partition: check.Partition{Topic: topic, Index: p}}
	ctx, cancel := context.WithTimeout(r.clients, readMax)
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: n, LeaderEpoch: -1})
	resp, err := adm.CommitOffsets(ctx, name, offsets)
	if err == nil {
		err = resp.Error()
	}
	op.Outcome = outcome(err)
	r.rec.done(op)
}

func (r *run) fetchCommitted(adm *kadm.Client, id int32, name string) {
	call := r.rec.now()
	ctx, cancel := context.WithTimeout(r.clients, readMax)
	defer cancel()
	got, err := adm.FetchOffsetsForTopics(ctx, name, topic)
	if err != nil {
		return // a read without an answer says nothing
	}
	for p := range r.partitions {
		o, ok := got.Lookup(topic, p)
		if !ok || o.Err != nil {
			continue
		}
		r.rec.done(check.Op{Kind: check.FetchCommitted, Outcome: check.OK, Client: id, Call: call, Group: name,
			Offset: max(-1, o.At), Partition: check.Partition{Topic: topic, Index: p}})
	}
}
