package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
)

// Kinds of election that ElectLeaders asks for.
const (
	electPreferred = 0
	electUnclean   = 1
)

// ElectLeaders (key 43), v0–2.
//
// Behavior: a partition has one replica, which is its preferred one and leads it: ELECTION_NOT_NEEDED. While nobody
// does, the controllers look for an owner by themselves: PREFERRED_LEADER_NOT_AVAILABLE, or, asked for an unclean
// election, ELIGIBLE_LEADERS_NOT_AVAILABLE; nothing is elected past what is recorded. With null for all partitions
// those that need no election are left out.
//
// Version notes: v1 election type (KIP-460), top-level error; v2 flexible.
func handleElectLeaders(b *Broker, _ *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.ElectLeadersRequest)
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	missing := codePreferredLeaderNotAvailable
	if c.version >= 1 && req.ElectionType == electUnclean {
		missing = codeEligibleLeadersNotAvail
	} else if c.version >= 1 && req.ElectionType != electPreferred {
		resp.ErrorCode = int16(codeInvalidRequest)
		return encode(c, resp), nil
	}
	live := b.neighbours()
	if req.Topics == nil {
		for _, t := range b.allTopics() {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.name
			for n := range t.parts {
				if code := t.election(live, int32(n), missing); code != codeElectionNotNeeded {
					out.Partitions = append(out.Partitions, elected(int32(n), code))
				}
			}
			if len(out.Partitions) > 0 {
				resp.Topics = append(resp.Topics, out)
			}
		}
		return encode(c, resp), nil
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = rt.Topic
		t, code := b.find(rt.Topic, [16]byte{}, false)
		for _, n := range rt.Partitions {
			pc := code
			if pc == codeNone {
				pc = t.election(live, n, missing)
			}
			out.Partitions = append(out.Partitions, elected(n, pc))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return encode(c, resp), nil
}

func elected(n int32, code Code) kmsg.ElectLeadersResponseTopicPartition {
	p := kmsg.NewElectLeadersResponseTopicPartition()
	p.Partition, p.ErrorCode = n, int16(code)
	return p
}

// election is what comes of an election in partition n, missing if nobody leads it.
func (t *topic) election(live []neighbour, n int32, missing Code) Code {
	if n < 0 || int(n) >= len(t.parts) {
		return codeUnknownTopicOrPartition
	}
	ref := &t.parts[n]
	if _, there := neighbourOf(live, ref.leader); !there || ref.offline != "" {
		return missing
	}
	return codeElectionNotNeeded
}
