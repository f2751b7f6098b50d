//go:build integration

package clients

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// produceAt writes one record a timestamp to partition 0.
func produceAt(t *testing.T, client *kgo.Client, topic string, times ...int64) {
	t.Helper()
	for _, at := range times {
		r := &kgo.Record{Topic: topic, Partition: 0, Value: []byte("v"), Timestamp: time.UnixMilli(at)}
		must(t, client.ProduceSync(patient(t), r).FirstErr())
	}
}

func walkFranz(t *testing.T, s *server) {
	t.Helper()
	const topic, group = "franz-walk", "franz-walkers"
	ctx := patient(t)
	client := newFranz(t, s.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	adm := kadm.NewClient(client)
	limit := "500000"
	_, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"max.message.bytes": &limit}, topic)
	must(t, err)
	_, err = adm.CreateTopic(ctx, 2, 1, nil, topic)
	expect(t, errors.Is(err, kerr.TopicAlreadyExists), "a second topic of the name is refused: %v", err)
	_, err = adm.CreateTopic(ctx, 1, 1, map[string]*string{"no.such.setting": &limit}, "odd")
	expect(t, errors.Is(err, kerr.InvalidConfig), "an unknown setting is refused: %v", err)
	_, err = adm.ValidateCreateTopics(ctx, 1, 1, nil, "franz-not-created")
	must(t, err)
	topics, err := adm.ListTopics(ctx)
	must(t, err)
	expect(t, topics.Has(topic) && !topics.Has("franz-not-created"), "only what was created is there")
	grown, err := adm.UpdatePartitions(ctx, 3, topic)
	must(t, errors.Join(err, grown.Error()))
	grown, err = adm.UpdatePartitions(ctx, 3, topic)
	must(t, err)
	expect(t, errors.Is(grown.Error(), kerr.InvalidPartitions), "as many partitions as there are: %v", grown.Error())
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	must(t, err)
	for _, c := range configs[0].Configs {
		if c.Key == "max.message.bytes" {
			expect(t, c.MaybeValue() == limit && len(c.Synonyms) == 2, "setting and default: %+v", c)
		}
	}

	produceAt(t, client, topic, timesOut...)
	for _, look := range timeLookUp {
		if look.offset < 0 {
			look.offset = int64(len(timesOut)) // kadm answers with the end where there is none
		}
		got, err := adm.ListOffsetsAfterMilli(ctx, look.at, topic)
		must(t, err)
		o, _ := got.Lookup(topic, 0)
		expect(t, o.Err == nil && o.Offset == look.offset, "at %d is offset %d: %+v", look.at, look.offset, o)
	}
	top, err := adm.ListMaxTimestampOffsets(ctx, topic)
	must(t, err)
	o, _ := top.Lookup(topic, 0)
	expect(t, o.Offset == 3 && o.Timestamp == 4000, "the largest timestamp is at offset 3: %+v", o)
	walkFranzEpochs(t, adm, topic)
	walkFranzGroups(t, adm, topic, group)

	id := topics[topic].ID
	gone, err := adm.DeleteTopic(ctx, topic)
	must(t, errors.Join(err, gone.Err))
	gone, err = adm.DeleteTopic(ctx, topic)
	expect(t, errors.Is(errors.Join(err, gone.Err), kerr.UnknownTopicOrPartition), "deleted once: %v", err)
	again, err := adm.CreateTopic(ctx, 1, 1, nil, topic)
	must(t, err)
	expect(t, again.ID != id, "the new topic has an id of its own")
	client.PurgeTopicsFromClient(topic) // it keeps the id of the topic it knew
	produceAt(t, client, topic, 1)
	ends, err := adm.ListEndOffsets(ctx, topic)
	must(t, err)
	o, _ = ends.Lookup(topic, 0)
	expect(t, o.Offset == 1, "the new topic has one record: %+v", o)
}

func walkFranzEpochs(t *testing.T, adm *kadm.Client, topic string) {
	t.Helper()
	ctx := patient(t)
	topics, err := adm.ListTopics(ctx, topic)
	must(t, err)
	epoch := topics[topic].Partitions[0].LeaderEpoch
	var ask kadm.OffsetForLeaderEpochRequest
	ask.Add(topic, 0, epoch)
	ends, err := adm.OffsetForLeaderEpoch(ctx, ask)
	must(t, err)
	end := ends[topic][0]
	expect(t, end.Err == nil && end.EndOffset == int64(len(timesOut)) && end.LeaderEpoch == epoch,
		"epoch %d ends at %d: %+v", epoch, len(timesOut), end)
}

func walkFranzGroups(t *testing.T, adm *kadm.Client, topic, group string) {
	t.Helper()
	ctx := patient(t)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 3, LeaderEpoch: -1, Metadata: "note"})
	must(t, adm.CommitAllOffsets(ctx, group, offsets))
	committed, err := adm.FetchOffsets(ctx, group)
	must(t, err)
	o, _ := committed.Lookup(topic, 0)
	expect(t, o.At == 3 && o.Metadata == "note", "the offset and its metadata are kept: %+v", o)
	none, err := adm.FetchOffsets(ctx, "franz-nobody")
	expect(t, err == nil && len(none) == 0, "an unknown group has no offsets and no error: %v %v", none, err)
	groups, err := adm.ListGroups(ctx)
	must(t, err)
	expect(t, groups[group].State == "Empty", "the group is listed: %+v", groups)
	lags, err := adm.Lag(ctx, group)
	must(t, err)
	lag, _ := lags[group].Lag.Lookup(topic, 0)
	expect(t, lag.Lag == 2, "the lag is 2: %+v", lag)
	gone, err := adm.DeleteGroup(ctx, group)
	must(t, errors.Join(err, gone.Err))
	gone, err = adm.DeleteGroup(ctx, group)
	expect(t, errors.Is(errors.Join(err, gone.Err), kerr.GroupIDNotFound), "deleted once: %v %v", err, gone.Err)
}
