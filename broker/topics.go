package broker

import (
	"slices"
	"strings"

	"github.com/weirmq/weir/metadata"
)

// topic is one topic as this broker serves it, copied from metadata. It is replaced whole when metadata
// changes and never written afterwards; its partitions' state lives in part.
type topic struct {
	name     string
	id       metadata.UUID
	internal bool
	deleting bool
	config   topicConfig
	set      []metadata.Config // as given by the creator
	parts    []partRef
}

// partRef is one partition of a topic: who leads it, and the part if that is this broker.
type partRef struct {
	stream      uint64
	leader      int32 // -1: nobody
	leaderEpoch int32
	home        int32   // the broker whose WAL its last range is on
	offline     string  // why it is not served anywhere; "" if it is
	remains     remains // what can be read although it is offline
	broken      bool    // offline because it could not be opened; it is not tried again in this run
	part        *part   // nil unless this broker serves it
}

// topicIndex finds topics by name and by id. It is guarded by Broker.mu; its lists are replaced whole.
type topicIndex struct {
	byName  map[string]*topic
	byID    map[metadata.UUID]*topic
	sorted  []*topic // by name; nil until somebody asks for it
	leaving []*topic // by name: those marked for deletion
}

func (x *topicIndex) init() {
	x.byName, x.byID = map[string]*topic{}, map[metadata.UUID]*topic{}
}

// change takes out the topics that are gone and puts in those that have changed. The cost is that of these and of
// what is marked for deletion, however many topics there are.
func (x *topicIndex) change(next, gone []*topic) {
	if len(next) == 0 && len(gone) == 0 {
		return
	}
	var leaving []*topic
	for _, t := range gone {
		delete(x.byID, t.id)
		if x.byName[t.name].id == t.id {
			delete(x.byName, t.name)
		}
	}
	for _, t := range next {
		x.byName[t.name], x.byID[t.id] = t, t
		if t.deleting {
			leaving = append(leaving, t)
		}
	}
	for _, t := range x.leaving {
		if x.byID[t.id] == t { // the same as before
			leaving = append(leaving, t)
		}
	}
	slices.SortFunc(leaving, compareTopics)
	x.leaving, x.sorted = leaving, nil
}

// served is how many more parts are served with a change than without.
func (x *topicIndex) served(next, gone []*topic) (more int64) {
	for _, t := range next {
		more += int64(len(t.served(nil)))
		if was := x.byID[t.id]; was != nil {
			more -= int64(len(was.served(nil)))
		}
	}
	for _, t := range gone {
		more -= int64(len(t.served(nil)))
	}
	return more
}

// served appends the parts of t to list.
func (t *topic) served(list []*part) []*part {
	for i := range t.parts {
		if p := t.parts[i].part; p != nil {
			list = append(list, p)
		}
	}
	return list
}

// list returns all topics by name.
func (x *topicIndex) list() []*topic {
	if x.sorted == nil {
		all := make([]*topic, 0, len(x.byID))
		for _, t := range x.byID {
			all = append(all, t)
		}
		slices.SortFunc(all, compareTopics)
		x.sorted = all
	}
	return x.sorted
}

// topicByName returns the topic, or nil.
func (b *Broker) topicByName(name string) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics.byName[name]
}

// topicByID returns the topic, or nil.
func (b *Broker) topicByID(id [16]byte) *topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics.byID[metadata.UUID(id)]
}

// allTopics returns every topic by name.
func (b *Broker) allTopics() []*topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics.list()
}

// leavingTopics returns those marked for deletion by name: each is looked after until it is gone.
func (b *Broker) leavingTopics() []*topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topics.leaving
}

// find looks a topic up by id where the request's version names topics so, else by name.
func (b *Broker) find(name string, id [16]byte, byID bool) (*topic, Code) {
	if byID {
		if t := b.topicByID(id); t != nil && !t.deleting {
			return t, codeNone
		}
		return nil, codeUnknownTopicID
	}
	if t := b.topicByName(name); t != nil && !t.deleting {
		return t, codeNone
	}
	return nil, codeUnknownTopicOrPartition
}

// onItsWay returns the id of a topic that metadata has and this broker does not serve yet: it has just been created,
// and its partitions wait for room. To say that it does not exist would contradict who was told that it does.
func (b *Broker) onItsWay(name string) (id metadata.UUID, found bool) {
	b.meta.Read(func(s *metadata.State) {
		t, ok := s.TopicByName(name)
		id, found = t.ID, ok && !t.Deleting
	})
	return id, found
}

// partition returns the part that serves partition n of t, or the code that says why there is none.
func (t *topic) partition(n int32) (*part, Code) {
	if n < 0 || int(n) >= len(t.parts) {
		return nil, codeUnknownTopicOrPartition
	}
	ref := &t.parts[n]
	switch {
	case t.internal:
		return nil, codeInvalidTopic // not read or written over the wire
	case ref.part != nil && ref.part.isOpen():
		return ref.part, codeNone
	case ref.part != nil && !ref.part.isBroken():
		return nil, codeNotLeaderOrFollower // not yet
	case ref.offline != "":
		return nil, codeKafkaStorageError
	case ref.leader < 0:
		return nil, codeLeaderNotAvailable
	default:
		return nil, codeNotLeaderOrFollower
	}
}

func compareTopics(a, b *topic) int { return strings.Compare(a.name, b.name) }
