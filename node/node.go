package node

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/filestore"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/wal"
)

// Volumes of a node.
const (
	volumeNode  = "node"
	volumeMeta  = "meta"
	volumeWAL   = "wal"
	volumeStore = "store"
)

// Node is one running weir.
type Node struct {
	h          host.Host
	cfg        Config
	identity   Identity
	cluster    metadata.UUID
	lock       io.Closer
	node       host.Volume
	known      bool                   // the node had an identity before this start
	founds     bool                   // it founds its cluster in this start
	controller *controller.Controller // nil without that role
	store      *objectstore.Metered
	broker     *broker.Broker        // nil without that role
	ended      host.Future[struct{}] // Stop is done

	// Of a node in a cluster.
	pool   *rpc.Pool
	server *rpc.Server
	client *remote.Client        // nil without a broker
	failed host.Future[struct{}] // what ended the node by itself
	serves atomic.Bool           // the start is over
	abort  func()                // ends the start
	rumours
}

// ErrInUse is returned when another process has the data directory.
var ErrInUse = errors.New("node: the data is in use by another weir")

// Start brings a node up and returns when it serves. The node outlives the caller's scope: it runs until
// Stop or its own failure. After an error the process should end; nothing that was there is lost.
func Start(sc *host.Scope, h host.Host, cfg Config) (*Node, error) {
	n := &Node{h: h, cfg: cfg}
	var started host.Future[struct{}]
	started.Init(h)
	n.ended.Init(h)
	n.failed.Init(h)
	h.Go(nil, "node", func(root *host.Scope) {
		err := n.start(root)
		started.Complete(struct{}{}, err)
		if err == nil {
			_, err = n.ended.Wait(root, 0) // root ends with this task, and every task of the node with it
		}
		if err != nil && n.lock != nil {
			n.lock.Close()
		}
	})
	if _, err := started.Wait(sc, 0); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Node) start(sc *host.Scope) error {
	if err := n.claim(sc); err != nil {
		return err
	}
	if n.clustered() {
		var child *host.Scope
		child, n.abort = sc.Child(0)
		err := n.startCluster(child)
		n.serves.Store(err == nil)
		if n.failed.Done() { // a start that waits for others would wait on with a controller that is dead
			n.abort()
			_, err = n.failed.Wait(nil, 0)
		}
		return err
	}
	if err := n.refuseMixed(sc); err != nil {
		return err
	}
	if err := n.refuseNewer(sc); err != nil {
		return err
	}
	if err := n.startController(sc); err != nil {
		return err
	}
	patient, err := n.newBroker(sc, n.controller, nil)
	if err != nil {
		return err
	}
	if err := n.broker.Start(sc); err != nil {
		return err
	}
	patient.serving.Store(true)
	return nil
}

// newBroker makes the broker and what it stands on. cluster is nil if it is alone.
func (n *Node) newBroker(sc *host.Scope, meta metadata.Service, cluster broker.Cluster) (*patientStore, error) {
	if err := n.openStore(sc); err != nil {
		return nil, err
	}
	slabs, err := wal.NewSlabPool(n.h, n.cfg.slabs(), n.cfg.SlabBytes)
	if err != nil {
		return nil, fmt.Errorf("take memory for slabs: %w", err)
	}
	cfg := n.cfg.broker()
	cfg.NodeID, cfg.Disk, cfg.Slabs = n.identity.Node, n.identity.Disk, slabs
	if cluster != nil {
		cfg.Cluster, cfg.Rack, cfg.Address = cluster, n.cfg.Rack, n.cfg.clusterAddr()
		cfg.Volumes = n.cfg.Volumes
	}
	patient := n.patient()
	n.broker = broker.New(n.h, cfg, meta, patient)
	return patient, nil
}

// claim takes the lock, which proves that the last run on this data is dead, and reads the identity.
func (n *Node) claim(sc *host.Scope) error {
	vol, err := n.h.Disk().Volume(sc, volumeNode)
	if err != nil {
		return fmt.Errorf("open the data: %w", err)
	}
	if n.lock, err = vol.Lock("lock"); errors.Is(err, host.ErrLocked) {
		probe.Hit(probe.NodeInUse)
		return ErrInUse
	} else if err != nil {
		return fmt.Errorf("lock the data: %w", err)
	}
	n.node = vol
	n.identity, n.known, err = loadIdentity(vol)
	return err
}

// ErrMetadataLost is returned when a node that has an identity finds no metadata.
var ErrMetadataLost = errors.New(
	"node: the metadata volume has no log, but this node belongs to a cluster; restore the volume")

// ErrOtherMetadata is returned when a node finds metadata that was made on another volume.
var ErrOtherMetadata = errors.New("node: the metadata volume is not this node's; attach the right one")

// startController opens the metadata, and gives a new node its identity once it has a cluster.
func (n *Node) startController(sc *host.Scope) error {
	vol, err := n.h.Disk().Volume(sc, volumeMeta)
	if err != nil {
		return fmt.Errorf("open the metadata volume: %w", err)
	}
	there, err := controller.HasLog(vol)
	if err != nil {
		return fmt.Errorf("look at the metadata volume: %w", err)
	}
	switch {
	case n.known && !there:
		probe.Hit(probe.NodeMetadataLost)
		return fmt.Errorf("%w (cluster %s), or start it as the broker that it is there, with --cluster-listen",
			ErrMetadataLost, n.identity.Cluster) // a new one makes garbage of every object
	case !n.known && there:
		probe.Hit(probe.NodeIdentityLater)
	}
	n.controller, err = controller.Open(sc, n.h, controller.Config{
		Volume: volumeMeta, Cluster: n.identity.Cluster, LogBytes: n.cfg.MetaBytes, SlabBytes: min(n.cfg.SlabBytes, 1<<20),
	})
	if err != nil {
		return err
	}
	if err := n.refuseMember(sc); err != nil {
		return err
	}
	n.controller.Read(func(s *metadata.State) { n.cluster, _ = s.Cluster() })
	if n.known {
		if disk := n.controller.Disk(); disk != n.identity.Disk {
			return fmt.Errorf("%w (it is disk %s, the identity names %s)", ErrOtherMetadata, disk, n.identity.Disk)
		}
		return nil
	}
	if host.Buggify(n.h, "node.identity.late") {
		if err := n.h.Sleep(sc, 10*time.Millisecond); err != nil {
			return err
		}
	}
	n.identity = Identity{Node: n.cfg.NodeID, Disk: n.controller.Disk(), Cluster: n.cluster}
	return storeIdentity(n.node, n.identity)
}

// openStore opens the configured object store with a meter, the embedded one by default, unless it is open.
func (n *Node) openStore(sc *host.Scope) error {
	if n.store != nil {
		return nil
	}
	inner := n.cfg.Store
	if inner == nil {
		vol, err := n.h.Disk().Volume(sc, volumeStore)
		if err != nil {
			return fmt.Errorf("open the embedded object store: %w", err)
		}
		if inner, err = filestore.New(n.h, vol, "objects", n.cfg.StoreLabel); err != nil {
			return fmt.Errorf("open the embedded object store: %w", err)
		}
	}
	n.store = objectstore.WithMeter(n.h, inner)
	return nil
}

// Stop drains the node: requests in work are answered, everything is uploaded, the logs get their clean
// marks. It takes seconds; after an error the next start recovers what stayed in the WAL.
func (n *Node) Stop(sc *host.Scope) error {
	if n.clustered() {
		return n.stopCluster(sc)
	}
	errBroker := n.broker.Stop(sc)
	errController := n.controller.Close(sc)
	errLock := n.lock.Close()
	n.ended.Complete(struct{}{}, nil)
	err := errors.Join(errBroker, errController, errLock)
	if err != nil {
		probe.Hit(probe.NodeStopFailed)
	}
	return err
}

// Failed waits until the node ends by itself and returns why.
func (n *Node) Failed(sc *host.Scope) error {
	if n.clustered() {
		_, err := n.failed.Wait(sc, 0)
		return err
	}
	return n.broker.Failed(sc)
}

// Advertised is the address that clients are told, "" without a broker.
func (n *Node) Advertised() string {
	if n.broker == nil {
		return ""
	}
	return n.broker.Advertised()
}

// ClusterID is the cluster's id as Kafka clients see it.
func (n *Node) ClusterID() string { return n.cluster.Base64() }

// ID is the node's id.
func (n *Node) ID() int32 { return n.identity.Node }

// Broker returns the node's broker, for its numbers; nil without that role.
func (n *Node) Broker() *broker.Broker { return n.broker }

// Store returns the node's object store, for its numbers.
func (n *Node) Store() *objectstore.Metered { return n.store }

// RecoveredLine says in a few words what the start found in the WAL.
func (n *Node) RecoveredLine() string {
	if n.broker == nil {
		return "no broker"
	}
	r := n.broker.Recovery()
	switch {
	case r.Clean || r.Entries == 0 && r.Torn == 0 && r.Damaged == 0:
		return "nothing to recover"
	case r.Damaged > 0:
		return fmt.Sprintf("recovered %d entries, %d DAMAGED parts of the WAL", r.Entries, r.Damaged)
	default:
		return fmt.Sprintf("recovered %d entries from %d MiB", r.Entries, r.Bytes>>20)
	}
}
