package fault

import "time"

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
	ID       string
	Promise  Promise
	Window   bool          // it lasts for Step.For; otherwise it strikes one opportunity
	Real     bool          // Wrap or WrapStore carries it out on a real host too
	On       Target        // what a step's target is
	When     string        // what an opportunity is, in words
	Shortest time.Duration // what Arg draws Step.For from when that is 0; both 0: it takes no time
	Longest  time.Duration
}

// Target says what a kind strikes, and so how the target of a step reads.
type Target uint8

// The targets.
const (
	OnMachine Target = iota // "weir"
	OnVolume                // "weir:wal"
	OnLink                  // "clients>weir", from the side that sends or dials; "store" is a side too
	OnStore                 // "store"
	OnSite                  // a place in the code, as in "wal.slab.full"
	OnClient                // "client3"
)

var infos = [kindCount]Info{
	TornWrite:  {ID: "D1.torn-write", On: OnVolume, When: "a crash with unsynced sectors"},
	LostWrites: {ID: "D2.lost-writes", On: OnVolume, When: "a crash with unsynced writes or names"},
	MisdirectWrite: {
		ID: "D3.misdirected-write", On: OnVolume, When: "a write within the file",
		Promise: Beyond, Real: true,
	},
	MisdirectRead: {
		ID: "D3.misdirected-read", On: OnVolume, When: "a read of a file longer than the read",
		Real: true,
	},
	BitRot:      {ID: "D4.bit-rot", On: OnVolume, When: "a read that finds bytes", Promise: Beyond, Real: true},
	StaleChunk:  {ID: "D5.stale-chunk", On: OnVolume, When: "the machine is down", Promise: Beyond},
	Truncated:   {ID: "D5.truncated", On: OnVolume, When: "the machine is down", Promise: Beyond},
	FileMissing: {ID: "D5.file-missing", On: OnVolume, When: "the machine is down", Promise: Beyond},
	ReadError:   {ID: "D6.read-error", On: OnVolume, When: "a read", Real: true},
	WriteError:  {ID: "D6.write-error", On: OnVolume, When: "a write", Real: true},
	SyncError:   {ID: "D7.sync-error", On: OnVolume, When: "a sync of a file", Real: true},
	DirError:    {ID: "D6.dir-error", On: OnVolume, When: "a sync of a directory", Real: true},
	NoSpace:     {ID: "D8.no-space", On: OnVolume, When: "a write, an open that creates, a resize that grows", Real: true},
	ShortWrite:  {ID: "D8.short-write", On: OnVolume, When: "a write of more than one unit", Real: true},
	ShortRead:   {ID: "D8.short-read", On: OnVolume, When: "a read of more than one unit", Real: true},
	DiskSlow: {
		ID: "D9.slow", On: OnVolume, When: "a disk call",
		Real: true, Shortest: 1 * time.Millisecond, Longest: time.Second,
	},
	DiskStall: {
		ID: "D9.stall", On: OnVolume, When: "a disk call",
		Real: true, Shortest: time.Second, Longest: 30 * time.Second,
	},
	Misaligned: {
		ID: "D10.misaligned", On: OnVolume, When: "the host checks it at each direct call; a plan cannot cause it",
	},
	PacketDelay: {
		ID: "N1.delay", On: OnLink, When: "a message",
		Shortest: 1 * time.Millisecond, Longest: 5 * time.Second, Real: true,
	},
	PacketDrop:   {ID: "N1.drop", On: OnLink, When: "a message", Real: true},
	PacketRepeat: {ID: "N1.repeat", On: OnLink, When: "a request whose answer did not come"},
	Partition: {
		ID: "N2.partition", On: OnLink, When: "its time",
		Window: true, Shortest: 100 * time.Millisecond, Longest: 30 * time.Second, Real: true,
	},
	CutOneWay: {
		ID: "N2.one-way", On: OnLink, When: "its time",
		Window: true, Shortest: 100 * time.Millisecond, Longest: 30 * time.Second, Real: true,
	},
	Clog: {
		ID: "N3.clog", On: OnLink, When: "its time",
		Window: true, Shortest: 10 * time.Millisecond, Longest: 10 * time.Second, Real: true,
	},
	SlowLink: {
		ID: "N3.slow-link", On: OnLink, When: "its time",
		Window: true, Shortest: 100 * time.Millisecond, Longest: 10 * time.Second, Real: true,
	},
	HalfOpen:      {ID: "N4.half-open", On: OnLink, When: "a machine dies with the connection open"},
	ResetMidway:   {ID: "N4.reset", On: OnLink, When: "a message", Real: true},
	AcceptHang:    {ID: "N4.accept-hang", On: OnLink, When: "a connection is made", Real: true},
	DialRefused:   {ID: "N4.refused", On: OnLink, When: "a dial", Real: true},
	StoreThrottle: {ID: "O1.throttle", On: OnStore, When: "a store call", Real: true},
	StoreStorm: {
		ID: "O1.storm", On: OnStore, When: "its time",
		Window: true, Real: true, Shortest: 10 * time.Millisecond, Longest: 10 * time.Second,
	},
	StoreNotApplied: {ID: "O2.not-applied", On: OnStore, When: "a store call", Real: true},
	StoreApplied:    {ID: "O2.applied", On: OnStore, When: "a put or delete", Real: true},
	StoreLate: {
		ID: "O2.applied-late", On: OnStore, When: "a put or delete",
		Real: true, Shortest: time.Second, Longest: time.Minute,
	},
	StoreConflict:  {ID: "O3.conflict", On: OnStore, When: "a put-if-absent", Real: true},
	StoreOwnExists: {ID: "O3.own-retry", On: OnStore, When: "a put-if-absent", Real: true},
	PartLost:       {ID: "O4.part-lost", On: OnStore, When: "a put of several parts"},
	PartUnknown:    {ID: "O4.complete-unknown", On: OnStore, When: "a put of several parts"},
	StaleList:      {ID: "O5.stale-list", On: OnStore, When: "a list"},
	PartialList:    {ID: "O5.partial-list", On: OnStore, When: "a list that finds two keys or more", Real: true},
	GhostGet:       {ID: "O5.ghost-get", On: OnStore, When: "a get or head of an object deleted a moment ago"},
	DeleteLost:     {ID: "O5.delete-lost", On: OnStore, When: "a delete", Real: true},
	DeleteLate: {
		ID: "O5.delete-late", On: OnStore, When: "a delete",
		Real: true, Shortest: time.Second, Longest: time.Minute,
	},
	BodyTruncated: {ID: "O6.truncated", On: OnStore, When: "a get of some bytes", Real: true},
	BodyFlipped:   {ID: "O6.flipped", On: OnStore, When: "a get of some bytes", Real: true},
	WrongRange:    {ID: "O6.wrong-range", On: OnStore, When: "a get of less than the object", Real: true},
	Expired:       {ID: "O6.expired", On: OnStore, When: "a store call", Real: true},
	SkewRefused:   {ID: "O6.clock-skew", On: OnStore, When: "a store call", Real: true},
	StoreSlow: {
		ID: "O7.slow", On: OnStore, When: "a store call",
		Real: true, Shortest: 10 * time.Millisecond, Longest: 30 * time.Second,
	},
	StoreOutage: {
		ID: "O7.outage", On: OnStore, When: "its time",
		Window: true, Real: true, Shortest: 10 * time.Second, Longest: 5 * time.Minute,
	},
	ClockSkew: {
		ID: "C1.skew", On: OnMachine, When: "its time",
		Window: true, Real: true, Shortest: time.Second, Longest: time.Hour,
	},
	ClockDrift: {
		ID: "C1.drift", On: OnMachine, When: "its time",
		Window: true, Real: true, Shortest: time.Second, Longest: time.Hour,
	},
	ClockStep: {ID: "C1.step", On: OnMachine, When: "its time: the first look at the wall clock", Real: true},
	ClockStrobe: {
		ID: "C1.strobe", On: OnMachine, When: "its time",
		Window: true, Real: true, Shortest: 100 * time.Millisecond, Longest: 30 * time.Second,
	},
	Pause: {
		ID: "C2.pause", On: OnMachine, When: "its time",
		Window: true, Shortest: 10 * time.Millisecond, Longest: time.Minute,
	},
	Crash:         {ID: "P1.crash", On: OnMachine, When: "an I/O call"},
	CrashLoop:     {ID: "P1.crash-loop", On: OnMachine, When: "an I/O call of a start"},
	Wipe:          {ID: "P2.wipe", On: OnVolume, When: "the machine is down", Promise: Beyond},
	SwapVolumes:   {ID: "P2.swap", On: OnVolume, When: "the machine is down", Promise: Beyond},
	Usurp:         {ID: "C2.usurp", On: OnMachine, When: "the machine is paused"},
	Buggify:       {ID: "P7.buggify", On: OnSite, When: "the code passes the site", Real: true},
	TinySettings:  {ID: "P7.tiny", On: OnMachine, When: "the machine starts"},
	Backpressure:  {ID: "P7.backpressure", On: OnMachine, When: "an append that waits; a plan cannot cause it"},
	SameSequence:  {ID: "K1.same-sequence", On: OnClient, When: "a produce is answered, or is not"},
	EpochBump:     {ID: "K1.epoch-bump", On: OnClient, When: "a produce is answered, or is not"},
	RepeatInit:    {ID: "K1.repeat-init", On: OnClient, When: "a producer id is asked for"},
	SlowConsumer:  {ID: "K1.slow-consumer", On: OnClient, When: "a fetch"},
	StaleMetadata: {ID: "K1.stale-metadata", On: OnClient, When: "a request to a partition"},
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
