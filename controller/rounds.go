package controller

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// read waits for a quorum round, and then for the index it gave to be applied here.
type read struct {
	index  uint64
	future host.Future[api.ReadAnswer]
}

// beat is a heartbeat that waits for a quorum round.
type beat struct {
	epoch  lease.Epoch
	number uint64
	future host.Future[lease.Why]
}

// round asks a quorum whether this member still leads. It serves all that waited when it began.
type round struct {
	number uint64 // its context in Raft
	term   uint64
	lease  uint64 // of lease.Grants
	reads  []*read
}

// session is the raft task's share of reads and leases.
type session struct {
	grants  *lease.Grants // nil without a pool: nobody's lease is looked after
	live    []lease.Epoch // what grants was told
	beats   []*beat       // what grants has not answered
	fences  []fencing
	waiting []*read // for a round
	behind  []*read // for their index to be applied
	round   *round  // the one under way
	rounds  uint64
}

// fencing is an epoch whose fence was decided in this term.
type fencing struct {
	epoch    lease.Epoch
	proposed bool
}

// ask takes a read.
func (c *Controller) ask(r *read) {
	if !c.leads.Load() {
		r.future.Complete(api.ReadAnswer{}, ErrNotLeader)
		return
	}
	c.waiting = append(c.waiting, r)
}

// heard takes a heartbeat.
func (c *Controller) heard(b *beat) {
	if c.grants == nil || !c.leads.Load() {
		b.future.Complete(0, ErrNotLeader)
		return
	}
	if why := c.grants.Ask(b.epoch, b.number); why != lease.WhyNone {
		b.future.Complete(why, nil)
		return
	}
	c.beats = append(c.beats, b)
}

// begin starts a round if somebody waits for one and none is under way.
func (c *Controller) begin() {
	if c.round != nil || !c.leads.Load() {
		return
	}
	var n uint64
	if c.grants != nil {
		n = c.grants.Begin()
	}
	if n == 0 && len(c.waiting) == 0 {
		return
	}
	c.rounds++
	c.round = &round{number: c.rounds, term: c.term.Load(), lease: n, reads: c.waiting}
	c.waiting = nil
	c.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, c.rounds))
}

// rounded takes the rounds that Raft says are done.
func (c *Controller) rounded(states []raft.ReadState) {
	for _, s := range states {
		r := c.round
		if r == nil || len(s.RequestCtx) != 8 || binary.LittleEndian.Uint64(s.RequestCtx) != r.number {
			continue // of a leadership that is over
		}
		status := c.node.BasicStatus()
		if status.RaftState != raft.StateLeader || status.GetTerm() != r.term {
			continue // observe answers
		}
		c.round = nil
		for _, x := range r.reads {
			x.index = s.Index
		}
		c.behind = append(c.behind, r.reads...)
		if r.lease != 0 {
			invariant.Check(c.leads.Load() && c.grants.Leads() && c.term.Load() == r.term, invariant.GrantByLeader,
				"a round of term %d ends in term %d", r.term, c.term.Load())
			c.answer(c.grants.Done(r.lease, c.h.Now()))
		}
	}
}

// caughtUp answers reads whose index is applied.
func (c *Controller) caughtUp() {
	left := c.behind[:0]
	for _, r := range c.behind {
		if r.index <= c.applied {
			r.future.Complete(api.ReadAnswer{Index: r.index, Term: c.term.Load()}, nil)
		} else {
			left = append(left, r)
		}
	}
	clear(c.behind[len(left):])
	c.behind = left
}

// answer gives heartbeats what the leases say.
func (c *Controller) answer(list []lease.Answer) {
	for _, a := range list {
		for i, b := range c.beats {
			if b.epoch == a.Epoch && b.number == a.Number {
				b.future.Complete(a.Why, nil)
				c.beats = append(c.beats[:i], c.beats[i+1:]...)
				break
			}
		}
	}
}

// lead begins a leadership, when the first entry of its term is applied.
func (c *Controller) lead() {
	c.changeAt = 0
	if c.grants == nil {
		return
	}
	c.live = c.epochs()
	c.grants.Lead(c.h.Now(), c.live)
}

// deposed ends a leadership: everybody who waits for something that only a leader can do is told.
func (c *Controller) deposed() {
	if c.grants != nil && c.grants.Leads() {
		probe.Hit(probe.ControllerDeposed)
		c.answer(c.grants.Deposed())
	}
	for _, b := range c.beats {
		b.future.Complete(lease.WhyNotLeader, nil)
	}
	c.beats, c.fences, c.live = nil, nil, nil
	if c.round != nil {
		probe.Hit(probe.ControllerRoundLost)
		c.waiting = append(c.waiting, c.round.reads...)
		c.round = nil
	}
	for _, r := range append(c.waiting, c.behind...) {
		r.future.Complete(api.ReadAnswer{}, ErrNotLeader)
	}
	c.waiting, c.behind = nil, nil
	c.dropGoals(fmt.Errorf("%w: leadership of term %d was lost", ErrUnknown, c.term.Load()))
}

// epochs returns the broker epochs that are live, in the order of lease.Grants.
func (c *Controller) epochs() []lease.Epoch {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []lease.Epoch
	for _, b := range c.state.Brokers() {
		if b.Live {
			list = append(list, lease.Epoch{Broker: b.ID, Epoch: b.Epoch})
		}
	}
	return list
}

// lives tells the leases what became of epochs in the entries just applied.
func (c *Controller) lives() {
	if c.grants == nil || !c.grants.Leads() {
		return
	}
	before, after := c.live, c.epochs()
	now := c.h.Now()
	for len(before)+len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && less(before[0], after[0]):
			c.answer(c.grants.Gone(before[0]))
			before = before[1:]
		case len(before) == 0 || less(after[0], before[0]):
			c.grants.Born(after[0], now)
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	c.live = c.epochs()
	left := c.fences[:0]
	for _, f := range c.fences {
		c.mu.Lock()
		live := c.state.Live(f.epoch.Broker, f.epoch.Epoch)
		c.mu.Unlock()
		if live {
			left = append(left, f)
		}
	}
	c.fences = left
}

func less(a, b lease.Epoch) bool {
	return a.Broker < b.Broker || a.Broker == b.Broker && a.Epoch < b.Epoch
}

// suspect ends an epoch in time. Heartbeats of it that wait for a round are refused when that is done.
func (c *Controller) suspect(e lease.Epoch) {
	if c.grants != nil && c.leads.Load() {
		probe.Hit(probe.ControllerSuspected)
		c.grants.Suspect(e)
	}
}

// due decides which epochs end, and proposes their fences in the term of the decision.
func (c *Controller) due() {
	if c.grants == nil || !c.leads.Load() {
		return
	}
	for _, e := range c.grants.Due(c.h.Now()) {
		probe.Hit(probe.ControllerFenceDecided)
		c.fences = append(c.fences, fencing{epoch: e})
	}
	for i := range c.fences {
		if f := &c.fences[i]; !f.proposed {
			f.proposed = c.propose(c.fence(f.epoch)) == nil
		}
	}
}

// fence is the proposal to fence an epoch, decided in this term.
func (c *Controller) fence(e lease.Epoch) *proposal {
	cmd := &metadatapb.Command{
		Term: c.term.Load(), WallMs: c.h.Wall().UnixMilli(),
		Body: &metadatapb.Command_Fence{Fence: &metadatapb.Fence{Broker: e.Broker, Epoch: e.Epoch}},
	}
	return c.newProposal(metadata.EncodeCommand(cmd), cmd.Term)
}
