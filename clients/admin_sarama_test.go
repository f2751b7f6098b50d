//go:build integration

package clients

import (
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

func walkSarama(t *testing.T, s *server) {
	t.Helper()
	const topic = "sarama-walk"
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	client, err := sarama.NewClient([]string{s.addr}, cfg)
	must(t, err)
	defer client.Close()
	adm, err := sarama.NewClusterAdminFromClient(client)
	must(t, err)
	limit := "500000"
	must(t, adm.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"max.message.bytes": &limit}}, false))
	err = adm.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false)
	expect(t, errors.Is(err, sarama.ErrTopicAlreadyExists), "a second topic of the name is refused: %v", err)
	err = adm.CreateTopic("odd", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"no.such.setting": &limit}}, false)
	expect(t, errors.Is(err, sarama.ErrInvalidConfig), "an unknown setting is refused: %v", err)
	topics, err := adm.ListTopics()
	must(t, err)
	expect(t, topics[topic].NumPartitions == 2, "the topic is listed: %+v", topics[topic])
	expect(t, *topics[topic].ConfigEntries["max.message.bytes"] == limit, "with its setting")
	must(t, adm.CreatePartitions(topic, 3, nil, false))
	described, err := adm.DescribeTopics([]string{topic})
	must(t, err)
	expect(t, len(described[0].Partitions) == 3, "three partitions: %+v", described[0])
	brokers, controller, err := adm.DescribeCluster()
	must(t, err)
	expect(t, len(brokers) == 1 && controller == 1, "one broker that is the controller")
	entries, err := adm.DescribeConfig(sarama.ConfigResource{Type: sarama.BrokerResource, Name: "1"})
	must(t, err)
	expect(t, len(entries) > 0, "the broker has settings")

	must(t, client.RefreshMetadata(topic))
	producer, err := sarama.NewSyncProducerFromClient(client)
	must(t, err)
	for _, at := range timesOut {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: 0,
			Value: sarama.StringEncoder("v"), Timestamp: time.UnixMilli(at)})
		must(t, err)
	}
	for _, look := range append(timeLookUp, struct{ at, offset int64 }{sarama.OffsetNewest, 5},
		struct{ at, offset int64 }{sarama.OffsetOldest, 0}) {
		got, err := client.GetOffset(topic, 0, look.at)
		must(t, err)
		expect(t, got == look.offset, "at %d is offset %d, not %d", look.at, look.offset, got)
	}
	walkSaramaGroups(t, client, adm, topic)
	must(t, adm.DeleteTopic(topic))
	err = adm.DeleteTopic(topic)
	expect(t, errors.Is(err, sarama.ErrUnknownTopicOrPartition), "deleted once: %v", err)
}

func walkSaramaGroups(t *testing.T, client sarama.Client, adm sarama.ClusterAdmin, topic string) {
	t.Helper()
	const group = "sarama-walkers"
	manager, err := sarama.NewOffsetManagerFromClient(group, client)
	must(t, err)
	part, err := manager.ManagePartition(topic, 0)
	must(t, err)
	part.MarkOffset(3, "note")
	manager.Commit()
	must(t, part.Close())
	must(t, manager.Close())
	fetched, err := adm.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1}})
	must(t, err)
	one, two := fetched.GetBlock(topic, 0), fetched.GetBlock(topic, 1)
	expect(t, one.Offset == 3 && one.Metadata == "note", "the offset and its metadata are kept: %+v", one)
	expect(t, two.Offset == -1 && two.Err == sarama.ErrNoError, "no offset is no error: %+v", two)
	groups, err := adm.ListConsumerGroups()
	must(t, err)
	_, listed := groups[group]
	expect(t, listed, "the group is listed: %v", groups)
	described, err := adm.DescribeConsumerGroups([]string{group, "sarama-nobody"})
	must(t, err)
	expect(t, described[0].State == "Empty", "the group is empty: %+v", described[0])
	expect(t, described[1].State == "Dead", "an unknown group is dead: %+v", described[1])
	must(t, adm.DeleteConsumerGroup(group))
	err = adm.DeleteConsumerGroup(group)
	expect(t, errors.Is(err, sarama.ErrGroupIDNotFound), "deleted once: %v", err)
}
