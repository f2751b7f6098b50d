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
	// changeWait bounds how long a request that changes topics is worked on, all its topics together: the answers
	// behind it on its connection wait too.
	changeWait = 10 * time.Second
)

// within returns the scope of a request that changes topics: it ends when the client's own bound has passed, and
// after changeWait at the latest. A bound of 0 or less is none: what the work needs is shorter than any client's wait
// for an answer.
func (b *Broker) within(sc *host.Scope, timeoutMs int32) (*host.Scope, func()) {
	wait := changeWait
	if timeoutMs > 0 {
		wait = min(wait, time.Duration(timeoutMs)*time.Millisecond)
	}
	return sc.Child(b.h.Now().Add(wait))
}

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

// topicWish is a topic to create.
type topicWish struct {
	name       string
	partitions int32
	set        []metadata.Config
	patient    bool // waits for the end of a topic on its way out whose name this is, or collides with it
}

// createTopic creates a topic, waits until this broker serves it or sc ends, and returns it. The text says why when
// the code is not codeNone.
func (b *Broker) createTopic(sc *host.Scope, want *topicWish) (*topic, Code, string) {
	if sc.Err() != nil {
		return nil, codeRequestTimedOut, "the request's time was over; nothing is created"
	}
	name := want.name
	cmd := &metadatapb.CreateTopic{Name: name, Id: b.newID(), Nonce: b.newID()}
	for _, s := range want.set {
		cmd.Configs = append(cmd.Configs, &metadatapb.Config{Key: s.Key, Value: s.Value})
	}
	cmd.Owners, cmd.Place = b.owners(want.partitions)
	res, err := b.proposeTopic(sc, cmd, want.patient)
	if errors.Is(err, errStillDeleting) {
		return nil, codeRequestTimedOut, err.Error()
	}
	if err != nil {
		return nil, codeRequestTimedOut, "the controller did not answer; the topic may or may not be created"
	}
	if code := refusalCode(res.GetRefusal()); code != codeNone {
		// Whoever hears that the topic exists must not be told afterwards that it does not.
		if err := b.awaitApplied(sc, res.GetIndex()); err != nil {
			return nil, codeRequestTimedOut, res.GetDetail()
		}
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

// owners names who is to lead n new partitions: alone this broker, else whoever the controllers choose (place).
func (b *Broker) owners(n int32) (owners []int32, place bool) {
	owners = make([]int32, n)
	id := b.cfg.NodeID
	if b.cfg.Cluster != nil {
		id, place = -1, true
	}
	for i := range owners {
		owners[i] = id
	}
	return owners, place
}

// errStillDeleting is wrapped by why a topic is not created.
var errStillDeleting = errors.New("is still being deleted; nothing is created")

// proposeTopic proposes a topic. Whoever asks for a topic on its way out is told that there is none, so its name is
// not said to be taken: who is patient waits for its end, others get errStillDeleting.
func (b *Broker) proposeTopic(
	sc *host.Scope, cmd *metadatapb.CreateTopic, patient bool,
) (*metadatapb.Result, error) {
	for {
		res, err := b.meta.Propose(sc, metadata.NewCommand(cmd))
		if err != nil || res.GetRefusal() != metadatapb.Refusal_REFUSAL_TOPIC_EXISTS {
			return res, err
		}
		var t metadata.Topic
		known := false
		b.meta.Read(func(s *metadata.State) { t, known = s.TopicInTheWay(cmd.GetName()) })
		switch {
		case !known: // deleted between the refusal and the look
			if err := b.syncBriefly(sc); err != nil {
				return nil, err
			}
			continue
		case !t.Deleting:
			return res, nil
		}
		probe.Hit(probe.BrokerNameTaken)
		if !patient || b.awaitGone(sc, t.ID) != nil {
			return nil, fmt.Errorf("topic %s %w", t.Name, errStillDeleting)
		}
	}
}

// autoCreate creates a topic that a client asked for by name, or finds the one another client created. Whoever asks
// asks again, so nothing is waited for that another request has to finish.
func (b *Broker) autoCreate(sc *host.Scope, name string) (*topic, Code) {
	if checkTopicName(name) != nil {
		return nil, codeInvalidTopic
	}
	partitions := b.cfg.Partitions
	if name == offsetsTopic {
		partitions = offsetsPartitions // fixed from then on
	}
	t, code, _ := b.createTopic(sc, &topicWish{name: name, partitions: partitions})
	switch code {
	case codeTopicAlreadyExists:
		b.syncTopics(sc)
		if t = b.topicByName(name); t != nil {
			return t, codeNone
		}
		return nil, codeInvalidTopic // it collides with a name that differs in '.' and '_' only
	case codeRequestTimedOut:
		return nil, codeLeaderNotAvailable
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
