//go:build integration

package clients

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// saramaClient is IBM/sarama.
type saramaClient struct{}

func (saramaClient) name() string { return "sarama" }

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func (saramaClient) produce(t *testing.T, addr, topic, codec string, values []string) {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true // the sync producer asks for it
	if codec != "" {
		cfg.Producer.Compression = saramaCodecs[codec]
	}
	producer, err := sarama.NewSyncProducer([]string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(values))
	for i, v := range values {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(v)}
	}
	if err := producer.SendMessages(messages); err != nil {
		t.Fatal(err)
	}
}

func (saramaClient) consume(t *testing.T, addr, topic string, n int) []string {
	t.Helper()
	consumer, err := sarama.NewConsumer([]string{addr}, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	part, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	var values []string
	for late := time.After(patience); len(values) < n; {
		select {
		case msg := <-part.Messages():
			values = append(values, string(msg.Value))
		case <-late:
			t.Fatalf("only %d of %d values in %s", len(values), n, patience)
		}
	}
	return values
}

func (saramaClient) join(t *testing.T, addr, topic, group string, to *crowd) *member {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	g, err := sarama.NewConsumerGroup([]string{addr}, group, cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := to.newMember()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, saramaHandler{m, topic}); err != nil && ctx.Err() == nil {
				t.Errorf("consume in a group: %v", err)
				return
			}
		}
	}()
	m.stop = func() {
		cancel()
		<-done
		if err := g.Close(); err != nil {
			t.Errorf("leave the group: %v", err)
		}
	}
	return m
}

// saramaHandler tells a member what its session brings.
type saramaHandler struct {
	m     *member
	topic string
}

// Setup implements sarama.ConsumerGroupHandler.
func (h saramaHandler) Setup(s sarama.ConsumerGroupSession) error {
	h.m.assign(s.Claims()[h.topic]...)
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (h saramaHandler) Cleanup(s sarama.ConsumerGroupSession) error {
	h.m.revoke(s.Claims()[h.topic]...)
	return nil
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (h saramaHandler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case msg, ok := <-c.Messages():
			if !ok {
				return nil
			}
			h.m.read(string(msg.Value))
			s.MarkMessage(msg, "")
		case <-s.Context().Done():
			return nil
		}
	}
}
