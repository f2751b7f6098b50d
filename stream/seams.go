package stream

import (
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/wal"
)

// Meta is what an owner says of an entry when it places it.
type Meta struct {
	Base         int64  // offset of its first record: exactly the stream's end
	Count        uint32 // offsets it covers, at least 1
	MaxTimestamp int64
}

// Log is the write-ahead log below an engine: *wal.Log, or one of package wal/objectwal. What is trimmed, and where an
// entry is, they mean alike; what a position counts is each one's own affair, so long as Stats counts in the same unit.
type Log interface {
	Append(sc *host.Scope, until host.Time, d wal.Draft) error
	ReadAt(sc *host.Scope, at wal.Extent, dst []byte) error
	Trim(pos wal.Position)
	Trimmed() wal.Position
	Durable() wal.Position
	End() wal.Position
	Stats() wal.Stats
	Name() string
}

// Draft is an entry that waits for its offsets. It belongs to the engine from Append until Append has
// failed or Durable has returned.
type Draft interface {
	// Size is the exact number of bytes; it must not change.
	Size() int
	// Place assigns offsets and copies the bytes to dst, whose length is Size(). It is called at most once,
	// in the order of the log, must not block and must not call this package. After an error nothing is
	// appended and Append returns that error.
	Place(dst []byte) (Meta, error)
	// Durable is called once for each placed draft, in the order of the log: nil when the entry is
	// durable, else the outcome is indefinite. It must not block.
	Durable(err error)
}

// Shadow is the owner's state of one stream as of an offset. The engine replays what it uploads into it, so
// that each commit carries the state at its end. It is used by one task at a time.
type Shadow interface {
	// Apply moves the state over one entry. It must not keep data.
	Apply(base int64, count uint32, data []byte)
	// Snapshot encodes the state; the bytes are the engine's from then on.
	Snapshot() []byte
}

// HeadShadow is a Shadow that can follow a log by the first bytes of its entries (wal.Config.Heads). Recovery
// then reads the log once.
type HeadShadow interface {
	Shadow
	// ApplyHead is Apply for an entry of size bytes that begins with head. It reports false, and does
	// nothing, if the head does not tell enough.
	ApplyHead(base int64, count uint32, head []byte, size int) bool
}

// Location is where offsets of a stream are, as metadata says.
type Location struct {
	Key          string
	Size         int64
	Epoch        Epoch // of the range the offsets belong to
	Start, End   int64 // live offsets of the stream in this object; of a checkpoint both are its offset
	MaxTimestamp int64 // at least the largest max timestamp among them
	LogStart     int64 // the stream's log start offset
	// Gap says that [asked offset, Start) was given up by an operator and holds no records (rule 39):
	// reading resumes at Start. Key may be empty.
	Gap bool
}

// Catalog is what the engine asks of metadata. The owner supplies it; it must be safe for many tasks.
// Errors that wrap ErrFenced stop the engine's uploads; all others mean "unknown, ask again".
type Catalog interface {
	// Lookup returns the object that holds offset from or, if none does, the next above it; ErrNoObject
	// when there is none either, ErrGone when the stream was deleted. It must not block.
	Lookup(id ID, from int64) (Location, error)
	// Checkpoint returns the object with the newest committed checkpoint at or below offset upTo;
	// ErrNoObject when there is none. It must not block.
	Checkpoint(id ID, upTo int64) (Location, error)
	// NextKey returns a sequence and object key that were never returned before.
	NextKey() (seq uint64, key string)
	// Commit proposes c and returns the applied verdict of each entry, in order. It is repeated with the
	// same key until it answers.
	Commit(sc *host.Scope, c Commit) ([]Verdict, error)
	// GiveUp makes seq and all below it garbage that no commit can refer to any more (RaiseLow).
	GiveUp(sc *host.Scope, seq uint64) error
	// Trim moves the log start offset of id up and returns the applied one.
	Trim(sc *host.Scope, id ID, epoch Epoch, offset int64) (int64, error)
	// MarkHole records a hole (MarkHole of the metadata state machine); it is repeated until it succeeds.
	MarkHole(sc *host.Scope, hole HoleError) error
}

// Commit is one uploaded object. Its put had a known good outcome.
type Commit struct {
	Seq     uint64
	Key     string
	Size    int64
	CRC     uint32 // CRC32C of all its bytes
	Entries []CommitEntry
	Trim    wal.Position // the log is trimmed to here by earlier answers
	Durable wal.Position // everything below is known durable: evidence D
}

// CommitEntry is one range's part of an object. Start = End is a checkpoint alone. Every entry has a
// checkpoint at End.
type CommitEntry struct {
	ID           ID
	Epoch        Epoch
	Start, End   int64
	MaxTimestamp int64
	Bytes        int64 // of records
}

// Verdict is the applied answer to one CommitEntry.
type Verdict uint8

const (
	// Accepted: the object holds these offsets from now on.
	Accepted Verdict = iota + 1
	// Already: another object held them all before.
	Already
	// Gone: the stream is deleted or its log start offset is past them.
	Gone
	// Refused: anything else; a bug, alarmed, and nothing is trimmed for it.
	Refused
)

func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Already:
		return "already"
	case Gone:
		return "gone"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Config sizes an engine. A zero field takes its default.
type Config struct {
	Writer WriterID // stamped on every object

	UploadAge   time.Duration // an entry is uploaded when it is this old; 10 s
	UploadBytes int64         // or when this much waits; 64 MiB
	OwedAge     time.Duration // what a sealed range owes is uploaded this long after the seal; 200 ms
	ObjectBytes int64         // about the most record bytes in an object; 256 MiB
	BlockBytes  int           // about the size of a block; 512 KiB
	RetryMin    time.Duration // first wait after a failed upload; 100 ms
	RetryMax    time.Duration // longest wait; 5 s

	MaxEntries      int   // most entries the index holds; appends wait; 1 Mi
	IndexCacheBytes int64 // decoded object indexes; 32 MiB
	BlockCacheBytes int64 // blocks read from objects; 64 MiB
	ColdBytes       int64 // of cold reads at a time; half as many for their answers, a quarter for peers; 64 MiB

	// NewShadow restores a Shadow from a state that OpenRange.State or Shadow.Snapshot gave. It is called
	// for ranges that were opened without one or are recovered; a nil state at offset 0 is an empty
	// stream's. Required for those.
	NewShadow func(id ID, epoch Epoch, at int64, state []byte) (Shadow, error)
	// Owed asks the holder of another log for entries that only that log has. It returns none when objects hold the
	// offset by now, ErrNoObject when no other log owes it, ErrNotNow when it cannot be had now, a HoleError when it is
	// lost. It blocks, until the scope ends or for as long as the owner finds right. The entries follow each other, and
	// the first holds the offset asked for. nil: there is no other log.
	Owed func(sc *host.Scope, q OwedRead) ([]OwedEntry, error)
	// Fatal is called once when the engine can commit no more (ErrFenced). It must not block. May be nil.
	Fatal func(error)
}

func (c *Config) setDefaults() {
	def(&c.UploadAge, 10*time.Second)
	def(&c.UploadBytes, 64<<20)
	def(&c.OwedAge, 200*time.Millisecond)
	def(&c.ObjectBytes, 256<<20)
	def(&c.BlockBytes, 512<<10)
	def(&c.RetryMin, 100*time.Millisecond)
	def(&c.RetryMax, 5*time.Second)
	def(&c.MaxEntries, 1<<20)
	def(&c.IndexCacheBytes, 32<<20)
	def(&c.BlockCacheBytes, 64<<20)
	def(&c.ColdBytes, 64<<20)
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
