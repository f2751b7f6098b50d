package broker

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// Config is what a broker is told. The caller fills it in; there are no defaults.
type Config struct {
	NodeID        int32
	Disk          metadata.UUID // of the node's data
	DataLabel     string        // what messages call the data directory, "" for none
	Listen        string        // Kafka address
	AdvertiseHost string        // what clients are told; "" = the host part of where it listens
	AdvertisePort int32         // 0 = the port it listens on
	AutoCreate    bool          // create topics that clients ask for
	Partitions    int32         // of a topic created without a number
	RequestMemory int64         // bytes of requests in work at a time
	// GroupInitialDelay is how long an empty group waits for more members to join.
	GroupInitialDelay time.Duration
	Collect           Collect
	Cluster           Cluster // nil: this broker is the only one
	Rack              string  // in a cluster: where it is, for placement; "" for nowhere
	Address           string  // in a cluster: "host:port" of its rpc server
	// Volumes brings the volumes of WALs to this machine in a cluster; nil: all are there (provider `dir`).
	Volumes     host.Volumes
	Slabs       *wal.SlabPool
	WALCapacity int64 // bytes of a new ring
	Stream      stream.Config
}

// Broker serves Kafka clients from the streams of one WAL. See the package comment.
type Broker struct {
	h     host.Host
	cfg   Config
	meta  metadata.Service
	store objectstore.Store
	apis  []api // what is served; the handlers reach the table through it

	cluster  metadata.UUID
	epoch    int64 // broker epoch of this run
	log      *wal.Log
	walID    wal.UUID
	walGen   int64
	home     host.Volume // alone: where its WAL lies
	fence    *wal.Fence
	session  Session                 // nil: alone
	vital    atomic.Pointer[wal.Log] // log, for the session's hooks
	engine   *stream.Engine
	catalog  *catalog
	producer producerIDs

	moving     moving
	keys       keyring
	quarantine *quarantine            // of its own WAL
	recoveries recoveries             // of other brokers' WALs
	shape      uint64                 // of metadata, that topics reflects; the follow task's
	deleting   map[metadata.UUID]bool // topics that a task deletes; the follow task's

	root          *host.Scope // every task of the broker
	cancel        func()
	work          *host.Group // background tasks that Stop waits for
	listener      host.Listener
	recovered     Recovered
	advertised    metadata.Endpoint
	requestMemory host.Semaphore
	openings      host.Semaphore // of parts, in a cluster
	buffers       buffers
	copies        copyMemory
	counters      Counters
	draining      atomic.Bool
	failed        host.Future[struct{}] // completed with what ended the broker by itself

	mu      host.Mutex // guards the fields below, and what recoveries says
	held    map[wal.UUID]*heldWAL
	conns   map[uint64]*conn
	lastID  uint64    // of a connection
	idle    host.Cond // signalled when conns becomes empty
	topics  topicIndex
	groups  groups
	applied uint64    // metadata index that topics reflects
	follows host.Cond // broadcast when applied moves
}

// connectionsMax bounds the open connections; past it a new one is closed at once.
const connectionsMax = 50_000

// New returns a broker that Start brings up.
func New(h host.Host, cfg Config, meta metadata.Service, store objectstore.Store) *Broker {
	b := &Broker{h: h, cfg: cfg, meta: meta, store: store, apis: apis, conns: map[uint64]*conn{},
		deleting: map[metadata.UUID]bool{}, held: map[wal.UUID]*heldWAL{}}
	if cfg.Volumes == nil {
		b.cfg.Volumes = dirVolumes{h}
	}
	b.mu.Init(h)
	b.idle.Init(h, &b.mu)
	b.follows.Init(h, &b.mu)
	b.failed.Init(h)
	b.requestMemory.Init(h, cfg.RequestMemory)
	b.openings.Init(h, openingsMax)
	b.copies.most = max(cfg.RequestMemory/4, copiedBytesMax)
	b.topics.init()
	b.groups.forgetting = map[string]int{}
	b.producer.init(b)
	b.moving.init(h)
	b.keys.init(h)
	return b
}

// Start binds the listener, registers the broker, recovers its WAL, opens its partitions and accepts clients;
// who connects meanwhile waits. When it returns nil the broker serves; after an error the process should end.
func (b *Broker) Start(sc *host.Scope) error {
	b.root, b.cancel = sc.Child(0)
	b.work = host.NewGroup(b.h, b.root)
	// First, because a start that fails later has used up an epoch of the broker and one of each partition.
	l, err := b.h.Network().Listen(b.cfg.Listen)
	if err != nil {
		b.cancel()
		return fmt.Errorf("listen for Kafka clients on %s: %w; is another server running? (--listen)", b.cfg.Listen, err)
	}
	b.listener = l
	b.work.Go("broker.watch", b.watch)
	if err := b.start(); err != nil {
		if b.failed.Done() {
			_, why := b.failed.Wait(nil, 0)
			err = fmt.Errorf("%w: %w", why, err)
		}
		b.cancel()
		b.listener.Close()
		return err
	}
	b.work.Go("broker.follow", b.follow)
	if b.cfg.Cluster != nil {
		b.work.Go("broker.moves", b.driveMoves)
	}
	b.work.Go("broker.accept", b.accept)
	b.work.Go("broker.collect", b.collect)
	return nil
}

func (b *Broker) start() error {
	var err error
	if b.advertised, err = b.endpoint(b.listener.Addr()); err != nil {
		return err
	}
	if err := b.boot(b.root); err != nil {
		return err
	}
	return b.announce(b.root)
}

// Addr is where the broker listens.
func (b *Broker) Addr() string { return b.listener.Addr() }

// Counters returns the broker's numbers.
func (b *Broker) Counters() *Counters { return &b.counters }

// Engine returns the broker's streams, for their numbers.
func (b *Broker) Engine() *stream.Engine { return b.engine }

// Log returns the broker's WAL, for its numbers.
func (b *Broker) Log() *wal.Log { return b.log }

// Failed waits until the broker ends by itself (a dead WAL, a lost fence) and returns why.
func (b *Broker) Failed(sc *host.Scope) error {
	_, err := b.failed.Wait(sc, 0)
	return err
}

// fail ends the broker: nothing is acknowledged any more and every connection closes.
func (b *Broker) fail(err error) {
	b.h.Log().Error("broker ends", "why", err)
	b.failed.Complete(struct{}{}, err)
	b.draining.Store(true)
	b.listener.Close()
	b.cutConns()
}

func (b *Broker) accept(sc *host.Scope) error {
	for {
		nc, err := b.listener.Accept(sc)
		if err != nil {
			if b.draining.Load() || sc.Err() != nil || errors.Is(err, host.ErrClosed) {
				return nil
			}
			b.h.Log().Warn("accept a connection", "error", err)
			if err := b.h.Sleep(sc, acceptRetry); err != nil {
				return nil
			}
			continue
		}
		if b.counters.Connections.Load() >= connectionsMax {
			b.h.Log().Warn("connection refused", "client", nc.Peer().Addr,
				"why", "too many connections", "limit", connectionsMax)
			nc.Close()
			continue
		}
		b.counters.Connections.Add(1)
		b.h.Go(b.root, "broker.read", func(sc *host.Scope) { b.serve(sc, nc) })
	}
}

func (b *Broker) addConn(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastID++
	c.id = b.lastID
	b.conns[c.id] = c
}

func (b *Broker) dropConn(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.conns[c.id]; ok {
		delete(b.conns, c.id)
		b.counters.Connections.Add(-1)
		if len(b.conns) == 0 {
			b.idle.Broadcast()
		}
	}
}
