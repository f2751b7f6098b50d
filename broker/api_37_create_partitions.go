package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// CreatePartitions (key 37), v0–3.
//
// Behavior: raises a topic's number of partitions to Count; one result a topic. Fewer, or as many as
// there are, is INVALID_PARTITIONS. Assignments are refused. validate_only changes nothing. The request
// is worked on for timeout_ms, ten seconds at most.
func handleCreatePartitions(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.CreatePartitionsRequest)
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	sc, cancel := b.within(sc, req.TimeoutMillis)
	defer cancel()
	_ = b.catchUp(sc) // as for DeleteTopics
	for i := range req.Topics {
		want := &req.Topics[i]
		code, text := b.growTopic(sc, want, req.ValidateOnly)
		r := kmsg.NewCreatePartitionsResponseTopic()
		r.Topic, r.ErrorCode = want.Topic, int16(code)
		if text != "" {
			r.ErrorMessage = kmsg.StringPtr(text)
		}
		resp.Topics = append(resp.Topics, r)
	}
	return encode(c, resp), nil
}

func (b *Broker) growTopic(sc *host.Scope, want *kmsg.CreatePartitionsRequestTopic, validateOnly bool) (Code, string) {
	t, code := b.find(want.Topic, [16]byte{}, false)
	switch {
	case code == codeUnknownTopicOrPartition:
		if _, soon := b.onItsWay(want.Topic); soon { // whoever created it must not hear that it is not there
			return codeLeaderNotAvailable, "the topic is not served yet"
		}
		return code, ""
	case code != codeNone:
		return code, ""
	case t.internal:
		return codeInvalidTopic, "the partitions of an internal topic are fixed"
	case len(want.Assignment) > 0:
		return codeInvalidReplicaAssignment, "replica assignments are not served: the controller places partitions"
	case want.Count <= int32(len(t.parts)) || want.Count > metadata.MaxPartitions:
		return codeInvalidPartitions, fmt.Sprintf("topic %s has %d partitions; give more, at most %d",
			t.name, len(t.parts), metadata.MaxPartitions)
	case validateOnly:
		return codeNone, ""
	}
	cmd := &metadatapb.CreatePartitions{Id: t.id[:], Nonce: b.newID(), Total: want.Count}
	cmd.Owners, cmd.Place = b.owners(want.Count - int32(len(t.parts)))
	res, err := b.meta.Propose(sc, metadata.NewCommand(cmd))
	if err != nil {
		return codeRequestTimedOut, "the controller did not answer; the partitions may or may not be created"
	}
	if code := refusalCode(res.GetRefusal()); code != codeNone {
		// Whoever hears that the topic is on its way out must not be shown it afterwards.
		if err := b.awaitApplied(sc, res.GetIndex()); err != nil {
			return codeRequestTimedOut, "the partitions are not created"
		}
		return code, res.GetDetail()
	}
	if err := b.awaitApplied(sc, res.GetIndex()); err != nil {
		return codeRequestTimedOut, "the partitions are created and not served yet"
	}
	return codeNone, ""
}
