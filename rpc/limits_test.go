package rpc_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// many makes n calls at once and counts how they end.
func (r *rig) many(n int, m rpc.Method, req string, timeout time.Duration) (answered int, errs []error) {
	g := host.NewGroup(r.h, r.sc)
	for i := range n {
		g.Go(fmt.Sprintf("call %d", i), func(sc *host.Scope) error {
			if _, err := r.p.Call(sc, addr, m, []byte(req), timeout); err != nil {
				errs = append(errs, err)
			} else {
				answered++
			}
			return nil
		})
	}
	_ = g.Wait()
	return answered, errs
}

func TestAConnectionHasSoManyRequestsInFlight(t *testing.T) {
	server := serverConfig()
	server.InFlight = 5
	on(t, sim.Config{Seed: 1}, server, rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		_, errs := r.many(9, wait, "x", time.Second)
		busy := 0
		for _, err := range errs {
			if code(err) == rpc.CodeBusy {
				busy++
			} else {
				assert.ErrorIs(t, err, host.ErrTimeout)
			}
		}
		assert.Equal(t, 4, busy)
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		_, err := r.call(echo, "x", time.Second)
		return err
	})
}

func TestAPoolHasSoManyCallsToOneAddress(t *testing.T) {
	on(t, sim.Config{Seed: 1}, serverConfig(), rpc.PoolConfig{Identity: alpha, Calls: 5}, func(r *rig) error {
		_, errs := r.many(9, wait, "x", time.Second)
		full := 0
		for _, err := range errs {
			if errors.Is(err, rpc.ErrFull) {
				assert.ErrorIs(t, err, rpc.ErrUnreachable)
				full++
			}
		}
		assert.Equal(t, 4, full)
		_, err := r.call(echo, "x", time.Second)
		return err
	})
}

func TestHandlersOfAMethodTakeTurns(t *testing.T) {
	plain(t, func(r *rig) error {
		begin := r.h.Now()
		n, errs := r.many(5, one, "x", time.Second)
		assert.Equal(t, 5, n, errs)
		assert.Greater(t, r.h.Now().Sub(begin), 500*time.Millisecond)
		r.h.Go(r.sc, "before", func(sc *host.Scope) { _, _ = r.p.Call(sc, addr, one, []byte("y"), time.Second) })
		assert.NoError(t, r.h.Sleep(r.sc, 10*time.Millisecond))
		_, errs = r.many(3, one, "never", 50*time.Millisecond)
		for _, err := range errs {
			assert.True(t, errors.Is(err, host.ErrTimeout) || code(err) == rpc.CodeBusy, err)
		}
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Equal(t, map[string]int{"x": 5, "y": 1}, r.seen.ran)
		return nil
	})
}

func TestATurnThatComesWithTheEndOfItsRequestIsNotTaken(t *testing.T) {
	for seed := range uint64(10) {
		on(t, sim.Config{Seed: seed}, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
			// Both arrive in one read; the first handler ends in the instant in which the second request does.
			r.many(2, one, "x", 100*time.Millisecond)
			_ = r.h.Sleep(r.sc, time.Second)
			assert.Equal(t, 1, r.seen.ran["x"])
			return nil
		})
	}
}

func TestCloseDoesNotWaitForAWrite(t *testing.T) {
	plain(t, func(r *rig) error {
		_, err := r.call(echoAll, "x", time.Second)
		assert.NoError(t, err)
		r.w.Block("a", "b")
		g := host.NewGroup(r.h, r.sc)
		g.Go("large", func(sc *host.Scope) error {
			_, err := r.p.Call(sc, addr, echoAll, make([]byte, 8<<20), time.Minute)
			assert.ErrorIs(t, err, rpc.ErrUnknown)
			return nil
		})
		_ = r.h.Sleep(r.sc, time.Second)
		begin := r.h.Now()
		assert.NoError(t, r.p.Close(r.sc))
		assert.Less(t, r.h.Now().Sub(begin), time.Second)
		r.w.Heal()
		return g.Wait()
	})
}

func TestMemoryForRequestsIsBounded(t *testing.T) {
	server := serverConfig()
	server.RequestMemory, server.AnswerMemory = 64<<20, 64<<20
	on(t, sim.Config{Seed: 1}, server, rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		big := string(make([]byte, 40<<20))
		g := host.NewGroup(r.h, r.sc)
		g.Go("urgent", func(sc *host.Scope) error { // while a request waits for memory
			_ = r.h.Sleep(sc, 500*time.Millisecond)
			begin := r.h.Now()
			_, err := r.p.Call(sc, addr, echo, []byte("x"), time.Second)
			assert.Less(t, r.h.Now().Sub(begin), 10*time.Millisecond)
			return err
		})
		n, errs := r.many(2, hold, big, time.Minute)
		assert.NoError(t, g.Wait())
		assert.Equal(t, 1, n, errs)
		assert.Equal(t, rpc.CodeBusy, code(errors.Join(errs...)))
		for range 2 { // what was taken has come back
			n, errs = r.many(1, echoAll, big, time.Minute)
			assert.Equal(t, 1, n, errs)
		}
		return nil
	})
}

func TestAServerHasSoManyConnections(t *testing.T) {
	server := serverConfig()
	server.Connections = 1
	on(t, sim.Config{Seed: 1}, server, rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
		_, err := r.call(echo, "x", time.Second)
		assert.NoError(t, err)
		_, err = r.call(echoAll, "x", time.Second)
		assert.ErrorIs(t, err, rpc.ErrUnreachable)
		assert.Equal(t, uint64(1), r.s.Stats().TurnedAway)
		_, err = r.call(echo, "x", time.Second)
		return err
	})
}

func TestAPeerThatReadsNothingIsLeft(t *testing.T) {
	plain(t, func(r *rig) error {
		nc := greet(t, r, rpc.Bulk)
		for i := range 3 {
			_, err := nc.Write(frame(1, grow, uint64(i+1), "4000000"))
			assert.NoError(t, err)
		}
		for range 14 { // pings keep it from being silent
			assert.NoError(t, r.h.Sleep(r.sc, time.Second))
			if _, err := nc.Write(frame(6, 0, 0, "")); err != nil {
				assert.ErrorIs(t, err, host.ErrReset)
				break
			}
		}
		assert.NoError(t, r.h.Sleep(r.sc, time.Second))
		assert.Zero(t, r.s.Stats().Connections)
		return nc.Close()
	})
}

func TestAPeerThatFloodsIsReadNoFurther(t *testing.T) {
	plain(t, func(r *rig) error {
		nc := greet(t, r, rpc.Urgent)
		nc.SetDeadlines(0, r.h.Now().Add(5*time.Second))
		var err error
		sent := 0
		for ; err == nil && sent < 1_000_000; sent++ {
			_, err = nc.Write(frame(1, 99, uint64(sent+1), "refused"))
		}
		assert.ErrorIs(t, err, host.ErrTimeout)
		assert.Less(t, sent, 40_000) // what buffers hold
		return nc.Close()
	})
}

func TestStopAnswersWhatRuns(t *testing.T) {
	plain(t, func(r *rig) error {
		g := host.NewGroup(r.h, r.sc)
		g.Go("runs", func(sc *host.Scope) error {
			_, err := r.p.Call(sc, addr, one, []byte("x"), time.Second)
			return err
		})
		assert.NoError(t, r.h.Sleep(r.sc, 20*time.Millisecond))
		stop(r, time.Second)
		assert.NoError(t, r.h.Sleep(r.sc, 2*time.Millisecond))
		_, err := r.call(echo, "never", time.Second)
		assert.Equal(t, rpc.CodeStopping, code(err))
		assert.NoError(t, g.Wait())
		assert.NoError(t, r.h.Sleep(r.sc, 20*time.Millisecond))
		_, err = r.call(echo, "never", time.Second)
		assert.ErrorIs(t, err, rpc.ErrUnreachable)
		assert.Zero(t, r.seen.ran["never"])
		return nil
	})
}

func TestStopEndsWhatRunsForTooLong(t *testing.T) {
	plain(t, func(r *rig) error {
		g := host.NewGroup(r.h, r.sc)
		g.Go("runs", func(sc *host.Scope) error {
			_, err := r.p.Call(sc, addr, wait, []byte("x"), time.Hour)
			assert.ErrorIs(t, err, rpc.ErrUnknown)
			return nil
		})
		assert.NoError(t, r.h.Sleep(r.sc, 20*time.Millisecond))
		begin := r.h.Now()
		stop(r, time.Second)
		assert.NoError(t, g.Wait())
		assert.InDelta(t, time.Second, r.h.Now().Sub(begin), float64(10*time.Millisecond))
		assert.Equal(t, []error{host.ErrCancelled}, r.seen.ends)
		return nil
	})
}

// stop stops the server of r, in a task of b.
func stop(r *rig, within time.Duration) {
	h := r.w.Machine("b").Host()
	h.Go(nil, "stop", func(sc *host.Scope) {
		if err := r.s.Stop(sc, h.Now().Add(within)); err != nil {
			r.w.Fail(err)
		}
	})
}
