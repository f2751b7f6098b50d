package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/weirmq/weir/controller/api"
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
	if err := c.first(sc); err != nil {
		return err
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
		for _, r := range c.reports {
			c.handle(event{report: &r})
		}
		c.reports = c.reports[:0]
		c.begin()
		if died != nil {
			probe.Hit(probe.ControllerLogDied)
			return fmt.Errorf("keep the raft log: %w", died)
		}
	}
}

// first makes a single member lead. A membership that changed behind the snapshot is not in force before its
// entries are applied.
func (c *Controller) first(sc *host.Scope) error {
	if c.confAt > c.applied {
		probe.Hit(probe.ControllerConfBehind)
		if err := c.turn(sc); err != nil {
			return err
		}
	}
	if !c.alone() {
		return nil
	}
	if err := c.node.Campaign(); err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	return nil
}

// handle gives one event to Raft. Nothing of it is durable yet.
func (c *Controller) handle(e event) {
	switch {
	case e.proposal != nil:
		if err := c.propose(e.proposal); err != nil {
			e.proposal.future.Complete(nil, err)
		}
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
	case e.unreachable != 0:
		c.node.ReportUnreachable(e.unreachable)
	case e.read != nil:
		c.ask(e.read)
	case e.beat != nil:
		c.heard(e.beat)
	case e.goal != nil:
		c.aim(e.goal)
	case e.follow != nil:
		c.entries(e.follow)
	case e.suspect.Epoch != 0:
		c.suspect(e.suspect)
	case e.transfer != 0:
		if c.leads.Load() {
			c.node.TransferLeader(e.transfer)
		}
	case e.tick:
		c.ticks++
		c.node.Tick()
		c.due()
		c.drive()
	}
}

func (c *Controller) propose(p *proposal) error {
	if term := c.node.BasicStatus().GetTerm(); p.term != 0 && p.term != term {
		return fmt.Errorf("%w: of term %d, this is term %d", ErrNotLeader, p.term, term)
	}
	c.seq++
	binary.LittleEndian.PutUint64(p.data, c.incarnation)
	binary.LittleEndian.PutUint64(p.data[8:], c.seq)
	if err := c.node.Propose(p.data); err != nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	c.pending[c.seq] = p
	return nil
}

// turn does what Raft asks for until it asks for nothing, in the order it asks for: durable, then sent, then
// applied.
func (c *Controller) turn(sc *host.Scope) error {
	for c.node.HasReady() {
		rd := c.node.Ready()
		if rd.Snapshot != nil && !raft.IsEmptySnap(rd.Snapshot) {
			if err := c.install(sc, rd.Snapshot, rd.HardState); err != nil {
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
		if err := c.apply(sc, rd.CommittedEntries); err != nil {
			return err
		}
		c.rounded(rd.ReadStates)
		c.node.Advance(rd)
		c.observe()
		c.caughtUp()
	}
	if !c.disk.due() && !c.snapshotNow || c.applied == c.st.base {
		return nil
	}
	c.snapshotNow = false
	s := c.capture()
	return c.saveSnapshot(sc, s)
}

// saveSnapshot keeps a snapshot, this member's own or the leader's.
func (c *Controller) saveSnapshot(sc *host.Scope, s *raftpb.Snapshot) error {
	roll, state, err := splitSnapshot(s.GetData())
	if err != nil {
		return err
	}
	m := s.GetMetadata()
	return c.disk.saveSnapshot(sc, c.st, chunk{
		index: m.GetIndex(), term: m.GetTerm(), conf: m.GetConfState(), data: state, roll: roll,
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
		c.deposed()
	}
	c.term.Store(status.GetTerm())
	c.leader.Store(status.Lead)
	if leads && !c.leads.Load() {
		c.mu.Lock()
		_, term := c.state.Index()
		c.mu.Unlock()
		if term == status.GetTerm() {
			c.leads.Store(true)
			c.lead()
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
func (c *Controller) apply(sc *host.Scope, entries []*raftpb.Entry) error {
	for len(entries) > 0 {
		n := 0
		for n < len(entries) && entries[n].GetType() == raftpb.EntryNormal {
			n++
		}
		if n == 0 {
			if err := c.applyChange(sc, entries[0]); err != nil {
				return err
			}
			entries = entries[1:]
			continue
		}
		answers, err := c.applyAll(entries[:n])
		if err == nil {
			c.lives()
		}
		for _, a := range answers {
			a.p.future.Complete(a.r, nil)
		}
		if err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func (c *Controller) applyAll(entries []*raftpb.Entry) (answers []answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.moved.Broadcast()
	for _, e := range entries {
		invariant.Check(e.GetIndex() == c.applied+1, invariant.ApplyOrder,
			"raft commits entry %d after %d", e.GetIndex(), c.applied)
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
		Data:     joinSnapshot(c.roll, c.state.Snapshot()),
		Metadata: &raftpb.SnapshotMetadata{ConfState: c.st.conf, Index: &index, Term: &term},
	}
}

// install replaces everything by a snapshot from the leader.
func (c *Controller) install(sc *host.Scope, s *raftpb.Snapshot, hard *raftpb.HardState) error {
	roll, data, err := splitSnapshot(s.GetData())
	if err != nil {
		return fmt.Errorf("install the leader's snapshot: %w", err)
	}
	state, err := metadata.Restore(data)
	if err != nil {
		return fmt.Errorf("install the leader's snapshot: %w", err)
	}
	m := s.GetMetadata()
	c.st.reset(m.GetIndex(), m.GetTerm(), m.GetConfState())
	if hard != nil { // it goes behind the snapshot: the term of the log is never above it
		c.disk.hard = hardState{hard.GetTerm(), hard.GetVote(), hard.GetCommit()}
	}
	if err := c.saveSnapshot(sc, s); err != nil {
		return err
	}
	probe.Hit(probe.ControllerInstalled)
	c.roll, c.confAt, c.changeAt = roll, max(c.confAt, m.GetIndex()), 0
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.applied = state, m.GetIndex()
	c.shown = membersOf(roll, m.GetConfState())
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

// fail answers the event of somebody who waits.
func (e *event) fail(err error) {
	switch {
	case e.proposal != nil:
		e.proposal.future.Complete(nil, err)
	case e.read != nil:
		e.read.future.Complete(api.ReadAnswer{}, err)
	case e.beat != nil:
		e.beat.future.Complete(0, err)
	case e.goal != nil:
		e.goal.future.Complete(struct{}{}, err)
	case e.follow != nil:
		e.follow.future.Complete(nil, err)
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
	c.deposed()
	c.queue.Close()
	for {
		events, e := c.queue.Drain(sc, nil)
		for _, x := range events {
			x.fail(err)
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
