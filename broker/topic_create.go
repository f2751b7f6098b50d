package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

const (
	// partitionsDefault is the number of partitions of a topic that a client created without a number.
	partitionsDefault = 1
	// applyWait bounds how long an answer waits until this broker serves what metadata already says.
	applyWait = 10 * time.Second
)

// checkTopicName applies Kafka's rules for names; the error's text is meant for the client.
func checkTopicName(name string) error {
	switch {
	case name == "":
		return errors.New("the topic name is empty")
	case name == "." || name == "..":
		return fmt.Errorf("the topic name cannot be %q", name)
	case len(name) > metadata.MaxTopicName:
		return fmt.Errorf("the topic name has %d characters; at most %d are allowed", len(name), metadata.MaxTopicName)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fmt.Errorf("the topic name %q has characters other than letters, digits, '.', '_' and '-'", name)
		}
	}
	return nil
}

// createTopic creates a topic, waits until this broker serves it, and returns it. The text says why when
// the code is not codeNone.
func (b *Broker) createTopic(
	sc *host.Scope, name string, partitions int32, set []metadata.Config,
) (*topic, Code, string) {
	cmd := &metadatapb.CreateTopic{Name: name, Id: b.newID(), Nonce: b.newID()}
	for _, s := range set {
		cmd.Configs = append(cmd.Configs, &metadatapb.Config{Key: s.Key, Value: s.Value})
	}
	for range partitions {
		cmd.Owners = append(cmd.Owners, b.cfg.NodeID)
	}
	res, err := b.proposeTopic(sc, cmd)
	if errors.Is(err, errStillDeleting) {
		return nil, codeRequestTimedOut, "a topic of that name is still being deleted"
	}
	if err != nil {
		return nil, codeRequestTimedOut, "the controller did not answer; the topic may or may not be created"
	}
	if code := refusalCode(res.GetRefusal()); code != codeNone {
		return nil, code, res.GetDetail()
	}
	b.counters.TopicsCreated.Add(1)
	if err := b.awaitApplied(sc, res.GetIndex()); err != nil {
		return nil, codeRequestTimedOut, "the topic is created and not served yet"
	}
	if t := b.topicByName(name); t != nil {
		return t, codeNone, ""
	}
	return nil, codeUnknownTopicOrPartition, "the topic was deleted at once"
}

var errStillDeleting = errors.New("broker: the topic's name is not free yet")

// proposeTopic waits for a name that is taken by a topic on its way out: whoever asks for that topic is told that
// there is none.
func (b *Broker) proposeTopic(sc *host.Scope, cmd *metadatapb.CreateTopic) (*metadatapb.Result, error) {
	until := b.h.Now().Add(applyWait)
	vanished := false // whose name it is was gone when it was looked up
	for {
		res, err := b.meta.Propose(sc, metadata.NewCommand(cmd))
		if err != nil || res.GetRefusal() != metadatapb.Refusal_REFUSAL_TOPIC_EXISTS {
			return res, err
		}
		var t metadata.Topic
		known := false
		b.meta.Read(func(s *metadata.State) { t, known = s.TopicByName(cmd.GetName()) })
		if !known && !vanished {
			vanished = true // deleted between the refusal and the look; or a name that collides, which stays
			continue
		}
		if !t.Deleting {
			return res, nil
		}
		vanished = false
		probe.Hit(probe.BrokerNameTaken)
		if b.h.Now() >= until || b.awaitGone(sc, t.ID) != nil {
			return nil, errStillDeleting
		}
	}
}

// autoCreate creates a topic that a client asked for by name, or finds the one another client created.
func (b *Broker) autoCreate(sc *host.Scope, name string) (*topic, Code) {
	if checkTopicName(name) != nil {
		return nil, codeInvalidTopic
	}
	partitions := b.cfg.Partitions
	if name == offsetsTopic {
		partitions = offsetsPartitions // fixed from then on
	}
	t, code, _ := b.createTopic(sc, name, partitions, nil)
	if code == codeTopicAlreadyExists {
		b.syncTopics(sc)
		if t = b.topicByName(name); t != nil {
			return t, codeNone
		}
		return nil, codeInvalidTopic // it collides with a name that differs in '.' and '_' only
	}
	return t, code
}

// newID draws 16 bytes for a topic id or a nonce.
func (b *Broker) newID() []byte {
	id := make([]byte, 16)
	b.h.Secret(id)
	return id
}

// refusalCode maps what the state machine refused to the code a client understands.
func refusalCode(r metadatapb.Refusal) Code {
	switch r {
	case metadatapb.Refusal_REFUSAL_NONE:
		return codeNone
	case metadatapb.Refusal_REFUSAL_TOPIC_EXISTS:
		return codeTopicAlreadyExists
	case metadatapb.Refusal_REFUSAL_TOPIC_NAME:
		return codeInvalidTopic
	case metadatapb.Refusal_REFUSAL_PARTITIONS:
		return codeInvalidPartitions
	case metadatapb.Refusal_REFUSAL_UNKNOWN_TOPIC, metadatapb.Refusal_REFUSAL_DELETING:
		return codeUnknownTopicOrPartition
	case metadatapb.Refusal_REFUSAL_NO_TARGET, metadatapb.Refusal_REFUSAL_FENCED:
		return codeLeaderNotAvailable
	default:
		return codeUnknownServerError
	}
}
