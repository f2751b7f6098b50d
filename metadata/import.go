package metadata

import (
	"cmp"
	"errors"
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// errOrder is what imported returns for a list that is not sorted, or a field no snapshot of ours holds.
var errOrder = errors.New("a list is out of order, or an id is missing or given twice")

// imported builds the state from its message, derived fields included. It checks what Check takes for
// granted: ids are there, unique, sorted, and refer to something.
func imported(p *metadatapb.Snapshot) (*State, error) {
	s := NewState()
	s.index, s.term, s.format = p.GetIndex(), p.GetTerm(), p.GetFormat()
	s.shape, s.reshaped = s.index, s.index
	s.cluster, _ = uuidOf(p.GetClusterId())
	s.nextBrokerEpoch, s.nextStream, s.nextProducer = p.GetNextBrokerEpoch(), p.GetNextStream(), p.GetNextProducerId()
	if (s.format == 0) != s.cluster.IsZero() || s.format > FormatVersion {
		return nil, errOrder
	}
	if s.nextBrokerEpoch < 1 || s.nextStream < 1 || s.nextProducer < 0 {
		return nil, errOrder
	}
	for _, step := range []func(*metadatapb.Snapshot) bool{
		s.importBrokers, s.importWals, s.importTopics, s.importStreams, s.importObjects,
	} {
		if !step(p) {
			return nil, errOrder
		}
	}
	return s, nil
}

// rising reports whether a list is sorted by key, each key once.
func rising[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

func (s *State) importBrokers(p *metadatapb.Snapshot) bool {
	for _, x := range p.GetBrokers() {
		b := &broker{
			id: x.GetId(), epoch: x.GetEpoch(), live: x.GetLive(), low: x.GetLow(),
			producerFirst: x.GetProducerFirst(), producerCount: x.GetProducerCount(),
			rack: x.GetRack(), address: x.GetAddress(), draining: x.GetDraining(), deregistered: x.GetDeregistered(),
		}
		var ok1, ok2 bool
		b.nonce, ok1 = uuidOf(x.GetNonce())
		b.disk, ok2 = uuidOf(x.GetDisk())
		b.producerNonce, _ = uuidOf(x.GetProducerNonce())
		for _, e := range x.GetEndpoints() {
			b.endpoints = append(b.endpoints, Endpoint{Listener: e.GetListener(), Host: e.GetHost(), Port: e.GetPort()})
		}
		last := b.low
		for i, y := range x.GetSpent() {
			if y.GetFrom() >= y.GetTo() || y.GetFrom() < last || i > 0 && y.GetFrom() == last {
				return false
			}
			last = y.GetTo()
			b.spent = append(b.spent, span{y.GetFrom(), y.GetTo()})
		}
		s.brokers[b.id] = b
		if !ok1 || !ok2 || b.id < 0 {
			return false
		}
	}
	return rising(p.GetBrokers(), func(a, b *metadatapb.BrokerState) int { return cmp.Compare(a.GetId(), b.GetId()) })
}

func (s *State) importWals(p *metadatapb.Snapshot) bool {
	for _, x := range p.GetWals() {
		w := &wal{
			broker: x.GetBroker(), capacity: x.GetCapacity(), state: x.GetState(), generation: x.GetGeneration(),
			held: x.GetHeld(), holder: x.GetHolder(), holderEpoch: x.GetHolderEpoch(), resumed: x.GetResumed(),
			lost: x.GetLost(), trim: x.GetTrim(), durable: x.GetDurable(), clean: x.GetClean(), opened: x.GetOpened(),
			streams: map[uint64]int{},
		}
		var ok1, ok2 bool
		w.id, ok1 = uuidOf(x.GetId())
		w.volume, ok2 = uuidOf(x.GetVolume())
		if !ok1 || !ok2 {
			return false
		}
		s.wals[w.id] = w
	}
	return rising(p.GetWals(), func(a, b *metadatapb.WalRecord) int { return slices.Compare(a.GetId(), b.GetId()) })
}

func (s *State) importTopics(p *metadatapb.Snapshot) bool {
	for _, x := range p.GetTopics() {
		t := &topic{name: x.GetName(), streams: slices.Clone(x.GetStreams()), deleting: x.GetDeleting()}
		var ok1, ok2 bool
		t.id, ok1 = uuidOf(x.GetId())
		t.nonce, ok2 = uuidOf(x.GetNonce())
		t.growNonce, _ = uuidOf(x.GetGrowNonce())
		for _, c := range x.GetConfigs() {
			t.configs = append(t.configs, Config{Key: c.GetKey(), Value: c.GetValue()})
		}
		if !ok1 || !ok2 || ValidTopicName(t.name) != "" || s.names[fold(t.name)] != (UUID{}) {
			return false
		}
		s.topics[t.id], s.names[fold(t.name)] = t, t.id
	}
	return rising(p.GetTopics(), func(a, b *metadatapb.TopicState) int { return slices.Compare(a.GetId(), b.GetId()) })
}

func (s *State) importStreams(p *metadatapb.Snapshot) bool {
	for _, x := range p.GetStreams() {
		st := &stream{
			id: x.GetId(), partition: x.GetPartition(), logStart: x.GetLogStart(), epoch: x.GetLeaderEpoch(),
		}
		st.topic, _ = uuidOf(x.GetTopic())
		if s.topics[st.topic] == nil || st.logStart < 0 {
			return false
		}
		for _, y := range x.GetRanges() {
			r, ok := importRange(y)
			w := s.wals[r.wal]
			if !ok || w == nil {
				return false
			}
			w.streams[st.id]++
			if r.end == Open {
				w.open++
				if r.generation < w.generation {
					w.old++
				}
			}
			st.ranges = append(st.ranges, r)
		}
		for _, y := range x.GetHoles() {
			h := &hole{
				epoch: y.GetLeaderEpoch(), from: y.GetFrom(), to: y.GetTo(), why: y.GetWhy(),
				accepted: y.GetAccepted(), operator: y.GetOperator(), quarantine: objectIDOf(y.GetQuarantine()),
			}
			var ok bool
			if h.wal, ok = uuidOf(y.GetWal()); !ok || h.from < 0 || h.to < Open {
				return false
			}
			st.holes = append(st.holes, h)
		}
		if n := len(st.ranges); n > 0 && st.ranges[n-1].end != Open {
			s.unowned[st.id] = true
		}
		if m := x.GetMove(); m != nil {
			if (m.To == nil) != (m.GetToEpoch() == 0) {
				return false
			}
			s.moves[st.id] = &move{
				from: m.GetFrom(), fromEpoch: m.GetFromEpoch(), to: m.GetTo(), toEpoch: m.GetToEpoch(), begun: m.GetBegun(),
			}
		}
		s.streams[st.id] = st
	}
	return rising(p.GetStreams(), func(a, b *metadatapb.StreamState) int { return cmp.Compare(a.GetId(), b.GetId()) })
}

func importRange(y *metadatapb.RangeState) (*rng, bool) {
	r := &rng{
		epoch: y.GetLeaderEpoch(), generation: y.GetGeneration(), start: y.GetStart(), end: y.GetEnd(),
		committed: y.GetCommitted(), checkpoint: objectIDOf(y.GetCheckpoint()), checkpointAt: y.GetCheckpointAt(),
	}
	r.wal, _ = uuidOf(y.GetWal())
	for _, o := range y.GetObjects() {
		r.refs = append(r.refs, ref{o.GetStart(), o.GetEnd(), o.GetMaxTimestamp(), objectIDOf(o.GetObject())})
	}
	return r, r.start >= 0 && r.end >= Open && r.epoch >= 0 && (r.checkpointAt >= 0) == !r.checkpoint.IsZero()
}

func (s *State) importObjects(p *metadatapb.Snapshot) bool {
	for _, x := range p.GetObjects() {
		o := &object{
			size: x.GetSize(), crc: x.GetCrc(), entries: x.GetEntries(),
			destroyedIndex: x.GetDestroyedIndex(), destroyedMs: x.GetDestroyedMs(),
		}
		if v := x.GetVerdicts(); len(v) > 0 {
			if len(v) != int(o.entries) {
				return false
			}
			o.verdicts = slices.Clone(v)
		}
		for _, y := range x.GetLive() {
			o.live = append(o.live, streamCount{y.GetStream(), y.GetCount()})
		}
		if !rising(o.live, func(a, b streamCount) int { return cmp.Compare(a.stream, b.stream) }) {
			return false
		}
		if o.destroyedIndex != 0 {
			s.dead++
		}
		s.objects[objectIDOf(x.GetId())] = o
	}
	return rising(p.GetObjects(), func(a, b *metadatapb.ObjectState) int {
		return objectIDOf(a.GetId()).Compare(objectIDOf(b.GetId()))
	})
}
