package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/simgossip"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	real "github.com/weirmq/weir/node"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/sim/workload"
	"github.com/weirmq/weir/wal"
)

// node is a machine that runs weir, with its supervisor.
type node struct {
	*workload.ClusterNode
	r *run
	m *sim.Machine

	up      *real.Node // of the running incarnation, once it serves
	drifted bool       // its clock ran fast or slow
	excuses int        // faults that may end this incarnation, so far
	back    time.Duration
	zombie  *workload.Strike // to come at the next commit
	synced  bool             // … of which the fence word was read
	writing bool             // to its ring, and not synced
	planned bool             // back says when it is started again, 0 = never
	leaving bool             // it ends in order, and is not started again
	gone    bool             // it is not started again
	ended   bool             // the incarnation ended, and its end is known
}

const (
	kafkaPort   = "9092"
	clusterPort = "7070"
	gossipPort  = "7946"
	// backMax bounds how long a supervisor takes for a node that ended without a plan.
	backMax = time.Second
	// stopTakes bounds an orderly stop: a supervisor kills a process that takes longer.
	stopTakes = 20 * time.Second
)

func (n *node) kafka() string   { return n.Name + ":" + kafkaPort }
func (n *node) address() string { return n.Name + ":" + clusterPort }

// boot starts the node on its machine, as the server's command does.
func (n *node) boot() {
	if n.m.Alive() || n.r.closing {
		return
	}
	n.excuses, n.ended = 0, false
	n.m.Boot(func(h host.Host, sc *host.Scope) {
		err := n.serve(h, sc)
		if err == nil || sc.Err() != nil || n.ended { // it was stopped, or its machine died
			return
		}
		n.ended = true
		if !n.mayEnd(err) {
			n.r.crowd.Fail("online:NodeEnded", "%s ended by itself, and no fault of this run ends it: %w", n.Name, err)
			return
		}
		if fenced(err) {
			n.r.counts.Fenced++
		}
		n.say(err)
		n.m.KillWith(sim.KeepUnsynced) // the process exits; onKill starts it again
	})
}

func (n *node) say(err error) {
	n.r.ends = append(n.r.ends, fmt.Sprintf("%.3f s: %s: %v", n.r.w.Now().Sub(0).Seconds(), n.Name, err))
}

// errStoreOut wraps what a server says that cannot reach its store when it starts.
var errStoreOut = errors.New("the store is out of reach")

// mayEnd tells whether a node may end with this error: its disk failed, its store is out of reach when it starts, or it
// lost its epoch, which pauses, cuts and slow disks can bring about.
func (n *node) mayEnd(err error) bool {
	return n.excuses > 0 || errors.Is(err, errStoreOut) || n.r.troubled() &&
		(fenced(err) || errors.Is(err, remote.ErrNoLeader))
}

// fenced tells whether a node ended because its epoch, or its WAL, is another's.
func fenced(err error) bool {
	return errors.Is(err, remote.ErrFenced) || errors.Is(err, broker.ErrFenced) || errors.Is(err, wal.ErrFenced)
}

func (n *node) serve(h host.Host, sc *host.Scope) error {
	if n.Broker {
		if err := objectstore.Probe(sc, h, n.r.w.Store(h)); err != nil {
			return fmt.Errorf("%w: %w", errStoreOut, err)
		}
	}
	up, err := real.Start(sc, h, n.config(h))
	if err != nil {
		return err
	}
	n.up = up
	if n.m.Incarnation() > 1 {
		n.r.crowd.Recovered()
	}
	return up.Failed(sc)
}

// stop ends the node in order, as SIGTERM does.
func (n *node) stop(back time.Duration) {
	n.end(stopTakes, back, func(sc *host.Scope, up *real.Node) error { return up.Stop(sc) })
}

// leave ends the node in order, within a time: then its machine goes.
func (n *node) leave(takes, back time.Duration) {
	n.end(takes, back, func(sc *host.Scope, up *real.Node) error { return up.Leave(sc, takes*3/4) })
}

func (n *node) end(takes, back time.Duration, fn func(*host.Scope, *real.Node) error) {
	h, up := n.m.Host(), n.up
	if h == nil || up == nil {
		return
	}
	n.ended, n.leaving = true, back == 0
	h.Go(nil, "supervisor.stop", func(sc *host.Scope) {
		limit, cancel := sc.Child(h.Now().Add(takes))
		err := fn(limit, up)
		cancel()
		if sc.Err() != nil || n.up != up {
			return
		}
		if err != nil {
			n.say(fmt.Errorf("stop: %w", err))
		}
		n.planned, n.back = true, back
		n.m.KillWith(sim.KeepUnsynced) // the process exits; onKill starts it again
	})
}

// onKill notes what a crash left and has the supervisor start the node again, or not.
func (r *run) onKill(m *sim.Machine) {
	for _, n := range r.nodes {
		if n.m == m {
			n.died()
		}
	}
}

// lost tells whether the node is gone for ever, or will be.
func (n *node) lost() bool { return n.gone || n.leaving || n.planned && n.back == 0 }

func (n *node) died() {
	n.up, n.zombie, n.writing = nil, nil, false
	if n.r.closing {
		return
	}
	// What a crash kept of unsynced writes is as durable from now on as what was synced.
	for _, name := range n.r.w.SharedNames() {
		v := n.r.w.Shared(name)
		for _, path := range v.Files() {
			if b, ok := v.Durable(path); ok {
				n.r.crowd.Kept(b)
			}
		}
	}
	if r := n.r; r.ledger.Audits() < auditsMax {
		r.audit("after a crash of " + n.Name)
	}
	back := n.back
	if !n.planned {
		rng := n.r.w.Rand(fmt.Sprint("restart-", n.Name, n.m.Incarnation()))
		back = 1 + time.Duration(rng.Int64N(int64(backMax)))
	}
	n.planned, n.back = false, 0
	if back == 0 {
		n.gone = true
		n.r.counts.Gone++
		return
	}
	n.r.restarts++
	n.r.w.After(host.Time(back), n.boot)
}

// config is the node's, as the settings say.
func (n *node) config(h host.Host) real.Config {
	s, c := &n.r.set.Node, n.r.set.Cluster
	cfg := real.Config{
		NodeID: n.ID, Listen: n.kafka(), AutoCreate: true, Store: n.r.w.Store(h),
		Memory: s.Memory, SlabBytes: s.SlabBytes, WALCapacity: s.WALCapacity, MetaBytes: s.MetaBytes,
		GroupInitialDelay: s.GroupInitialDelay, StorePut: s.StorePut, StoreCall: s.StoreCall,
		Collect:   broker.Collect{Every: s.CollectEvery, Grace: s.CollectGrace, Sweep: s.CollectSweep, First: s.CollectFirst},
		UploadAge: s.UploadAge, UploadBytes: s.UploadBytes, ObjectBytes: s.ObjectBytes,
	}
	cfg.ClusterListen, cfg.Lease, cfg.Rack, cfg.Roles = n.address(), c.Lease, n.Rack, n.roles()
	for _, x := range n.r.nodes {
		if x.Controller {
			cfg.Join = append(cfg.Join, x.address())
		}
	}
	cfg.Form = n == n.r.founder()
	if c.Gossip {
		cfg.GossipListen, cfg.Gossip = n.Name+":"+gossipPort, n.gossip
	}
	return cfg
}

// gossip starts the node's member.
func (n *node) gossip(sc *host.Scope, h host.Host, g real.GossipConfig) (gossip.Membership, error) {
	return simgossip.Start(sc, h, simgossip.Config{Self: g.Self, Listen: g.Listen})
}

func (n *node) roles() (roles rpc.Roles) {
	if n.Broker {
		roles |= rpc.RoleBroker
	}
	if n.Controller {
		roles |= rpc.RoleController
	}
	return roles
}

// founder is the node that founds the cluster.
func (r *run) founder() *node {
	for _, n := range r.nodes {
		if n.Controller {
			return n
		}
	}
	panic("cluster: a world without a controller")
}

// best is the node that has seen most of the metadata; nil if none is up.
func (r *run) best() (best *real.Node) {
	var most uint64
	for _, n := range r.nodes {
		if n.up == nil || n.gone {
			continue
		}
		n.up.Metadata().Read(func(s *metadata.State) {
			if index, _ := s.Index(); best == nil || index > most {
				best, most = n.up, index
			}
		})
	}
	return best
}

// newest shows the newest metadata that a node has; nothing if none is up.
func (r *run) newest(fn func(*metadata.State)) {
	if best := r.best(); best != nil {
		best.Metadata().Read(fn)
	}
}

// on returns the node that a machine runs, nil if it runs none.
func (r *run) on(m *sim.Machine) *node {
	for _, n := range r.nodes {
		if n.m == m && m != nil {
			return n
		}
	}
	return nil
}

// takenAway tells whether metadata has taken a WAL, by the name of its file, from the broker that made it.
func (r *run) takenAway(file string) (yes bool) {
	r.newest(func(s *metadata.State) {
		for _, w := range s.WALs() {
			if walFile(w.ID) == file {
				yes = w.State == metadatapb.WalState_WAL_STATE_RECOVERING && (!w.Held || w.Holder != w.Broker)
			}
		}
	})
	return yes
}

func walFile(id metadata.UUID) string { return "ring-" + id.String() }

// foreign tells whether another broker than the WAL's own holds it at a generation.
func (r *run) foreign(id []byte, generation int64) (yes bool) {
	r.newest(func(s *metadata.State) {
		w, ok := s.WAL(metadata.UUID(id))
		yes = ok && w.Held && w.Generation == generation && w.Holder != w.Broker
	})
	return yes
}
