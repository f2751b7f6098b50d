package remote

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/controller/lease"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
)

// Hooks is what a session asks its broker, and tells it. They must not block; nil ones are not called.
type Hooks struct {
	// Alive is asked before each heartbeat: false, for a watchdog that fires or a sync that is too old, sends
	// none, so that the lease runs out.
	Alive func() bool
	// Report fills in what a heartbeat tells beside the epoch.
	Report func(*api.HeartbeatRequest)
	// Fenced is called once when the epoch is not live any more: the process must end.
	Fenced func()
}

// Session keeps the lease of a broker epoch alive.
type Session struct {
	c       *Client
	epoch   lease.Epoch
	hooks   Hooks
	tasks   *host.Group
	stopped atomic.Bool

	mu     host.Mutex // guards what is below
	moved  host.Cond
	holder *lease.Holder
	out    int // heartbeats without an answer
	sent   sending
	most   uint64 // highest number that was answered
	again  bool   // the last one failed: look for who leads
	asking bool   // whether the epoch is live
}

// sending is the last heartbeat.
type sending struct {
	number uint64
	addr   string
	at     host.Time
}

const (
	beatsMax   = 16 // without an answer
	againLow   = 10 * time.Millisecond
	againHigh  = 100 * time.Millisecond
	reportSize = 60 << 10 // of a heartbeat at most: an rpc endpoint takes 64 KiB by itself
)

// StartSession begins to send heartbeats for a broker epoch, in tasks of the client, which run until Stop, Close or
// the end of sc. The epoch has to come from a result of this client, or from before a Sync.
func (c *Client) StartSession(sc *host.Scope, broker int32, epoch int64, hooks Hooks) *Session {
	s := &Session{
		c: c, epoch: lease.Epoch{Broker: broker, Epoch: epoch}, hooks: hooks, tasks: host.NewGroup(c.h, sc),
		holder: lease.NewHolder(c.cfg.Lease),
	}
	s.mu.Init(c.h)
	s.moved.Init(c.h, &s.mu)
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	s.tasks.Go("remote.session", s.run)
	c.advanced() // it may have ended before it was listed
	return s
}

// Stop ends the heartbeats and returns when their tasks have ended. What lease there is runs out.
func (s *Session) Stop() {
	if s.stopped.Swap(true) {
		return
	}
	s.tasks.Cancel()
	s.c.mu.Lock()
	s.c.sessions = slices.DeleteFunc(s.c.sessions, func(o *Session) bool { return o == s })
	s.c.mu.Unlock()
	s.mu.Lock()
	s.moved.Broadcast()
	s.mu.Unlock()
	_ = s.tasks.Wait() // its tasks return no error
}

// Held reports whether the lease is held at now, by both clocks of this machine.
func (s *Session) Held(now host.Time, wall time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder.Held(now, wall)
}

// Until is when the lease ends, as far as is known.
func (s *Session) Until() host.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder.Until()
}

// Over reports whether the epoch was fenced.
func (s *Session) Over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder.Over()
}

// WaitHeld waits until the lease is held. Errors: ErrFenced, ErrClosed after Stop, and those of sc.
func (s *Session) WaitHeld(sc *host.Scope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.holder.Held(s.c.h.Now(), s.c.h.Wall()):
			return nil
		case s.holder.Over():
			return ErrFenced
		case s.stopped.Load():
			return ErrClosed
		}
		if err := s.moved.Wait(sc, 0); err != nil {
			return err
		}
	}
}

// run sends a heartbeat every now and then, and sooner when the last one failed.
func (s *Session) run(sc *host.Scope) error {
	h := s.c.h
	quick, held := againLow, false
	for sc.Err() == nil && !s.Over() {
		now := s.Held(h.Now(), h.Wall())
		if held && !now {
			probe.Hit(probe.RemoteLapsed)
		}
		held = now
		s.beat()
		if !s.rest(sc, h.Now().Add(s.bear())) {
			continue
		}
		if s.c.pause(sc, quick) != nil {
			break
		}
		if quick = min(2*quick, againHigh); held {
			quick = againLow
		}
	}
	return nil
}

// bear is how long a heartbeat may take before another member is asked: not long while nobody is known to lead.
func (s *Session) bear() time.Duration {
	if s.c.sure() {
		return s.c.cfg.Lease.Every
	}
	return min(againHigh, s.c.cfg.Lease.Every)
}

// rest waits until a time, or until a heartbeat has failed, which it reports.
func (s *Session) rest(sc *host.Scope, until host.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.again && !s.holder.Over() {
		if s.moved.Wait(sc, until) != nil {
			return false
		}
	}
	s.again = false
	return true
}

// beat sends one heartbeat.
func (s *Session) beat() {
	c := s.c
	if s.hooks.Alive != nil && !s.hooks.Alive() {
		probe.Hit(probe.RemoteNoProgress)
		return
	}
	q := api.HeartbeatRequest{Broker: s.epoch.Broker, Epoch: s.epoch.Epoch}
	c.Read(func(m *metadata.State) { q.Applied, _ = m.Index() })
	if s.hooks.Report != nil {
		s.hooks.Report(&q)
	}
	q.WALs = q.WALs[:min(len(q.WALs), reportSize/24)]
	bear := s.bear()
	s.mu.Lock()
	last, silent := s.sent, s.sent.number > s.most && c.h.Now() >= s.sent.at.Add(bear)
	full := s.out >= beatsMax
	s.mu.Unlock()
	if silent {
		c.suspect(last.addr)
	}
	if full {
		probe.Hit(probe.RemoteBeatsFull)
		return
	}
	addr := c.target()
	s.mu.Lock()
	s.out++
	now := c.h.Now()
	q.Number = s.holder.Send(now, c.h.Wall()) // before the first byte leaves
	s.sent = sending{q.Number, addr, now}
	s.mu.Unlock()
	c.stats.heartbeats.Add(1)
	s.tasks.Go("remote.heartbeat", func(sc *host.Scope) error {
		s.send(sc, addr, q)
		return nil
	})
}

// send waits for the answer to one heartbeat.
func (s *Session) send(sc *host.Scope, addr string, q api.HeartbeatRequest) {
	c := s.c
	p, err := c.cfg.Pool.Call(sc, addr, api.Heartbeat, q.Encode(), c.cfg.Lease.Length)
	var a api.HeartbeatAnswer
	if err == nil {
		a, err = api.DecodeGrant(p)
	}
	s.mu.Lock()
	s.out--
	late := q.Number < s.most
	s.most = max(s.most, q.Number)
	granted := err == nil && lease.Why(a.Why) == lease.WhyNone
	if granted {
		s.holder.Granted(a.Number)
	}
	s.again = s.again || err != nil && !late
	s.moved.Broadcast()
	s.mu.Unlock()
	switch {
	case sc.Err() != nil:
	case err != nil && !late:
		c.failed(addr, err)
	case granted:
		c.stats.granted.Add(1)
		c.answered(addr)
	case err == nil && lease.Why(a.Why) == lease.WhyUnknown:
		s.inquire(sc)
	}
}

// inquire asks a quorum whether the epoch is live: who said that it is not may have been deposed long ago.
func (s *Session) inquire(sc *host.Scope) {
	s.mu.Lock()
	asked := s.asking
	s.asking = true
	s.mu.Unlock()
	if asked {
		return
	}
	live := true
	if _, err := s.c.Sync(sc); err == nil {
		s.c.Read(func(m *metadata.State) { live = m.Live(s.epoch.Broker, s.epoch.Epoch) })
	}
	s.mu.Lock()
	s.asking = false
	s.mu.Unlock()
	if !live {
		s.gone()
		return
	}
	probe.Hit(probe.RemoteUnknownEpoch)
}

// gone ends the session for ever.
func (s *Session) gone() {
	s.mu.Lock()
	over := s.holder.Over()
	if !over {
		s.holder.Fenced()
		s.moved.Broadcast()
	}
	s.mu.Unlock()
	if over {
		return
	}
	probe.Hit(probe.RemoteFenced)
	if s.hooks.Fenced != nil {
		s.hooks.Fenced()
	}
}
