package controller

import (
	"encoding/binary"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/rpc"
)

const (
	// urgentMax is the largest Raft message that goes with what is urgent.
	urgentMax = 256 << 10
	// snapshotWait is how long a snapshot may take to a member.
	snapshotWait = time.Minute
)

// peers carries Raft messages over rpc. A message is a version byte, the sender's address (a length of 2 bytes
// before it), and Raft's own bytes: a member that joins learns from it where to send its answers.
type peers struct {
	c  *Controller
	sc *host.Scope // its tasks run in it
}

// Send implements Transport. What cannot be sent at once is dropped.
func (p *peers) Send(msgs []*raftpb.Message) {
	for _, m := range msgs {
		p.send(m)
	}
}

func (p *peers) send(m *raftpb.Message) {
	c, to := p.c, m.GetTo()
	addr := c.addrOf(to)
	snapshot := m.GetType() == raftpb.MsgSnap
	b, err := encodeMessage(c.cfg.Addr, m)
	if snapshot && (err != nil || addr == "" || len(b) > rpc.Bulk.PayloadMax()) {
		c.h.Log().Error("a snapshot cannot be sent", "member", to, "address", addr, "bytes", len(b))
		c.reports = append(c.reports, report{to, false})
		return
	}
	if err != nil || addr == "" {
		probe.Hit(probe.ControllerNoAddress)
		return
	}
	if snapshot {
		c.h.Go(p.sc, "controller.snapshot", func(sc *host.Scope) {
			_, err := c.cfg.Pool.Call(sc, addr, api.Snapshot, b, snapshotWait)
			if err != nil {
				probe.Hit(probe.ControllerSnapshotLost)
			}
			_ = c.queue.Push(sc, event{report: &report{to, err == nil}}) // closed: nobody is interested any more
		})
		return
	}
	method := api.Raft
	if len(b) > urgentMax {
		method = api.Append
	}
	if !c.cfg.Pool.Send(addr, method, b) {
		c.queue.TryPush(event{unreachable: to})
	}
}

// LinkDown tells a member that what was sent to an address may be lost: what rpc.PoolConfig.Down tells.
func (c *Controller) LinkDown(addr string) {
	for _, m := range c.Members() {
		if c.addrOf(m.ID) == addr {
			c.queue.TryPush(event{unreachable: m.ID})
		}
	}
}

// addrOf returns where a member is, "" if nobody said. What it says itself, since the log last did, is newer than the
// log: when all members have moved at once, none leads that could write it down.
func (c *Controller) addrOf(id uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr := c.heardOf[id]; addr != "" {
		return addr
	}
	for _, m := range c.shown {
		if m.ID == id {
			return m.Addr
		}
	}
	return ""
}

// hear notes what a member says of its address.
func (c *Controller) hear(id uint64, addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heardOf) < heardMax || c.heardOf[id] != "" {
		c.heardOf[id] = addr
	}
}

// heardMax bounds the members that are not in the log and are answered nevertheless.
const heardMax = 64

func encodeMessage(addr string, m *raftpb.Message) ([]byte, error) {
	b := binary.LittleEndian.AppendUint16([]byte{recordVersion}, uint16(len(addr)))
	return proto.MarshalOptions{}.MarshalAppend(append(b, addr...), m)
}

// take takes a message from another member. It reports whether it was for this one.
func (c *Controller) take(p []byte) bool {
	r := &reader{p: p}
	version := r.u8()
	addr := string(r.take(uint64(r.u16())))
	m := &raftpb.Message{}
	if r.bad || version != recordVersion || proto.Unmarshal(r.p, m) != nil {
		return false
	}
	if m.GetTo() != c.member { // another disk was at this address
		probe.Hit(probe.ControllerNotForMe)
		return false
	}
	c.hear(m.GetFrom(), addr)
	return c.queue.TryPush(event{msg: m})
}
