package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// Transport carries Raft messages to other members.
type Transport interface {
	// Send hands messages over; each names its receiver. It must not block and may drop any of them. What
	// arrives at the other end goes into Controller.Step.
	Send(msgs []*raftpb.Message)
}

// Config is what a controller is opened with. The zero value is a single member with default sizes.
type Config struct {
	// Volume names the volume that holds the log; "" = "meta".
	Volume string
	// Cluster is the cluster that the volume has to belong to; zero = whatever it says, or a new one.
	Cluster metadata.UUID
	// LogBytes is the size of the ring for a new log; 0 = 128 MiB. It must hold two snapshots and
	// SnapshotBytes.
	LogBytes int64
	// SnapshotBytes is how far the log grows, in bytes, before a snapshot is taken; 0 = a quarter of the
	// ring. It grows to the size of the snapshot itself.
	SnapshotBytes int64
	// SlabBytes is the most that one batch takes in memory and in one frame; 0 = 1 MiB.
	SlabBytes int
	// Transport connects the members; nil for a single one.
	Transport Transport
	// Tick is Raft's unit of time, used only with peers; 0 = 100 ms. An election timeout is 10 to 20.
	Tick time.Duration
	// Pool calls the other members, in the place of a Transport, and Addr is where their pools reach this one,
	// which serves what Register adds to its server. nil: a member that stays the only one.
	Pool *rpc.Pool
	Addr string
	// Node is the node's id, for people and for hints.
	Node int32
	// Join are addresses of members. A blank volume then joins their cluster, which Cluster has to name;
	// without, a blank volume forms a cluster of its own. A volume with a log is asked nothing, but they serve
	// to tell the others of a new address.
	Join []string
	// Lease is what brokers count on; used only with a Pool.
	Lease lease.Config
	// Gossip tells where this node's gossip is reached, and what it says of the nodes if all is asked for; for Status
	// and Overview. It must not block. nil = there is none.
	Gossip func(all bool) (addr string, seen []api.Sighting)
	// Dead is called once, by the raft task, when the controller dies of anything but Close. It must not
	// block. nil = nothing is called.
	Dead func(error)
}

const (
	logName     = "raft.wal"
	birthName   = "raft.wal.new"
	lockName    = "raft.lock"
	slabs       = 4
	queueLength = 4096
	electionTicks,
	heartbeatTicks = 10, 1
	// maxUncommitted bounds the bytes proposed and not yet committed; more are refused.
	maxUncommitted = 64 << 20
)

func (c *Config) fill() error {
	if c.Volume == "" {
		c.Volume = "meta"
	}
	if c.LogBytes == 0 {
		c.LogBytes = 128 << 20
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = c.LogBytes / 4
	}
	if c.SlabBytes == 0 {
		c.SlabBytes = 1 << 20
	}
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.Pool != nil && (c.Transport != nil || c.Addr == "") {
		return errors.New("controller: a pool needs the address of this member, and excludes a transport")
	}
	if len(c.Join) > 0 && c.Pool == nil {
		return errors.New("controller: to join a cluster takes a pool")
	}
	if err := c.Lease.Fill(); err != nil {
		return err
	}
	if c.SnapshotBytes < 0 || c.SnapshotBytes > c.LogBytes/2 {
		return fmt.Errorf("controller: a snapshot every %d bytes in a ring of %d: at most half",
			c.SnapshotBytes, c.LogBytes)
	}
	return nil
}

// memberOf returns the Raft id of the member whose disk is disk. Raft reserves 0.
func memberOf(disk metadata.UUID) uint64 {
	if id := binary.LittleEndian.Uint64(disk[:8]); id != 0 {
		return id
	}
	return 1
}
