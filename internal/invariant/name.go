package invariant

// Name identifies one invariant. The numbers are not persisted anywhere; the
// strings are what people search for.
type Name uint8

// The invariants, grouped by what they guard. Each comment is the promise.
const (
	// AckedDurable: when an append is answered, its bytes are on synced media or in a
	// completed put, and the true holder of that WAL is the one who answers.
	AckedDurable Name = iota
	// AckOrder: appends of one WAL are answered in the order of their positions.
	AckOrder
	// DuplicateWaits: no answer refers to an append that is not acknowledged itself.
	DuplicateWaits
	// LeaseNested: every lease a broker counts on has ended before its fence is applied.
	LeaseNested
	// FenceWord: an acknowledgement saw its own generation in the fence word after the sync.
	FenceWord
	// GrantByLeader: the quorum round behind a lease grant lies within the grantor's term.
	GrantByLeader
	// OneHolder: at most one (broker, epoch, generation) passes the ack condition of a WAL at a time.
	OneHolder
	// OneWriter: the acknowledgements of one (stream, leader epoch) come from one WAL.
	OneWriter
	// NoForeignWrite: nobody but its holder changes a byte of a WAL.
	NoForeignWrite
	// RangesTile: the ranges of a stream tile its offsets, epochs rise, only the last is open.
	RangesTile
	// SealFinal: a closed end never changes, and every acknowledged offset of the range is below it.
	SealFinal
	// EndNotBelowCommitted: a range is never closed below what its objects already hold.
	EndNotBelowCommitted
	// CommitContiguous: the committed end of a range only grows, without a gap.
	CommitContiguous
	// CoveredOnce: every live offset is in a live object, in its range's WAL, or in a named hole.
	CoveredOnce
	// TrimBelowCommit: a WAL is trimmed only below its first entry that is still owed.
	TrimBelowCommit
	// ReuseAfterSuperblock: ring space is overwritten only when both superblock slots say it is free.
	ReuseAfterSuperblock
	// ObjectReferencedExists: an object that metadata refers to is in the store.
	ObjectReferencedExists
	// GarbageForever: a key once judged garbage is never referred to later.
	GarbageForever
	// DeletedByOwner: bytes of a WAL or key are destroyed only at the current generation.
	DeletedByOwner
	// TombstoneStays: a tombstone of an object WAL is never deleted, nothing above it is acknowledged.
	TombstoneStays
	// SequenceImmutable: one sequence of an object WAL has one content.
	SequenceImmutable
	// NoResurrection: a record that a recovery dropped never appears later.
	NoResurrection
	// TailEvidence: no scan ends below the highest position known durable anywhere.
	TailEvidence
	// RecoveredIsSynced: what a scan found is used only after a sync of it.
	RecoveredIsSynced
	// StateAtStart: the first record of a range is the partition's state at exactly its start.
	StateAtStart
	// LogOrder: offsets along a log have no gap and no overlap.
	LogOrder
	// EpochOrder: leader epochs never fall along a log.
	EpochOrder
	// FailClosed: nothing is read across a hole, and a hole stops no other stream.
	FailClosed
	// OffsetNeverReused: an offset that somebody may have seen is never given out again.
	OffsetNeverReused
	// ReadPrefix: what a fetch returns is a slice of the final log.
	ReadPrefix
	// Progress: after faults end, every partition serves and every debt is paid.
	Progress

	// OffsetOrder: log start offset <= last stable offset <= high watermark <= log end offset.
	OffsetOrder
	// LogStartGrows: the log start offset never falls and never passes the high watermark.
	LogStartGrows
	// UploadDurable: only durable records are put into objects.
	UploadDurable
	// StateMatchesLog: partition state kept beside the log equals what a replay of the log gives.
	StateMatchesLog
	// OneFrameInFlight: a WAL writes and syncs one frame at a time.
	OneFrameInFlight
	// SealedFrame: the bytes of a sealed frame never change.
	SealedFrame
	// FrameFits: a frame stays within its slab, its ring space and its entry limit.
	FrameFits
	// RingReserve: the ring keeps the space that pads, state records and epoch frames need.
	RingReserve
	// SlabHolders: a slab is released once by each of its holders, and used by nobody else.
	SlabHolders
	// PlaceOnce: a draft is placed once, fills exactly its size and is completed once.
	PlaceOnce
	// ApplyOrder: metadata commands are applied by index, each once.
	ApplyOrder
	// ConfWithApplied: a membership is stored with the index at which it came into force, and replay leads there again.
	ConfWithApplied
	// IDNeverReused: an epoch, stream id, key or producer id is issued once.
	IDNeverReused
	// MoveTarget: a partition goes to a live broker that does not drain, or to nobody.
	MoveTarget
	// GroupState: a consumer group's members, generation and state agree with each other.
	GroupState
	// AnswerOrder: a connection's answers leave in the order of its requests.
	AnswerOrder
	// MemoryBound: memory counted against a budget stays within it.
	MemoryBound
	// CallEndsOnce: a call to another node ends once, and as unreachable only if nothing of it was sent.
	CallEndsOnce
	// AnsweredOnce: a request of another node is answered at most once.
	AnsweredOnce
	// Contract: a caller of an internal interface kept the interface's stated rules.
	Contract

	nameCount = iota
)

// names maps a Name to the word that documents and failure messages use.
var names = [nameCount]string{
	AckedDurable:           "AckedDurable",
	AckOrder:               "AckOrder",
	DuplicateWaits:         "DuplicateWaits",
	LeaseNested:            "LeaseNested",
	FenceWord:              "FenceWord",
	GrantByLeader:          "GrantByLeader",
	OneHolder:              "OneHolder",
	OneWriter:              "OneWriter",
	NoForeignWrite:         "NoForeignWrite",
	RangesTile:             "RangesTile",
	SealFinal:              "SealFinal",
	EndNotBelowCommitted:   "EndNotBelowCommitted",
	CommitContiguous:       "CommitContiguous",
	CoveredOnce:            "CoveredOnce",
	TrimBelowCommit:        "TrimBelowCommit",
	ReuseAfterSuperblock:   "ReuseAfterSuperblock",
	ObjectReferencedExists: "ObjectReferencedExists",
	GarbageForever:         "GarbageForever",
	DeletedByOwner:         "DeletedByOwner",
	TombstoneStays:         "TombstoneStays",
	SequenceImmutable:      "SequenceImmutable",
	NoResurrection:         "NoResurrection",
	TailEvidence:           "TailEvidence",
	RecoveredIsSynced:      "RecoveredIsSynced",
	StateAtStart:           "StateAtStart",
	LogOrder:               "LogOrder",
	EpochOrder:             "EpochOrder",
	FailClosed:             "FailClosed",
	OffsetNeverReused:      "OffsetNeverReused",
	ReadPrefix:             "ReadPrefix",
	Progress:               "Progress",
	OffsetOrder:            "OffsetOrder",
	LogStartGrows:          "LogStartGrows",
	UploadDurable:          "UploadDurable",
	StateMatchesLog:        "StateMatchesLog",
	OneFrameInFlight:       "OneFrameInFlight",
	SealedFrame:            "SealedFrame",
	FrameFits:              "FrameFits",
	RingReserve:            "RingReserve",
	SlabHolders:            "SlabHolders",
	PlaceOnce:              "PlaceOnce",
	ApplyOrder:             "ApplyOrder",
	ConfWithApplied:        "ConfWithApplied",
	IDNeverReused:          "IDNeverReused",
	MoveTarget:             "MoveTarget",
	GroupState:             "GroupState",
	AnswerOrder:            "AnswerOrder",
	MemoryBound:            "MemoryBound",
	CallEndsOnce:           "CallEndsOnce",
	AnsweredOnce:           "AnsweredOnce",
	Contract:               "Contract",
}

// String returns the invariant's name as documents write it.
func (n Name) String() string {
	if int(n) >= len(names) {
		return "Unnamed"
	}
	return names[n]
}
