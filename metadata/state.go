package metadata

import "github.com/weirmq/weir/metadata/metadatapb"

// FormatVersion is the format of a cluster's metadata, and of every command and snapshot that says nothing a
// later format brought.
const FormatVersion = 1

// FormatNewest is the newest format of commands and snapshots that this program reads. Format 2 brought
// moves, draining, racks, addresses and placement; what uses none of them is written in format 1.
const FormatNewest = 2

// MaxPartitions bounds the partitions of one topic.
const MaxPartitions = 10_000

// MaxTopicName bounds the bytes of a topic name, as Kafka does.
const MaxTopicName = 249

// State is everything the cluster has agreed on up to one index of the Raft log.
type State struct {
	index, term uint64
	cluster     UUID // zero before InitCluster
	format      uint32

	nextBrokerEpoch int64
	nextStream      uint64
	nextProducer    int64

	brokers map[int32]*broker
	wals    map[UUID]*wal
	topics  map[UUID]*topic
	names   map[string]UUID // by folded name: two names that differ only in '.' and '_' collide
	streams map[uint64]*stream
	objects map[ObjectID]*object
	dead    int // destroyed among objects

	moves   map[uint64]*move // by stream
	unowned map[uint64]bool  // streams whose last range is closed; derived

	shape    uint64        // index of the last command that may have changed the shape; see Shape
	reshaped uint64        // … up to which nobody knows of which topics; it counts as all
	changes  []shapeChange // by index: what changed after that
}

// NewState returns the state before the first command.
func NewState() *State {
	return &State{
		nextBrokerEpoch: 1,
		nextStream:      1,
		brokers:         map[int32]*broker{},
		wals:            map[UUID]*wal{},
		topics:          map[UUID]*topic{},
		names:           map[string]UUID{},
		streams:         map[uint64]*stream{},
		objects:         map[ObjectID]*object{},
		moves:           map[uint64]*move{},
		unowned:         map[uint64]bool{},
	}
}

// broker is the newest epoch of one broker; every older epoch of it is fenced.
type broker struct {
	id        int32
	epoch     int64
	live      bool
	nonce     UUID
	disk      UUID
	endpoints []Endpoint
	low       uint64 // keys below it are given up unless referred to
	spent     spans  // sequences ≥ low that a commit has used; empty once fenced

	producerNonce UUID // the last AllocateProducerIds and its answer
	producerFirst int64
	producerCount int32

	rack         string
	address      string // at which other nodes reach it
	draining     bool   // nobody's target any more; only while live
	deregistered bool   // how the epoch ended
}

// wal is one write-ahead log, known for ever by its uuid.
type wal struct {
	id          UUID
	broker      int32 // who created it: its ring goes on only under this broker
	volume      UUID
	capacity    uint64
	state       metadatapb.WalState
	generation  int64
	held        bool
	holder      int32
	holderEpoch int64
	resumed     bool
	trim        uint64
	durable     uint64
	clean       bool
	opened      uint64
	lost        bool // abandoned by an operator: nobody holds it again

	// Derived from the streams, kept for speed.
	streams map[uint64]int // ranges on this WAL by stream
	open    int            // open ranges on it
	old     int            // … of an older generation, waiting for SealRecovered
}

// topic is a name with partitions, one stream each.
type topic struct {
	id        UUID
	name      string
	nonce     UUID
	configs   []Config
	streams   []uint64 // by partition
	deleting  bool
	growNonce UUID // of the last CreatePartitions
}

// stream is the log of one partition.
type stream struct {
	id        uint64
	topic     UUID
	partition int32
	logStart  int64
	epoch     int32 // highest leader epoch issued
	ranges    []*rng
	holes     []*hole // by from
}

// rng is one range of a stream.
type rng struct {
	epoch        int32
	wal          UUID
	generation   int64 // of the WAL when the range was opened
	start        int64
	end          int64 // Open while it is
	committed    int64
	checkpoint   ObjectID // zero: none
	checkpointAt int64
	refs         []ref // by start; they tile [max(logStart, start), committed) but for holes
}

// ref is the part [start, end) of a range that lies in an object.
type ref struct {
	start, end   int64
	maxTimestamp int64
	object       ObjectID
}

// hole is a part of a range that cannot be read.
type hole struct {
	epoch      int32
	wal        UUID
	from, to   int64 // to is Open when nobody knows how much was lost
	why        string
	accepted   bool
	operator   string
	quarantine ObjectID // zero: none
}

// object is a known object; one whose entries were all turned away is not.
type object struct {
	size     uint64
	crc      uint32
	entries  uint32
	verdicts []byte        // one an entry; nil: all accepted
	live     []streamCount // by stream; empty once destroyed

	destroyedIndex uint64 // 0: live
	destroyedMs    int64
}

type streamCount struct {
	stream uint64
	count  uint32
}

// Open is the end of an open range, and of a hole of unknown length.
const Open int64 = -1

func (s *stream) last() *rng { return s.ranges[len(s.ranges)-1] }

// find returns the range of a leader epoch, or nil.
func (s *stream) find(epoch int32) *rng {
	lo, hi := 0, len(s.ranges)
	for lo < hi {
		if m := (lo + hi) / 2; s.ranges[m].epoch < epoch {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo < len(s.ranges) && s.ranges[lo].epoch == epoch {
		return s.ranges[lo]
	}
	return nil
}

// after returns the range that follows the one of a leader epoch, or nil.
func (s *stream) after(epoch int32) *rng {
	for i := len(s.ranges) - 1; i > 0; i-- {
		if s.ranges[i-1].epoch == epoch {
			return s.ranges[i]
		}
	}
	return nil
}

// frontier is where the next commit of r has to begin at the latest: past what is committed, trimmed, or
// lies in a discharged hole.
func (s *stream) frontier(r *rng) int64 {
	at := max(r.committed, s.logStart, r.start)
	for _, h := range s.holes {
		if h.epoch == r.epoch && h.discharged() && h.to != Open && h.from <= at && at < h.to {
			at = h.to
		}
	}
	if r.end != Open {
		at = min(at, max(r.end, r.committed))
	}
	return at
}

func (h *hole) discharged() bool { return h.accepted || !h.quarantine.IsZero() }

// blocked reports whether an unaccepted hole lies in the range of epoch.
func (s *stream) blocked(epoch int32) bool {
	for _, h := range s.holes {
		if h.epoch == epoch && !h.accepted {
			return true
		}
	}
	return false
}

// live returns the broker if epoch is its live epoch.
func (s *State) live(id int32, epoch int64) *broker {
	if b := s.brokers[id]; b != nil && b.live && b.epoch == epoch {
		return b
	}
	return nil
}

// fenced reports whether epoch of broker id was, or can only have been, issued and fenced.
func (s *State) fenced(id int32, epoch int64) bool {
	b := s.brokers[id]
	return b != nil && (epoch < b.epoch || epoch == b.epoch && !b.live)
}
