package controller

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/rpc"
)

// Register adds the methods of package api to a server that was not started yet.
func (c *Controller) Register(s *rpc.Server) {
	oneWay := func(_ *rpc.Peer, p []byte) { c.take(p) }
	s.HandleOneWay(api.Raft, oneWay)
	s.HandleOneWay(api.Append, oneWay)
	type handler func(sc *host.Scope, req []byte) ([]byte, error)
	handle := func(m rpc.Method, name string, fn handler, e rpc.Endpoint) {
		e.Method, e.Name = m, "controller."+name
		e.Handler = func(sc *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) {
			b, err := fn(sc, req)
			return b, c.refusal(err)
		}
		s.Handle(e)
	}
	handle(api.Snapshot, "take-snapshot", c.serveSnapshot, rpc.Endpoint{RequestMax: rpc.Bulk.PayloadMax()})
	handle(api.Propose, "propose", c.servePropose, rpc.Endpoint{
		RequestMax: rpc.Urgent.PayloadMax(), Concurrency: 256,
	})
	handle(api.ReadIndex, "read", c.serveRead, rpc.Endpoint{Concurrency: 256})
	handle(api.Heartbeat, "heartbeat", c.serveHeartbeat, rpc.Endpoint{Concurrency: 256})
	handle(api.Follow, "follow", c.serveFollow, rpc.Endpoint{Concurrency: 1024})
	handle(api.Join, "join", c.serveJoin, rpc.Endpoint{})
	handle(api.Leave, "leave", c.serveLeave, rpc.Endpoint{})
	handle(api.Transfer, "transfer", c.serveTransfer, rpc.Endpoint{})
	handle(api.Suspect, "suspect", c.serveSuspect, rpc.Endpoint{})
	handle(api.Status, "status", c.serveStatus, rpc.Endpoint{Stranger: true})
}

// refusal turns an error into what the caller can act on.
func (c *Controller) refusal(err error) error {
	var s *rpc.Status
	code := api.CodeUnknown
	switch {
	case err == nil || errors.As(err, &s):
		return err
	case errors.Is(err, ErrUnknown):
	case errors.Is(err, ErrNotLeader):
		return api.NotLeader(c.hint())
	case errors.Is(err, ErrTooLarge):
		code = api.CodeTooLarge
	case errors.Is(err, ErrMembership), errors.Is(err, api.ErrMalformed), errors.Is(err, metadata.ErrCorrupt),
		errors.Is(err, metadata.ErrNewer):
		code = api.CodeInvalid
	case errors.Is(err, ErrDead), errors.Is(err, ErrClosed):
		code = api.CodeGone
	}
	return &rpc.Status{Code: code, Text: err.Error()}
}

func (c *Controller) servePropose(sc *host.Scope, req []byte) ([]byte, error) {
	q, err := api.DecodePropose(req)
	if err != nil {
		return nil, err
	}
	cmd, err := metadata.DecodeCommand(q.Command)
	if err != nil {
		return nil, err
	}
	if cmd.GetFence() != nil { // whoever asks cannot know which leases run
		return nil, fmt.Errorf("%w: a fence is decided by who leads; suspect the broker", api.ErrMalformed)
	}
	r, err := c.ProposeIn(sc, cmd, q.Term)
	if err != nil {
		return nil, err
	}
	return api.EncodeResult(r)
}

// ReadIndex returns an index such that whoever has applied it has seen everything that was answered before the
// call. A quorum said after the call that this member leads, and the index is applied here. Errors: ErrNotLeader,
// ErrClosed, ErrDead, and those of sc.
func (c *Controller) ReadIndex(sc *host.Scope) (uint64, error) {
	r := &read{}
	r.future.Init(c.h)
	if err := c.queue.Push(sc, event{read: r}); err != nil {
		return 0, c.gone(err)
	}
	a, err := r.future.Wait(sc, 0)
	return a.Index, err
}

// Suspect ends a broker epoch in time (PROTOCOL rule 3): it gets no lease any more, and its fence is proposed when
// its last one has run out, L + margin after the last grant. Whoever leads later knows nothing of it. Errors:
// ErrNotLeader, ErrMembership for a member that nobody gets leases from, ErrClosed, ErrDead.
func (c *Controller) Suspect(sc *host.Scope, broker int32, epoch int64) error {
	switch leads, _ := c.Leads(); {
	case c.cfg.Pool == nil:
		return fmt.Errorf("%w: a single process has no leases", ErrMembership)
	case !leads:
		return ErrNotLeader
	}
	if err := c.queue.Push(sc, event{suspect: lease.Epoch{Broker: broker, Epoch: epoch}}); err != nil {
		return c.gone(err)
	}
	return nil
}

func (c *Controller) serveSuspect(sc *host.Scope, req []byte) ([]byte, error) {
	q, err := api.DecodeSuspect(req)
	if err == nil {
		err = c.Suspect(sc, q.Broker, q.Epoch)
	}
	return nil, err
}

func (c *Controller) serveRead(sc *host.Scope, _ []byte) ([]byte, error) {
	index, err := c.ReadIndex(sc)
	if err != nil {
		return nil, err
	}
	return api.ReadAnswer{Index: index, Term: c.term.Load()}.Encode(), nil
}

// serveHeartbeat answers once a quorum round was done that began after the heartbeat arrived.
func (c *Controller) serveHeartbeat(sc *host.Scope, req []byte) ([]byte, error) {
	q, err := api.DecodeHeartbeat(req)
	if err != nil {
		return nil, err
	}
	b := &beat{epoch: lease.Epoch{Broker: q.Broker, Epoch: q.Epoch}, number: q.Number}
	b.future.Init(c.h)
	if err := c.queue.Push(sc, event{beat: b}); err != nil {
		return nil, c.gone(err)
	}
	why, err := b.future.Wait(sc, 0)
	if err != nil {
		return nil, err
	}
	switch why {
	case lease.WhyNotLeader:
		return nil, ErrNotLeader
	case lease.WhyNone:
		c.noteSign(q)
	}
	return api.HeartbeatAnswer{Number: q.Number, Why: uint8(why)}.Encode(), nil
}

// serveSnapshot takes a snapshot from the leader. An error makes it send another one.
func (c *Controller) serveSnapshot(_ *host.Scope, req []byte) ([]byte, error) {
	if !c.take(req) {
		return nil, fmt.Errorf("%w: the snapshot was not for member %x, or it is busy", api.ErrMalformed, c.member)
	}
	return nil, nil
}

// Join gets a member added, or its address changed, and returns when the log says so. It becomes a voter once it
// has caught up. Errors: ErrNotLeader (nothing was done), ErrMembership, ErrUnknown, ErrClosed, ErrDead.
func (c *Controller) Join(sc *host.Scope, m api.Member) error {
	if m.ID == 0 || m.Addr == "" || len(m.Addr) > addrMax {
		return fmt.Errorf("%w: member %x at %q", ErrMembership, m.ID, m.Addr)
	}
	return c.pursue(sc, &goal{join: &member{m.ID, m.Node, m.Addr}})
}

// Leave gets a member removed, and returns when it has no vote any more. A member that was removed never comes
// back: its disk may join again only after it was wiped. Errors as of Join.
func (c *Controller) Leave(sc *host.Scope, id uint64) error { return c.pursue(sc, &goal{leave: id}) }

func (c *Controller) pursue(sc *host.Scope, g *goal) error {
	g.future.Init(c.h)
	if err := c.queue.Push(sc, event{goal: g}); err != nil {
		return c.gone(err)
	}
	_, err := g.future.Wait(sc, 0)
	if err != nil && !ours(err) && !errors.Is(err, ErrMembership) {
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

// Transfer asks another voter to lead, and returns when this one does not any more. Errors: ErrNotLeader,
// ErrMembership, ErrUnknown when it still leads after a while, ErrClosed.
func (c *Controller) Transfer(sc *host.Scope, to uint64) error {
	leads, term := c.Leads()
	if !leads {
		return ErrNotLeader
	}
	voter := false
	for _, m := range c.Members() {
		voter = voter || m.ID == to && m.Voter
	}
	if !voter || to == c.member {
		return fmt.Errorf("%w: %x is no other member that votes", ErrMembership, to)
	}
	if err := c.queue.Push(sc, event{transfer: to}); err != nil {
		return c.gone(err)
	}
	for range 2 * electionTicks {
		if leads, now := c.Leads(); !leads || now != term {
			return nil
		}
		if err := c.h.Sleep(sc, c.cfg.Tick); err != nil {
			return fmt.Errorf("%w: %w", ErrUnknown, err)
		}
	}
	return fmt.Errorf("%w: member %x does not take over", ErrUnknown, to)
}

func (c *Controller) serveJoin(sc *host.Scope, req []byte) ([]byte, error) {
	m, err := api.DecodeMember(req)
	if err == nil {
		if i := slices.IndexFunc(c.Members(), func(x api.Member) bool { return x.ID == m.ID }); i >= 0 {
			c.hear(m.ID, m.Addr) // it has moved, and may be needed to elect who can write that down
		}
		err = c.Join(sc, m)
	}
	return c.Status().Encode(), err
}

func (c *Controller) serveLeave(sc *host.Scope, req []byte) ([]byte, error) {
	id, err := api.DecodeID(req)
	if err == nil {
		err = c.Leave(sc, id)
	}
	return c.Status().Encode(), err
}

func (c *Controller) serveTransfer(sc *host.Scope, req []byte) ([]byte, error) {
	id, err := api.DecodeID(req)
	if err == nil {
		err = c.Transfer(sc, id)
	}
	return c.Status().Encode(), err
}

// Members returns the members as of the applied index, by id.
func (c *Controller) Members() []api.Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown // replaced as a whole, never changed
}

// Status tells what this member knows.
func (c *Controller) Status() api.StatusAnswer {
	hint := c.hint()
	var gossip string
	if c.cfg.Gossip != nil {
		gossip, _ = c.cfg.Gossip(false)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := api.StatusAnswer{
		Cluster: c.cluster, Leads: c.leads.Load(), Leader: hint, Members: c.shown, Gossip: gossip,
		Lease: c.cfg.Lease.Length,
	}
	a.Applied, _ = c.state.Index()
	a.Self = api.Member{ID: c.member, Node: c.cfg.Node, Addr: c.cfg.Addr}
	for _, m := range c.shown {
		if m.ID == c.member {
			a.Self.Voter = m.Voter
		}
	}
	return a
}

// hint tells who leads, as far as this member knows.
func (c *Controller) hint() api.Hint {
	h := api.Hint{Term: c.term.Load(), Member: c.leader.Load()}
	h.Addr = c.addrOf(h.Member)
	for _, m := range c.Members() {
		if m.ID == h.Member {
			h.Node = m.Node
		}
	}
	return h
}

// ProposeIn is Propose in a term that is given, or not at all; 0 = in any. A decision that looked at the state in a
// term belongs to that term.
func (c *Controller) ProposeIn(
	sc *host.Scope, cmd *metadatapb.Command, term uint64,
) (*metadatapb.Result, error) {
	if cmd.WallMs == 0 {
		cmd.WallMs = c.h.Wall().UnixMilli()
	}
	if cmd.Term == 0 && metadata.Decided(cmd) {
		cmd.Term = c.term.Load()
	}
	body := metadata.EncodeCommand(cmd)
	if limit := c.disk.maxEntry() - proposalHeader; len(body) > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), limit)
	}
	p := c.newProposal(body, term)
	if err := c.queue.Push(sc, event{proposal: p}); err != nil {
		return nil, c.gone(err)
	}
	r, err := p.future.Wait(sc, 0)
	if err != nil && !ours(err) { // the scope ended first
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return r, err
}

func (c *Controller) newProposal(body []byte, term uint64) *proposal {
	p := &proposal{data: append(make([]byte, proposalHeader, proposalHeader+len(body)), body...), term: term}
	p.future.Init(c.h)
	return p
}

// join tells the cluster of this member until the cluster knows it: a new one, or one whose address changed. A
// member that was removed says nothing.
func (c *Controller) join(sc *host.Scope) {
	self := api.Member{ID: c.member, Node: c.cfg.Node, Addr: c.cfg.Addr}
	next, hinted := 0, ""
	for !c.done.Done() {
		list := c.Members()
		leads, _ := c.Leads()
		if !leads && c.stranger(list, self) {
			addrs := append([]string(nil), c.cfg.Join...)
			for _, m := range list {
				addrs = append(addrs, m.Addr)
			}
			addr := hinted
			if addr == "" && len(addrs) > 0 {
				addr = addrs[next%len(addrs)]
				next++
			}
			hinted = ""
			if addr != "" && addr != c.cfg.Addr {
				_, err := c.cfg.Pool.Call(sc, addr, api.Join, self.Encode(), 10*time.Second)
				if h, ok := api.HintOf(err); ok {
					hinted = h.Addr
				}
			}
		}
		if c.h.Sleep(sc, 2*c.cfg.Tick) != nil {
			return
		}
	}
}

// stranger reports whether the members do not know where self is, and it may tell them.
func (c *Controller) stranger(list []api.Member, self api.Member) bool {
	for _, m := range list {
		if m.ID == self.ID {
			return m.Node != self.Node || m.Addr != self.Addr
		}
	}
	return len(list) == 0 // else it was removed
}
