package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

const (
	adminTopic      = "scratch"
	adminPartitions = 2
)

// admin does an operation on the admin's own topic, whose records nobody judges. Its existence is a register.
func (a *actor) admin(sc *host.Scope, o *Op) {
	op := a.begin(check.CreateTopic, 0)
	op.Partition = check.Partition{Topic: adminTopic}
	var code int16
	var err error
	switch o.Kind {
	case OpFillTopic:
		a.fill(sc, o)
		return
	case OpOldTopic:
		a.oldTopic(sc, o)
		return
	case OpReadTopic:
		a.readTopic(sc, o)
		return
	case OpGrowTopic:
		op.Kind, op.Partitions = check.CreatePartitions, o.Partition
		code, err = a.grow(sc, adminTopic, o.Partition)
	case OpCreateTopic:
		op.Partitions = adminPartitions
		code, err = a.create(sc, adminTopic, adminPartitions)
	case OpDeleteTopic:
		op.Kind = check.DeleteTopic
		a.remember(sc)
		a.leaveBehind(sc)
		op.Call = a.now()
		code, err = a.deleteTopic(sc, adminTopic)
	case OpDescribeTopic:
		op.Kind = check.DescribeTopic
		var t *kmsg.MetadataResponseTopic
		if t, err = a.describe(sc, adminTopic); err != nil {
			return
		}
		if a.c.lead != nil {
			return // another node may know more
		}
		switch t.ErrorCode {
		case 0:
			op.Partitions = int32(len(t.Partitions))
		case codeUnknownTopic:
		default:
			return
		}
	}
	switch {
	case err != nil:
		a.record(op, check.Unknown)
	case code == 0:
		a.record(op, check.OK)
		a.bury(sc, o.Kind)
	case code == codeTopicExists, code == codeUnknownTopic, code == codeInvalidPartitions:
		op.Code = code
		a.record(op, check.Failed)
	default:
		a.record(op, check.Unknown)
	}
}

// create creates a topic and returns the answer's error code.
func (a *actor) create(sc *host.Scope, name string, partitions int32) (int16, error) {
	defer a.c.asks()()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 2000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.CreateTopicsResponse).Topics
	if len(topics) != 1 {
		return 0, errNoAnswer
	}
	return topics[0].ErrorCode, nil
}

// grow asks for more partitions of a topic and returns the answer's error code.
func (a *actor) grow(sc *host.Scope, name string, partitions int32) (int16, error) {
	defer a.c.asks()()
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.SetVersion(1 + int16(a.id%3))
	req.TimeoutMillis = 2000
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, partitions
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.CreatePartitionsResponse).Topics
	if len(topics) != 1 {
		return 0, errNoAnswer
	}
	return topics[0].ErrorCode, nil
}

// fill produces to the admin's own topic.
func (a *actor) fill(sc *host.Scope, op *Op) {
	batches := make([]sending, len(op.Batches))
	for i, b := range op.Batches {
		batches[i].Op = check.Op{Partition: check.Partition{Topic: adminTopic, Index: b.Partition}}
		batches[i].data = a.build(&batches[i], b, nil)
	}
	resp, err := a.wire.do(sc, a.produceRequest(adminTopic, batches))
	if err != nil {
		return
	}
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		if len(t.Partitions) == 1 && t.Partitions[0].ErrorCode == 0 {
			a.filled = append(a.filled, batches[0].Values...)
		}
	}
}

// readTopic reads the admin's own topic from its start, of which objects may be deleted meanwhile: what comes must be
// the admin's.
func (a *actor) readTopic(sc *host.Scope, o *Op) {
	part, err := a.sendFetch(sc, adminTopic, o.Partition, 0, 1<<16, 0)
	if err != nil || part.ErrorCode != 0 {
		return
	}
	records, _, err := parseRecords(part.RecordBatches, 0)
	if err != nil {
		a.c.fail(oracleAnswer, "read %s/%d: %w", adminTopic, o.Partition, err)
		return
	}
	for _, rec := range records {
		if int32(rec.Value>>32) != a.id {
			a.c.fail(oracleAnswer, "read %s/%d: %s at offset %d was produced to another topic", adminTopic, o.Partition,
				rec.Value, rec.Offset)
		}
		if a.deleted[rec.Value] {
			a.c.fail(oracleAnswer, "read %s/%d: %s at offset %d was in the topic of that name that is deleted", adminTopic,
				o.Partition, rec.Value, rec.Offset)
		}
	}
}

const adminGroup = "scratchers"

// leaveBehind commits an offset in the topic that is about to be deleted: the next of its name must not find it.
func (a *actor) leaveBehind(sc *host.Scope) {
	if !a.coordinated && !a.findCoordinator(sc) {
		return
	}
	a.seq++
	op := check.Op{Partition: check.Partition{Topic: adminTopic}, Group: adminGroup, Offset: int64(a.seq)}
	_, err := a.sendCommit(sc, &op)
	a.lingers = a.lingers || err != nil // it may still be carried out
}

// bury notes that the topic is deleted and created anew: what was in it is gone.
func (a *actor) bury(sc *host.Scope, kind OpKind) {
	switch kind {
	case OpDeleteTopic:
		for _, v := range a.filled {
			a.deleted[v] = true
		}
		a.filled, a.currentID = nil, [16]byte{}
	case OpCreateTopic:
		a.currentID = [16]byte{}
		if t, err := a.describe(sc, adminTopic); err == nil && t.ErrorCode == 0 {
			a.currentID = t.TopicID
		}
		if !a.coordinated || a.lingers {
			return
		}
		at, err := a.sendFetchCommitted(sc, adminGroup, check.Partition{Topic: adminTopic})
		if err == nil && at >= 0 {
			a.c.fail(oracleAnswer, "offset %d is committed in %s, which was just created", at, adminTopic)
		}
	}
}

func (a *actor) deleteTopic(sc *host.Scope, name string) (int16, error) {
	defer a.c.asks()()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(4)
	req.TopicNames, req.TimeoutMillis = []string{name}, 2000
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return 0, err
	}
	topics := resp.(*kmsg.DeleteTopicsResponse).Topics
	if len(topics) != 1 {
		return 0, errNoAnswer
	}
	return topics[0].ErrorCode, nil
}

// describe asks for a topic's metadata and does not create it.
func (a *actor) describe(sc *host.Scope, name string) (*kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(10)
	req.AllowAutoTopicCreation = false
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.MetadataResponse).Topics
	if len(topics) != 1 {
		return nil, errNoAnswer
	}
	return &topics[0], nil
}

// learnID asks for the judged topic's id.
func (a *actor) learnID(sc *host.Scope) bool {
	t, err := a.describe(sc, topicName)
	if err != nil || t.ErrorCode != 0 {
		return false
	}
	a.c.topicID = t.TopicID
	return true
}

// remember keeps the id of the topic that is about to be deleted.
func (a *actor) remember(sc *host.Scope) {
	if t, err := a.describe(sc, adminTopic); err == nil && t.ErrorCode == 0 {
		a.topicID = t.TopicID
	}
}

// oldTopic fetches by the id of a topic that was deleted: nothing of the topic that has its name now may come.
func (a *actor) oldTopic(sc *host.Scope, o *Op) {
	if a.topicID == ([16]byte{}) {
		return
	}
	a.c.count(fault.StaleMetadata)
	now, err := a.describe(sc, adminTopic)
	if err != nil || now.TopicID == a.topicID || now.ErrorCode == codeLeaderNotAvail {
		return // the deletion did not happen, or that cannot be told
	}
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(13)
	req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, 1<<16, -1
	t := kmsg.NewFetchRequestTopic()
	t.TopicID = a.topicID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = o.Partition, 1<<16, -1
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return
	}
	for _, t := range resp.(*kmsg.FetchResponse).Topics {
		for i := range t.Partitions {
			if p := &t.Partitions[i]; p.ErrorCode == 0 || len(p.RecordBatches) > 0 {
				a.c.fail(oracleAnswer, "a fetch by the id of a deleted topic was answered with code %d and %d bytes",
					p.ErrorCode, len(p.RecordBatches))
			}
		}
	}
	a.fillOld(sc, o)
}

// fillOld produces by the id of a topic that was deleted: it must be refused.
func (a *actor) fillOld(sc *host.Scope, o *Op) {
	var s sending
	s.Op = check.Op{Partition: check.Partition{Topic: adminTopic, Index: o.Partition}}
	s.data = a.build(&s, Batch{Partition: o.Partition, Records: []int{100}}, nil)
	req := a.produceRequest(adminTopic, []sending{s})
	req.SetVersion(13)
	req.Topics[0].TopicID = a.topicID
	for _, v := range s.Values {
		a.deleted[v] = true
	}
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return
	}
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for i := range t.Partitions {
			if t.Partitions[i].ErrorCode == 0 {
				a.c.fail(oracleAnswer, "a produce by the id of a deleted topic was taken at offset %d", t.Partitions[i].BaseOffset)
			}
		}
	}
}
