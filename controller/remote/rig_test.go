package remote_test

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

var cluster = metadata.UUID{7}

func nonce(n int) []byte { return fmt.Appendf(nil, "nonce %010d", n) }

// world is controllers c0, c1, c2 and clients k0, k1, … on simulated machines.
type world struct {
	w       *sim.World
	rng     *rand.Rand
	leases  lease.Config
	tick    time.Duration
	nodes   []*member
	names   []string
	states  map[uint64]uint32
	clients []*client
	ops     []op
	serial  int
	end     bool
	quiet   bool // no broker hangs any more
	lives   int
}

type member struct {
	name string
	up   *controller.Controller // nil while it is starting or down
	back host.Time
}

// client is one machine with a client; c is nil while it is down.
type client struct {
	name    string
	h       host.Host
	c       *remote.Client
	session *remote.Session
	epoch   int64
	judged  int64 // epoch whose end was looked at
	idle    bool
	back    host.Time
	after   remote.Stats // of the lives that have ended in order
}

// op is a Register, a fetch-and-add of the counter of broker epochs, or a read of it.
type op struct {
	read      bool
	value     int64
	call, ret host.Time
}

func newWorld(seed uint64) *world {
	return newWorldOf(seed, lease.Config{Length: 1500 * time.Millisecond}, 50*time.Millisecond)
}

func newWorldOf(seed uint64, leases lease.Config, tick time.Duration) *world {
	if err := leases.Fill(); err != nil {
		panic(err)
	}
	w := sim.New(sim.Config{Seed: seed, Net: sim.NetConfig{DialWait: time.Second}})
	x := &world{
		w: w, rng: w.Rand("world"), states: map[uint64]uint32{},
		leases: leases, tick: tick,
	}
	for i := range 3 {
		n := &member{name: fmt.Sprint("c", i)}
		x.nodes = append(x.nodes, n)
		x.names = append(x.names, n.name+":7")
		w.Machine(n.name).SetDrift(x.rng.Int64N(1800) - 900)
		x.boot(n)
	}
	return x
}

func (x *world) boot(n *member) {
	n.up = nil
	x.w.Machine(n.name).Boot(func(h host.Host, sc *host.Scope) {
		if err := x.live(h, sc, n); err != nil && sc.Err() == nil {
			x.w.Machine(n.name).Kill() // its disk failed: the process ends
		}
	})
}

// live is a controller's process.
func (x *world) live(h host.Host, sc *host.Scope, n *member) error {
	self := rpc.Identity{Cluster: rpc.Cluster(cluster), Node: int32(n.name[1]), Roles: rpc.RoleController}
	var c *controller.Controller
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: self, Down: func(addr string, _ rpc.Class, _ error) {
		if c != nil {
			c.LinkDown(addr)
		}
	}})
	var dead host.Future[struct{}]
	dead.Init(h)
	cfg := controller.Config{
		LogBytes: 1 << 20, SnapshotBytes: 16 << 10, SlabBytes: 64 << 10,
		Cluster: cluster, Pool: pool, Node: self.Node, Addr: n.name + ":7", Lease: x.leases, Tick: x.tick,
		Dead: func(err error) { dead.Complete(struct{}{}, err) },
	}
	if n != x.nodes[0] {
		cfg.Join = x.names[:1]
	}
	c, err := controller.Open(sc, h, cfg)
	if err != nil {
		return err
	}
	s := rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: ":7"})
	c.Register(s)
	if err := s.Start(sc); err != nil {
		return err
	}
	n.up = c
	h.Go(sc, "test.watch", func(sc *host.Scope) {
		for h.Sleep(sc, 20*time.Millisecond) == nil {
			c.Read(func(s *metadata.State) {
				x.compare(s)
				for _, k := range x.clients {
					x.nested(k, s)
				}
			})
		}
	})
	_, err = dead.Wait(sc, 0)
	return err
}

// compare checks that whoever has applied an index has the same state, controllers and replicas.
func (x *world) compare(s *metadata.State) {
	index, _ := s.Index()
	sum := crc32.ChecksumIEEE(s.Snapshot())
	if old, known := x.states[index]; known && old != sum {
		x.w.Fail(fmt.Errorf("ApplyOrder: two replicas differ at index %d", index))
	}
	x.states[index] = sum
}

// nested checks that a lease is over before the fence of its epoch is applied anywhere.
func (x *world) nested(k *client, s *metadata.State) {
	if k.session == nil || k.judged == k.epoch {
		return
	}
	b, known := s.Broker(k.id())
	if !known || b.Epoch < k.epoch || s.Live(k.id(), k.epoch) {
		return
	}
	k.judged = k.epoch
	if k.session.Held(k.h.Now(), k.h.Wall()) {
		x.w.Fail(fmt.Errorf("LeaseNested: %s epoch %d is fenced and holds its lease", k.name, k.epoch))
	}
}

func (k *client) id() int32 { return int32(k.name[1]-'0') + 1 }

// start boots one more machine with a client, or again one that is down.
func (x *world) start(k *client) {
	k.c, k.session, k.back = nil, nil, 0
	x.w.Machine(k.name).Boot(func(h host.Host, sc *host.Scope) {
		pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{
			Cluster: rpc.Cluster(cluster), Node: k.id(), Roles: rpc.RoleBroker,
		}})
		cfg := remote.Config{Pool: pool, Addresses: x.names[:2], Lease: x.leases, MaxBytes: 4096}
		if k.id() > 1 {
			cfg.Cluster = cluster
		}
		c, err := remote.Open(sc, h, cfg)
		if err != nil {
			return // it was killed before it knew the cluster
		}
		k.h, k.c = h, c
		g := host.NewGroup(h, sc)
		g.Go("test.broker", func(sc *host.Scope) error { return x.broker(sc, k) })
		g.Go("test.replica", func(sc *host.Scope) error { return x.replica(sc, k) })
		g.Go("test.ops", func(sc *host.Scope) error { return x.work(sc, k) })
		if err := errors.Join(g.Wait(), c.Close(), pool.Close(sc)); err != nil && sc.Err() == nil {
			x.w.Fail(fmt.Errorf("%s: %w", k.name, err))
		}
		k.after = c.Stats()
		k.idle, k.session = true, nil
	})
}

// replica compares the client's replica at as many indexes as it can.
func (x *world) replica(sc *host.Scope, k *client) error {
	for at := uint64(0); !x.end; {
		next, err := k.c.Wait(sc, at, k.h.Now().Add(200*time.Millisecond))
		switch {
		case err == nil:
			if next <= at {
				return fmt.Errorf("Wait for more than %d returned %d", at, next)
			}
			at = next
			k.c.Read(x.compare)
		case !errors.Is(err, host.ErrTimeout):
			return err
		}
	}
	return nil
}

// work registers and reads until the end.
func (x *world) work(sc *host.Scope, k *client) error {
	for i := 0; !x.end; i++ {
		o := op{read: i%3 == 2, call: x.w.Now()}
		var err error
		if o.read {
			for { // may be repeated
				if _, err = k.c.Sync(sc); !errors.Is(err, remote.ErrNoLeader) {
					break
				}
			}
			k.c.Read(func(s *metadata.State) { o.value = most(s) })
		} else {
			x.serial++
			o.value, err = x.register(sc, k, int32(1000+x.serial), nonce(x.serial))
		}
		if err != nil {
			return err
		}
		o.ret = x.w.Now()
		x.ops = append(x.ops, o)
		if err := k.h.Sleep(sc, 30*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func most(s *metadata.State) int64 {
	var most int64
	for _, b := range s.Brokers() {
		most = max(most, b.Epoch)
	}
	return most
}

// register proposes until the outcome is known, and checks that Read shows the result.
func (x *world) register(sc *host.Scope, k *client, broker int32, nonce []byte) (int64, error) {
	for {
		r, err := k.c.Propose(sc, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
			Broker: broker, Nonce: nonce, Disk: nonce,
		}}})
		switch {
		case (errors.Is(err, remote.ErrUnknown) || errors.Is(err, remote.ErrNoLeader)) && sc.Err() == nil:
			continue
		case err != nil:
			return 0, err
		case r.GetRefusal() == metadatapb.Refusal_REFUSAL_TERM:
			continue
		case r.GetRefusal() != 0:
			return 0, nil // a live epoch is in the way
		}
		epoch := r.GetRegister().GetEpoch()
		k.c.Read(func(s *metadata.State) {
			index, _ := s.Index()
			if b, _ := s.Broker(broker); index < r.GetIndex() || b.Epoch < epoch {
				err = fmt.Errorf("ReadYourResults: epoch %d at %d, and Read shows %+v at %d", epoch, r.GetIndex(), b, index)
			}
		})
		return epoch, err
	}
}

// broker lives, and after each fence again.
func (x *world) broker(sc *host.Scope, k *client) error {
	rng := k.h.Rand("broker")
	for !x.end {
		x.lives++
		epoch, err := x.register(sc, k, k.id(), nonce(900_000+x.lives))
		if err != nil {
			return err
		}
		if epoch == 0 {
			if err := k.h.Sleep(sc, 100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		var hung host.Time
		fenced := 0
		s := k.c.StartSession(sc, k.id(), epoch, remote.Hooks{
			Alive: func() bool {
				if rng.IntN(60) == 0 && !x.quiet {
					hung = k.h.Now().Add(3 * x.leases.Length) // its lease runs out
				}
				return k.h.Now() >= hung || x.end || x.quiet
			},
			Fenced: func() { fenced++ },
		})
		k.session, k.epoch = s, epoch
		for !x.end && !s.Over() && err == nil {
			err = k.h.Sleep(sc, 20*time.Millisecond)
		}
		k.session = nil
		over := s.Over()
		s.Stop()
		if over != (fenced == 1) {
			return fmt.Errorf("Fenced was called %d times, over %v", fenced, over)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leads is the member that leads.
func (x *world) leads() *member {
	var best *member
	var top uint64
	for _, n := range x.nodes {
		if n.up != nil {
			if leads, term := n.up.Leads(); leads && term > top {
				best, top = n, term
			}
		}
	}
	return best
}

// formed waits until three voters are led.
func (x *world) formed(t *testing.T) {
	t.Helper()
	x.until(t, time.Minute, "three voters", func() bool {
		n := x.leads()
		if n == nil {
			return false
		}
		voters := 0
		for _, m := range n.up.Members() {
			if m.Voter {
				voters++
			}
		}
		return voters == len(x.nodes)
	})
}

// until runs the world until done, and fails the test if it takes longer than d.
func (x *world) until(t *testing.T, d time.Duration, what string, done func() bool) {
	t.Helper()
	limit := x.w.Now() + host.Time(d)
	require.NoError(t, x.w.Run(func() bool { return done() || x.w.Now() > limit }))
	require.True(t, done(), "Progress: %s within %v\n%s", what, d, x.w.Tasks())
}

// tend boots what is down, a while after it died.
func (x *world) tend() {
	for _, n := range x.nodes {
		if x.due(n.name, &n.back, func() { n.up = nil }) {
			x.boot(n)
		}
	}
	for _, k := range x.clients {
		if !k.idle && x.due(k.name, &k.back, func() { k.c, k.session = nil, nil }) {
			x.start(k)
		}
	}
	x.w.After(host.Time(50*time.Millisecond), x.tend)
}

func (x *world) due(name string, back *host.Time, down func()) bool {
	if x.w.Machine(name).Alive() {
		*back = 0
		return false
	}
	down()
	if *back == 0 {
		*back = x.w.Now() + host.Time(x.rng.IntN(2000))*host.Time(time.Millisecond)
		return false
	}
	return x.w.Now() >= *back
}

// linear checks the counter: every answer is some moment between call and return.
func (x *world) linear(t *testing.T) {
	t.Helper()
	slices.SortFunc(x.ops, func(a, b op) int { return cmp.Compare(a.call, b.call) })
	given := map[int64]bool{}
	for _, a := range x.ops {
		if !a.read {
			require.False(t, given[a.value], "IDNeverReused: epoch %d", a.value)
			given[a.value] = true
		}
		for _, b := range x.ops {
			if a.ret < b.call && (a.value > b.value || a.value == b.value && !b.read) {
				t.Fatalf("NotLinear: %+v was answered before %+v began", a, b)
			}
		}
	}
	require.Greater(t, len(given), 4, "the world did hardly anything")
}
