package workload

import (
	"time"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/sim"
)

// Settings are everything about a run that is drawn once, before it begins. They print as JSON and are part of a
// Plan. Durations and times are in nanoseconds of the world's time, sizes in bytes.
type Settings struct {
	Duration   time.Duration `json:"duration_ns"` // of the clients' work
	Partitions int32         `json:"partitions"`  // of the judged topic
	Clients    []Client      `json:"clients"`

	Node    NodeSettings    `json:"node"`
	Disk    sim.DiskConfig  `json:"disk"`
	Net     sim.NetConfig   `json:"net"`
	Store   sim.StoreConfig `json:"store"`
	Rates   []FaultRate     `json:"rates"` // faults that strike at a rate, in a run that is no replay
	Crash   CrashSettings   `json:"crash"`
	Nemesis fault.Plan      `json:"nemesis"` // what goes wrong at a time, in a run that is no replay
	Freeze  Freeze          `json:"freeze,omitempty"`
	Tiny    bool            `json:"tiny,omitempty"` // some buffer is of the smallest size
	Beyond  *BeyondSettings `json:"beyond,omitempty"`
	Ring    []RingDamage    `json:"ring,omitempty"` // frames of the WAL that are spoilt, beyond the promise too

	Cluster *ClusterSettings `json:"cluster,omitempty"` // of a world with several nodes: package sim/cluster runs it
}

// Freeze is the trouble that the far clients stay in when the core is healed.
type Freeze string

// The troubles.
const (
	FreezePaused Freeze = "paused"
	FreezeCut    Freeze = "cut"
	FreezeDeaf   Freeze = "deaf" // nothing reaches them
	FreezeMute   Freeze = "mute" // nothing of theirs arrives
)

// NodeSettings are the sizes of the node under test.
type NodeSettings struct {
	Memory            int64         `json:"memory"`
	SlabBytes         int           `json:"slab_bytes"`
	WALCapacity       int64         `json:"wal_capacity"`
	MetaBytes         int64         `json:"meta_bytes"`
	UploadAge         time.Duration `json:"upload_age_ns"`
	UploadBytes       int64         `json:"upload_bytes"`
	ObjectBytes       int64         `json:"object_bytes"`
	CollectEvery      time.Duration `json:"collect_every_ns"`
	CollectGrace      time.Duration `json:"collect_grace_ns"`
	CollectSweep      time.Duration `json:"collect_sweep_ns"`
	CollectFirst      time.Duration `json:"collect_first_ns"`
	GroupInitialDelay time.Duration `json:"group_initial_delay_ns"`
	StorePut          time.Duration `json:"store_put_ns,omitempty"`  // 0 = the node's default
	StoreCall         time.Duration `json:"store_call_ns,omitempty"` // likewise
}

// Role says what a client does.
type Role string

// The roles.
const (
	RoleProducer  Role = "producer"  // produces without idempotence, to several partitions at once now and then
	RoleExactly   Role = "exactly"   // an idempotent producer
	RoleReader    Role = "reader"    // fetches on from its positions, and lists ends
	RoleCommitter Role = "committer" // commits and fetches offsets of the group, outside its management
	RoleMember    Role = "member"    // is in a group, commits with its generation, sleeps through rebalances
	RoleAdmin     Role = "admin"     // creates, fills and deletes a topic of its own
)

// Client is one client of a run.
type Client struct {
	ID      int32         `json:"id"`
	Role    Role          `json:"role"`
	Machine string        `json:"machine"`
	Think   time.Duration `json:"think_ns"`   // on average, from the beginning of one operation to that of the next
	Records int           `json:"records"`    // the most in a batch
	Bytes   int           `json:"bytes"`      // the most padding of a record
	Wait    time.Duration `json:"wait_ns"`    // the most that a fetch waits for records
	Hasty   int           `json:"hasty_in_4"` // of 4 requests so many are given little time

	ByID     bool  `json:"by_id,omitempty"`          // it names topics by their ids where it can
	Codecs   bool  `json:"codecs,omitempty"`         // every other batch is compressed
	Unheard  bool  `json:"unheard,omitempty"`        // some produces ask for no answer
	Broken   bool  `json:"broken,omitempty"`         // some batches do not match their checksum
	Restless bool  `json:"restless,omitempty"`       // it asks for a new producer id every few batches
	First    int64 `json:"first_sequence,omitempty"` // of each partition, for an idempotent producer; it wraps at 1<<31
}

// CrashSettings say how often and where the node is killed.
type CrashSettings struct {
	Count int `json:"count"` // planned crashes, those in recoveries included
	// Recovery of 4 crashes after the first strike in the recovery from the one before.
	Recovery int `json:"recovery_in_4"`
	Loop     int `json:"loop_in_32"` // of 32 crashes by place so many are loops
	// Usurps are times, from the beginning of the world, from which on the WAL is taken over in the middle of a commit.
	Usurps []time.Duration `json:"usurps_ns,omitempty"`
	// Stops are times, from the beginning of the world, at which the node is stopped in order and started again.
	Stops []time.Duration `json:"stops_ns,omitempty"`
	// Blind of 4 takeovers come together with reads of the fence word that fail.
	Blind int `json:"blind_in_4,omitempty"`
	// Mishaps is how many calls to the node's disks fail that are chosen by what they do.
	Mishaps int `json:"mishaps,omitempty"`
	// Stranded of 4 starts after a crash find that the store answers nothing for a while.
	Stranded int `json:"stranded_in_4,omitempty"`
}

// nodeMachine and the others are the machines of a run.
const (
	nodeMachine = "weir"
	coreClients = "clients"
	farClients  = "clients2"
	// adminMachine creates the topic and reads everything back.
	adminMachine = "admin"
	walVolume    = "wal"
	metaVolume   = "meta"
	nodeVolume   = "node"
	nodeAddr     = nodeMachine + ":9092"
)

// Plain returns the settings that everything else is a variation of: everything in the node small, so that a run
// fills, wraps, evicts and uploads, and no faults but crashes.
func Plain() Settings {
	s := Settings{
		Duration: 20 * time.Second, Partitions: 4,
		Node: NodeSettings{
			Memory: 8 << 20, SlabBytes: 256 << 10, WALCapacity: 2 << 20, MetaBytes: 1 << 20,
			UploadAge: 400 * time.Millisecond, UploadBytes: 128 << 10, ObjectBytes: 512 << 10,
			CollectEvery: 700 * time.Millisecond, CollectGrace: time.Second, CollectSweep: 6 * time.Second,
			CollectFirst: 4 * time.Second, GroupInitialDelay: 50 * time.Millisecond,
		},
		Crash: CrashSettings{Count: 2, Recovery: 2},
	}
	// A slow sync now and then: clients give up, come back and find their first attempt still in flight.
	s.Disk.Sync = sim.Latency{Min: 200 * time.Microsecond, Max: 2 * time.Millisecond, Tail: 10_000, Worst: time.Second}
	s.Store.LateMax = 5 * time.Second
	s.Store.StormMax = time.Second
	add := func(role Role, id int32, n int, think time.Duration) {
		for i := range int32(n) {
			s.Clients = append(s.Clients, Client{
				ID: id + i, Role: role, Machine: coreClients, Think: think, Records: 5, Bytes: 3000,
				Wait: 300 * time.Millisecond, Hasty: 1,
			})
		}
	}
	add(RoleProducer, 1, 1, 40*time.Millisecond)
	add(RoleExactly, 2, 3, 40*time.Millisecond)
	add(RoleReader, 11, 3, 50*time.Millisecond)
	add(RoleCommitter, 21, 2, 50*time.Millisecond)
	add(RoleMember, 31, 2, 60*time.Millisecond)
	add(RoleAdmin, adminID, 1, 60*time.Millisecond)
	s.Clients[3].Machine, s.Clients[6].Machine = farClients, farClients
	return s
}

// adminID numbers the values of the admin's own topic; they are in no judged partition.
const adminID = 90
