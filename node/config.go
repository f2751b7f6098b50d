package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/stream"
)

// Config is what a node is told. The caller fills in all of it; sizes are in bytes.
type Config struct {
	NodeID        int32 // of a node without an identity yet; ignored afterwards
	Listen        string
	AdvertiseHost string
	AdvertisePort int32
	AutoCreate    bool
	// GroupInitialDelay is how long an empty consumer group waits for more members to join.
	GroupInitialDelay time.Duration

	// Store is where objects go; nil means the embedded file store on the volume "store".
	Store      objectstore.Store
	StoreLabel string // what messages call the embedded store
	// StorePut bounds one upload with the store's own retries; after that the stream engine tries again. 0 = 2 min.
	StorePut time.Duration
	// StoreCall bounds any other call to the store likewise; after that it has failed. 0 = 2 min.
	StoreCall time.Duration
	DataLabel string // what messages call the data directory, for commands to copy; "" for none

	Memory      int64 // for slabs, caches and requests
	SlabBytes   int   // one slab, at most 16 MiB; bounds a frame and so a batch
	WALCapacity int64 // of a new ring
	MetaBytes   int64 // of the controller's ring when it is created
	Collect     broker.Collect
	UploadAge   time.Duration // upload records this long after their append
	UploadBytes int64         // or when so many wait
	ObjectBytes int64         // about the most records in one object

	// ClusterListen is the address of the node's rpc server: it is one of a cluster. "" = one process by itself, and
	// nothing of what follows counts.
	ClusterListen    string
	ClusterAdvertise string    // where other nodes reach it, "host:port"; "" = ClusterListen
	Roles            rpc.Roles // what it does; 0 = broker and controller
	Join             []string  // cluster addresses of other nodes
	// Form has a node without an identity found a cluster, if no node at the addresses of Join belongs to one. It
	// asks them for FormWait; 0 = 3 s.
	Form     bool
	FormWait time.Duration
	Rack     string        // where it is, for placement; "" = nowhere
	Lease    time.Duration // of brokers, the same on every node; 0 = 3 s
	Tick     time.Duration // of the controllers' Raft, the same on every node; 0 = 100 ms
	// GossipListen is the address of its gossip, which Gossip starts; "" or nil = none. GossipKey encrypts it.
	GossipListen, GossipKey string
	Gossip                  GossipStarter
	// StopDrain is how long Stop lets the broker drain; 0 = 30 s.
	StopDrain time.Duration
	// Volumes brings the volumes of WALs to this machine; nil: all are there.
	Volumes host.Volumes
	Drive   drive.Config // what the controller that leads does by itself
}

// Both is what a node does that nothing else is said of.
const Both = rpc.RoleBroker | rpc.RoleController

func (c *Config) roles() rpc.Roles { return cmp.Or(c.Roles, Both) }

// clusterAddr is where other nodes reach this one.
func (c *Config) clusterAddr() string { return cmp.Or(c.ClusterAdvertise, c.ClusterListen) }

// others are the addresses of Join but for the node's own.
func (c *Config) others() []string {
	var list []string
	for _, a := range c.Join {
		if a != c.clusterAddr() && a != "" && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// Default returns the configuration of a server on a machine that gives it memory bytes.
func Default(memory int64) Config {
	return Config{
		NodeID: 1, Listen: "127.0.0.1:9092", AutoCreate: true, GroupInitialDelay: 500 * time.Millisecond, Memory: memory,
		SlabBytes: 16 << 20, WALCapacity: 1 << 30, MetaBytes: 64 << 20,
		Collect:  broker.Collect{Every: 5 * time.Second, Grace: 10 * time.Second, Sweep: time.Hour, First: time.Minute},
		StorePut: storeCall, StoreCall: storeCall,
		UploadAge: 10 * time.Second, UploadBytes: 64 << 20, ObjectBytes: 256 << 20,
	}
}

// storeCall is how long one call to the object store may take by default.
const storeCall = 2 * time.Minute

// slabsMin is what a WAL needs to fill one frame while another is written and a third is read.
const slabsMin = 4

// slabs is how many slabs half of the memory gives.
func (c *Config) slabs() int {
	return max(slabsMin, int(c.Memory/2/int64(c.SlabBytes)))
}

// broker is the broker's share: half of the memory is slabs, an eighth each are requests, blocks read
// from objects, and cold reads under way; a sixteenth are object indexes.
func (c *Config) broker() broker.Config {
	return broker.Config{
		Listen: c.Listen, AdvertiseHost: c.AdvertiseHost, AdvertisePort: c.AdvertisePort,
		DataLabel: c.DataLabel, AutoCreate: c.AutoCreate, Partitions: 1, GroupInitialDelay: c.GroupInitialDelay,
		Collect:       c.Collect,
		RequestMemory: max(c.Memory/8, requestMemoryMin),
		WALCapacity:   c.WALCapacity,
		Stream: stream.Config{
			UploadAge: c.UploadAge, UploadBytes: c.UploadBytes, ObjectBytes: c.ObjectBytes,
			IndexCacheBytes: c.Memory / 16, BlockCacheBytes: c.Memory / 8, ColdBytes: max(c.Memory/8, coldMemoryMin),
		},
	}
}

const (
	requestMemoryMin = 128 << 20 // the largest request must fit, and leave room for others
	coldMemoryMin    = 16 << 20  // the largest batch must fit
)
