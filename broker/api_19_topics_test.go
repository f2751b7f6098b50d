package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
)

var plainOptions = batch.Plain()

func TestTopicsOfOneRequestAreJudgedOneByOne(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic("there", 1)
		type wish struct {
			name, key, value string
			partitions       int32
			replication      int16
			code             int16
		}
		wishes := []wish{
			{"there", "", "", 1, 1, 36}, {"a b", "", "", 1, 1, 17}, {"none", "", "", 0, 1, 37}, {"zero", "", "", 1, 0, 38},
			{"key", "no.such.setting", "1", 1, 1, 40}, {"value", "cleanup.policy", "compact", 1, 1, 40},
			{"defaults", "", "", -1, -1, 0}, {"three", "max.message.bytes", "5000", 3, 3, 0},
		}
		for _, only := range []bool{true, false} {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.SetVersion(7)
			req.ValidateOnly = only
			for i := range wishes {
				w := &wishes[i]
				t := kmsg.NewCreateTopicsRequestTopic()
				t.Topic, t.NumPartitions, t.ReplicationFactor = w.name, w.partitions, w.replication
				if w.key != "" {
					t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: w.key, Value: &w.value})
				}
				req.Topics = append(req.Topics, t)
			}
			got := ask[*kmsg.CreateTopicsResponse](c, req).Topics
			for i, w := range wishes {
				c.expect(got[i].Topic == w.name && got[i].ErrorCode == w.code, "%s: %+v, want code %d", w.name, got[i], w.code)
				c.expect(w.code == 0 || got[i].ErrorMessage != nil, "%s: it says why", w.name)
			}
			c.expect(got[7].NumPartitions == 3 && len(got[7].Configs) == 3, "partitions and settings come back: %+v", got[7])
			there := len(ask[*kmsg.MetadataResponse](c, metadataOf(9, false)).Topics)
			c.expect(only && there == 1 || !only && there == 3, "validate_only %v: %d topics", only, there)
		}
	})
}

func TestAddedPartitionsAreServedAtOnce(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.SetVersion(3)
		for _, w := range []struct {
			name  string
			count int32
		}{{wireTopic, 3}, {"unknown", 2}} {
			t := kmsg.NewCreatePartitionsRequestTopic()
			t.Topic, t.Count = w.name, w.count
			req.Topics = append(req.Topics, t)
		}
		got := ask[*kmsg.CreatePartitionsResponse](c, req).Topics
		c.expect(len(got) == 2 && got[0].ErrorCode == 0 && got[1].ErrorCode == 3, "one entry a topic: %+v", got)
		p := produceOf(batchOf(plainOptions, "a"))
		p.Topics[0].Partitions[0].Partition = 2
		c.expect(c.produced(p).ErrorCode == 0, "the new partition takes records")
		got = ask[*kmsg.CreatePartitionsResponse](c, req).Topics
		c.expect(got[0].ErrorCode == 37, "as many as there are is INVALID_PARTITIONS: %+v", got[0])
	})
}

func TestSettingsAreDescribedWithSourceAndDefault(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1, "max.message.bytes", "5000")
		describe := func(kind kmsg.ConfigResourceType, name string, keys ...string) kmsg.DescribeConfigsResponseResource {
			req := kmsg.NewPtrDescribeConfigsRequest()
			req.SetVersion(4)
			req.IncludeSynonyms, req.IncludeDocumentation = true, true
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, keys
			req.Resources = append(req.Resources, r)
			return ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
		}
		got := describe(kmsg.ConfigResourceTypeTopic, wireTopic)
		c.expect(got.ErrorCode == 0 && len(got.Configs) == 3, "all settings: %+v", got)
		for _, s := range got.Configs {
			c.expect(s.Documentation != nil && s.ConfigType != 0 && s.Value != nil, "type, value and text: %+v", s)
			set := s.Name == "max.message.bytes"
			c.expect(set == (s.Source == kmsg.ConfigSourceDynamicTopicConfig), "the source of %s: %v", s.Name, s.Source)
			c.expect(!set || *s.Value == "5000" && len(s.ConfigSynonyms) == 2, "set over the default: %+v", s)
		}
		one := describe(kmsg.ConfigResourceTypeTopic, wireTopic, "cleanup.policy")
		c.expect(len(one.Configs) == 1, "only what was asked for: %+v", one)
		c.expect(describe(kmsg.ConfigResourceTypeTopic, "unknown").ErrorCode == 3, "an unknown topic")
		broker := describe(kmsg.ConfigResourceTypeBroker, "1")
		found := false
		for _, s := range broker.Configs {
			found = found || s.Name == "advertised.listeners" && *s.Value == "PLAINTEXT://"+wireAddr
		}
		c.expect(broker.ErrorCode == 0 && found, "the broker's listeners: %+v", broker)
		c.expect(describe(kmsg.ConfigResourceTypeBroker, "9").ErrorCode == 42, "another broker")
	})
}

func TestATopicCanBeDeletedAndCreatedManyTimes(t *testing.T) {
	newWorld(t).do(func(c *wire) {
		for range 10 {
			c.topic(wireTopic, 4)
			c.values("a", "b")
			got := c.fetched(fetchOf(0))
			c.expect(got.HighWatermark == 2, "it begins empty: %+v", got)
			c.delete(wireTopic)
			c.expect(c.fetched(fetchOf(0)).ErrorCode == 3, "gone for a fetch")
			c.expect(c.produced(produceOf(batchOf(plainOptions, "x"))).ErrorCode == 3, "gone for a produce")
		}
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.SetVersion(6)
		unknown := kmsg.NewDeleteTopicsRequestTopic()
		unknown.TopicID = [16]byte{9}
		req.Topics = append(req.Topics, unknown)
		c.expect(ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0].ErrorCode == 100, "an unknown id")
	})
}

// TestANameIsFreeOnceItsTopicIsUnknown: a topic on its way out is unknown to everybody who asks, so whoever
// creates one of its name waits for the end and is not told that it exists.
func TestANameIsFreeOnceItsTopicIsUnknown(t *testing.T) {
	unknown := 0
	newWorld(t).do(func(c *wire) {
		c.topic(wireTopic, 1)
		other := c.another()
		defer other.close()
		ask[*kmsg.MetadataResponse](other, metadataOf(9, false))
		for delay := time.Duration(0); delay < 4*time.Millisecond; delay += 50 * time.Microsecond {
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.SetVersion(5)
			req.TopicNames, req.TimeoutMillis = []string{wireTopic}, 20_000
			c.send(req)
			c.must(c.h.Sleep(c.sc, delay))
			seen := ask[*kmsg.MetadataResponse](other, metadataOf(9, false, wireTopic)).Topics[0].ErrorCode
			create := kmsg.NewPtrCreateTopicsRequest()
			create.SetVersion(7)
			create.Topics = append(create.Topics,
				kmsg.CreateTopicsRequestTopic{Topic: wireTopic, NumPartitions: 1, ReplicationFactor: -1})
			made := ask[*kmsg.CreateTopicsResponse](other, create).Topics[0].ErrorCode
			c.expect(seen != 3 || made == 0, "after %v the topic is unknown and yet there: %d", delay, made)
			if seen == 3 {
				unknown++
			}
			_, err := c.receive()
			c.must(err)
			if made != 0 {
				c.topic(wireTopic, 1)
			}
		}
	})
	require.NotZero(t, unknown)
}
