package wal

import (
	"encoding/hex"

	"github.com/weirmq/weir/host"
)

// UUID is a 16-byte identity. The zero UUID means "not given".
type UUID [16]byte

// String returns u as 32 hexadecimal digits.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// StreamID names a stream. Ids are issued by metadata and never reused.
type StreamID uint64

// Epoch is a leader epoch: the term under which an entry was appended to its stream.
type Epoch int32

// Position is a byte position in the endless ring. Frames begin at multiples of BlockSize.
type Position uint64

// Kind says what an entry's bytes are. It is persisted.
type Kind uint8

const (
	// KindData is an entry of Count records beginning at offset Base.
	KindData Kind = 1
	// KindState is the owner's state at offset Base; its Count is 0.
	KindState Kind = 2
)

// Entry describes one entry's bytes; it is what the table of a frame says of it.
type Entry struct {
	Stream       StreamID
	Epoch        Epoch
	Kind         Kind
	Base         int64  // offset of the first record in the stream
	Count        uint32 // offsets the entry covers: [Base, Base+Count)
	MaxTimestamp int64  // milliseconds, the owner's affair
	Length       uint32 // bytes; set by the log
}

// Extent is where an entry's bytes are.
type Extent struct {
	Slab     *Slab    // the memory they were placed in; nil for an entry found by recovery
	Off      uint32   // of the bytes in the slab
	Len      uint32   // bytes
	Frame    Position // of the frame that carries them
	FrameOff uint32   // of the bytes in that frame

	life uint32 // the slab's life at the time: a slab that was given back since is not read
}

// Position returns the position of the extent's first byte.
func (x Extent) Position() Position { return x.Frame + Position(x.FrameOff) }

// Draft is an entry that waits for its place in the log.
type Draft interface {
	// Size returns the exact number of bytes of the entry. It must not change between calls.
	Size() int
	// Place assigns the entry its offsets and copies its bytes into dst, whose length is Size(). It is
	// called at most once, under the log's lock, when room is there; it must neither block nor call the
	// log. After an error nothing is appended and Append returns that error. Entry.Length is filled in
	// by the log. Place may take holds on at.Slab.
	Place(dst []byte, at Extent) (Entry, error)
	// Durable is called once for every placed draft, in append order, by the commit task: with nil when
	// the bytes are synced and the fence still holds, else with the reason why the outcome is not known.
	// It must not block.
	Durable(err error)
}

// Identity is what a volume says it is. Cluster, Volume and WAL are issued once and never reused.
type Identity struct {
	Cluster, Volume, WAL UUID

	Broker      int32
	BrokerEpoch int64
	Generation  int64
}

// Expect is what metadata says of the WAL to be opened. A zero field is not checked.
type Expect struct {
	Cluster, Volume, WAL UUID

	Broker int32
	// BrokerEpoch is stamped on every frame written from now on; 0 = one above whatever the volume holds,
	// for a log whose epochs nobody else issues.
	BrokerEpoch int64
	// Generation is metadata's current one and is stamped on the superblock; 0 = keep the volume's.
	Generation int64
	// Opened is a generation at which the WAL is known to have been opened; a volume below it is an old
	// copy and refused.
	Opened int64
	// Durable is the highest position known durable from elsewhere: heartbeats, CommitObject.
	Durable Position
}

// Config sizes a log. Format reads Capacity and Frame limit (from Slabs); Open takes the capacity from
// the volume.
type Config struct {
	// Capacity is the size of the ring in bytes, a multiple of BlockSize; the file is a little larger.
	Capacity int64
	// Slabs is where frames are filled and written from. Several logs may share a pool.
	Slabs *SlabPool
	// Fence is re-read after each sync, before the frame's drafts hear that they are durable. An error
	// kills the log. nil = no fence. It may do I/O.
	Fence func() error
	// Lease is asked by the commit task after the fence, before the drafts hear that they are durable (rule 6): it
	// returns at once while the holder's lease is held, else it waits for that and says so; then the fence is read
	// once more. Meanwhile nothing is written. An error kills the log, the end of sc abandons it. nil = no lease.
	Lease func(sc *host.Scope) (parked bool, err error)
	// Dead is called once, by the task that found out, after the drafts in flight were told. It must not
	// block.
	Dead func(error)
	// Heads is how many first bytes of each data entry recovery keeps, in Found.Head; 0 = none. The scan has
	// read them anyway, and an owner whose state follows from them need not read the ring a second time.
	Heads int
	// Reserve is the room in bytes that only AppendReserved may use; 0 = a sixteenth of the ring.
	Reserve int64
	// Ahead is how far in front of the write position the ring is searched for leftovers and, on its
	// first lap, zeroed; 0 = a quarter of the ring, at most 64 MiB.
	Ahead int64
}

// Found is an entry that recovery found whole.
type Found struct {
	Entry
	Extent

	// Head is a copy of the entry's first Config.Heads bytes, fewer if it is shorter; nil for a state record.
	Head []byte
}

// Damage is a part of the log that was written and cannot be given back.
type Damage struct {
	From, To Position // of the damaged frame or frames; the scan went on at To
	Why      string
	// Listed says that the damaged frame's table could be read: then Lost is every entry that lost bytes
	// and all others of the frame are among Recovery.Entries. Otherwise any stream may have lost entries
	// in here, and only one whose entries tile across it is whole.
	Listed bool
	Lost   []Found
}

// Torn is the tail that a crash left half written and that the scan dropped. No evidence says that it
// was ever durable, so nobody was told that it is.
type Torn struct {
	Frames int      // 0 or 1
	At     Position // where it began
	Bytes  int64    // as its header says; 0 if there was none
	Why    string
}

// Recovery is what Open found. The log is synced past the scan before it is returned.
type Recovery struct {
	Entries []Found  // whole entries in log order
	Frames  int      // whole frames
	Start   Position // where the scan began: the trim position
	End     Position // where appending goes on
	Durable Position // the evidence D, before the scan's sync
	Torn    Torn
	Damage  []Damage
	// Clean says that the log was closed in order and nothing was written since.
	Clean bool
	// Warnings are for people: for example one superblock slot damaged.
	Warnings []string
}

// Stats counts what a log did since Open.
type Stats struct {
	Frames, Entries, Bytes uint64 // committed; Bytes with frame overhead
	Payload                uint64 // bytes of entries
	Syncs, Superblocks     uint64
	Waits, Timeouts        uint64 // appends that waited for room; that gave up
	Zeroed, Searched       uint64 // bytes zeroed and searched ahead
	Capacity, Used         int64  // bytes of the ring; of it not yet free for reuse
}
