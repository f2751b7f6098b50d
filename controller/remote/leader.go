package remote

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// whereabouts is what is known of the controllers.
type whereabouts struct {
	given   []string // addresses to begin with
	members []string // as of applied
	applied uint64
	next    int // of all: whom to ask who leads
	source  int // of all: whom to follow

	leader string    // "": not known
	sure   bool      // it did what only a leader does, since it was last doubted
	term   uint64    // of the newest hint
	shun   string    // it was said to lead and gave no answer …
	until  host.Time // … so hints to it in that term count for nothing until then
}

// all is every address: members first, then those given that are none of them.
func (w *whereabouts) all() []string {
	list := append([]string(nil), w.members...)
	for _, a := range w.given {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

const (
	callWait  = 5 * time.Second // for the answer to one call
	readWait  = time.Second     // for one that may be repeated
	shunFor   = 2 * time.Second
	pauseLow  = 10 * time.Millisecond
	pauseHigh = 250 * time.Millisecond
)

// target is whom to take for the leader.
func (c *Client) target() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.who
	if w.leader != "" {
		return w.leader
	}
	list := w.all()
	a := list[w.next%len(list)]
	w.next++
	return a
}

// answered notes that addr leads.
func (c *Client) answered(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.who.leader, c.who.sure = addr, true
	if c.who.shun == addr {
		c.who.shun = ""
	}
}

// failed notes that addr did not do what a leader does, and reports whether it told who else might.
func (c *Client) failed(addr string, err error) bool {
	hint, refused := api.HintOf(err)
	now := c.h.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.who
	if w.leader == addr {
		w.leader, w.sure = "", false
	}
	if !refused && !answeredAtAll(err) {
		w.shun, w.until = addr, now.Add(shunFor)
	}
	if !refused || hint.Addr == "" || hint.Addr == addr || hint.Term < w.term ||
		hint.Addr == w.shun && hint.Term == w.term && now < w.until {
		return false
	}
	probe.Hit(probe.RemoteHintTaken)
	w.leader, w.term, w.sure = hint.Addr, hint.Term, false
	return true
}

func answeredAtAll(err error) bool {
	var s *rpc.Status
	return errors.As(err, &s)
}

// suspect has others asked who leads, because addr is slow to answer.
func (c *Client) suspect(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.who.leader == addr {
		probe.Hit(probe.RemoteLeaderSlow)
		c.who.leader, c.who.shun, c.who.until = "", addr, c.h.Now().Add(shunFor)
		c.who.sure = false
	}
}

// sure reports whether it is known who leads.
func (c *Client) sure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who.sure
}

// ask calls whoever leads, and bears with each call for wait, until there is an answer, may does not allow another
// call, or until comes. The error is the last call's.
func (c *Client) ask(
	sc *host.Scope, m rpc.Method, req []byte, wait time.Duration, until host.Time, may func(error) bool,
) ([]byte, error) {
	for pause := pauseLow; ; pause = min(2*pause, pauseHigh) {
		if err := c.ended(); err != nil {
			return nil, err
		}
		addr := c.target()
		p, err := c.cfg.Pool.Call(sc, addr, m, slices.Clone(req), wait)
		if err == nil {
			c.answered(addr)
			return p, nil
		}
		told := c.failed(addr, err)
		if !may(err) {
			return nil, err
		}
		if e := sc.Err(); e != nil {
			return nil, fmt.Errorf("%w (last: %w)", e, err)
		}
		if c.h.Now() >= until {
			return nil, err
		}
		c.stats.retried.Add(1)
		if told {
			pause = pauseLow
		}
		if e := c.pause(sc, pause); e != nil {
			return nil, fmt.Errorf("%w (last: %w)", e, err)
		}
	}
}

// Sync returns an index such that the replica, which has applied it, shows everything that was answered to anybody
// before the call. Errors: ErrNoLeader, ErrClosed, metadata.ErrNewer, and those of sc.
func (c *Client) Sync(sc *host.Scope) (uint64, error) {
	p, err := c.ask(sc, api.ReadIndex, nil, readWait, c.h.Now().Add(c.cfg.Patience), func(error) bool { return true })
	if err != nil {
		return 0, c.unfound(sc, err)
	}
	a, err := api.DecodeRead(p)
	if err != nil {
		return 0, fmt.Errorf("remote: read the answer to a read: %w", err)
	}
	return a.Index, c.reach(sc, a.Index)
}

// unfound makes of the last call's error one that says what it means.
func (c *Client) unfound(sc *host.Scope, err error) error {
	if e := c.ended(); e != nil {
		return e
	}
	if sc.Err() != nil {
		return err
	}
	return fmt.Errorf("%w (last: %w)", ErrNoLeader, err)
}

// Learn asks the controllers at addresses, again and again, until one of them that belongs to a cluster tells its
// status. Strangers may. Errors are those of sc.
func Learn(sc *host.Scope, h host.Host, pool *rpc.Pool, addresses []string) (api.StatusAnswer, error) {
	wait := pauseLow
	for i := 0; ; i++ {
		p, err := pool.Call(sc, addresses[i%len(addresses)], api.Status, nil, callWait)
		if err == nil {
			s, err := api.DecodeStatus(p)
			if err == nil && s.Cluster != [16]byte{} {
				return s, nil
			}
		}
		if err := h.Sleep(sc, wait); err != nil {
			return api.StatusAnswer{}, err
		}
		wait = min(2*wait, pauseHigh)
	}
}

// refresh asks a member who the members are.
func (c *Client) refresh(sc *host.Scope, addr string) error {
	p, err := c.cfg.Pool.Call(sc, addr, api.Status, nil, time.Second)
	if err != nil {
		return err
	}
	s, err := api.DecodeStatus(p)
	if err != nil {
		return err
	}
	if metadata.UUID(s.Cluster) != c.cfg.Cluster {
		return fmt.Errorf("%w: %s says %x, not %s", ErrForeign, addr, s.Cluster, c.cfg.Cluster)
	}
	var list []string
	for _, m := range s.Members {
		if m.Addr != "" {
			list = append(list, m.Addr)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(list) > 0 && s.Applied >= c.who.applied {
		c.who.members, c.who.applied = list, s.Applied
	}
	return nil
}
