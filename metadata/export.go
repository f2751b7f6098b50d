package metadata

import (
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// export copies the state into its message, every list sorted by its key.
func (s *State) export() *metadatapb.Snapshot {
	p := &metadatapb.Snapshot{
		Index: s.index, Term: s.term, ClusterId: bytesOf(s.cluster), Format: s.format,
		NextBrokerEpoch: s.nextBrokerEpoch, NextStream: s.nextStream, NextProducerId: s.nextProducer,
	}
	for _, b := range s.Brokers() {
		p.Brokers = append(p.Brokers, s.brokers[b.ID].export())
	}
	for _, w := range s.sortedWals() {
		p.Wals = append(p.Wals, w.export())
	}
	topics := make([]*topic, 0, len(s.topics))
	for _, t := range s.topics {
		topics = append(topics, t)
	}
	slices.SortFunc(topics, func(a, b *topic) int { return slices.Compare(a.id[:], b.id[:]) })
	for _, t := range topics {
		p.Topics = append(p.Topics, t.export())
	}
	for _, id := range s.sortedStreams() {
		st := s.streams[id].export()
		st.Move = s.moves[id].export()
		p.Streams = append(p.Streams, st)
	}
	ids := make([]ObjectID, 0, len(s.objects))
	for id := range s.objects {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ObjectID.Compare)
	for _, id := range ids {
		p.Objects = append(p.Objects, s.objects[id].export(id))
	}
	return p
}

// export of no move is an absent field.
func (m *move) export() *metadatapb.MoveState {
	if m == nil {
		return nil
	}
	return &metadatapb.MoveState{
		From: m.from, FromEpoch: m.fromEpoch, To: m.target(), ToEpoch: m.toEpoch, Begun: m.begun,
	}
}

func (b *broker) export() *metadatapb.BrokerState {
	p := &metadatapb.BrokerState{
		Id: b.id, Epoch: b.epoch, Live: b.live, Nonce: bytesOf(b.nonce), Disk: bytesOf(b.disk), Low: b.low,
		ProducerNonce: bytesOf(b.producerNonce), ProducerFirst: b.producerFirst, ProducerCount: b.producerCount,
		Rack: b.rack, Address: b.address, Draining: b.draining, Deregistered: b.deregistered,
	}
	for _, e := range b.endpoints {
		p.Endpoints = append(p.Endpoints, &metadatapb.Endpoint{Listener: e.Listener, Host: e.Host, Port: e.Port})
	}
	for _, x := range b.spent {
		p.Spent = append(p.Spent, &metadatapb.Span{From: x.from, To: x.to})
	}
	return p
}

func (w *wal) export() *metadatapb.WalRecord {
	return &metadatapb.WalRecord{
		Id: bytesOf(w.id), Broker: w.broker, Volume: bytesOf(w.volume), Capacity: w.capacity, State: w.state,
		Generation: w.generation, Held: w.held, Holder: w.holder, HolderEpoch: w.holderEpoch,
		Resumed: w.resumed, Lost: w.lost, Trim: w.trim, Durable: w.durable, Clean: w.clean, Opened: w.opened,
	}
}

func (t *topic) export() *metadatapb.TopicState {
	p := &metadatapb.TopicState{
		Id: bytesOf(t.id), Name: t.name, Nonce: bytesOf(t.nonce), Streams: slices.Clone(t.streams),
		Deleting: t.deleting, GrowNonce: bytesOf(t.growNonce),
	}
	for _, c := range t.configs {
		p.Configs = append(p.Configs, &metadatapb.Config{Key: c.Key, Value: c.Value})
	}
	return p
}

func (st *stream) export() *metadatapb.StreamState {
	p := &metadatapb.StreamState{
		Id: st.id, Topic: bytesOf(st.topic), Partition: st.partition, LogStart: st.logStart, LeaderEpoch: st.epoch,
	}
	for _, r := range st.ranges {
		x := &metadatapb.RangeState{
			LeaderEpoch: r.epoch, Wal: bytesOf(r.wal), Generation: r.generation, Start: r.start, End: r.end,
			Committed: r.committed, Checkpoint: r.checkpoint.proto(), CheckpointAt: r.checkpointAt,
		}
		for _, o := range r.refs {
			x.Objects = append(x.Objects, &metadatapb.ObjectRef{
				Start: o.start, End: o.end, MaxTimestamp: o.maxTimestamp, Object: o.object.proto(),
			})
		}
		p.Ranges = append(p.Ranges, x)
	}
	for _, h := range st.holes {
		p.Holes = append(p.Holes, &metadatapb.HoleState{
			LeaderEpoch: h.epoch, Wal: bytesOf(h.wal), From: h.from, To: h.to, Why: h.why,
			Accepted: h.accepted, Operator: h.operator, Quarantine: h.quarantine.proto(),
		})
	}
	return p
}

func (o *object) export(id ObjectID) *metadatapb.ObjectState {
	p := &metadatapb.ObjectState{
		Id: id.proto(), Size: o.size, Crc: o.crc, Entries: o.entries, Verdicts: o.verdicts,
		DestroyedIndex: o.destroyedIndex, DestroyedMs: o.destroyedMs,
	}
	for _, x := range o.live {
		p.Live = append(p.Live, &metadatapb.StreamCount{Stream: x.stream, Count: x.count})
	}
	return p
}
