//go:build integration

package clients

import (
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// confluent is confluent-kafka-go with the librdkafka it brings.
type confluent struct{}

func (confluent) name() string { return "confluent-kafka-go" }

func (confluent) produce(t *testing.T, addr, topic, codec string, values []string) {
	t.Helper()
	cfg := kafka.ConfigMap{"bootstrap.servers": addr}
	if codec != "" {
		cfg["compression.codec"] = codec
	}
	producer, err := kafka.NewProducer(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	go func() {
		for _, v := range values {
			msg := &kafka.Message{Value: []byte(v),
				TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}}
			if err := producer.Produce(msg, nil); err != nil {
				t.Errorf("produce: %v", err)
			}
		}
	}()
	late := time.After(patience)
	for acked := 0; acked < len(values); {
		select {
		case ev := <-producer.Events():
			if msg, ok := ev.(*kafka.Message); ok {
				if msg.TopicPartition.Error != nil {
					t.Fatal(msg.TopicPartition.Error)
				}
				acked++
			}
		case <-late:
			t.Fatalf("only %d of %d records are acknowledged after %s", acked, len(values), patience)
		}
	}
}

func (confluent) consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": addr, "group.id": "none",
		"enable.auto.commit": false})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	start := []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.OffsetBeginning}}
	if err := consumer.Assign(start); err != nil {
		t.Fatal(err)
	}
	var values []string
	for len(values) < n {
		msg, err := consumer.ReadMessage(patience)
		if err != nil {
			t.Fatalf("after %d of %d values: %v", len(values), n, err)
		}
		values = append(values, string(msg.Value))
	}
	return values
}

func (confluent) join(t *testing.T, addr, topic, group string, to *crowd) *member {
	t.Helper()
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": addr, "group.id": group,
		"auto.offset.reset": "earliest"})
	if err != nil {
		t.Fatal(err)
	}
	m := to.newMember()
	if err := consumer.Subscribe(topic, func(_ *kafka.Consumer, ev kafka.Event) error {
		switch ev := ev.(type) {
		case kafka.AssignedPartitions:
			m.assign(partitionNumbers(ev.Partitions)...)
		case kafka.RevokedPartitions:
			m.revoke(partitionNumbers(ev.Partitions)...)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			switch ev := consumer.Poll(100).(type) {
			case *kafka.Message:
				m.read(string(ev.Value))
			case kafka.Error:
				t.Logf("librdkafka says: %v", ev)
			}
		}
	}()
	m.stop = func() {
		close(stop)
		<-done
		if err := consumer.Close(); err != nil {
			t.Errorf("leave the group: %v", err)
		}
	}
	return m
}

func partitionNumbers(parts []kafka.TopicPartition) []int32 {
	numbers := make([]int32, len(parts))
	for i, p := range parts {
		numbers[i] = p.Partition
	}
	return numbers
}
