package rpc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// plain is on with nothing special.
func plain(t *testing.T, fn func(r *rig) error) {
	t.Helper()
	on(t, sim.Config{Seed: 1}, serverConfig(), rpc.PoolConfig{Identity: alpha}, fn)
}

func (r *rig) call(m rpc.Method, req string, timeout time.Duration) (string, error) {
	p, err := r.p.Call(r.sc, addr, m, []byte(req), timeout)
	return string(p), err
}

func code(err error) rpc.Code {
	var s *rpc.Status
	if errors.As(err, &s) {
		return s.Code
	}
	return 0
}

func TestARefusalReachesTheCallerWhole(t *testing.T) {
	plain(t, func(r *rig) error {
		_, err := r.call(no, "x", time.Second)
		var s *rpc.Status
		assert.ErrorAs(t, err, &s)
		assert.Equal(t, rpc.Status{Code: 99, Text: "not here", Detail: []byte("b:2")}, *s)
		assert.False(t, s.NeverRan())

		_, err = r.call(fails, "x", time.Second) // a handler cannot promise that none ran
		assert.ErrorAs(t, err, &s)
		assert.Equal(t, rpc.CodeFailed, s.Code)
		assert.Contains(t, s.Text, "üü")

		_, err = r.call(99, "x", time.Second)
		assert.Equal(t, rpc.CodeNoMethod, code(err))
		_, err = r.call(say, "x", time.Second) // one-way only
		assert.Equal(t, rpc.CodeNoMethod, code(err))
		_, err = r.call(echo, strings.Repeat("x", 64<<10+1), time.Second)
		assert.Equal(t, rpc.CodeTooLarge, code(err))
		_, err = r.call(echo, strings.Repeat("x", 1<<20+1), time.Second)
		assert.ErrorIs(t, err, rpc.ErrUnreachable)
		assert.ErrorIs(t, err, rpc.ErrTooLarge)
		_, err = r.call(grow, fmt.Sprint(64<<20+1), 10*time.Second)
		assert.Equal(t, rpc.CodeFailed, code(err))
		return nil
	})
}

func TestLargePayloadsPassOnTheBulkConnection(t *testing.T) {
	plain(t, func(r *rig) error {
		big := strings.Repeat("0123456789", 900_000)
		got, err := r.call(echoAll, big, 10*time.Second)
		assert.NoError(t, err)
		assert.True(t, big == got)
		return nil
	})
}

func TestWhatIsUrgentDoesNotWaitBehindWhatIsLarge(t *testing.T) {
	cfg := sim.Config{Seed: 1, Net: sim.NetConfig{Bandwidth: 1 << 20}}
	on(t, cfg, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		g := host.NewGroup(r.h, r.sc)
		g.Go("bulk", func(sc *host.Scope) error {
			_, err := r.p.Call(sc, addr, grow, []byte("8000000"), time.Minute)
			return err
		})
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		begin := r.h.Now()
		_, err := r.call(echo, "now", time.Second)
		assert.NoError(t, err)
		assert.Less(t, r.h.Now().Sub(begin), 10*time.Millisecond)
		assert.NoError(t, g.Wait()) // no ping gave it up: bytes were heard
		assert.Greater(t, r.h.Now().Sub(begin), 5*time.Second)
		return nil
	})
}

func TestAHandlersScopeEndsWithItsCall(t *testing.T) {
	plain(t, func(r *rig) error {
		begin := r.h.Now()
		_, err := r.call(wait, "late", 300*time.Millisecond)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.ErrorIs(t, err, host.ErrTimeout)
		assert.Equal(t, 300*time.Millisecond, r.h.Now().Sub(begin))

		sc, cancel := r.sc.Child(0)
		r.h.Go(r.sc, "cancel", func(sc *host.Scope) { _ = r.h.Sleep(sc, time.Second); cancel() })
		_, err = r.p.Call(sc, addr, wait, []byte("cancelled"), time.Hour)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.ErrorIs(t, err, host.ErrCancelled)
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Equal(t, []error{host.ErrTimeout, host.ErrCancelled}, r.seen.ends)

		r.h.Go(r.sc, "close", func(sc *host.Scope) { _ = r.h.Sleep(sc, time.Second); _ = r.p.Close(nil) })
		_, err = r.call(wait, "closed", time.Hour)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.ErrorIs(t, err, rpc.ErrClosed)
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Equal(t, host.ErrCancelled, r.seen.ends[2])
		_, err = r.call(echo, "never", time.Hour)
		assert.ErrorIs(t, err, rpc.ErrUnreachable)
		assert.ErrorIs(t, err, rpc.ErrClosed)
		return nil
	})
}

func TestACallThatNeverLeftIsUnreachable(t *testing.T) {
	plain(t, func(r *rig) error {
		for name, fn := range map[string]func() error{
			"no time":        func() error { _, err := r.call(echo, "never", 0); return err },
			"less than none": func() error { _, err := r.call(echo, "never", -time.Second); return err },
			"an ended scope": func() error {
				sc, cancel := r.sc.Child(0)
				cancel()
				_, err := r.p.Call(sc, addr, echo, []byte("never"), time.Second)
				return err
			},
			"nobody listens": func() error {
				_, err := r.p.Call(r.sc, "b:8", echo, []byte("never"), time.Second)
				return err
			},
			"a bad address": func() error {
				_, err := r.p.Call(r.sc, "nowhere", echo, []byte("never"), time.Second)
				return err
			},
		} {
			assert.ErrorIs(t, fn(), rpc.ErrUnreachable, name)
		}
		r.w.Block("a", "b")
		begin := r.h.Now()
		_, err := r.call(echo, "never", time.Second)
		assert.ErrorIs(t, err, rpc.ErrUnreachable)
		assert.ErrorIs(t, err, host.ErrTimeout)
		assert.Equal(t, time.Second, r.h.Now().Sub(begin))
		r.w.Heal()
		assert.NoError(t, r.h.Sleep(r.sc, 20*time.Second))
		assert.Zero(t, r.seen.ran["never"])
		return nil
	})
}

func TestCallsFailAtOnceWhileAnAddressIsPaused(t *testing.T) {
	plain(t, func(r *rig) error {
		fast, dials := 0, r.p.Stats().Dials
		for range 400 {
			begin := r.h.Now()
			_, err := r.p.Call(r.sc, "b:8", echo, nil, time.Second)
			assert.ErrorIs(t, err, host.ErrRefused)
			assert.ErrorIs(t, err, rpc.ErrUnreachable)
			if r.h.Now() == begin {
				fast++
			}
			assert.NoError(t, r.h.Sleep(r.sc, 10*time.Millisecond))
		}
		assert.Greater(t, fast, 380)
		assert.Greater(t, r.p.Stats().Dials-dials, uint64(5))
		assert.False(t, r.p.Send("b:8", say, nil))
		return nil
	})
}

func TestALostConnectionLeavesSentCallsUnknownAndOthersGoOn(t *testing.T) {
	down := 0
	pool := rpc.PoolConfig{Identity: alpha, Down: func(a string, c rpc.Class, why error) {
		if a == addr && c == rpc.Urgent && why != nil {
			down++
		}
	}}
	on(t, sim.Config{Seed: 1}, serverConfig(), pool, func(r *rig) error {
		_, err := r.call(echo, "first", time.Second)
		assert.NoError(t, err)
		assert.NoError(t, r.h.Sleep(r.sc, 5*time.Second))
		r.h.Go(r.sc, "kill", func(sc *host.Scope) {
			_ = r.h.Sleep(sc, time.Second)
			r.w.Machine("b").Kill()
			serve(r, serverConfig())
		})
		_, err = r.call(wait, "lost", time.Minute)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.ErrorIs(t, err, host.ErrReset)
		assert.Equal(t, 1, down)
		_, err = r.call(echo, "second", time.Second) // no pause after a connection that lived
		assert.NoError(t, err)
		return nil
	})
}

func TestAPeerThatFallsSilentIsLeft(t *testing.T) {
	plain(t, func(r *rig) error {
		_, err := r.call(echo, "first", time.Second)
		assert.NoError(t, err)
		begin := r.h.Now()
		r.w.Inject(fault.Step{Target: "b>a", Kind: fault.Clog, For: 9 * time.Second}) // no reset comes of it
		_, err = r.call(echo, "lost", time.Minute)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.ErrorIs(t, err, rpc.ErrSilent)
		assert.LessOrEqual(t, r.h.Now().Sub(begin), 6*time.Second)
		assert.NoError(t, r.h.Sleep(r.sc, 10*time.Second))
		_, err = r.call(echo, "again", time.Second)
		assert.NoError(t, err)
		return nil
	})
}

func TestAHalfOpenConnectionIsFound(t *testing.T) {
	cfg := sim.Config{Seed: 1, Faults: sim.Faults{HalfOpen: sim.Always}}
	on(t, cfg, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		_, err := r.call(echo, "first", time.Second)
		assert.NoError(t, err)
		r.w.Machine("b").Kill()
		begin := r.h.Now()
		_, err = r.call(echo, "lost", time.Minute)
		assert.ErrorIs(t, err, rpc.ErrUnknown)
		assert.LessOrEqual(t, r.h.Now().Sub(begin), 6*time.Second)
		return nil
	})
	// And from the other side: the dialler dies without a word.
	on(t, cfg, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		c := r.w.Machine("c")
		c.Boot(func(h host.Host, sc *host.Scope) {
			_, _ = rpc.NewPool(sc, h, rpc.PoolConfig{Identity: alpha}).Call(sc, addr, wait, nil, time.Hour)
		})
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Equal(t, 1, r.s.Stats().Connections)
		c.Kill()
		assert.NoError(t, r.h.Sleep(r.sc, 20*time.Second))
		assert.Equal(t, []error{host.ErrCancelled}, r.seen.ends)
		assert.Zero(t, r.s.Stats().Connections)
		return nil
	})
}

func TestIdleConnectionsEnd(t *testing.T) {
	plain(t, func(r *rig) error {
		_, err := r.call(echo, "x", time.Second)
		assert.NoError(t, err)
		assert.NoError(t, r.h.Sleep(r.sc, time.Minute))
		assert.Equal(t, 1, r.s.Stats().Connections)
		_, err = r.call(wait, "x", 10*time.Minute) // waiting is not idle
		assert.ErrorIs(t, err, host.ErrTimeout)
		assert.Equal(t, 1, r.s.Stats().Connections)
		assert.Equal(t, uint64(1), r.p.Stats().Dials)
		assert.NoError(t, r.h.Sleep(r.sc, 3*time.Minute))
		assert.Zero(t, r.s.Stats().Connections)
		assert.Zero(t, r.p.Stats().Links)
		assert.Zero(t, r.p.Stats().Lost)
		_, err = r.call(echo, "again", time.Second)
		assert.NoError(t, err)
		return nil
	})
}

func TestOneWayMessagesArriveInOrder(t *testing.T) {
	plain(t, func(r *rig) error {
		var want []string
		for i := range 3000 {
			want = append(want, fmt.Sprint(i, strings.Repeat("x", i%7000)))
			assert.True(t, r.p.Send(addr, say, []byte(want[i])))
			if i%97 == 0 {
				assert.NoError(t, r.h.Sleep(r.sc, 3*time.Millisecond))
			}
		}
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Equal(t, want, r.seen.said)
		assert.Equal(t, uint64(3000), r.p.Stats().Sent)
		assert.True(t, r.p.Send(addr, 77, []byte("nobody takes it")))
		assert.False(t, r.p.Send(addr, say, make([]byte, 1<<20+1)))
		_, err := r.call(echo, "x", time.Second)
		return err
	})
}

func TestSendNeverBlocksAndLosesWhatIsTooMuch(t *testing.T) {
	pool := rpc.PoolConfig{Identity: alpha, Sends: 10, SendBytes: 1000}
	on(t, sim.Config{Seed: 1}, serverConfig(), pool, func(r *rig) error {
		begin, taken := r.h.Now(), 0
		for range 20 {
			if r.p.Send(addr, say, []byte("by number")) {
				taken++
			}
		}
		assert.Equal(t, 10, taken)
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		for range 20 {
			if r.p.Send(addr, say, make([]byte, 400)) {
				taken++
			}
		}
		assert.Equal(t, 12, taken)
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.True(t, r.p.Send(addr, say, make([]byte, 2000))) // one is always taken
		assert.Equal(t, 2*time.Second, r.h.Now().Sub(begin))
		assert.Equal(t, uint64(28), r.p.Stats().Dropped)
		return nil
	})
}

func TestMessagesThatCannotBeDeliveredAreReported(t *testing.T) {
	var down []string
	pool := rpc.PoolConfig{Identity: alpha, Down: func(a string, c rpc.Class, why error) {
		down = append(down, fmt.Sprint(a, " ", c, " ", errors.Is(why, host.ErrRefused)))
	}}
	on(t, sim.Config{Seed: 1}, serverConfig(), pool, func(r *rig) error {
		for range 3 {
			assert.True(t, r.p.Send("b:8", say, nil))
		}
		assert.True(t, r.p.Send("b:9", rpc.BulkMethod|say, nil))
		assert.NoError(t, r.h.Sleep(r.sc, 5*time.Millisecond))
		assert.ElementsMatch(t, []string{"b:8 urgent true", "b:9 bulk true"}, down)
		assert.False(t, r.p.Send("b:8", say, nil))
		assert.Equal(t, uint64(5), r.p.Stats().Dropped)
		return nil
	})
}

func TestNodesOfAnotherClusterAreTurnedAway(t *testing.T) {
	var log bytes.Buffer
	other := rpc.Identity{Cluster: rpc.Cluster{9}, Node: 7}
	on(t, sim.Config{Seed: 1, Log: &log}, serverConfig(), rpc.PoolConfig{Identity: other}, func(r *rig) error {
		for range 3 {
			_, err := r.call(echo, "x", time.Second)
			assert.ErrorIs(t, err, rpc.ErrUnreachable)
			assert.ErrorIs(t, err, rpc.ErrCluster)
			assert.ErrorContains(t, err, cluster.String())
		}
		assert.Equal(t, rpc.ServerStats{TurnedAway: 1}, r.s.Stats())
		return nil
	})
	for _, who := range []string{"machine=a", "machine=b"} {
		n := 0
		for _, line := range strings.Split(log.String(), "\n") {
			if strings.Contains(line, who) && strings.Contains(line, "wrong cluster") {
				n++
			}
		}
		assert.Equal(t, 1, n, "%s in\n%s", who, log.String())
	}
}

func TestANodeWithoutAClusterMayCallForStrangersAlone(t *testing.T) {
	pool := rpc.PoolConfig{Identity: rpc.Identity{Node: 7}}
	on(t, sim.Config{Seed: 1}, serverConfig(), pool, func(r *rig) error {
		got, err := r.call(joins, "let me in", time.Second)
		assert.NoError(t, err)
		assert.Equal(t, "let me in", got)
		assert.True(t, r.seen.peers[0].Cluster.IsZero())
		_, err = r.call(echo, "never", time.Second)
		assert.Equal(t, rpc.CodeStrangers, code(err))
		assert.True(t, r.p.Send(addr, say, []byte("never")))
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Empty(t, r.seen.said)
		assert.Zero(t, r.seen.ran["never"])
		return nil
	})
	// A server without a cluster is nobody's.
	server := serverConfig()
	server.Cluster = rpc.Cluster{}
	on(t, sim.Config{Seed: 1}, server, rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		_, err := r.call(joins, "x", time.Second)
		assert.ErrorIs(t, err, rpc.ErrCluster)
		return nil
	})
}

func TestNothingButAHelloOpensAConnection(t *testing.T) {
	plain(t, func(r *rig) error {
		for name, p := range map[string]string{
			"another program": "GET / HTTP/1.1\r\n\r\n",
			"a frame":         strings.Repeat("\x07", 60),
			"silence":         "",
			"half a hello":    "weir-rpc\x01\x00",
		} {
			nc, err := r.h.Network().Dial(r.sc, addr)
			assert.NoError(t, err)
			_, err = nc.Write([]byte(p))
			assert.NoError(t, err)
			nc.SetDeadlines(r.h.Now().Add(4*time.Second), 0)
			_, err = nc.Read(make([]byte, 1))
			assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, host.ErrReset), "%s: %v", name, err)
			_ = nc.Close()
		}
		_, err := r.call(echo, "x", time.Second)
		return err
	})
}
