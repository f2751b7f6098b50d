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
// live entries go; their bytes follow in the background. All topics of the request are marked first, and then
// waited for, timeout_ms and ten seconds at most; one that is not gone by then is REQUEST_TIMED_OUT, and goes.
//
// Version notes: v5 error message; v6 topic ids.
func handleDeleteTopics(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.DeleteTopicsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	sc, cancel := b.within(sc, req.TimeoutMillis)
	defer cancel()
	_ = b.catchUp(sc) // what was created through another broker is there; without, what is found is deleted
	var last uint64   // the index of the last mark
	mark := func(name string, id [16]byte, byID bool) {
		r, index := b.markRequested(sc, name, id, byID)
		resp.Topics, last = append(resp.Topics, r), max(last, index)
	}
	for _, name := range req.TopicNames { // below v6
		mark(name, [16]byte{}, false)
	}
	for i := range req.Topics {
		if name := req.Topics[i].Topic; name != nil {
			mark(*name, [16]byte{}, false)
		} else {
			mark("", req.Topics[i].TopicID, true)
		}
	}
	late := b.awaitApplied(sc, last) // one that requests did not see yet is not gone because they do not
	for i := range resp.Topics {
		// The follow task stops the partitions; see followDeleting.
		if r := &resp.Topics[i]; r.ErrorCode == 0 && (late != nil || b.awaitGone(sc, r.TopicID) != nil) {
			r.ErrorCode = int16(codeRequestTimedOut)
		}
	}
	return encode(c, resp), nil
}

// markRequested marks one topic of the request for deletion, and returns the index of that.
func (b *Broker) markRequested(
	sc *host.Scope, name string, id [16]byte, byID bool,
) (kmsg.DeleteTopicsResponseTopic, uint64) {
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
	var index uint64
	if code == codeNone {
		index, code = b.markDeleting(sc, t.id)
	}
	r.ErrorCode = int16(code)
	return r, index
}

func (b *Broker) markDeleting(sc *host.Scope, id metadata.UUID) (uint64, Code) {
	if sc.Err() != nil {
		return 0, codeRequestTimedOut // and nothing is deleted
	}
	res, err := b.meta.Propose(sc, metadata.NewCommand(&metadatapb.MarkDeleting{Id: id[:]}))
	if err != nil {
		return 0, codeRequestTimedOut
	}
	return res.GetIndex(), refusalCode(res.GetRefusal())
}

// confirmDeleted tells the controller that this broker appends no more to a topic marked as deleting.
func (b *Broker) confirmDeleted(sc *host.Scope, id metadata.UUID) error {
	confirmed := []*metadatapb.Confirmation{{Broker: b.cfg.NodeID, Epoch: b.epoch}}
	del := &metadatapb.DeleteTopic{Id: id[:], Confirmed: confirmed}
	_, err := b.meta.Propose(sc, metadata.NewCommand(del))
	return err
}
