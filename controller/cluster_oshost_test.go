package controller_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/controller/api"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
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

// bind starts and stops a server, to have an address that is free.
func bind(t *testing.T, h *oshost.Host) string {
	s := rpc.NewServer(h, rpc.ServerConfig{Listen: "127.0.0.1:0"})
	require.NoError(t, s.Start(h.Root()))
	addr := s.Addr()
	require.NoError(t, s.Stop(h.Root(), 0))
	return addr
}

func newRealMember(t *testing.T, n int, join []string) *realMember {
	h, err := oshost.New(oshost.Config{Data: t.TempDir(), Log: slog.DiscardHandler})
	require.NoError(t, err)
	m := &realMember{h: h, addr: bind(t, h)}
	self := rpc.Identity{Cluster: rpc.Cluster(worldCluster), Node: int32(n), Roles: rpc.RoleController}
	m.p = rpc.NewPool(h.Root(), h, rpc.PoolConfig{Identity: self})
	cfg := small
	cfg.Cluster, cfg.Pool, cfg.Node, cfg.Addr, cfg.Join = worldCluster, m.p, int32(n), m.addr, join
	cfg.Tick = 20 * time.Millisecond
	m.c, err = controller.Open(h.Root(), h, cfg)
	require.NoError(t, err)
	m.s = rpc.NewServer(h, rpc.ServerConfig{Identity: self, Listen: m.addr})
	m.c.Register(m.s)
	require.NoError(t, m.s.Start(h.Root()))
	return m
}

// end is an orderly end, whoever led.
func (m *realMember) end(t *testing.T) {
	require.NoError(t, m.c.Close(m.h.Root()))
	require.NoError(t, m.s.Stop(m.h.Root(), m.h.Now().Add(time.Second)))
	require.NoError(t, m.p.Close(m.h.Root()))
	m.h.Close(nil)
}

// register gets a broker registered by whoever leads.
func (m *realMember) register(id int32, addrs []string) error {
	q := api.ProposeRequest{Command: metadata.EncodeCommand(&metadatapb.Command{
		Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
			Broker: id, Nonce: nonce(int(id)), Disk: nonce(int(id)),
		}},
	})}
	until := m.h.Now().Add(20 * time.Second)
	for i := 0; m.h.Now() < until; i++ {
		p, err := m.p.Call(m.h.Root(), addrs[i%len(addrs)], api.Propose, q.Encode(), 2*time.Second)
		if err == nil {
			if r, err := api.DecodeResult(p); err != nil || r.GetRefusal() == 0 {
				return err
			}
		}
		if err := m.h.Sleep(m.h.Root(), 5*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("broker %d was not registered in time", id)
}

func TestThreeRealMembersServeWhileTheirLeaderEnds(t *testing.T) {
	list := []*realMember{newRealMember(t, 0, nil)}
	addrs := []string{list[0].addr}
	for n := 1; n < 3; n++ {
		list = append(list, newRealMember(t, n, addrs[:1]))
		addrs = append(addrs, list[n].addr)
	}
	voters := func() bool {
		n := 0
		for _, m := range list[0].c.Members() {
			if m.Voter && m.Addr != "" {
				n++
			}
		}
		return n == 3
	}
	require.Eventually(t, voters, 20*time.Second, 10*time.Millisecond)
	var wg sync.WaitGroup
	load := func(m *realMember, from int32) {
		wg.Go(func() {
			for i := range int32(40) {
				if err := m.register(from+i, addrs); err != nil {
					t.Error(err)
				}
			}
		})
	}
	load(list[1], 100)
	load(list[2], 200)
	wg.Go(func() { list[0].end(t) }) // it led from the beginning
	wg.Wait()
	load(list[1], 300)
	wg.Wait()
	for _, m := range list[1:] {
		require.Eventually(t, func() bool {
			n := 0
			m.c.Read(func(s *metadata.State) { n = len(s.Brokers()) })
			return n == 120
		}, 20*time.Second, 10*time.Millisecond)
	}
	for _, m := range list[1:] {
		m.end(t)
	}
}
