package controller_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

var worldCluster = metadata.UUID{7}

// leases are short, so that some run out in every world.
var leases = lease.Config{Length: 1500 * time.Millisecond}

// world is controllers c0, c1, … and clients k0, k1, … on simulated machines.
type world struct {
	w      *sim.World
	rng    *rand.Rand
	nodes  []*worldNode
	names  []string // addresses to ask
	size   int      // members that are wanted
	states map[uint64]uint32
	terms  map[uint64]uint64 // who led
	ops    []*worldOp
	lives  []*worldLease
	end    bool // clients begin nothing any more
	idle   int  // clients that have ended
}

type worldNode struct {
	name string
	up   *controller.Controller // nil while it is starting or down
	id   uint64
	gone bool  // it was removed
	why  error // it ended the last time
	back host.Time
}

// worldOp is a Register, a fetch-and-add of the counter of broker epochs, or a read of it.
type worldOp struct {
	read      bool
	value     int64
	call, ret host.Time
}

func newWorld(seed uint64, faults sim.Faults, size int) *world {
	cfg := sim.Config{Seed: seed, Faults: faults, Net: sim.NetConfig{DialWait: time.Second}}
	w := sim.New(cfg)
	x := &world{w: w, rng: w.Rand("world"), states: map[uint64]uint32{}, terms: map[uint64]uint64{}}
	for range size {
		x.add()
	}
	return x
}

// add boots one more controller: the first forms a cluster, the others join.
func (x *world) add() *worldNode {
	n := &worldNode{name: fmt.Sprint("c", len(x.nodes))}
	x.nodes = append(x.nodes, n)
	x.names = append(x.names, n.name+":7")
	x.size++
	x.boot(n)
	return n
}

func (x *world) boot(n *worldNode) {
	n.up = nil
	x.w.Machine(n.name).Boot(func(h host.Host, sc *host.Scope) {
		if err := x.live(h, sc, n); err != nil && sc.Err() == nil {
			n.why = err
			x.w.Machine(n.name).Kill() // its disk failed: the process ends
		}
	})
}

// live is a controller's process.
func (x *world) live(h host.Host, sc *host.Scope, n *worldNode) error {
	self := rpc.Identity{Cluster: rpc.Cluster(worldCluster), Node: int32(n.name[1]), Roles: rpc.RoleController}
	var c *controller.Controller
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: self, Down: func(addr string, _ rpc.Class, _ error) {
		if c != nil {
			c.LinkDown(addr)
		}
	}})
	cfg := small
	cfg.Cluster, cfg.Pool, cfg.Node, cfg.Addr = worldCluster, pool, self.Node, n.name+":7"
	cfg.Lease, cfg.Tick = leases, 50*time.Millisecond
	if n != x.nodes[0] {
		cfg.Join = x.names[:1]
	}
	var dead host.Future[struct{}]
	dead.Init(h)
	cfg.Dead = func(err error) { dead.Complete(struct{}{}, err) }
	c, err := controller.Open(sc, h, cfg)
	if err != nil {
		return err
	}
	s := rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: ":7"})
	c.Register(s)
	if err := s.Start(sc); err != nil {
		return err
	}
	n.up, n.id = c, c.Member()
	h.Go(sc, "test.watch", func(sc *host.Scope) { x.watch(h, sc, c) })
	_, err = dead.Wait(sc, 0)
	return err
}

// watch compares members at the same index, terms and leaders, and fences with the leases that brokers hold.
func (x *world) watch(h host.Host, sc *host.Scope, c *controller.Controller) {
	for h.Sleep(sc, 20*time.Millisecond) == nil {
		c.Read(func(s *metadata.State) {
			x.compare(s)
			for _, l := range x.lives {
				l.judge(x, s)
			}
		})
		if leads, term := c.Leads(); leads {
			if old, known := x.terms[term]; known && old != c.Member() {
				x.w.Fail(fmt.Errorf("OneLeader: %x and %x in term %d", old, c.Member(), term))
			}
			x.terms[term] = c.Member()
		}
	}
}

func (x *world) compare(s *metadata.State) {
	index, _ := s.Index()
	sum := crc32.ChecksumIEEE(s.Snapshot())
	if old, known := x.states[index]; known && old != sum {
		x.w.Fail(fmt.Errorf("ApplyOrder: two members differ at index %d", index))
	}
	x.states[index] = sum
}

// caller calls whoever leads.
type caller struct {
	x    *world
	h    host.Host
	pool *rpc.Pool
	at   string
	next int
}

func (x *world) caller(h host.Host, sc *host.Scope) *caller {
	return &caller{x: x, h: h, pool: rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{
		Cluster: rpc.Cluster(worldCluster), Node: 99, Roles: rpc.RoleBroker,
	}})}
}

func (c *caller) call(sc *host.Scope, m rpc.Method, req []byte) ([]byte, error) {
	if c.at == "" {
		c.at = c.x.names[c.next%len(c.x.names)]
		c.next++
	}
	p, err := c.pool.Call(sc, c.at, m, append([]byte(nil), req...), 2*time.Second)
	if err != nil {
		hint, _ := api.HintOf(err)
		if c.at = hint.Addr; c.at == "" {
			_ = c.h.Sleep(sc, 20*time.Millisecond)
		}
	}
	return p, err
}

// must calls until there is an answer. Every request may be repeated.
func (c *caller) must(sc *host.Scope, m rpc.Method, req []byte) []byte {
	for {
		if p, err := c.call(sc, m, req); err == nil {
			return p
		}
		if c.h.Sleep(sc, 10*time.Millisecond) != nil {
			return nil
		}
	}
}

func (c *caller) propose(sc *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	q := api.ProposeRequest{Command: metadata.EncodeCommand(cmd)}
	return api.DecodeResult(c.must(sc, api.Propose, q.Encode()))
}

// clients starts n machines with clients.
func (x *world) clients(n int) {
	for k := range n {
		x.w.Machine(fmt.Sprint("k", k)).Boot(func(h host.Host, sc *host.Scope) {
			r := &replica{c: x.caller(h, sc), state: metadata.NewState()}
			r.moved.Init(h, &r.mu)
			r.mu.Init(h)
			h.Go(sc, "test.follow", r.follow)
			h.Go(sc, "test.broker", func(sc *host.Scope) { x.broker(h, sc, k) })
			for i := 0; !x.end; i++ {
				op := &worldOp{read: i%3 == 2, call: x.w.Now()}
				var err error
				if op.read {
					op.value, err = r.read(sc)
				} else {
					op.value, err = r.register(sc, int32(1000*(k+1)+i))
				}
				if err != nil {
					x.w.Fail(err)
				}
				op.ret = x.w.Now()
				x.ops = append(x.ops, op)
				_ = h.Sleep(sc, time.Duration(20+k*7)*time.Millisecond)
			}
			x.idle++
			_ = h.Sleep(sc, 1000*time.Hour)
		})
	}
}

// replica is a client's own copy of the metadata.
type replica struct {
	c     *caller
	mu    host.Mutex
	moved host.Cond
	state *metadata.State
}

func (r *replica) follow(sc *host.Scope) {
	c := &caller{x: r.c.x, h: r.c.h, pool: r.c.pool}
	var snapshot []byte
	q := api.FollowRequest{Wait: 500 * time.Millisecond, MaxBytes: 4096}
	for sc.Err() == nil {
		q.After, _ = r.state.Index()
		if len(snapshot) == 0 {
			q.Snapshot, q.Offset = 0, 0
		}
		c.at = "" // anybody
		p, err := c.call(sc, api.Follow, q.Encode())
		if err != nil {
			snapshot = nil
			continue
		}
		a, err := api.DecodeFollowed(p)
		if err != nil {
			c.x.w.Fail(err)
			return
		}
		if a.Part.Total > 0 {
			if a.Part.Offset == 0 {
				snapshot = nil
			}
			snapshot = append(snapshot, a.Part.Data...)
			q.Snapshot, q.Offset = a.Part.Index, uint64(len(snapshot))
			if q.Offset < a.Part.Total {
				continue
			}
		}
		if err := r.apply(snapshot, a.Entries); err != nil {
			c.x.w.Fail(err)
			return
		}
		snapshot = nil
	}
}

func (r *replica) apply(snapshot []byte, list []api.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.moved.Broadcast()
	if len(snapshot) > 0 {
		s, err := metadata.Restore(snapshot)
		if err != nil {
			return err
		}
		r.state = s
	}
	for _, e := range list {
		if index, _ := r.state.Index(); e.Index != index+1 {
			return fmt.Errorf("ApplyOrder: entry %d follows %d", e.Index, index)
		}
		if e.Kind != api.EntryCommand {
			r.state.Skip(e.Index, e.Term)
			continue
		}
		cmd, err := metadata.DecodeCommand(e.Command)
		if err != nil {
			return err
		}
		r.state.Apply(e.Index, e.Term, cmd)
	}
	r.c.x.compare(r.state)
	return nil
}

// read is a linearizable read of the counter.
func (r *replica) read(sc *host.Scope) (int64, error) {
	a, err := api.DecodeRead(r.c.must(sc, api.ReadIndex, nil))
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if index, _ := r.state.Index(); index >= a.Index {
			break
		}
		if err := r.moved.Wait(sc, 0); err != nil {
			return 0, err
		}
	}
	var most int64
	for _, b := range r.state.Brokers() {
		most = max(most, b.Epoch)
	}
	return most, nil
}

func (r *replica) register(sc *host.Scope, id int32) (int64, error) {
	res, err := r.c.propose(sc, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
		Broker: id, Nonce: nonce(int(id)), Disk: nonce(int(id)),
	}}})
	if err == nil && res.GetRefusal() == metadatapb.Refusal_REFUSAL_TERM {
		return r.register(sc, id) // decided in the term before
	}
	if err == nil && res.GetRefusal() != 0 {
		err = errors.New(res.GetDetail())
	}
	return res.GetRegister().GetEpoch(), err
}
