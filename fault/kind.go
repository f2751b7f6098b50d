package fault

// Kind is one fault of the catalogue.
type Kind uint8

// The catalogue. The order may change; IDs may not.
const (
	TornWrite       Kind = iota // at a crash: an unsynced sector keeps only its first bytes
	LostWrites                  // at a crash: some unsynced write or name is gone
	MisdirectWrite              // a whole write lands elsewhere in the file; the old bytes stay where it belonged
	MisdirectRead               // a read returns the bytes of another place
	BitRot                      // one durable bit flips, for good
	StaleChunk                  // while the process is down: a range of a file is as it was some time ago
	Truncated                   // while the process is down: a file lost its end
	FileMissing                 // while the process is down: a file is gone
	ReadError                   // a read fails
	WriteError                  // a write fails after any part of it was applied
	SyncError                   // fdatasync fails once; what it covered is kept or lost at random, and clean
	DirError                    // a sync of a directory fails; its entries stay pending
	NoSpace                     // a write or create fails: no space
	ShortWrite                  // a write applies and reports less than it was given
	ShortRead                   // a read returns less than was asked for
	DiskSlow                    // a disk call takes up to a second more
	DiskStall                   // a disk call takes between 1 and 30 s more
	Misaligned                  // direct I/O is checked for alignment, writes for overlap; fires when it refuses one
	PacketDelay                 // a message takes longer; what is behind it waits
	PacketDrop                  // a message is lost, which TCP shows as a reset
	PacketRepeat                // a client that heard nothing sends the same bytes again on a new connection
	Partition                   // both directions between two nodes are cut
	CutOneWay                   // one direction is cut
	Clog                        // a link carries nothing for a while, then all of it
	SlowLink                    // a link is limited to a few KiB a second
	HalfOpen                    // a peer that died is not announced
	ResetMidway                 // a connection breaks in the middle of a message
	AcceptHang                  // a connection is accepted and never served
	DialRefused                 // a dial is refused although somebody listens
	StoreThrottle               // 503, 500 or 429 with Retry-After, and no effect
	StoreStorm                  // most calls fail so for a while
	StoreNotApplied             // no answer, no effect
	StoreApplied                // no answer, but it took effect
	StoreLate                   // no answer; it takes effect later, even after its caller's death
	StoreConflict               // a conditional put is answered 409 and had no effect
	StoreOwnExists              // a conditional put took effect, its answer is lost inside, and it is answered 412
	PartLost                    // a put of several parts: a part is lost, nothing becomes visible
	PartUnknown                 // a put of several parts: the completion is not answered
	StaleList                   // a listing shows the keys as they were a while ago
	PartialList                 // a listing ends early and says so: another page follows
	GhostGet                    // a get returns an object that was deleted a moment ago
	DeleteLost                  // a delete is answered and has no effect
	DeleteLate                  // a delete is answered and takes effect later
	BodyTruncated               // a get ends in the middle of the body
	BodyFlipped                 // a get returns a flipped bit, once
	WrongRange                  // a get returns another range of the object, once
	Expired                     // credentials have expired: 403 for a moment
	SkewRefused                 // the clocks differ too much: 403 for a moment
	StoreSlow                   // a store call takes up to half its timeout
	StoreOutage                 // the store answers nothing for a long while
	ClockSkew                   // a machine's wall clock is off
	ClockDrift                  // a machine's monotonic clock runs fast or slow
	ClockStep                   // a machine's wall clock jumps
	ClockStrobe                 // a machine's wall clock jumps back and forth
	Pause                       // a machine stops between two steps and goes on later
	Crash                       // a machine dies at an I/O call, before or after its effect
	CrashLoop                   // a machine dies again in each of its next starts
	Wipe                        // while the process is down: a volume is empty
	SwapVolumes                 // while the process is down: volumes are exchanged
	Usurp                       // somebody else takes the WAL over while its holder is paused
	Buggify                     // the code takes a rare turn that it marks itself
	TinySettings                // buffers, objects and batches of the smallest size
	Backpressure                // an append waits because something is full
	SameSequence                // a client sends a batch again with the same sequence
	EpochBump                   // a client gets a new producer epoch and goes on
	RepeatInit                  // a client asks for a producer id twice
	SlowConsumer                // a client reads its answer slowly
	StaleMetadata               // a client acts on metadata that is no longer true
	kindCount
)

// Promise says whether weir promises to survive a fault.
type Promise uint8

// The promises.
const (
	Within Promise = iota // nothing acknowledged is lost and service comes back
	Beyond                // damage to the only copy: weir must say so, fail closed, and give out nothing wrong
)

// Info describes a kind.
type Info struct {
	ID      string
	Promise Promise
	Window  bool // it lasts for Step.For; otherwise it strikes one opportunity
	Real    bool // Wrap carries it out on a real host too
}

var infos = [kindCount]Info{
	TornWrite: {ID: "D1.torn-write"}, LostWrites: {ID: "D2.lost-writes"},
	MisdirectWrite: {ID: "D3.misdirected-write", Promise: Beyond, Real: true},
	MisdirectRead:  {ID: "D3.misdirected-read", Real: true},
	BitRot:         {ID: "D4.bit-rot", Promise: Beyond, Real: true},
	StaleChunk:     {ID: "D5.stale-chunk", Promise: Beyond}, Truncated: {ID: "D5.truncated", Promise: Beyond},
	FileMissing: {ID: "D5.file-missing", Promise: Beyond},
	ReadError:   {ID: "D6.read-error", Real: true}, WriteError: {ID: "D6.write-error", Real: true},
	SyncError: {ID: "D7.sync-error", Real: true}, DirError: {ID: "D6.dir-error", Real: true},
	NoSpace: {ID: "D8.no-space", Real: true}, ShortWrite: {ID: "D8.short-write", Real: true},
	ShortRead: {ID: "D8.short-read", Real: true},
	DiskSlow:  {ID: "D9.slow", Real: true}, DiskStall: {ID: "D9.stall", Real: true},
	Misaligned:  {ID: "D10.misaligned"},
	PacketDelay: {ID: "N1.delay"}, PacketDrop: {ID: "N1.drop"}, PacketRepeat: {ID: "N1.repeat"},
	Partition: {ID: "N2.partition", Window: true}, CutOneWay: {ID: "N2.one-way", Window: true},
	Clog: {ID: "N3.clog", Window: true}, SlowLink: {ID: "N3.slow-link", Window: true},
	HalfOpen: {ID: "N4.half-open"}, ResetMidway: {ID: "N4.reset"}, AcceptHang: {ID: "N4.accept-hang"},
	DialRefused:   {ID: "N4.refused"},
	StoreThrottle: {ID: "O1.throttle", Real: true}, StoreStorm: {ID: "O1.storm", Window: true, Real: true},
	StoreNotApplied: {ID: "O2.not-applied", Real: true}, StoreApplied: {ID: "O2.applied", Real: true},
	StoreLate: {ID: "O2.applied-late", Real: true}, StoreConflict: {ID: "O3.conflict", Real: true},
	StoreOwnExists: {ID: "O3.own-retry", Real: true},
	PartLost:       {ID: "O4.part-lost"}, PartUnknown: {ID: "O4.complete-unknown"},
	StaleList: {ID: "O5.stale-list"}, PartialList: {ID: "O5.partial-list", Real: true}, GhostGet: {ID: "O5.ghost-get"},
	DeleteLost: {ID: "O5.delete-lost", Real: true}, DeleteLate: {ID: "O5.delete-late", Real: true},
	BodyTruncated: {ID: "O6.truncated", Real: true}, BodyFlipped: {ID: "O6.flipped", Real: true},
	WrongRange: {ID: "O6.wrong-range", Real: true}, Expired: {ID: "O6.expired", Real: true},
	SkewRefused: {ID: "O6.clock-skew", Real: true},
	StoreSlow:   {ID: "O7.slow", Real: true}, StoreOutage: {ID: "O7.outage", Window: true, Real: true},
	ClockSkew: {ID: "C1.skew", Window: true, Real: true}, ClockDrift: {ID: "C1.drift", Window: true, Real: true},
	ClockStep: {ID: "C1.step", Real: true}, ClockStrobe: {ID: "C1.strobe", Window: true, Real: true},
	Pause: {ID: "C2.pause", Window: true},
	Crash: {ID: "P1.crash"}, CrashLoop: {ID: "P1.crash-loop"},
	Wipe: {ID: "P2.wipe", Promise: Beyond}, SwapVolumes: {ID: "P2.swap", Promise: Beyond},
	Usurp:   {ID: "C2.usurp"},
	Buggify: {ID: "P7.buggify"}, TinySettings: {ID: "P7.tiny"}, Backpressure: {ID: "P7.backpressure"},
	SameSequence: {ID: "K1.same-sequence"}, EpochBump: {ID: "K1.epoch-bump"}, RepeatInit: {ID: "K1.repeat-init"},
	SlowConsumer: {ID: "K1.slow-consumer"}, StaleMetadata: {ID: "K1.stale-metadata"},
}

// Info returns what is known of the kind.
func (k Kind) Info() Info {
	if k < kindCount {
		return infos[k]
	}
	return Info{ID: "unknown"}
}

// String returns the kind's ID.
func (k Kind) String() string { return k.Info().ID }

// Kinds returns every kind in the order of the catalogue.
func Kinds() []Kind {
	list := make([]Kind, kindCount)
	for i := range list {
		list[i] = Kind(i)
	}
	return list
}
