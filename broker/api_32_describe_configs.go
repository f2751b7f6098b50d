package broker

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
)

// Kafka's resource types and config sources, as DescribeConfigs numbers them.
const (
	resourceTopic  = 2
	resourceBroker = 4

	sourceTopic   = 1 // set on the topic
	sourceStatic  = 4 // set in the broker's configuration
	sourceDefault = 5
)

// DescribeConfigs (key 32), v1–4.
//
// Behavior: all settings of a topic or of this broker, or those asked for, each with value, source,
// default flag and, on request, synonyms and documentation (v3+). An unknown topic is
// UNKNOWN_TOPIC_OR_PARTITION; another resource type INVALID_REQUEST.
func handleDescribeConfigs(b *Broker, _ *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DescribeConfigsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for i := range req.Resources {
		want := &req.Resources[i]
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = want.ResourceType, want.ResourceName
		entries, code := b.configEntries(int8(want.ResourceType), want.ResourceName)
		r.ErrorCode = int16(code)
		for _, e := range entries {
			if wanted(want.ConfigNames, e.def.name) {
				r.Configs = append(r.Configs, e.response(req.IncludeSynonyms, req.IncludeDocumentation))
			}
		}
		resp.Resources = append(resp.Resources, r)
	}
	return encode(c, resp), nil
}

// wanted: a null list of names asks for all.
func wanted(names []string, name string) bool {
	if names == nil {
		return true
	}
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// configEntry is one setting with its value in force.
type configEntry struct {
	def    *configDef
	value  string
	source int8
}

func (b *Broker) configEntries(kind int8, name string) ([]configEntry, Code) {
	switch kind {
	case resourceTopic:
		if checkTopicName(name) != nil {
			return nil, codeInvalidTopic
		}
		t, code := b.find(name, [16]byte{}, false)
		if code != codeNone {
			return nil, code
		}
		return topicConfigEntries(t.set), codeNone
	case resourceBroker:
		if name != "" && name != strconv.Itoa(int(b.cfg.NodeID)) {
			return nil, codeInvalidRequest
		}
		return b.brokerConfigEntries(), codeNone
	default:
		return nil, codeInvalidRequest
	}
}

// topicConfigEntries lists every topic setting, the given ones in force over the defaults.
func topicConfigEntries(set []metadata.Config) []configEntry {
	out := make([]configEntry, len(topicConfigDefs))
	for i, def := range topicConfigDefs {
		out[i] = configEntry{def: &def, value: def.value, source: sourceDefault}
		for _, s := range set {
			if s.Key == def.name {
				out[i].value, out[i].source = s.Value, sourceTopic
			}
		}
	}
	return out
}

// brokerConfigEntries lists what clients look for on a broker, all read only.
func (b *Broker) brokerConfigEntries() []configEntry {
	advertised := "PLAINTEXT://" + b.advertised.Host + ":" + strconv.Itoa(int(b.advertised.Port))
	rows := []struct {
		name, value string
		kind        int8
		doc         string
	}{
		{"advertised.listeners", advertised, 2, "The address that clients are told."},
		{"auto.create.topics.enable", strconv.FormatBool(b.cfg.AutoCreate), 1,
			"Whether a topic is created when a client asks for it."},
		{"broker.id", strconv.Itoa(int(b.cfg.NodeID)), 3, "This node's id."},
		{"default.replication.factor", "1", 3, "Replicas of a partition; the object store keeps the data."},
		{"listeners", "PLAINTEXT://" + b.Addr(), 2, "Where this broker listens."},
		{"message.max.bytes", strconv.Itoa(maxMessageBytesDefault), 3,
			"The largest record batch of a topic without a setting of its own."},
		{"num.partitions", strconv.Itoa(int(b.cfg.Partitions)), 3, "Partitions of a topic created without a number."},
	}
	out := make([]configEntry, len(rows))
	for i, r := range rows {
		def := &configDef{name: r.name, value: r.value, kind: r.kind, doc: r.doc}
		out[i] = configEntry{def: def, value: r.value, source: sourceStatic}
	}
	return out
}

func (e *configEntry) response(synonyms, doc bool) kmsg.DescribeConfigsResponseResourceConfig {
	r := kmsg.NewDescribeConfigsResponseResourceConfig()
	r.Name, r.Value = e.def.name, kmsg.StringPtr(e.value)
	r.Source = kmsg.ConfigSource(e.source)
	r.IsDefault = e.source == sourceDefault
	r.ReadOnly = e.source == sourceStatic
	r.ConfigType = kmsg.ConfigType(e.def.kind)
	if doc {
		r.Documentation = kmsg.StringPtr(e.def.doc)
	}
	if synonyms {
		add := func(value string, source int8) {
			s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			s.Name, s.Value, s.Source = e.def.name, kmsg.StringPtr(value), kmsg.ConfigSource(source)
			r.ConfigSynonyms = append(r.ConfigSynonyms, s)
		}
		add(e.value, e.source)
		if e.source == sourceTopic {
			add(e.def.value, sourceDefault)
		}
	}
	return r
}
