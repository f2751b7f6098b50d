package rpc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

const (
	echo    rpc.Method = 1
	wait    rpc.Method = 2 // until its scope ends
	say     rpc.Method = 3 // one-way
	no      rpc.Method = 4 // refuses with a Status
	fails   rpc.Method = 5
	joins   rpc.Method = 6 // for strangers
	one     rpc.Method = 7 // one at a time, 100 ms each
	echoAll            = rpc.BulkMethod | 1
	hold               = rpc.BulkMethod | 3 // for two seconds
	grow               = rpc.BulkMethod | 2 // answers with as many bytes as it is asked for
)

var (
	cluster = rpc.Cluster{1, 2, 3}
	alpha   = rpc.Identity{Cluster: cluster, Node: 1, Roles: rpc.RoleBroker}
	beta    = rpc.Identity{Cluster: cluster, Node: 2, Roles: rpc.RoleController}
)

// served is what handlers saw.
type served struct {
	ran   map[string]int // requests by payload
	said  []string       // one-way messages
	ends  []error        // outcomes of the scopes of wait
	peers []rpc.Peer
}

func newServed() *served { return &served{ran: map[string]int{}} }

// register gives s the methods above.
func register(h host.Host, s *rpc.Server, seen *served) {
	handle := func(m rpc.Method, name string, fn rpc.Handler, e rpc.Endpoint) {
		e.Method, e.Name = m, "test."+name
		e.Handler = func(sc *host.Scope, from *rpc.Peer, req []byte) ([]byte, error) {
			seen.ran[string(req)]++
			seen.peers = append(seen.peers, *from)
			return fn(sc, from, req)
		}
		s.Handle(e)
	}
	reply := func(_ *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) { return req, nil }
	handle(echo, "echo", reply, rpc.Endpoint{})
	handle(echoAll, "echo-all", reply, rpc.Endpoint{RequestMax: 64 << 20})
	handle(joins, "joins", reply, rpc.Endpoint{Stranger: true})
	handle(wait, "wait", func(sc *host.Scope, _ *rpc.Peer, _ []byte) ([]byte, error) {
		err := h.Sleep(sc, time.Hour)
		seen.ends = append(seen.ends, err)
		return nil, err
	}, rpc.Endpoint{})
	handle(no, "no", func(*host.Scope, *rpc.Peer, []byte) ([]byte, error) {
		return nil, fmt.Errorf("wrapped: %w", &rpc.Status{Code: 99, Text: "not here", Detail: []byte("b:2")})
	}, rpc.Endpoint{})
	handle(fails, "fails", func(*host.Scope, *rpc.Peer, []byte) ([]byte, error) {
		return nil, &rpc.Status{Code: rpc.CodeBusy, Text: strings.Repeat("ü", 1000)}
	}, rpc.Endpoint{})
	handle(one, "one", func(sc *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) {
		return req, h.Sleep(sc, 100*time.Millisecond)
	}, rpc.Endpoint{Concurrency: 1})
	handle(hold, "hold", func(sc *host.Scope, _ *rpc.Peer, _ []byte) ([]byte, error) {
		return nil, h.Sleep(sc, 2*time.Second)
	}, rpc.Endpoint{RequestMax: 64 << 20})
	handle(grow, "grow", func(_ *host.Scope, _ *rpc.Peer, req []byte) ([]byte, error) {
		var n int
		if _, err := fmt.Sscan(string(req), &n); err != nil {
			return nil, err
		}
		return make([]byte, n), nil
	}, rpc.Endpoint{})
	s.HandleOneWay(say, func(_ *rpc.Peer, p []byte) { seen.said = append(seen.said, string(p)) })
}

// rig is a server on machine b and a pool on machine a.
type rig struct {
	w    *sim.World
	seen *served
	s    *rpc.Server
	h    host.Host   // of a
	sc   *host.Scope // of the test's task on a
	p    *rpc.Pool
}

const addr = "b:7"

func serverConfig() rpc.ServerConfig { return rpc.ServerConfig{Identity: beta, Listen: ":7"} }

// on runs fn as a task of a, with a pool, in a world where b serves; afterwards nothing may be left running.
func on(t *testing.T, cfg sim.Config, server rpc.ServerConfig, pool rpc.PoolConfig, fn func(r *rig) error) {
	t.Helper()
	w := sim.New(cfg)
	defer w.Close()
	r := &rig{w: w, seen: newServed()}
	serve(r, server)
	err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		r.h, r.sc = h, sc
		if err := h.Sleep(sc, time.Millisecond); err != nil {
			return err
		}
		r.p = rpc.NewPool(sc, h, pool)
		err := fn(r)
		return errors.Join(err, r.p.Close(sc))
	})
	require.NoError(t, err)
	drained(t, r)
}

// serve starts the server on b and keeps its task until the server has ended.
func serve(r *rig, cfg rpc.ServerConfig) {
	r.w.Machine("b").Boot(func(h host.Host, sc *host.Scope) {
		r.s = rpc.NewServer(h, cfg)
		register(h, r.s, r.seen)
		if err := r.s.Start(sc); err != nil {
			r.w.Fail(err)
		}
		_ = h.Sleep(sc, 1000*time.Hour) // its scope is the server's
	})
}

// drained stops the server, and checks that no task is left.
func drained(t *testing.T, r *rig) {
	t.Helper()
	b := r.w.Machine("b")
	if b.Alive() {
		require.NoError(t, r.w.Do(b, func(h host.Host, sc *host.Scope) error {
			return r.s.Stop(sc, h.Now().Add(time.Minute))
		}))
	}
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Minute)))
	for _, line := range strings.Split(strings.TrimSpace(r.w.Tasks()), "\n") {
		if strings.Contains(line, "rpc.") || strings.Contains(line, "test.") {
			t.Errorf("left running: %s", line)
		}
	}
}

func TestACallIsAnswered(t *testing.T) {
	on(t, sim.Config{Seed: 1}, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		for i := range 3 {
			p, err := r.p.Call(r.sc, addr, echo, []byte{byte('a' + i)}, time.Second)
			assert.NoError(t, err)
			assert.Equal(t, string(rune('a'+i)), string(p))
		}
		assert.Equal(t, alpha, r.seen.peers[0].Identity)
		assert.Contains(t, r.seen.peers[0].Addr, "a:")
		return nil
	})
}
