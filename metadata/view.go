package metadata

import (
	"cmp"
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// Endpoint is an address at which clients reach a broker.
type Endpoint struct {
	Listener string
	Host     string
	Port     int32
}

// Config is one setting of a topic.
type Config struct{ Key, Value string }

// Broker is a broker's newest epoch. Older epochs of it are fenced.
type Broker struct {
	ID        int32
	Epoch     int64
	Live      bool
	Disk      UUID
	Endpoints []Endpoint
	Low       uint64 // low sequence of the epoch
	Rack      string // failure domain, "" if none is known
	Address   string // host:port at which other nodes reach it, "" if none
	Draining  bool   // nobody's target any more
	// Deregistered tells that the epoch ended by itself, owing nothing, and not by a fence.
	Deregistered bool
}

// WAL is a write-ahead log.
type WAL struct {
	ID          UUID
	Broker      int32 // who created it
	Volume      UUID
	Capacity    uint64 // bytes
	State       metadatapb.WalState
	Generation  int64
	Held        bool
	Holder      int32 // of use only if Held
	HolderEpoch int64
	Resumed     bool // the holder may write it (again)
	Lost        bool // given up by an operator
	Trim        uint64
	Durable     uint64 // best evidence of durability, a position
	Clean       bool   // nothing lies beyond Durable
	OpenRanges  int
	Opened      uint64 // index of the first OpenWal, 0 if there was none
}

// Topic is a topic with its partitions' streams.
type Topic struct {
	ID       UUID
	Name     string
	Configs  []Config // by key
	Streams  []uint64 // by partition
	Deleting bool
}

// Partition says who leads a partition.
type Partition struct {
	Topic       UUID
	Partition   int32
	Stream      uint64
	LeaderEpoch int32 // of the last range
	Owned       bool  // Owner may append: its WAL holds the open last range at the current generation
	Owner       int32
	OwnerEpoch  int64
	WAL         UUID  // of the last range
	Start       int64 // of the last range
	End         int64 // of the last range, or Open
	LogStart    int64
	Holed       bool // an unaccepted hole keeps the last range from being served
	Deleting    bool
}

// Range is one range of a stream.
type Range struct {
	LeaderEpoch  int32
	WAL          UUID
	Generation   int64
	Start        int64
	End          int64 // Open while it is
	Committed    int64
	Frontier     int64 // the next commit begins here at the latest; [Frontier, End) is owed by the WAL
	Checkpoint   ObjectID
	CheckpointAt int64 // offset of the newest committed checkpoint, -1 if none
	Objects      int
}

// Hole is a part of a range that cannot be read.
type Hole struct {
	LeaderEpoch int32
	WAL         UUID
	From, To    int64 // To is Open if unknown
	Why         string
	Accepted    bool
	Operator    string
	Quarantine  ObjectID
}

// Stream is the log of one partition, without its object list.
type Stream struct {
	ID        uint64
	Topic     UUID
	Partition int32
	LogStart  int64
	Ranges    []Range
	Holes     []Hole
}

// Coverage is a part of a stream that lies in an object.
type Coverage struct {
	Start, End   int64
	LeaderEpoch  int32
	MaxTimestamp int64 // ms, of the entry that was committed
	Object       ObjectID
	Size         uint64 // bytes of the object
	CRC          uint32
}

// OwedRange is a part of a stream that only a WAL holds.
type OwedRange struct {
	Stream      uint64
	LeaderEpoch int32
	From        int64
	To          int64 // Open while the range is
}

// Destroyed is an object that nothing refers to any more and whose bytes are to be deleted.
type Destroyed struct {
	ID     ObjectID
	Index  uint64 // of the command that destroyed it
	WallMs int64  // that command's wall clock
}

// Index returns the log index and term applied last.
func (s *State) Index() (index, term uint64) { return s.index, s.term }

// Cluster returns the cluster id and the metadata format version; the id is zero before InitCluster.
func (s *State) Cluster() (UUID, uint32) { return s.cluster, s.format }

// Broker returns a broker by id.
func (s *State) Broker(id int32) (Broker, bool) {
	b := s.brokers[id]
	if b == nil {
		return Broker{}, false
	}
	return Broker{
		ID: b.id, Epoch: b.epoch, Live: b.live, Disk: b.disk,
		Endpoints: slices.Clone(b.endpoints), Low: b.low,
		Rack: b.rack, Address: b.address, Draining: b.draining, Deregistered: b.deregistered,
	}, true
}

// Brokers returns all brokers by id.
func (s *State) Brokers() []Broker {
	list := make([]Broker, 0, len(s.brokers))
	for id := range s.brokers {
		b, _ := s.Broker(id)
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Live reports whether epoch is broker id's live epoch.
func (s *State) Live(id int32, epoch int64) bool { return s.live(id, epoch) != nil }

// WAL returns a WAL by uuid.
func (s *State) WAL(id UUID) (WAL, bool) {
	w := s.wals[id]
	if w == nil {
		return WAL{}, false
	}
	return WAL{
		ID: w.id, Broker: w.broker, Volume: w.volume, Capacity: w.capacity, State: w.state,
		Generation: w.generation, Held: w.held, Holder: w.holder, HolderEpoch: w.holderEpoch,
		Resumed: w.resumed, Lost: w.lost, Trim: w.trim, Durable: w.durable, Clean: w.clean, OpenRanges: w.open,
		Opened: w.opened,
	}, true
}

// WALs returns all WALs by uuid, released ones included.
func (s *State) WALs() []WAL {
	list := make([]WAL, 0, len(s.wals))
	for _, w := range s.sortedWals() {
		v, _ := s.WAL(w.id)
		list = append(list, v)
	}
	return list
}

// Topic returns a topic by id, one marked for deletion included.
func (s *State) Topic(id UUID) (Topic, bool) {
	t := s.topics[id]
	if t == nil {
		return Topic{}, false
	}
	return t.view(), true
}

// TopicByName returns a topic by its exact name, one marked for deletion included.
func (s *State) TopicByName(name string) (Topic, bool) {
	id, ok := s.names[fold(name)]
	if !ok || s.topics[id].name != name {
		return Topic{}, false
	}
	return s.topics[id].view(), true
}

// TopicName returns the name of a topic, "" if there is none of that id.
func (s *State) TopicName(id UUID) string {
	if t := s.topics[id]; t != nil {
		return t.name
	}
	return ""
}

// TopicInTheWay returns the topic whose name is name or collides with it, so that no other can be created.
func (s *State) TopicInTheWay(name string) (Topic, bool) {
	id, ok := s.names[fold(name)]
	if !ok {
		return Topic{}, false
	}
	return s.topics[id].view(), true
}

// Topics returns all topics by name, those marked for deletion included.
func (s *State) Topics() []Topic {
	list := make([]Topic, 0, len(s.topics))
	for _, t := range s.topics {
		list = append(list, t.view())
	}
	slices.SortFunc(list, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func (t *topic) view() Topic {
	return Topic{
		ID: t.id, Name: t.name, Deleting: t.deleting,
		Configs: slices.Clone(t.configs), Streams: slices.Clone(t.streams),
	}
}

// Partition returns who leads partition p of topic id.
func (s *State) Partition(id UUID, p int32) (Partition, bool) {
	t := s.topics[id]
	if t == nil || p < 0 || int(p) >= len(t.streams) {
		return Partition{}, false
	}
	return s.PartitionOf(t.streams[p])
}

// PartitionOf returns who leads the partition that a stream is the log of.
func (s *State) PartitionOf(streamID uint64) (Partition, bool) {
	st := s.streams[streamID]
	if st == nil {
		return Partition{}, false
	}
	r := st.last()
	w := s.wals[r.wal]
	owned := w.owns(r)
	v := Partition{
		Topic: st.topic, Partition: st.partition, Stream: st.id, LeaderEpoch: r.epoch, Owned: owned,
		WAL: r.wal, Start: r.start, End: r.end, LogStart: st.logStart,
		Holed: st.blocked(r.epoch), Deleting: s.topics[st.topic].deleting,
	}
	if owned {
		v.Owner, v.OwnerEpoch = w.holder, w.holderEpoch
	}
	return v, true
}

// Deleted reports whether a stream id was issued and its stream is gone. An id that is neither Deleted nor
// known to Stream was never issued.
func (s *State) Deleted(streamID uint64) bool {
	return streamID != 0 && streamID < s.nextStream && s.streams[streamID] == nil
}

// Stream returns a stream with its ranges and holes.
func (s *State) Stream(id uint64) (Stream, bool) {
	st := s.streams[id]
	if st == nil {
		return Stream{}, false
	}
	v := Stream{ID: st.id, Topic: st.topic, Partition: st.partition, LogStart: st.logStart}
	for _, r := range st.ranges {
		v.Ranges = append(v.Ranges, Range{
			LeaderEpoch: r.epoch, WAL: r.wal, Generation: r.generation, Start: r.start, End: r.end,
			Committed: r.committed, Frontier: st.frontier(r),
			Checkpoint: r.checkpoint, CheckpointAt: r.checkpointAt, Objects: len(r.refs),
		})
	}
	for _, h := range st.holes {
		v.Holes = append(v.Holes, Hole{
			LeaderEpoch: h.epoch, WAL: h.wal, From: h.from, To: h.to, Why: h.why,
			Accepted: h.accepted, Operator: h.operator, Quarantine: h.quarantine,
		})
	}
	return v, true
}
