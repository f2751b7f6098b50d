package metadata

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// ValidTopicName returns "" or why a topic may not be called name. The rules are Kafka's.
func ValidTopicName(name string) string {
	switch {
	case name == "":
		return "a topic name must not be empty"
	case name == "." || name == "..":
		return "a topic must not be called " + name
	case len(name) > MaxTopicName:
		return "a topic name has at most 249 characters"
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return "a topic name consists of letters, digits, '.', '_' and '-'"
		}
	}
	return ""
}

// fold maps names that differ only in '.' and '_' to one: Kafka's metrics cannot tell them apart.
func fold(name string) string { return strings.ReplaceAll(name, ".", "_") }

func (s *State) createTopic(c *metadatapb.CreateTopic) *metadatapb.Result {
	id, ok1 := uuidOf(c.GetId())
	nonce, ok2 := uuidOf(c.GetNonce())
	if !ok1 || !ok2 {
		return invalid("CreateTopic needs an id and a nonce of 16 bytes each")
	}
	if why := ValidTopicName(c.GetName()); why != "" {
		return refuse(metadatapb.Refusal_REFUSAL_TOPIC_NAME, "%s", why)
	}
	if other, taken := s.names[fold(c.GetName())]; taken {
		t := s.topics[other]
		if t.nonce == nonce && t.name == c.GetName() {
			return t.answer()
		}
		return refuse(metadatapb.Refusal_REFUSAL_TOPIC_EXISTS, "topic %s exists", t.name)
	}
	if s.topics[id] != nil {
		return refuse(metadatapb.Refusal_REFUSAL_EXISTS, "topic id %s is known", id)
	}
	configs, refused := configsOf(c.GetConfigs())
	if refused != nil {
		return refused
	}
	t := &topic{id: id, name: c.GetName(), nonce: nonce, configs: configs}
	if refused := s.grow(t, c.GetOwners(), c.GetPlace()); refused != nil {
		return refused
	}
	s.topics[id], s.names[fold(t.name)] = t, id
	return t.answer()
}

func configsOf(list []*metadatapb.Config) ([]Config, *metadatapb.Result) {
	var out []Config
	for _, c := range list {
		out = append(out, Config{Key: c.GetKey(), Value: c.GetValue()})
	}
	slices.SortFunc(out, func(a, b Config) int { return cmp.Compare(a.Key, b.Key) })
	for i, c := range out {
		if c.Key == "" || i > 0 && out[i-1].Key == c.Key {
			return nil, invalid("config key %q is empty or given twice", c.Key)
		}
	}
	return out, nil
}

// grow gives t a partition for each owner, with its first range on that broker's open WAL; all or none. With
// place, another broker stands in for an owner that cannot take its partition (any more).
func (s *State) grow(t *topic, owners []int32, place bool) *metadatapb.Result {
	if n := len(t.streams) + len(owners); len(owners) == 0 || n > MaxPartitions {
		return refuse(metadatapb.Refusal_REFUSAL_PARTITIONS, "a topic has 1 to %d partitions, not %d", MaxPartitions, n)
	}
	targets, without := s.takers(t, owners, place)
	if targets == nil {
		return noTarget(without)
	}
	for _, w := range targets {
		st := &stream{id: s.nextStream, topic: t.id, partition: int32(len(t.streams))}
		s.nextStream++
		s.streams[st.id] = st
		t.streams = append(t.streams, st.id)
		s.openOn(st, 0, w)
	}
	return nil
}

func (t *topic) answer() *metadatapb.Result {
	r := &metadatapb.TopicResult{Id: bytesOf(t.id), Partitions: int32(len(t.streams))}
	return &metadatapb.Result{Body: &metadatapb.Result_Topic{Topic: r}}
}

func (s *State) topicOf(b []byte) (*topic, *metadatapb.Result) {
	id, ok := uuidOf(b)
	if !ok {
		return nil, invalid("a topic id has 16 bytes")
	}
	if t := s.topics[id]; t != nil {
		return t, nil
	}
	return nil, refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_TOPIC, "no topic with id %s", id)
}

func (s *State) createPartitions(c *metadatapb.CreatePartitions) *metadatapb.Result {
	nonce, ok := uuidOf(c.GetNonce())
	if !ok {
		return invalid("CreatePartitions needs a nonce of 16 bytes")
	}
	t, refused := s.topicOf(c.GetId())
	if refused != nil {
		return refused
	}
	if t.growNonce == nonce {
		return t.answer()
	}
	if t.deleting {
		return refuse(metadatapb.Refusal_REFUSAL_DELETING, "topic %s is being deleted", t.name)
	}
	if int(c.GetTotal()) != len(t.streams)+len(c.GetOwners()) {
		return refuse(metadatapb.Refusal_REFUSAL_PARTITIONS, "topic %s has %d partitions; %d more do not make %d",
			t.name, len(t.streams), len(c.GetOwners()), c.GetTotal())
	}
	if refused := s.grow(t, c.GetOwners(), c.GetPlace()); refused != nil {
		return refused
	}
	t.growNonce = nonce
	return t.answer()
}

func (s *State) markDeleting(c *metadatapb.MarkDeleting) *metadatapb.Result {
	t, refused := s.topicOf(c.GetId())
	if refused != nil {
		return refused
	}
	t.deleting = true
	for _, id := range t.streams {
		delete(s.moves, id)
	}
	return t.answer()
}

// deleteTopic removes a marked topic once each live owner of an open range has confirmed that it stopped.
// A topic that is not there has been deleted: ids are never reused.
func (s *State) deleteTopic(c *metadatapb.DeleteTopic, ms int64) *metadatapb.Result {
	t, refused := s.topicOf(c.GetId())
	if refused.GetRefusal() == metadatapb.Refusal_REFUSAL_UNKNOWN_TOPIC {
		return &metadatapb.Result{}
	}
	if refused != nil {
		return refused
	}
	if !t.deleting {
		return refuse(metadatapb.Refusal_REFUSAL_NOT_DELETING, "topic %s is not marked for deletion", t.name)
	}
	for _, id := range t.streams {
		r := s.streams[id].last()
		w := s.wals[r.wal]
		if r.end == Open && w.held && r.generation == w.generation && !confirmed(c, w) {
			return refuse(metadatapb.Refusal_REFUSAL_UNCONFIRMED, "broker %d epoch %d may still append to topic %s",
				w.holder, w.holderEpoch, t.name)
		}
	}
	for _, id := range t.streams {
		s.empty(s.streams[id], ms)
		delete(s.streams, id)
		delete(s.unowned, id)
	}
	for _, w := range s.sortedWals() {
		s.retire(w)
	}
	delete(s.topics, t.id)
	delete(s.names, fold(t.name))
	return &metadatapb.Result{}
}

func confirmed(c *metadatapb.DeleteTopic, w *wal) bool {
	for _, x := range c.GetConfirmed() {
		if x.GetBroker() == w.holder && x.GetEpoch() == w.holderEpoch {
			return true
		}
	}
	return false
}
