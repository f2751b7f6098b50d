package controller

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
)

// goal is a membership that somebody waits for. The leader drives towards it, one change after the other.
type goal struct {
	join   *member // it is to be in, with this address
	leave  uint64  // or this one is to be out
	future host.Future[struct{}]
}

const (
	// retryTicks is after how many ticks a change is proposed anew that has not come back.
	retryTicks = 10
	// lagMax is how many entries a learner may lack when it is made a voter.
	lagMax = 64
)

// aim takes a goal. What makes no sense is refused at once.
func (c *Controller) aim(g *goal) {
	if !c.leads.Load() {
		g.future.Complete(struct{}{}, ErrNotLeader)
		return
	}
	if v := c.st.conf.GetVoters(); g.join == nil && len(v) == 1 && v[0] == g.leave {
		g.future.Complete(struct{}{}, fmt.Errorf("%w: member %x is the only one that votes", ErrMembership, g.leave))
		return
	}
	c.goals = append(c.goals, g)
	c.reach()
	c.drive()
}

// reach tells those whose goal is reached.
func (c *Controller) reach() {
	left := c.goals[:0]
	for _, g := range c.goals {
		if c.reached(g) {
			g.future.Complete(struct{}{}, nil)
		} else {
			left = append(left, g)
		}
	}
	clear(c.goals[len(left):])
	c.goals = left
}

func (c *Controller) reached(g *goal) bool {
	if g.join == nil {
		return !inConf(c.st.conf, g.leave)
	}
	return inConf(c.st.conf, g.join.id) && c.known(*g.join)
}

// known reports whether the log says of a member what m says.
func (c *Controller) known(m member) bool {
	i, known := findMember(c.roll, m.id)
	return known && c.roll[i] == m
}

// dropGoals tells those who wait that nobody drives towards their goal any more.
func (c *Controller) dropGoals(err error) {
	for _, g := range c.goals {
		g.future.Complete(struct{}{}, err)
	}
	c.goals = nil
}

// drive proposes the next change of membership, if one is wanted and none is under way. The leader calls it now
// and then.
func (c *Controller) drive() {
	if !c.leads.Load() || joint(c.st.conf) || c.changeAt != 0 && c.ticks-c.changeAt < retryTicks {
		return
	}
	cc := c.wanted()
	if cc == nil {
		return
	}
	// Whoever joins needs to be given the membership as of index 0 by a snapshot: no entry tells it.
	if c.st.base == 0 {
		c.snapshotNow = true
		return
	}
	if err := c.node.ProposeConfChange(cc); err == nil {
		c.changeAt = max(c.ticks, 1)
	}
}

// wanted returns the change of membership that comes next, nil if all is well.
func (c *Controller) wanted() *raftpb.ConfChangeV2 {
	if self := (member{c.member, c.cfg.Node, c.cfg.Addr}); c.cfg.Pool != nil && !c.known(self) {
		return change(raftpb.ConfChangeUpdateNode, self.id, encodeMember(self))
	}
	for _, g := range c.goals {
		switch {
		case g.join != nil && inConf(c.st.conf, g.join.id):
			return change(raftpb.ConfChangeUpdateNode, g.join.id, encodeMember(*g.join))
		case g.join != nil:
			return change(raftpb.ConfChangeAddLearnerNode, g.join.id, encodeMember(*g.join))
		case inConf(c.st.conf, g.leave) && !c.last(g.leave):
			return change(raftpb.ConfChangeRemoveNode, g.leave, nil)
		}
	}
	if id := c.ripe(); id != 0 {
		return change(raftpb.ConfChangeAddNode, id, nil)
	}
	return nil
}

// last reports whether id is the only voter.
func (c *Controller) last(id uint64) bool {
	v := c.st.conf.GetVoters()
	return len(v) == 1 && v[0] == id
}

// ripe returns a learner that has caught up, 0 if there is none.
func (c *Controller) ripe() uint64 {
	if len(c.st.conf.GetLearners()) == 0 || c.cfg.Pool == nil {
		return 0
	}
	var id uint64
	c.node.WithProgress(func(x uint64, kind raft.ProgressType, p tracker.Progress) {
		caughtUp := p.State == tracker.StateReplicate && p.RecentActive && p.Match+lagMax >= c.applied
		if kind == raft.ProgressTypeLearner && caughtUp && (id == 0 || x < id) {
			id = x
		}
	})
	return id
}

// change is one change. Those of who votes go through a joint membership.
func change(kind raftpb.ConfChangeType, id uint64, context []byte) *raftpb.ConfChangeV2 {
	cc := &raftpb.ConfChangeV2{
		Changes: []*raftpb.ConfChangeSingle{{Type: kind.Enum(), NodeId: &id}}, Context: context,
	}
	if kind == raftpb.ConfChangeAddNode || kind == raftpb.ConfChangeRemoveNode {
		cc.Transition = raftpb.ConfChangeTransitionJointImplicit.Enum()
	}
	return cc
}

// decodeChange reads the change that an entry makes.
func decodeChange(e *raftpb.Entry) (*raftpb.ConfChangeV2, error) {
	var m interface {
		proto.Message
		raftpb.ConfChangeI
	} = &raftpb.ConfChangeV2{}
	if e.GetType() == raftpb.EntryConfChange {
		m = &raftpb.ConfChange{}
	}
	if err := proto.Unmarshal(e.GetData(), m); err != nil {
		return nil, fmt.Errorf("%w: entry %d is no change of membership", ErrDamaged, e.GetIndex())
	}
	return m.AsV2(), nil
}

// applyChange applies a change of membership. It is in force for nobody before it is durable here: what Raft wants
// sent because of it goes out in the next turn.
func (c *Controller) applyChange(sc *host.Scope, e *raftpb.Entry) error {
	invariant.Check(e.GetIndex() == c.applied+1, invariant.ApplyOrder,
		"raft commits entry %d after %d", e.GetIndex(), c.applied)
	cc, err := decodeChange(e)
	if err != nil {
		return err
	}
	conf := c.node.ApplyConfChange(cc)
	roll, err := changed(c.roll, cc, conf)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.GetIndex(), err)
	}
	switch {
	case e.GetIndex() > c.confAt:
		if err := c.disk.saveConf(sc, e.GetIndex(), conf); err != nil {
			return err
		}
		c.confAt = e.GetIndex()
	case e.GetIndex() == c.confAt:
		invariant.Check(c.replayed == nil || c.replayed.Equivalent(conf) == nil, invariant.ConfWithApplied,
			"entry %d leads to another membership than it did before", e.GetIndex())
	}
	if joint(conf) {
		probe.Hit(probe.ControllerJoint)
	}
	c.mu.Lock()
	c.state.Skip(e.GetIndex(), e.GetTerm())
	c.applied, c.roll, c.st.conf = e.GetIndex(), roll, conf
	c.shown = membersOf(roll, conf)
	for _, one := range cc.GetChanges() {
		delete(c.heardOf, one.GetNodeId()) // the log knows better
	}
	c.moved.Broadcast()
	c.mu.Unlock()
	c.changeAt = 0
	c.reach()
	c.wake(sc)
	return nil
}

// wake starts the ticks of a member that is not alone any more.
func (c *Controller) wake(sc *host.Scope) {
	if !c.ticking && (c.cfg.Pool != nil || !c.alone()) {
		c.ticking = true
		c.h.Go(sc, "controller.tick", c.tick)
	}
}
