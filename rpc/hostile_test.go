package rpc_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// drawFrames draws what a peer with a bug might send: frames in form, frames out of form, and noise.
func drawFrames(t *rapid.T) []byte {
	var all []byte
	for range rapid.IntRange(1, 12).Draw(t, "frames") {
		m := rpc.Method(rapid.SampledFrom([]int{0, 1, 2, 3, 4, 7, 99, 0x8001, 0x8002}).Draw(t, "method"))
		id := uint64(rapid.SampledFrom([]int{0, 1, 2, 3, 1 << 40}).Draw(t, "id"))
		payloads := []string{"", "x", "70000", "\x01\x00\x02\x00ab", strings.Repeat("y", 70_000)}
		payload := rapid.SampledFrom(payloads).Draw(t, "payload")
		p := frame(byte(rapid.IntRange(0, 8).Draw(t, "kind")), m, id, payload)
		switch rapid.IntRange(0, 9).Draw(t, "form") {
		case 0:
			p[rapid.IntRange(0, len(p)-1).Draw(t, "at")] ^= 0x40
		case 1:
			p = p[:rapid.IntRange(0, len(p)).Draw(t, "cut")]
		case 2:
			p = rapid.SliceOfN(rapid.Byte(), 1, 60).Draw(t, "noise")
		}
		all = append(all, p...)
	}
	return all
}

func TestNoBytesOfAPeerHurtAServer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		class, bytes := rpc.Class(rapid.IntRange(0, 1).Draw(rt, "class")), drawFrames(rt)
		on(t, sim.Config{Seed: 1}, serverConfig(), rpc.PoolConfig{Identity: alpha}, func(r *rig) error {
			nc := greet(t, r, class)
			_, _ = nc.Write(bytes) // the server may close while it is written
			_ = r.h.Sleep(r.sc, 10*time.Millisecond)
			_, err := r.call(echo, "others are served", time.Second)
			assert.NoError(t, err)
			_ = r.h.Sleep(r.sc, 20*time.Second)
			assert.Equal(t, 1, r.s.Stats().Connections, "the bad peer was silent for 20 s")
			_ = nc.Close() // is closed by the other end
			return nil
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// pretend is a server that welcomes whoever comes and then says bytes.
func pretend(h host.Host, sc *host.Scope, bytes []byte) error {
	l, err := h.Network().Listen(":7")
	if err != nil {
		return err
	}
	for {
		nc, err := l.Accept(sc)
		if err != nil {
			return err
		}
		h.Go(sc, "pretend", func(*host.Scope) {
			p := make([]byte, 48)
			if _, err := io.ReadFull(nc, p); err == nil {
				_, _ = nc.Write(append(hello(rpc.Class(p[36])), bytes...))
				_, _ = io.Copy(io.Discard, nc) // until it is closed
			}
			_ = nc.Close() // by the other end, mostly
		})
	}
}

func TestNoBytesOfAPeerHurtAPool(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bytes := drawFrames(rt)
		w := sim.New(sim.Config{Seed: 1})
		defer w.Close()
		w.Machine("b").Boot(func(h host.Host, sc *host.Scope) { w.Fail(pretend(h, sc, bytes)) })
		err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			_ = h.Sleep(sc, time.Millisecond)
			p := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: alpha})
			for _, m := range []rpc.Method{echo, wait, grow, no} {
				begin := h.Now()
				_, _ = p.Call(sc, addr, m, []byte("1"), time.Second) // whatever comes of it
				if took := h.Now().Sub(begin); took > time.Second {
					t.Errorf("method %d took %v", m, took)
				}
				_ = h.Sleep(sc, 2*time.Second)
			}
			return errors.Join(p.Close(sc), w.Err())
		})
		if err != nil || t.Failed() {
			rt.Fatal(err)
		}
	})
}

func TestAnswersThatNobodyAskedForEndTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		why   error
	}{
		"the answer":           {frame(2, echo, 1, "x"), nil},
		"of another method":    {frame(2, no, 1, "x"), rpc.ErrProtocol},
		"of no call":           {frame(2, echo, 2, "x"), rpc.ErrProtocol},
		"a refusal of nothing": {frame(3, echo, 1, ""), rpc.ErrProtocol},
		"a request":            {frame(1, echo, 1, "x"), rpc.ErrProtocol},
		"a ping":               {frame(6, 0, 0, ""), rpc.ErrProtocol},
		"silence":              {nil, host.ErrTimeout},
	} {
		w := sim.New(sim.Config{Seed: 1})
		w.Machine("b").Boot(func(h host.Host, sc *host.Scope) {
			l, _ := h.Network().Listen(":7")
			nc, _ := l.Accept(sc)
			_, _ = io.ReadFull(nc, make([]byte, 48))
			_, _ = nc.Write(hello(rpc.Urgent))
			_, _ = io.ReadFull(nc, make([]byte, 25)) // the request
			_, _ = nc.Write(c.bytes)
			_, _ = nc.Read(make([]byte, 1))
		})
		err := w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
			_ = h.Sleep(sc, time.Millisecond)
			p := rpc.NewPool(sc, h, rpc.PoolConfig{Identity: alpha})
			_, err := p.Call(sc, addr, echo, []byte("x"), time.Second)
			assert.ErrorIs(t, err, c.why, name)
			assert.Equal(t, c.why != nil, errors.Is(err, rpc.ErrUnknown), name)
			return p.Close(sc)
		})
		assert.NoError(t, errors.Join(err, w.Close()), name)
	}
}

func TestARequestThatComesTwiceOnAConnectionEndsIt(t *testing.T) {
	plain(t, func(r *rig) error {
		nc := greet(t, r, rpc.Urgent)
		_, err := nc.Write(append(frame(1, wait, 5, "once"), frame(1, wait, 5, "again")...))
		assert.NoError(t, err)
		_, err = nc.Read(make([]byte, 1))
		assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, host.ErrReset), err)
		_ = r.h.Sleep(r.sc, time.Second)
		assert.Equal(t, map[string]int{"once": 1}, r.seen.ran)
		assert.Equal(t, []error{host.ErrCancelled}, r.seen.ends)
		return nc.Close()
	})
}
