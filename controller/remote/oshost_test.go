package remote_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/remote"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/rpc"
)

// realMember is a controller on a real machine, with real connections.
type realMember struct {
	h    *oshost.Host
	s    *rpc.Server
	p    *rpc.Pool
	c    *controller.Controller
	addr string
}

func newRealMember(t *testing.T, n int, join []string) *realMember {
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	require.NoError(t, err)
	free := rpc.NewServer(h, rpc.ServerConfig{Listen: "127.0.0.1:0"})
	require.NoError(t, free.Start(h.Root()))
	m := &realMember{h: h, addr: free.Addr()}
	require.NoError(t, free.Stop(h.Root(), 0))
	self := rpc.Identity{Cluster: rpc.Cluster(cluster), Node: int32(n), Roles: rpc.RoleController}
	m.p = rpc.NewPool(h.Root(), h, rpc.PoolConfig{Identity: self})
	m.c, err = controller.Open(h.Root(), h, controller.Config{
		LogBytes: 1 << 20, SnapshotBytes: 96 << 10, SlabBytes: 64 << 10, Tick: 20 * time.Millisecond,
		Cluster: cluster, Pool: m.p, Node: int32(n), Addr: m.addr, Join: join,
	})
	require.NoError(t, err)
	m.s = rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: m.addr})
	m.c.Register(m.s)
	require.NoError(t, m.s.Start(h.Root()))
	return m
}

func (m *realMember) end(t *testing.T) {
	require.NoError(t, m.c.Close(m.h.Root()))
	require.NoError(t, m.s.Stop(m.h.Root(), m.h.Now().Add(time.Second)))
	require.NoError(t, m.p.Close(m.h.Root()))
	m.h.Close(nil)
}

// realClient registers brokers, and reads each at once, while it keeps a lease.
func realClient(h *oshost.Host, sc *host.Scope, node int32, addrs []string) error {
	pool := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: rpc.Identity{Cluster: rpc.Cluster(cluster), Node: node}})
	c, err := remote.Open(sc, h, remote.Config{Pool: pool, Addresses: addrs[:2]})
	if err != nil {
		return err
	}
	var s *remote.Session
	for i := range int32(60) {
		r, err := c.Propose(sc, register(int(node+i)))
		for errors.Is(err, remote.ErrUnknown) || err == nil && r.GetRefusal() != 0 {
			cmd := register(int(node + i))
			cmd.Term = 0
			r, err = c.Propose(sc, cmd)
		}
		if err != nil {
			return err
		}
		c.Read(func(m *metadata.State) {
			if !m.Live(node+i, r.GetRegister().GetEpoch()) {
				err = fmt.Errorf("ReadYourResults: broker %d is not there", node+i)
			}
		})
		if err != nil {
			return err
		}
		if s == nil {
			s = c.StartSession(sc, node, r.GetRegister().GetEpoch(), remote.Hooks{})
		}
	}
	if err := s.WaitHeld(sc); err != nil {
		return err
	}
	if _, err := c.Sync(sc); err != nil {
		return err
	}
	if err := errors.Join(c.Close(), pool.Close(sc)); err != nil {
		return err
	}
	if c.Stats().Refused > 0 || s.WaitHeld(sc) != nil && !errors.Is(s.WaitHeld(sc), remote.ErrClosed) {
		return fmt.Errorf("%+v", c.Stats())
	}
	return nil
}

func TestRealClientsGoOnWhileTheLeaderEnds(t *testing.T) {
	list := []*realMember{newRealMember(t, 0, nil)}
	addrs := []string{list[0].addr}
	for n := 1; n < 3; n++ {
		list = append(list, newRealMember(t, n, addrs[:1]))
		addrs = append(addrs, list[n].addr)
	}
	require.Eventually(t, func() bool {
		n := 0
		for _, m := range list[0].c.Members() {
			if m.Voter {
				n++
			}
		}
		return n == 3
	}, 20*time.Second, 10*time.Millisecond)
	var wg sync.WaitGroup
	for k := range int32(2) {
		h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
		require.NoError(t, err)
		defer h.Close(nil)
		wg.Go(func() {
			sc, cancel := h.Root().Child(h.Now().Add(time.Minute))
			defer cancel()
			if err := realClient(h, sc, 1000*(k+1), addrs); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		at := list[0].c.Status().Applied
		_, err := list[0].c.Wait(list[0].h.Root(), at+20, 0)
		if err != nil {
			t.Error(err)
		}
		list[0].end(t) // it led from the beginning
	})
	wg.Wait()
	for _, m := range list[1:] {
		m.end(t)
	}
}
