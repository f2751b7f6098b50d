package workload

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
)

// guide is what a client of a cluster knows of it: who leads a partition, who coordinates a group, and whom to ask when
// that is not known or was wrong. It learns from Metadata, from answers that say that they come from the wrong node,
// and, if it believes them, from the hints in those.
type guide struct {
	first  []string // where it began
	home   int      // of first: who is asked what any node may answer
	hints  bool
	stale  bool // something that it knew was wrong
	nodes  map[int32]string
	leads  map[check.Partition]int32
	names  map[[16]byte]string // of topics
	groups map[string]string   // addresses of coordinators
}

func newGuide(first []string, nth int, hints bool) *guide {
	return &guide{
		first: first, home: nth % len(first), hints: hints, nodes: map[int32]string{},
		leads: map[check.Partition]int32{}, names: map[[16]byte]string{}, groups: map[string]string{},
	}
}

// lost notes that a node does not answer.
func (g *guide) lost(addr string) {
	if g == nil {
		return
	}
	g.stale = true
	clear(g.groups)
	if addr == g.first[g.home] {
		g.turn()
	}
}

// turn asks the next node from now on.
func (g *guide) turn() { g.home = (g.home + 1) % len(g.first) }

// lead returns where a request of a client of a cluster goes.
func (c *wireClient) lead(sc *host.Scope, req kmsg.Request) string {
	if len(partitionsOf(req, nil)) > 0 {
		return c.leaderOf(sc, req)
	}
	if group := groupOf(req); group != "" {
		return c.coordinatorOf(sc, group)
	}
	return c.guide.first[c.guide.home]
}

// leaderOf returns the leader of the first of a request's partitions that has one, as far as the client knows.
func (c *wireClient) leaderOf(sc *host.Scope, req kmsg.Request) string {
	addr, known := c.guide.leader(partitionsOf(req, c.guide.names))
	if !known || c.guide.stale {
		c.refresh(sc)
		addr, known = c.guide.leader(partitionsOf(req, c.guide.names))
	}
	if !known {
		return c.guide.first[c.guide.home]
	}
	return addr
}

func (g *guide) leader(list []check.Partition) (addr string, known bool) {
	for _, p := range list {
		if id, led := g.leads[p]; led {
			if addr, known = g.nodes[id]; known {
				return addr, true
			}
		}
	}
	return "", false
}

// refresh asks some node who leads what. Without an answer the client goes on with what it has.
func (c *wireClient) refresh(sc *host.Scope) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(10) // of all topics
	c.guide.stale = false
	c.ask(sc, req)
}

// ask asks the node at home; what it says the guide has heeded.
func (c *wireClient) ask(sc *host.Scope, req kmsg.Request) {
	c.line = c.lineTo(c.guide.first[c.guide.home])
	if c.line.conn == nil && c.dial(sc) != nil {
		return
	}
	if c.write(req) == nil {
		_, _ = c.receive(sc, req) // a failure is noted
	}
}

func (c *wireClient) coordinatorOf(sc *host.Scope, group string) string {
	if c.guide.groups[group] == "" {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.SetVersion(3)
		req.CoordinatorKey = group
		c.ask(sc, req)
	}
	if addr := c.guide.groups[group]; addr != "" {
		return addr
	}
	return c.guide.first[c.guide.home]
}

// partitionsOf are the partitions that a request is about, if it has to go to a leader. names are of topics by id.
func partitionsOf(req kmsg.Request, names map[[16]byte]string) (list []check.Partition) {
	add := func(topic string, id [16]byte, partition int32) {
		if topic == "" {
			topic = names[id]
		}
		list = append(list, check.Partition{Topic: topic, Index: partition})
	}
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				add(r.Topics[i].Topic, r.Topics[i].TopicID, r.Topics[i].Partitions[j].Partition)
			}
		}
	case *kmsg.FetchRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				add(r.Topics[i].Topic, r.Topics[i].TopicID, r.Topics[i].Partitions[j].Partition)
			}
		}
	case *kmsg.ListOffsetsRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				add(r.Topics[i].Topic, [16]byte{}, r.Topics[i].Partitions[j].Partition)
			}
		}
	case *kmsg.OffsetForLeaderEpochRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				add(r.Topics[i].Topic, [16]byte{}, r.Topics[i].Partitions[j].Partition)
			}
		}
	}
	return list
}

// groupOf is the group that a request is about, if it has to go to a coordinator.
func groupOf(req kmsg.Request) string {
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		return r.Group
	case *kmsg.SyncGroupRequest:
		return r.Group
	case *kmsg.HeartbeatRequest:
		return r.Group
	case *kmsg.LeaveGroupRequest:
		return r.Group
	case *kmsg.OffsetCommitRequest:
		return r.Group
	case *kmsg.OffsetFetchRequest:
		return r.Group
	}
	return ""
}

func hostPort(host string, port int32) string { return host + ":" + strconv.Itoa(int(port)) }

// astrayPause is how long a client of a cluster waits before it asks again who leads what.
func (a *actor) astrayPause() time.Duration {
	if a.wire.guide == nil || !a.wire.guide.stale {
		return 0
	}
	return 50 * time.Millisecond
}

// apart returns the batches in as many requests as are needed: those that lie side by side and have one leader, as
// far as the client knows, go together.
func (a *actor) apart(batches []sending) (list [][]sending) {
	if a.wire.guide == nil {
		return [][]sending{batches}
	}
	from := 0
	for i := range batches {
		if i+1 == len(batches) || a.leads(batches[i+1].Index) != a.leads(batches[from].Index) {
			list = append(list, batches[from:i+1])
			from = i + 1
		}
	}
	return list
}

// leads is who leads a partition of the judged topic, as far as the client knows; 0 = it does not.
func (a *actor) leads(p int32) int32 {
	return a.wire.guide.leads[check.Partition{Topic: topicName, Index: p}]
}
