package listgossip

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/gossip"
	"github.com/weirmq/weir/gossip/gossiptest"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
)

const (
	testPace = 70 * time.Millisecond
	testKey  = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	// patience is how long a test waits for what takes a few paces: other tests have the machine too.
	patience = 20 * time.Second
)

// rig runs members on this machine's loopback, each with a host of its own.
type rig struct {
	t     *testing.T
	hosts map[*gossiptest.Node]*oshost.Host

	mu   sync.Mutex // guards the fields below
	cuts map[[2]string]bool
}

func newRig(t *testing.T) *rig {
	t.Parallel()
	r := &rig{t: t, hosts: map[*gossiptest.Node]*oshost.Host{}, cuts: map[[2]string]bool{}}
	t.Cleanup(func() {
		for _, h := range r.hosts {
			h.Close(nil)
			h.Wait() // every task has ended
		}
	})
	return r
}

func newHost(t *testing.T, log slog.Handler) *oshost.Host {
	t.Helper()
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: log})
	require.NoError(t, err)
	return h
}

func (r *rig) Start(self gossip.Self, at string, join ...string) *gossiptest.Node {
	h := newHost(r.t, slog.DiscardHandler)
	if at == "" {
		at = "127.0.0.1:0"
	}
	g, err := Start(h.Root(), h, Config{
		Self: self, Listen: at, Key: testKey, Label: "test", Pace: testPace,
		wrap: func(t memberlist.NodeAwareTransport) memberlist.NodeAwareTransport { return &cuttable{t, r} },
	})
	require.NoError(r.t, err)
	g.Join(join)
	n := &gossiptest.Node{Self: self, M: g, ID: len(r.hosts)}
	r.hosts[n] = h
	return n
}

func (r *rig) Do(n *gossiptest.Node, fn func(h host.Host, sc *host.Scope) error) error {
	h := r.hosts[n]
	var done host.Future[struct{}]
	done.Init(h)
	h.Go(nil, "test.do", func(sc *host.Scope) { done.Complete(struct{}{}, fn(h, sc)) })
	_, err := done.Wait(h.Root(), 0)
	return err
}

func (r *rig) Await(n *gossiptest.Node, paces int, cond func(gossip.Snapshot) bool) bool {
	h := r.hosts[n]
	within := time.Duration(paces) * testPace
	if paces > 10 { // else it is to see that nothing happens
		within = max(within, patience)
	}
	for until := h.Now().Add(within); ; {
		s := n.M.Members()
		if cond(s) {
			return true
		}
		if _, err := n.M.Wait(h.Root(), s.Version, until); err != nil {
			return false
		}
	}
}

func (r *rig) Pass(paces int) {
	for _, h := range r.hosts {
		if h.Sleep(h.Root(), time.Duration(paces)*testPace) == nil {
			return // else it was killed
		}
	}
}

func (r *rig) Kill(n *gossiptest.Node) {
	r.hosts[n].Close(nil)
	r.hosts[n].Wait()
}

func (r *rig) Cut(a, b []*gossiptest.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range a {
		for _, y := range b {
			r.cuts[[2]string{x.M.Addr(), y.M.Addr()}] = true
			r.cuts[[2]string{y.M.Addr(), x.M.Addr()}] = true
		}
	}
}

func (r *rig) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cuts)
}

// cuttable is a transport that carries nothing to whom the rig cut off.
type cuttable struct {
	memberlist.NodeAwareTransport
	r *rig
}

func (c *cuttable) cut(to string) bool {
	ip, port, err := c.FinalAdvertiseAddr("", 0)
	if err != nil {
		return true
	}
	from := (&net.TCPAddr{IP: ip, Port: port}).String()
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.r.cuts[[2]string{from, to}]
}

func (c *cuttable) WriteToAddress(p []byte, to memberlist.Address) (time.Time, error) {
	if c.cut(to.Addr) {
		return time.Now(), nil // as if it were lost
	}
	return c.NodeAwareTransport.WriteToAddress(p, to)
}

func (c *cuttable) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if c.cut(to.Addr) {
		return nil, errors.New("cut")
	}
	return c.NodeAwareTransport.DialAddressTimeout(to, timeout)
}

func TestMembershipKeepsItsPromisesOnTheLoopback(t *testing.T) {
	gossiptest.Run(t, func(t *testing.T) gossiptest.Rig { return newRig(t) })
}
