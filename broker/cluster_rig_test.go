package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/stream"
	"github.com/weirmq/weir/wal"
)

// These tests run brokers of one cluster without a node around them: a controller on machine c0, brokers 1, 2, … on
// b1, b2, …, and a machine for clients. Who drives moves and recoveries is the test itself, by commands.

const (
	clusterLease = 1500 * time.Millisecond
	controlAddr  = "c0:7"
)

var clusterID = metadata.UUID{0xc1}

// cluster is a world with one controller and some brokers.
type cluster struct {
	t       *testing.T
	w       *sim.World
	control *sim.Machine
	up      *controller.Controller // nil while it is down
	members []*member
	clients *sim.Machine
	onCall  func(sim.Call) // may be nil
	cloud   *sim.Cloud     // whose volumes the brokers use; nil: every machine has every volume
}

// member is one broker's machine and what runs there.
type member struct {
	id     int32
	m      *sim.Machine
	b      *broker.Broker // nil until it serves
	client *remote.Client
	pool   *rpc.Pool
	disk   metadata.UUID
	ended  error // why it did not start, or ended by itself
	onSync func()
}

// kafka is where clients reach a member, cluster where other nodes do.
func (m *member) kafka() string   { return fmt.Sprintf("b%d:9092", m.id) }
func (m *member) cluster() string { return fmt.Sprintf("b%d:7", m.id) }

// newCluster boots a controller and n brokers.
func newCluster(t *testing.T, n int) *cluster { return newClusterUnder(t, n, 1, nil) }

// newClusterUnder boots a cluster to which a plan of faults happens.
func newClusterUnder(t *testing.T, n int, seed uint64, plan fault.Plan) *cluster {
	t.Helper()
	return newClusterOn(t, n, seed, plan, nil)
}

// newClusterOn boots one whose volumes are of a cloud, unless that is nil.
func newClusterOn(t *testing.T, n int, seed uint64, plan fault.Plan, cloud *sim.CloudConfig) *cluster {
	t.Helper()
	r := &cluster{t: t}
	w := sim.New(sim.Config{Seed: seed, Plan: plan, Net: sim.NetConfig{DialWait: time.Second},
		Hooks: sim.Hooks{OnCall: func(c sim.Call) {
			if r.onCall != nil {
				r.onCall(c)
			}
		}}})
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	if cloud != nil {
		r.cloud = w.Cloud(*cloud)
	}
	r.w, r.control, r.clients = w, w.Machine("c0"), w.Machine("clients")
	r.clients.Boot(func(h host.Host, sc *host.Scope) { _ = h.Sleep(sc, 24*time.Hour) }) // until the world ends
	r.bootControl()
	for i := range n {
		m := &member{id: int32(i + 1), disk: metadata.UUID{byte(i + 1)}}
		m.m = w.Machine(fmt.Sprint("b", m.id))
		r.members = append(r.members, m)
		r.begin(m)
	}
	for _, m := range r.members {
		r.serves(m)
	}
	return r
}

func clusterLeases() lease.Config {
	c := lease.Config{Length: clusterLease}
	if err := c.Fill(); err != nil {
		panic(err)
	}
	return c
}

// bootControl starts the controller, again after a kill.
func (r *cluster) bootControl() {
	r.up = nil
	r.control.Boot(func(h host.Host, sc *host.Scope) {
		if err := r.controls(h, sc); err != nil && sc.Err() == nil {
			r.w.Fail(fmt.Errorf("controller: %w", err))
		}
	})
}

func (r *cluster) controls(h host.Host, sc *host.Scope) error {
	self := rpc.Identity{Cluster: rpc.Cluster(clusterID), Node: 100, Roles: rpc.RoleController}
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: self})
	var dead host.Future[struct{}]
	dead.Init(h)
	c, err := controller.Open(sc, h, controller.Config{
		LogBytes: 1 << 20, SnapshotBytes: 96 << 10, SlabBytes: 64 << 10, Cluster: clusterID, Pool: pool,
		Node: self.Node, Addr: controlAddr, Lease: clusterLeases(), Tick: 50 * time.Millisecond,
		Dead: func(err error) { dead.Complete(struct{}{}, err) },
	})
	if err != nil {
		return err
	}
	s := rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: ":7"})
	c.Register(s)
	if err := s.Start(sc); err != nil {
		return err
	}
	r.up = c
	_, err = dead.Wait(sc, 0)
	return err
}

// begin starts a member, again after a kill, and does not wait for it.
func (r *cluster) begin(m *member) {
	m.b, m.ended = nil, nil
	m.m.Boot(func(h host.Host, sc *host.Scope) {
		b, err := r.member(h, sc, m)
		if err == nil {
			m.b = b
			err = b.Failed(sc)
		}
		m.ended = err
	})
}

// member brings a broker up as a node of a cluster does.
func (r *cluster) member(h host.Host, sc *host.Scope, m *member) (*broker.Broker, error) {
	self := rpc.Identity{Cluster: rpc.Cluster(clusterID), Node: m.id, Roles: rpc.RoleBroker}
	m.pool = rpc.NewPool(sc, h, rpc.PoolConfig{Identity: self})
	server := rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: m.cluster()})
	var err error
	m.client, err = remote.Open(sc, h, remote.Config{
		Pool: m.pool, Addresses: []string{controlAddr}, Cluster: clusterID, Lease: clusterLeases(),
	})
	if err != nil {
		return nil, err
	}
	slabs, err := wal.NewSlabPool(h, 16, 256<<10)
	if err != nil {
		return nil, err
	}
	cfg := broker.Config{
		NodeID: m.id, Disk: m.disk, Listen: m.kafka(), AutoCreate: true, Partitions: 1,
		RequestMemory: 128 << 20, GroupInitialDelay: 500 * time.Millisecond, Slabs: slabs, WALCapacity: 2 << 20,
		Collect: broker.Collect{Every: 5 * time.Second, Grace: 10 * time.Second, Sweep: time.Hour, First: time.Minute},
		Stream:  stream.Config{UploadAge: 10 * time.Second, UploadBytes: 1 << 20, ColdBytes: 16 << 20},
		Rack:    fmt.Sprint("rack", m.id), Address: m.cluster(), Cluster: link{h, m},
	}
	if r.cloud != nil {
		cfg.Volumes = r.cloud.On(h)
	}
	b := broker.New(h, cfg, m.client, r.w.Store(h))
	b.Register(server)
	if err := server.Start(sc); err != nil {
		return nil, err
	}
	return b, b.Start(sc)
}

// link is a member's broker.Cluster over its client of the controllers.
type link struct {
	h host.Host
	m *member
}

func (l link) Sync(sc *host.Scope) (uint64, error) {
	if l.m.onSync != nil {
		l.m.onSync()
	}
	return l.m.client.Sync(sc)
}

func (l link) Pool() *rpc.Pool { return l.m.pool }

func (l link) StartSession(sc *host.Scope, epoch int64, hooks broker.SessionHooks) broker.Session {
	report := func(q *api.HeartbeatRequest) {
		d := hooks.Load()
		q.SyncAge = time.Duration(d.SyncAge)
		q.WALs = append(q.WALs, api.WALEnd{WAL: d.WAL, Position: d.Durable})
	}
	s := l.m.client.StartSession(sc, l.m.id, epoch, remote.Hooks{Alive: hooks.Alive, Report: report, Fenced: hooks.Fenced})
	return held{s, l.h}
}

// held is a session that asks its machine for the time.
type held struct {
	*remote.Session
	h host.Host
}

func (s held) Held() bool { return s.Session.Held(s.h.Now(), s.h.Wall()) }

// serves waits until a member serves.
func (r *cluster) serves(m *member) {
	r.t.Helper()
	r.until(time.Minute, fmt.Sprintf("broker %d serves", m.id), func() bool { return m.b != nil || m.ended != nil })
	require.NoError(r.t, m.ended)
}

// until runs the world until done, and fails the test if that takes longer than d.
func (r *cluster) until(d time.Duration, what string, done func() bool) {
	r.t.Helper()
	limit := r.w.Now() + host.Time(d)
	require.NoError(r.t, r.w.Run(func() bool { return done() || r.w.Now() > limit }))
	require.True(r.t, done(), "Progress: %s within %v\n%s", what, d, r.w.Tasks())
}

// broker is the member with that id.
func (r *cluster) broker(id int32) *member { return r.members[id-1] }

// kill ends a member's process at once; begin starts it again.
func (r *cluster) kill(m *member) {
	m.m.KillWith(sim.LoseUnsynced)
	m.b = nil
}

// do runs fn with a connection to a member; what fn panics with fails the test.
func (r *cluster) do(m *member, fn func(c *wire)) {
	r.t.Helper()
	require.NoError(r.t, r.w.Do(r.clients, func(h host.Host, sc *host.Scope) error {
		c := &wire{t: r.t, h: h, sc: sc, addr: m.kafka()}
		defer c.close()
		fn(c)
		return nil
	}))
}

// to returns a connection of the same client to another member.
func (c *wire) to(m *member) *wire { return &wire{t: c.t, h: c.h, sc: c.sc, addr: m.kafka()} }

// propose has a command applied, through the client of a member.
func (r *cluster) propose(m *member, body any) *metadatapb.Result {
	r.t.Helper()
	var res *metadatapb.Result
	require.NoError(r.t, r.w.Do(m.m, func(_ host.Host, sc *host.Scope) (err error) {
		res, err = m.client.Propose(sc, metadata.NewCommand(body))
		return err
	}))
	return res
}

// state shows what the controller knows.
func (r *cluster) state(fn func(s *metadata.State)) { r.up.Read(fn) }

// partition is who leads a partition, as the controller knows it.
func (r *cluster) partition(topic string, n int32) (v metadata.Partition) {
	r.state(func(s *metadata.State) {
		t, _ := s.TopicByName(topic)
		v, _ = s.Partition(t.ID, n)
	})
	return v
}
