//go:build integration

package clients

import (
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func walkConfluent(t *testing.T, s *server) {
	t.Helper()
	topic := "confluent-walk"
	adm, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": s.addr})
	must(t, err)
	defer adm.Close()
	ctx := patient(t)
	wanted := kafka.TopicSpecification{Topic: topic, NumPartitions: 2, ReplicationFactor: 1,
		Config: map[string]string{"max.message.bytes": "500000"}}
	odd := kafka.TopicSpecification{Topic: "odd", NumPartitions: 1, ReplicationFactor: 1,
		Config: map[string]string{"no.such.setting": "1"}}
	for _, step := range []struct {
		spec kafka.TopicSpecification
		code kafka.ErrorCode
	}{{wanted, kafka.ErrNoError}, {wanted, kafka.ErrTopicAlreadyExists}, {odd, kafka.ErrInvalidConfig}} {
		made, err := adm.CreateTopics(ctx, []kafka.TopicSpecification{step.spec})
		must(t, err)
		expect(t, made[0].Error.Code() == step.code, "create %s: %v, want %v", step.spec.Topic, made[0].Error, step.code)
	}
	grown, err := adm.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: 3}})
	must(t, err)
	expect(t, grown[0].Error.Code() == kafka.ErrNoError, "add a partition: %v", grown[0].Error)
	meta, err := adm.GetMetadata(&topic, false, int(patience.Milliseconds()))
	must(t, err)
	expect(t, len(meta.Topics[topic].Partitions) == 3, "three partitions: %+v", meta.Topics[topic])
	described, err := adm.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic, "confluent-none"}))
	must(t, err)
	expect(t, len(described.TopicDescriptions[0].Partitions) == 3, "described: %+v", described.TopicDescriptions[0])
	expect(t, described.TopicDescriptions[1].Error.Code() == kafka.ErrUnknownTopicOrPart,
		"an unknown topic: %v", described.TopicDescriptions[1].Error)
	cluster, err := adm.DescribeCluster(ctx)
	must(t, err)
	expect(t, len(cluster.Nodes) == 1 && cluster.Controller.ID == 1, "one broker: %+v", cluster)
	configs, err := adm.DescribeConfigs(ctx, []kafka.ConfigResource{
		{Type: kafka.ResourceTopic, Name: topic}, {Type: kafka.ResourceBroker, Name: "1"}})
	must(t, err)
	expect(t, configs[0].Config["max.message.bytes"].Value == "500000", "the topic's setting: %+v", configs[0])
	expect(t, configs[0].Config["cleanup.policy"].Source == kafka.ConfigSourceDefault, "a default: %+v", configs[0])

	producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": s.addr, "linger.ms": 0})
	must(t, err)
	defer producer.Close()
	for _, at := range timesOut {
		done := make(chan kafka.Event, 1)
		must(t, producer.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 0},
			Value: []byte("v"), Timestamp: time.UnixMilli(at)}, done))
		must(t, (<-done).(*kafka.Message).TopicPartition.Error)
	}
	walkConfluentOffsets(t, adm, topic)
	walkConfluentGroups(t, adm, s.addr, topic)
	gone, err := adm.DeleteTopics(ctx, []string{topic})
	must(t, err)
	expect(t, gone[0].Error.Code() == kafka.ErrNoError, "delete: %v", gone[0].Error)
	gone, err = adm.DeleteTopics(ctx, []string{topic})
	must(t, err)
	expect(t, gone[0].Error.Code() == kafka.ErrUnknownTopicOrPart, "delete again: %v", gone[0].Error)
}

func walkConfluentOffsets(t *testing.T, adm *kafka.AdminClient, topic string) {
	t.Helper()
	part := kafka.TopicPartition{Topic: &topic, Partition: 0}
	specs := map[kafka.OffsetSpec]int64{
		kafka.EarliestOffsetSpec: 0, kafka.LatestOffsetSpec: 5, kafka.MaxTimestampOffsetSpec: 3,
	}
	for _, look := range timeLookUp {
		specs[kafka.NewOffsetSpecForTimestamp(look.at)] = look.offset
	}
	for spec, want := range specs {
		got, err := adm.ListOffsets(patient(t), map[kafka.TopicPartition]kafka.OffsetSpec{part: spec})
		must(t, err)
		for _, info := range got.ResultInfos {
			expect(t, info.Error.Code() == kafka.ErrNoError && int64(info.Offset) == want,
				"spec %d is at offset %d: %+v", spec, want, info)
		}
	}
}

func walkConfluentGroups(t *testing.T, adm *kafka.AdminClient, addr, topic string) {
	t.Helper()
	const group = "confluent-walkers"
	ctx := patient(t)
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": addr, "group.id": group})
	must(t, err)
	note := "note"
	_, err = consumer.CommitOffsets([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 3, Metadata: &note}})
	must(t, err)
	committed, err := consumer.Committed([]kafka.TopicPartition{{Topic: &topic, Partition: 0}}, int(patience.Milliseconds()))
	must(t, err)
	expect(t, committed[0].Offset == 3 && *committed[0].Metadata == note, "committed: %+v", committed)
	low, high, err := consumer.QueryWatermarkOffsets(topic, 0, int(patience.Milliseconds()))
	must(t, err)
	expect(t, low == 0 && high == 5, "watermarks %d and %d", low, high)
	must(t, consumer.Close())

	listed, err := adm.ListConsumerGroups(ctx)
	must(t, err)
	found := false
	for _, g := range listed.Valid {
		found = found || g.GroupID == group
	}
	expect(t, found && len(listed.Errors) == 0, "the group is listed: %+v", listed)
	described, err := adm.DescribeConsumerGroups(ctx, []string{group})
	must(t, err)
	expect(t, described.ConsumerGroupDescriptions[0].State == kafka.ConsumerGroupStateEmpty,
		"the group is empty: %+v", described.ConsumerGroupDescriptions[0])
	offsets, err := adm.ListConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{{Group: group}})
	must(t, err)
	parts := offsets.ConsumerGroupsTopicPartitions[0].Partitions
	expect(t, len(parts) == 1 && parts[0].Offset == 3, "the group's offsets: %+v", parts)
	_, err = adm.AlterConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{
		{Group: group, Partitions: []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 1}}}})
	must(t, err)
	gone, err := adm.DeleteConsumerGroups(ctx, []string{group})
	must(t, err)
	expect(t, gone.ConsumerGroupResults[0].Error.Code() == kafka.ErrNoError, "delete: %+v", gone)
}
