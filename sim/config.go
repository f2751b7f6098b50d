package sim

import (
	"io"
	"log/slog"
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// Config describes a world. The zero value with a seed is a world without faults.
type Config struct {
	Seed   uint64     // everything drawn in the world comes from it
	Faults Faults     // may be changed while the world runs: World.SetFaults
	Plan   fault.Plan // carried out beside the rates; with what OnFault was given, the same hooks and no rates: a replay
	Disk   DiskConfig
	Net    NetConfig
	Store  StoreConfig

	Limit        host.Time // virtual time after which Run gives up; 0 = one hour
	InstantSteps int       // steps within one virtual instant that make a livelock; 0 = 1,000,000
	Epoch        time.Time // wall time at virtual time 0; zero = 2026-01-01 UTC

	Log      io.Writer  // what Host.Log writes, stamped with virtual time; nil = nowhere
	LogLevel slog.Level // least level written

	Hooks

	// StopAt ends Run with ErrStopped after the step in which the event of this number happens; 0 = never.
	StopAt uint64

	// Spare is asked before the only copy of n bytes of a file is damaged for good. False forbids it, and the
	// fault does not happen. The volume is named as by Volume.Name; path "" is all of it. nil allows everything.
	Spare func(volume, path string, off, n int64) bool
	// Usurp is called when fault.Usurp strikes a machine that has just been paused: it does to the machine's
	// volumes what somebody else would (see Volume.Overwrite) and tells whether it did. nil = the fault never fires.
	Usurp func(m *Machine, step fault.Step) bool
	// Repeat tells whether fault.PacketRepeat may have a message of a dialer arrive twice. nil = always.
	Repeat func(from, to string, message []byte) bool

	// Sites records, for each I/O call and each park, the function that made it. It costs about a
	// microsecond a call; it does not change the run.
	Sites bool
	// ForbidGoroutines checks after each step that the task started no goroutine. It reads a counter of
	// the whole process, so nothing else may start one meanwhile (parallel tests, a server): the runner
	// of one world a process sets it.
	ForbidGoroutines bool
	// KeepCryptoRand leaves crypto/rand.Reader alone, so that worlds may run at the same time in one
	// process. Code that draws from it is then not reproducible.
	KeepCryptoRand bool
	// Watch is called when the world starts to run and the function it returns when it stops: the
	// runner's watchdog reads the pulse from outside meanwhile.
	Watch func(*Pulse) (stop func())
}

// Hooks are called as things happen, in the task or the scheduler that caused them. They must not block,
// nor keep the bytes they are shown.
type Hooks struct {
	OnEvent  func(Event)                                           // every event that enters the hash
	OnKill   func(*Machine)                                        // an incarnation has just ended
	OnSynced func(v *Volume, path string, off int64, bytes []byte) // a write became durable by Sync
	OnPut    func(key string, bytes []byte)                        // an object was created or replaced
	OnDelete func(key string)                                      // an object was deleted
	OnCall   func(Call)                                            // an I/O call begins
	OnFault  func(fault.Step)                                      // a fault was carried out: the step that repeats it
}

// Latency is a distribution: uniform between Min and Max, and with the rate Tail up to Worst.
type Latency struct {
	Min, Max time.Duration
	Tail     Rate
	Worst    time.Duration
}

// DiskConfig shapes every volume of a world. Zero fields take the default in brackets.
type DiskConfig struct {
	Attach Latency // [1–5 ms]
	Read   Latency // [50–200 µs]
	Write  Latency // [10–100 µs]
	Sync   Latency // fdatasync and SyncDir [200 µs–2 ms]
	Names  Latency // open, create, rename, link, remove, list [5–50 µs]

	Sector      int   // bytes that survive a crash or do not, as a whole; a power of two [512]
	DirectAlign int   // what direct I/O asks of offset, length and address; 1 = direct is refused [4096]
	Capacity    int64 // bytes of each volume [1 TiB]; see Volume.SetCapacity
}

// NetConfig shapes every link between two machines.
type NetConfig struct {
	Latency   Latency       // one way, a message [100–500 µs]
	Local     Latency       // the same within one machine [5–20 µs]
	Bandwidth int64         // bytes a second of each connection's direction [1 GB/s]
	Buffer    int           // bytes written and not yet read by the peer before Write blocks [256 KiB]
	DialWait  time.Duration // how long a dial into a void waits [5 s]
	Stall     time.Duration // undeliverable data breaks the connection after this [15 s]
}

// StoreConfig shapes the object store.
type StoreConfig struct {
	Latency  Latency       // before and after the call takes effect, each [2–15 ms]
	Rate     int64         // bytes a second of one call [100 MB/s]
	Timeout  time.Duration // after which an unanswered call fails [10 s]
	LateMax  time.Duration // how long a late put or delete may take to land [60 s]
	StaleMax time.Duration // how old a stale listing may be [5 s]
	StormMax time.Duration // longest storm of 503 answers [5 s]
	PartSize int64         // bytes from which a put is made in parts of so many [128 KiB]
}

func (c Config) withDefaults() Config {
	fill(&c.Limit, host.Time(time.Hour))
	fill(&c.InstantSteps, 1_000_000)
	if c.Epoch.IsZero() {
		c.Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	d := &c.Disk
	fillLatency(&d.Attach, time.Millisecond, 5*time.Millisecond)
	fillLatency(&d.Read, 50*time.Microsecond, 200*time.Microsecond)
	fillLatency(&d.Write, 10*time.Microsecond, 100*time.Microsecond)
	fillLatency(&d.Sync, 200*time.Microsecond, 2*time.Millisecond)
	fillLatency(&d.Names, 5*time.Microsecond, 50*time.Microsecond)
	fill(&d.Sector, 512)
	fill(&d.DirectAlign, 4096)
	fill(&d.Capacity, 1<<40)
	if d.Sector&(d.Sector-1) != 0 || d.Sector > pageSize {
		panic("sim: DiskConfig.Sector must be a power of two, at most 4096")
	}
	n := &c.Net
	fillLatency(&n.Latency, 100*time.Microsecond, 500*time.Microsecond)
	fillLatency(&n.Local, 5*time.Microsecond, 20*time.Microsecond)
	fill(&n.Bandwidth, 1_000_000_000)
	fill(&n.Buffer, 256<<10)
	fill(&n.DialWait, 5*time.Second)
	fill(&n.Stall, 15*time.Second)
	s := &c.Store
	fillLatency(&s.Latency, 2*time.Millisecond, 15*time.Millisecond)
	fill(&s.Rate, 100_000_000)
	fill(&s.Timeout, 10*time.Second)
	fill(&s.LateMax, time.Minute)
	fill(&s.StaleMax, 5*time.Second)
	fill(&s.StormMax, 5*time.Second)
	fill(&s.PartSize, 128<<10)
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func fillLatency(l *Latency, least, most time.Duration) {
	if *l == (Latency{}) {
		l.Min, l.Max = least, most
	}
}
