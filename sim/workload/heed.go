package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
)

// heed learns from an answer.
func (g *guide) heed(req kmsg.Request, resp kmsg.Response) {
	if g == nil {
		return
	}
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		g.heedMetadata(r)
	case *kmsg.FindCoordinatorResponse:
		if r.ErrorCode == 0 {
			g.groups[req.(*kmsg.FindCoordinatorRequest).CoordinatorKey] = hostPort(r.Host, r.Port)
		} else {
			g.turn()
		}
	case *kmsg.ProduceResponse:
		for _, b := range r.Brokers {
			g.hint(b.NodeID, b.Host, b.Port)
		}
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p := &r.Topics[i].Partitions[j]
				g.wrong(g.partition(r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition), p.ErrorCode, p.CurrentLeader.LeaderID)
			}
		}
	case *kmsg.FetchResponse:
		for _, b := range r.Brokers {
			g.hint(b.NodeID, b.Host, b.Port)
		}
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p := &r.Topics[i].Partitions[j]
				g.wrong(g.partition(r.Topics[i].Topic, r.Topics[i].TopicID, p.Partition), p.ErrorCode, p.CurrentLeader.LeaderID)
			}
		}
	case *kmsg.ListOffsetsResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p := &r.Topics[i].Partitions[j]
				g.wrong(check.Partition{Topic: r.Topics[i].Topic, Index: p.Partition}, p.ErrorCode, -1)
			}
		}
	case *kmsg.OffsetForLeaderEpochResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				p := &r.Topics[i].Partitions[j]
				g.wrong(check.Partition{Topic: r.Topics[i].Topic, Index: p.Partition}, p.ErrorCode, -1)
			}
		}
	default:
		g.heedGroup(req, resp)
	}
}

func (g *guide) partition(topic string, id [16]byte, index int32) check.Partition {
	if topic == "" {
		topic = g.names[id]
	}
	return check.Partition{Topic: topic, Index: index}
}

// hint takes over where a node is, as an answer says.
func (g *guide) hint(node int32, host string, port int32) {
	if g.hints {
		g.nodes[node] = hostPort(host, port)
	}
}

// wrong notes that a partition is not led by whoever was asked, and who leads it if the answer says so.
func (g *guide) wrong(p check.Partition, code int16, leader int32) {
	switch code {
	case codeNotLeader, codeLeaderNotAvail, codeUnknownTopic, codeUnknownTopicID, codeFencedEpoch, codeUnknownLeader,
		codeStorage:
	default:
		return
	}
	if _, known := g.nodes[leader]; g.hints && known && code == codeNotLeader {
		g.leads[p] = leader
		return
	}
	g.stale = true
}

func (g *guide) heedMetadata(r *kmsg.MetadataResponse) {
	clear(g.nodes)
	for _, b := range r.Brokers {
		g.nodes[b.NodeID] = hostPort(b.Host, b.Port)
	}
	unled := len(r.Brokers) == 0
	for i := range r.Topics {
		t := &r.Topics[i]
		if t.Topic == nil {
			continue
		}
		g.names[t.TopicID] = *t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			g.leads[check.Partition{Topic: *t.Topic, Index: p.Partition}] = p.Leader
			unled = unled || p.Leader < 0
		}
	}
	if unled { // somebody else may know better
		g.stale = true
		g.turn()
	}
}

// heedGroup forgets a coordinator that is none.
func (g *guide) heedGroup(req kmsg.Request, resp kmsg.Response) {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		code = r.ErrorCode
	case *kmsg.SyncGroupResponse:
		code = r.ErrorCode
	case *kmsg.HeartbeatResponse:
		code = r.ErrorCode
	case *kmsg.LeaveGroupResponse:
		code = r.ErrorCode
	case *kmsg.OffsetFetchResponse:
		if code = r.ErrorCode; code == 0 && len(r.Topics) > 0 && len(r.Topics[0].Partitions) > 0 {
			code = r.Topics[0].Partitions[0].ErrorCode
		}
	case *kmsg.OffsetCommitResponse:
		if len(r.Topics) > 0 && len(r.Topics[0].Partitions) > 0 {
			code = r.Topics[0].Partitions[0].ErrorCode
		}
	case *kmsg.InitProducerIDResponse:
		if r.ErrorCode != 0 {
			g.turn()
		}
	}
	if code == codeNotCoordinator || code == codeNoCoordinator {
		delete(g.groups, groupOf(req))
	}
}
