package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/group"
	"github.com/weirmq/weir/host"
)

// OffsetFetch (key 9), v1–10.
//
// Behavior: committed offsets from durable state. An unknown group, topic or partition is no error:
// offset -1, empty metadata. null topics (v2+) ask for all. The answer is linearizable: the part must
// serve, and the broker hold its fence and its lease, after the request came (rule 28); in a cluster it has seen
// by then which topics are gone, because their offsets are as well.
//
// Version notes: v2 top-level error, all topics; v5 leader epoch; v7 require stable (no transactions are
// open here, so every offset is); v8 many groups (KIP-709); v9 member id and epoch; v10 topic ids.
func handleOffsetFetch(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.OffsetFetchRequest)
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	stale := b.catchUp(sc) != nil || b.remembers()
	if c.version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, b.fetchGroupOffsets(&req.Groups[i], c.version >= 10, stale))
		}
		return encode(c, resp), nil
	}
	read, code := b.groupOffsets(req.Group, stale)
	resp.ErrorCode = int16(code)
	want := req.Topics
	if want == nil && c.version >= 2 {
		for _, t := range read.topics() {
			rt := kmsg.NewOffsetFetchRequestTopic()
			rt.Topic, rt.Partitions = t, read.partitions(t)
			want = append(want, rt)
		}
	}
	for i := range want {
		out := kmsg.NewOffsetFetchResponseTopic()
		out.Topic = want[i].Topic
		for _, n := range want[i].Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			o := read.at(want[i].Topic, n)
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = n, o.Offset, o.LeaderEpoch, kmsg.StringPtr(o.Metadata)
			p.ErrorCode = int16(code)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return encode(c, resp), nil
}

func (b *Broker) fetchGroupOffsets(
	want *kmsg.OffsetFetchRequestGroup, byID, stale bool,
) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = want.Group
	read, code := b.groupOffsets(want.Group, stale)
	out.ErrorCode = int16(code)
	if code != codeNone {
		return out
	}
	if want.Topics == nil {
		for _, name := range read.topics() {
			t := kmsg.NewOffsetFetchResponseGroupTopic()
			t.Topic = name
			if byID {
				topic, tc := b.find(name, [16]byte{}, false)
				if tc != codeNone {
					continue // deleted: it has no id any more
				}
				t.TopicID = topic.id
			}
			t.Partitions = read.answer(name, read.partitions(name))
			out.Topics = append(out.Topics, t)
		}
		return out
	}
	for i := range want.Topics {
		rt := &want.Topics[i]
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic, t.TopicID = rt.Topic, rt.TopicID
		name, tc := b.committedName(rt.Topic, rt.TopicID, byID)
		t.Partitions = read.answer(name, rt.Partitions)
		for j := range t.Partitions {
			t.Partitions[j].ErrorCode = int16(tc)
		}
		out.Topics = append(out.Topics, t)
	}
	return out
}

// committed are a group's committed offsets, by topic and partition.
type committed []group.Offset

// groupOffsets reads a group's committed offsets, unless the broker could not learn what has become of their topics.
func (b *Broker) groupOffsets(id string, stale bool) (committed, Code) {
	g, code := b.coordinatorOf(id)
	if code != codeNone {
		return nil, code
	}
	if stale {
		return nil, codeCoordinatorLoadInProgress
	}
	offsets, ok := g.offsets(id)
	if !ok || !b.holdsFence() {
		return nil, codeNotCoordinator
	}
	return offsets, codeNone
}

// offsets returns what is durable of a group's offsets, false if the part has stopped.
func (g *groupPart) offsets(id string) (committed, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, false
	}
	return g.coord.Store().Offsets(id), true
}

func (c committed) topics() []string {
	var out []string
	for _, o := range c {
		if !slices.Contains(out, o.Topic) {
			out = append(out, o.Topic)
		}
	}
	return out
}

func (c committed) partitions(topic string) []int32 {
	var out []int32
	for _, o := range c {
		if o.Topic == topic {
			out = append(out, o.Partition)
		}
	}
	return out
}

// at returns what is committed for a partition: offset and epoch -1 if nothing is.
func (c committed) at(topic string, partition int32) group.Offset {
	for _, o := range c {
		if o.Topic == topic && o.Partition == partition {
			return o
		}
	}
	return group.Offset{Offset: -1, LeaderEpoch: -1}
}

func (c committed) answer(topic string, partitions []int32) []kmsg.OffsetFetchResponseGroupTopicPartition {
	out := make([]kmsg.OffsetFetchResponseGroupTopicPartition, len(partitions))
	for i, n := range partitions {
		o := c.at(topic, n)
		out[i] = kmsg.NewOffsetFetchResponseGroupTopicPartition()
		out[i].Partition, out[i].Offset, out[i].LeaderEpoch = n, o.Offset, o.LeaderEpoch
		out[i].Metadata = kmsg.StringPtr(o.Metadata)
	}
	return out
}
