package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// run is the raft task.
func (c *Controller) run(sc *host.Scope) {
	err := c.loop(sc)
	if errors.Is(err, host.ErrClosed) && c.closed.Load() {
		err = ErrClosed
	} else if !errors.Is(err, ErrDead) {
		err = fmt.Errorf("%w: %w", ErrDead, err)
	}
	c.end(sc, err)
}

// loop turns until the queue is closed and empty, or something fails.
func (c *Controller) loop(sc *host.Scope) error {
	if c.alone() {
		if err := c.node.Campaign(); err != nil {
			return fmt.Errorf("campaign: %w", err)
		}
	}
	var events []event
	for {
		if err := c.turn(sc); err != nil {
			return err
		}
		var err error
		if events, err = c.queue.Drain(sc, events[:0]); err != nil {
			return err
		}
		var died error
		for _, e := range events {
			c.handle(e)
			died = errors.Join(died, e.died)
		}
		clear(events)
		if died != nil {
			probe.Hit(probe.ControllerLogDied)
			return fmt.Errorf("keep the raft log: %w", died)
		}
	}
}

// handle gives one event to Raft. Nothing of it is durable yet.
func (c *Controller) handle(e event) {
	switch {
	case e.proposal != nil:
		c.propose(e.proposal)
	case e.msg != nil:
		if err := c.node.Step(e.msg); err != nil {
			c.h.Log().Debug("raft message dropped", "from", e.msg.GetFrom(), "error", err.Error())
		}
	case e.report != nil:
		status := raft.SnapshotFinish
		if !e.report.delivered {
			status = raft.SnapshotFailure
			c.node.ReportUnreachable(e.report.member)
		}
		c.node.ReportSnapshot(e.report.member, status)
	case e.tick:
		c.node.Tick()
	}
}

func (c *Controller) propose(p *proposal) {
	c.seq++
	binary.LittleEndian.PutUint64(p.data, c.incarnation)
	binary.LittleEndian.PutUint64(p.data[8:], c.seq)
	if err := c.node.Propose(p.data); err != nil {
		p.future.Complete(nil, fmt.Errorf("%w: %w", ErrNotLeader, err))
		return
	}
	c.pending[c.seq] = p
}

// turn does what Raft asks for until it asks for nothing, in the order it asks for: durable, then sent, then
// applied.
func (c *Controller) turn(sc *host.Scope) error {
	for c.node.HasReady() {
		rd := c.node.Ready()
		if rd.Snapshot != nil && !raft.IsEmptySnap(rd.Snapshot) {
			if err := c.install(sc, rd.Snapshot); err != nil {
				return err
			}
		}
		if err := c.disk.save(sc, c.st, rd.Entries, rd.HardState); err != nil {
			return err
		}
		if host.Buggify(c.h, "controller.apply.late") {
			if err := c.h.Sleep(sc, time.Millisecond); err != nil {
				return err
			}
		}
		if len(rd.Messages) > 0 && c.cfg.Transport != nil {
			c.cfg.Transport.Send(rd.Messages)
		}
		if err := c.apply(rd.CommittedEntries); err != nil {
			return err
		}
		c.node.Advance(rd)
		c.observe()
	}
	if !c.disk.due() || c.applied == c.st.base {
		return nil
	}
	s := c.capture()
	m := s.GetMetadata()
	return c.disk.saveSnapshot(sc, c.st, chunk{
		index: m.GetIndex(), term: m.GetTerm(), conf: m.GetConfState(), data: s.GetData(),
	})
}

// observe publishes term and leadership. Whoever waits for a proposal of a leadership that is lost learns
// that its outcome is unknown.
func (c *Controller) observe() {
	status := c.node.BasicStatus()
	leads := status.RaftState == raft.StateLeader
	if !leads || status.GetTerm() != c.term.Load() {
		c.leads.Store(false)
		c.fail(fmt.Errorf("%w: leadership of term %d was lost", ErrUnknown, c.term.Load()))
	}
	c.term.Store(status.GetTerm())
	if leads && !c.leads.Load() {
		c.mu.Lock()
		_, term := c.state.Index()
		c.mu.Unlock()
		if term == status.GetTerm() {
			c.leads.Store(true)
			c.led.Complete(struct{}{}, nil)
		}
	}
}

// fail completes every proposal in flight with err.
func (c *Controller) fail(err error) {
	if len(c.pending) > 0 {
		probe.Hit(probe.ControllerOutcomeUnknown)
	}
	for seq := c.seq; len(c.pending) > 0; seq-- {
		if p := c.pending[seq]; p != nil {
			p.future.Complete(nil, err)
			delete(c.pending, seq)
		}
	}
}

// answer is a result for the task that waits for it.
type answer struct {
	p *proposal
	r *metadatapb.Result
}

// apply applies committed entries and answers their proposers.
func (c *Controller) apply(entries []*raftpb.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	answers, err := c.applyAll(entries)
	for _, a := range answers {
		a.p.future.Complete(a.r, nil)
	}
	return err
}

func (c *Controller) applyAll(entries []*raftpb.Entry) (answers []answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.moved.Broadcast()
	for _, e := range entries {
		invariant.Check(e.GetIndex() == c.applied+1, invariant.ApplyOrder,
			"raft commits entry %d after %d", e.GetIndex(), c.applied)
		if e.GetType() != raftpb.EntryNormal {
			return answers, fmt.Errorf("%w: entry %d changes the membership", ErrNewer, e.GetIndex())
		}
		if len(e.GetData()) == 0 {
			c.state.Skip(e.GetIndex(), e.GetTerm())
			c.applied = e.GetIndex()
			continue
		}
		if len(e.GetData()) < proposalHeader {
			return answers, fmt.Errorf("%w: entry %d has %d bytes", ErrDamaged, e.GetIndex(), len(e.GetData()))
		}
		cmd, err := metadata.DecodeCommand(e.GetData()[proposalHeader:])
		if errors.Is(err, metadata.ErrNewer) {
			return answers, fmt.Errorf("%w: entry %d: %w", ErrNewer, e.GetIndex(), err)
		}
		if err != nil {
			return answers, fmt.Errorf("%w: entry %d: %w", ErrDamaged, e.GetIndex(), err)
		}
		r := c.state.Apply(e.GetIndex(), e.GetTerm(), cmd)
		c.applied = e.GetIndex()
		if p := c.claim(e.GetData()); p != nil {
			answers = append(answers, answer{p, r})
		}
	}
	return answers, nil
}

// claim returns the proposal whose entry has come back, if this incarnation made it and waits for it.
func (c *Controller) claim(data []byte) *proposal {
	if binary.LittleEndian.Uint64(data) != c.incarnation {
		return nil
	}
	seq := binary.LittleEndian.Uint64(data[8:])
	p := c.pending[seq]
	delete(c.pending, seq)
	return p
}

// capture makes a snapshot of what is applied.
func (c *Controller) capture() *raftpb.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	index, term := c.state.Index()
	return &raftpb.Snapshot{
		Data:     c.state.Snapshot(),
		Metadata: &raftpb.SnapshotMetadata{ConfState: c.st.conf, Index: &index, Term: &term},
	}
}

// install replaces everything by a snapshot from the leader.
func (c *Controller) install(sc *host.Scope, s *raftpb.Snapshot) error {
	state, err := metadata.Restore(s.GetData())
	if err != nil {
		return fmt.Errorf("install the leader's snapshot: %w", err)
	}
	m := s.GetMetadata()
	c.st.reset(m.GetIndex(), m.GetTerm(), m.GetConfState())
	err = c.disk.saveSnapshot(sc, c.st, chunk{
		index: m.GetIndex(), term: m.GetTerm(), conf: m.GetConfState(), data: s.GetData(),
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.applied = state, m.GetIndex()
	c.moved.Broadcast()
	return nil
}

// tick is the timer task of a member with peers.
func (c *Controller) tick(sc *host.Scope) {
	for c.h.Sleep(sc, c.cfg.Tick) == nil {
		if c.done.Done() {
			return
		}
		c.queue.TryPush(event{tick: true})
	}
}

// end tells everybody that nothing is applied any more, and why.
func (c *Controller) end(sc *host.Scope, err error) {
	c.leads.Store(false)
	c.mu.Lock()
	c.err = err
	c.moved.Broadcast()
	c.mu.Unlock()
	c.fail(fmt.Errorf("%w: %w", ErrUnknown, err))
	c.queue.Close()
	for {
		events, e := c.queue.Drain(sc, nil)
		for _, x := range events {
			if x.proposal != nil {
				x.proposal.future.Complete(nil, err)
			}
		}
		if e != nil {
			break
		}
	}
	c.led.Complete(struct{}{}, err)
	if c.cfg.Dead != nil && !errors.Is(err, ErrClosed) && sc.Err() == nil {
		c.cfg.Dead(err)
	}
	c.done.Complete(struct{}{}, nil)
}
