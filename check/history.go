package check

import (
	"cmp"
	"math"
	"strconv"
)

// Value identifies one produced record in the whole history. Give each client a
// number and count: ValueOf. Zero is no record.
type Value uint64

// ValueOf is the seq-th value of a client; seq starts at 1.
func ValueOf(client int32, seq uint32) Value { return Value(uint64(uint32(client))<<32 | uint64(seq)) }

// String prints client and sequence, as in "c3#17".
func (v Value) String() string {
	return "c" + strconv.FormatUint(uint64(v>>32), 10) + "#" + strconv.FormatUint(uint64(v&math.MaxUint32), 10)
}

// NoReturn is the Return of an operation that never ended.
const NoReturn = math.MaxInt64

// NoMark is a mark of a fetch that its answer did not tell.
const NoMark = -1

// Partition names one log.
type Partition struct {
	Topic string `json:"topic"`
	Index int32  `json:"partition"`
}

// String prints topic and index, as in "orders/3".
func (p Partition) String() string { return p.Topic + "/" + strconv.Itoa(int(p.Index)) }

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// Record is one record that a fetch returned.
type Record struct {
	Offset int64
	Value  Value
}

// Op is one operation of one client, from its call to its answer. All times are
// nanoseconds of one clock that every client of the history shares. Fields that a
// kind does not name are zero.
type Op struct {
	Kind    Kind    `json:"op"`
	Outcome Outcome `json:"outcome"`
	Client  int32   `json:"client"`
	Call    int64   `json:"call"`
	Return  int64   `json:"return"` // NoReturn if it never ended; ignored when Outcome is Unknown
	Partition

	// Offset is the base offset that an acknowledged produce got, the offset that a
	// fetch asked for, the end that ListEnd returned, the committed offset (-1: none)
	// of Commit and FetchCommitted, the value (-1: none) of WriteKey and ReadKey. Of a
	// DeleteRecords it is the low watermark answered, or, without an answer, the offset
	// asked for (-1: the high watermark).
	Offset int64 `json:"offset"`

	// Values are the records of a produce, in the order of its batch. A produce is
	// one batch: all of it is in the log, side by side, or nothing.
	Values []Value `json:"values,omitempty"`
	// Idempotent says that the producer's retries carry the same sequence.
	Idempotent bool `json:"idempotent,omitempty"`
	// Attempts is how often the produce was sent; 0 means once. Without Idempotent
	// each attempt may have been appended.
	Attempts int `json:"attempts,omitempty"`

	// ProducerID and ProducerEpoch are what InitProducer was given and an idempotent
	// produce carried. They count for a produce whose NextSequence is known.
	ProducerID    int64 `json:"producer_id,omitempty"`
	ProducerEpoch int16 `json:"producer_epoch,omitempty"`
	// NextSequence is the sequence after the batch's last record: base sequence plus
	// len(Values), less 1<<31 where they wrap; math.MinInt32 if it is just there. 0: not known, and the batch's
	// sequence is not judged.
	NextSequence int32 `json:"next_sequence,omitempty"`

	// Records are what a fetch returned at Offset and above. Records of its first
	// batch below Offset are dropped, as every client does.
	Records []Record `json:"records,omitempty"`
	// The marks of a fetch's answer, NoMark where it had none. A history none of whose
	// fetches has a mark above zero is taken to carry no marks.
	HighWatermark int64 `json:"-"`
	LogStart      int64 `json:"-"`
	LastStable    int64 `json:"-"`
	// ReadCommitted is a fetch's isolation level.
	ReadCommitted bool `json:"read_committed,omitempty"`
	// LeaderEpoch is what a ListEnd's answer told; 0: nothing.
	LeaderEpoch int32 `json:"leader_epoch,omitempty"`
	// Session numbers the stretches in which a consumer reads on: from one fetch of a
	// client to its next of the same partition and session, each record comes once and
	// in order. A new one begins with every Assign and every seek. 0: no session, the
	// fetch follows from nothing. A fetch of a group's member names its Group.
	Session int `json:"session,omitempty"`

	Group      string `json:"group,omitempty"`
	Member     string `json:"member,omitempty"`     // member id, of Join, Sync and Commit
	Generation int32  `json:"generation,omitempty"` // of Join, Sync and Commit; below 1: none
	// Leader is the member that a Join's answer names as leader. Leave it out where
	// static members may replace each other within a generation.
	Leader string `json:"leader,omitempty"`

	// Partitions is how many a CreateTopic asked for, and a DescribeTopic saw; 0: there
	// is no such topic.
	Partitions int32 `json:"partitions,omitempty"`

	// Txn is shared by the operations of one transaction; 0: none. Abort is how its
	// TxnEnd ends it.
	Txn   int64 `json:"txn,omitempty"`
	Abort bool  `json:"abort,omitempty"`

	// Code is Kafka's error code of an operation that was refused. A CreateTopic refused
	// with 36 and a DeleteTopic refused with 3 tell whether the topic is there; one that
	// was sent more than once may have met its own effect, and is Unknown instead.
	Code int16 `json:"code,omitempty"`
}

// Span is the offsets from From up to, and without, To.
type Span struct{ From, To int64 }

// EpochStart is the first offset that was appended in a leader epoch.
type EpochStart struct {
	Epoch int32
	From  int64
}

// Log is a partition as it was read back at the end: Values[i] is at offset
// Start+i, zero where an offset holds no record of a client.
type Log struct {
	Partition
	Start  int64   `json:"start"` // log start offset
	Values []Value `json:"log"`

	// Epochs are the leader epochs of the records, by their first offsets, ascending.
	// Empty: not known, and not judged.
	Epochs []EpochStart `json:"epochs,omitempty"`
	// Offline are offsets that weir itself reports as damaged. They excuse what is
	// missing there, and nothing else, where the History is Beyond the promise.
	Offline []Span `json:"offline,omitempty"`
	// Deleted is the ledger of what was removed below Start: by retention, or by a
	// DeleteRecords that is not among the operations. What lies below Start and is
	// neither here nor below a DeleteRecords is lost.
	Deleted []Span `json:"deleted,omitempty"`
}

// End is the offset after the last.
func (l *Log) End() int64 { return l.Start + int64(len(l.Values)) }

// at returns the value at an offset, zero if there is none.
func (l *Log) at(offset int64) Value {
	if offset < l.Start || offset >= l.End() {
		return 0
	}
	return l.Values[offset-l.Start]
}

// Durable is when a value was on a synced medium for the first time.
type Durable struct {
	Value Value
	At    int64
}

// History is everything that clients did and what was left at the end: one Log
// for each partition that an operation names.
type History struct {
	Ops  []Op
	Logs []Log

	// DurableAt is given by who can look at the disks, in any order: nothing may be
	// shown before it is durable. Empty: nobody looked, and this is not judged.
	DurableAt []Durable
	// Recoveries are the times at which a broker served again after a crash.
	Recoveries []int64
	// Beyond declares that more damage was done than is promised to be survived: what
	// weir reports as Offline is excused, and nothing else.
	Beyond bool
}

// end is the offset after the last one that a fetch saw.
func (o *Op) end() int64 {
	if n := len(o.Records); n > 0 {
		return o.Records[n-1].Offset + 1
	}
	return o.Offset
}

// isRead tells whether the operation saw the log: an answered Fetch or ListEnd.
func (o *Op) isRead() bool { return o.Outcome == OK && (o.Kind == Fetch || o.Kind == ListEnd) }
