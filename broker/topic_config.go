package broker

import (
	"fmt"
	"strconv"

	"github.com/weirmq/weir/metadata"
)

// Names of the topic settings this broker honours; every other key is refused with INVALID_CONFIG.
const (
	configMaxMessageBytes = "max.message.bytes"
	configTimestampType   = "message.timestamp.type"
	configCleanupPolicy   = "cleanup.policy"
)

const (
	maxMessageBytesDefault = 1048588  // Kafka's default: 1 MiB plus a batch header
	maxMessageBytesLimit   = 15 << 20 // an entry must fit one frame (PROTOCOL rule 11)
	timestampCreate        = "CreateTime"
	timestampAppend        = "LogAppendTime"
	cleanupDelete          = "delete"
)

// topicConfig is a topic's settings, defaults filled in.
type topicConfig struct {
	maxMessageBytes int32 // largest batch, header included
	logAppendTime   bool  // the broker stamps records (message.timestamp.type=LogAppendTime)
}

// configDef is one topic setting as DescribeConfigs shows it.
type configDef struct {
	name, value string // value: the default
	kind        int8   // Kafka's config type: 1 boolean, 2 string, 3 int, 7 list
	doc         string
	check       func(value string) error
}

var topicConfigDefs = []configDef{
	{configCleanupPolicy, cleanupDelete, 7, "What happens to old records. Only delete is served.", checkCleanup},
	{configMaxMessageBytes, strconv.Itoa(maxMessageBytesDefault), 3,
		"The largest record batch, in bytes, header included.", checkMaxMessage},
	{configTimestampType, timestampCreate, 2,
		"Whether records keep the producer's timestamp or get the broker's.", checkTimestampType},
}

func checkCleanup(v string) error {
	if v != cleanupDelete {
		return fmt.Errorf("%s=%s is not served; only %s is", configCleanupPolicy, v, cleanupDelete)
	}
	return nil
}

func checkMaxMessage(v string) error {
	if n, err := strconv.ParseInt(v, 10, 32); err != nil || n < 0 || n > maxMessageBytesLimit {
		return fmt.Errorf("%s=%s: give a number from 0 to %d", configMaxMessageBytes, v, maxMessageBytesLimit)
	}
	return nil
}

func checkTimestampType(v string) error {
	if v != timestampCreate && v != timestampAppend {
		return fmt.Errorf("%s=%s: give %s or %s", configTimestampType, v, timestampCreate, timestampAppend)
	}
	return nil
}

// checkTopicConfig validates one setting; the error's text is meant for the client.
func checkTopicConfig(key, value string) error {
	for i := range topicConfigDefs {
		if topicConfigDefs[i].name == key {
			return topicConfigDefs[i].check(value)
		}
	}
	return fmt.Errorf("topic setting %s is not served", key)
}

// parseTopicConfig applies validated settings to the defaults.
func parseTopicConfig(set []metadata.Config) topicConfig {
	c := topicConfig{maxMessageBytes: maxMessageBytesDefault}
	for _, s := range set {
		switch s.Key {
		case configMaxMessageBytes:
			if n, err := strconv.ParseInt(s.Value, 10, 32); err == nil {
				c.maxMessageBytes = int32(n)
			}
		case configTimestampType:
			c.logAppendTime = s.Value == timestampAppend
		}
	}
	return c
}
