package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// DeleteTopics (key 20), v1–6.
//
// Behavior: MarkDeleting, then every owner stops appending and confirms, then the topic and its streams
// leave metadata, and only then the answer (PROTOCOL rule 37). Its objects become garbage as their last
// live entries go; their bytes follow in the background.
//
// Version notes: v5 error message; v6 topic ids.
func handleDeleteTopics(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DeleteTopicsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	if c.version < 6 {
		for _, name := range req.TopicNames {
			resp.Topics = append(resp.Topics, b.deleteRequested(sc, name, [16]byte{}, false))
		}
		return encode(c, resp), nil
	}
	for i := range req.Topics {
		want := &req.Topics[i]
		if want.Topic != nil {
			resp.Topics = append(resp.Topics, b.deleteRequested(sc, *want.Topic, [16]byte{}, false))
		} else {
			resp.Topics = append(resp.Topics, b.deleteRequested(sc, "", want.TopicID, true))
		}
	}
	return encode(c, resp), nil
}

func (b *Broker) deleteRequested(sc *host.Scope, name string, id [16]byte, byID bool) kmsg.DeleteTopicsResponseTopic {
	r := kmsg.NewDeleteTopicsResponseTopic()
	t, code := b.find(name, id, byID)
	if code == codeUnknownTopicOrPartition {
		if soon, found := b.onItsWay(name); found {
			t, code = &topic{name: name, id: soon, internal: name == offsetsTopic}, codeNone
		}
	}
	if code == codeNone && t.internal {
		code = codeInvalidTopic
	}
	r.TopicID = id
	if t != nil {
		r.Topic, r.TopicID = kmsg.StringPtr(t.name), t.id
	} else if !byID {
		r.Topic = kmsg.StringPtr(name)
	}
	if code == codeNone {
		code = b.deleteTopic(sc, t)
	}
	r.ErrorCode = int16(code)
	return r
}

// deleteTopic marks the topic and waits until this broker has stopped its partitions and the topic is
// gone. The follow task does the stopping; see followDeleting.
func (b *Broker) deleteTopic(sc *host.Scope, t *topic) Code {
	mark := &metadatapb.MarkDeleting{Id: t.id[:]}
	res, err := b.meta.Propose(sc, metadata.NewCommand(mark))
	if err != nil {
		return codeRequestTimedOut
	}
	if code := refusalCode(res.GetRefusal()); code != codeNone {
		return code
	}
	if err := b.awaitGone(sc, t.id); err != nil {
		return codeRequestTimedOut
	}
	return codeNone
}

// confirmDeleted tells the controller that this broker appends no more to a topic marked as deleting.
func (b *Broker) confirmDeleted(sc *host.Scope, id metadata.UUID) error {
	confirmed := []*metadatapb.Confirmation{{Broker: b.cfg.NodeID, Epoch: b.epoch}}
	del := &metadatapb.DeleteTopic{Id: id[:], Confirmed: confirmed}
	_, err := b.meta.Propose(sc, metadata.NewCommand(del))
	return err
}
