package rpc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/rpc"
	"github.com/weirmq/weir/sim"
)

// step is one thing that happens in a mix of calls and mishaps.
type step struct {
	what    string // a key of mixed
	pause   time.Duration
	timeout time.Duration
	size    int
}

// mixed is what may happen, and how often.
var mixed = map[string]int{
	"echo": 40, "echo-all": 15, "wait": 10, "one": 10, "no": 8, "cancel": 12, "send": 30,
	"kill": 1, "stop": 1, "one-way": 1, "clog": 1, "close": 1,
}

func kinds() []string {
	var list []string
	for what, n := range mixed {
		for range n {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return list
}

// attempt is a call and how it ended.
type attempt struct {
	step
	payload string
	answer  string
	err     error
	took    time.Duration
	ends    int
	cancel  func()
}

// mix carries out steps and judges them.
type mix struct {
	*rig
	pool  rpc.PoolConfig
	calls []*attempt
	sends []string
}

// methods of the steps that are calls.
var methods = map[string]rpc.Method{"echo": echo, "echo-all": echoAll, "wait": wait, "one": one, "no": no}

// do carries out one step, in a task of a.
func (m *mix) do(i int, s step) {
	_ = m.h.Sleep(m.sc, s.pause) // ends with the world alone
	if method, ok := methods[s.what]; ok {
		m.call(i, s, method)
		return
	}
	switch s.what {
	case "send":
		payload := fmt.Sprint("send ", i, strings.Repeat(".", s.size%1000))
		if m.p.Send(addr, say, []byte(payload)) {
			m.sends = append(m.sends, payload)
		}
	case "cancel":
		for _, a := range m.calls {
			if a.ends == 0 {
				a.cancel()
				break
			}
		}
	case "kill":
		m.w.Machine("b").Kill()
		serve(m.rig, serverConfig())
	case "stop":
		stop(m.rig, s.timeout)
		_ = m.h.Sleep(m.sc, 2*s.timeout) // see above
		m.w.Machine("b").Kill()
		serve(m.rig, serverConfig())
	case "one-way":
		link := []string{"a>b", "b>a"}[i%2]
		m.w.Inject(fault.Step{Target: link, Kind: fault.CutOneWay, For: 2 * s.timeout})
	case "clog":
		m.w.Inject(fault.Step{Target: "b>a", Kind: fault.Clog, For: 3 * s.timeout})
	case "close":
		if err := m.p.Close(m.sc); err != nil {
			m.w.Fail(err)
		}
		m.p = rpc.NewPool(m.sc, m.h, m.pool)
	}
}

func (m *mix) call(i int, s step, method rpc.Method) {
	a := &attempt{step: s, payload: fmt.Sprint(s.what, " ", i, " ")}
	if method == echoAll {
		s.size *= 30
	}
	a.payload += strings.Repeat("x", s.size)
	sc, cancel := m.sc.Child(0)
	a.cancel = cancel
	m.calls = append(m.calls, a)
	p := m.p
	m.h.Go(sc, "call", func(sc *host.Scope) {
		begin := m.h.Now()
		answer, err := p.Call(sc, addr, method, []byte(a.payload), s.timeout)
		a.answer, a.err, a.took = string(answer), err, m.h.Now().Sub(begin)
		a.ends++
	})
}

// judge says what is wrong with how one call ended.
func (m *mix) judge(a *attempt) error {
	ran := m.seen.ran[a.payload]
	var s *rpc.Status
	unreachable, unknown := errors.Is(a.err, rpc.ErrUnreachable), errors.Is(a.err, rpc.ErrUnknown)
	refused := errors.As(a.err, &s)
	switch {
	case a.ends != 1:
		return fmt.Errorf("ended %d times", a.ends)
	case a.took > a.timeout:
		return fmt.Errorf("took %v of %v", a.took, a.timeout)
	case ran > 1:
		return fmt.Errorf("ran %d times", ran)
	case a.err == nil && (ran != 1 || a.answer != a.payload):
		return fmt.Errorf("ran %d times, answer %.40q", ran, a.answer)
	case a.err != nil && btoi(unreachable)+btoi(unknown)+btoi(refused) != 1:
		return fmt.Errorf("the error is of no one class: %w", a.err)
	case unreachable && ran != 0:
		return fmt.Errorf("ran although %w", a.err)
	case refused && (ran == 0) != s.NeverRan():
		return fmt.Errorf("ran %d times although %w", ran, a.err)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// outcomes counts how the calls of a mix ended.
type outcomes struct{ answered, refused, unreachable, unknown, said int }

// runMix runs steps in a world of its own.
func runMix(cfg sim.Config, steps []step) (hash uint64, o outcomes, err error) {
	w := sim.New(cfg)
	defer w.Close()
	m := &mix{rig: &rig{w: w, seen: newServed()}, pool: rpc.PoolConfig{Identity: alpha}}
	serve(m.rig, serverConfig())
	err = w.Do(w.Machine("a"), func(h host.Host, sc *host.Scope) error {
		m.h, m.sc = h, sc
		_ = h.Sleep(sc, time.Millisecond) // nothing ends it
		m.p = rpc.NewPool(sc, h, m.pool)
		for i, s := range steps {
			m.do(i, s)
		}
		_ = h.Sleep(sc, 10*time.Second) // longer than any timeout
		w.SetFaults(sim.Faults{})
		_ = h.Sleep(sc, time.Minute) // what is on its way arrives
		if err := m.p.Close(sc); err != nil {
			return err
		}
		return m.verdict(&o)
	})
	if err == nil {
		err = m.empty()
	}
	return w.Hash(), o, err
}

func (m *mix) verdict(o *outcomes) error {
	for _, a := range m.calls {
		if err := m.judge(a); err != nil {
			return fmt.Errorf("%.30q: %w", a.payload, err)
		}
		switch {
		case a.err == nil:
			o.answered++
		case errors.Is(a.err, rpc.ErrUnreachable):
			o.unreachable++
		case errors.Is(a.err, rpc.ErrUnknown):
			o.unknown++
		default:
			o.refused++
		}
	}
	o.said = len(m.seen.said)
	said := map[string]bool{}
	for _, s := range m.seen.said {
		if said[s] || !slices.Contains(m.sends, s) {
			return fmt.Errorf("%.30q came twice, or from nowhere", s)
		}
		said[s] = true
	}
	return nil
}

// empty stops the server and checks that nothing is left running.
func (m *mix) empty() error {
	err := m.w.Do(m.w.Machine("b"), func(h host.Host, sc *host.Scope) error {
		return m.s.Stop(sc, h.Now().Add(time.Second))
	})
	if err != nil {
		return err
	}
	if tasks := m.w.Tasks(); strings.Contains(tasks, "rpc.") || strings.Contains(tasks, "test.") {
		return fmt.Errorf("left running:\n%s", tasks)
	}
	return nil
}

func TestAnyMixOfCallsAndMishapsKeepsThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				what:    rapid.SampledFrom(kinds()).Draw(t, "what"),
				pause:   time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 30, 1000}).Draw(t, "pause")) * time.Millisecond,
				timeout: time.Duration(rapid.SampledFrom([]int{0, 1, 20, 500, 4000}).Draw(t, "timeout")) * time.Millisecond,
				size:    rapid.SampledFrom([]int{0, 10, 5000, 60_000}).Draw(t, "size"),
			}
		}), 1, 40).Draw(t, "steps")
		_, _, err := runMix(sim.Config{Seed: rapid.Uint64().Draw(t, "seed")}, steps)
		if err != nil {
			t.Fatal(err)
		}
	})
}

// mishaps are the network's, and the code's own rare turns.
var mishaps = sim.Faults{
	NetStall: 10_000, ConnReset: 10_000, PacketRepeat: 100_000, ResetMidway: 10_000, HalfOpen: 300_000,
	AcceptHang: 20_000, DialRefused: 50_000, Buggify: 50_000,
}

func drawSteps(rng *rand.Rand, n int) []step {
	list, steps := kinds(), make([]step, n)
	for i := range steps {
		steps[i] = step{
			what:    list[rng.IntN(len(list))],
			pause:   time.Duration(rng.ExpFloat64() * float64(30*time.Millisecond)),
			timeout: time.Duration(rng.ExpFloat64() * float64(400*time.Millisecond)),
			size:    rng.IntN(20_000),
		}
	}
	return steps
}

func TestPromisesAreKeptUnderNetworkFaults(t *testing.T) {
	var sum outcomes
	for seed := range uint64(20) {
		var hashes [2]uint64
		for i := range hashes {
			cfg := sim.Config{Seed: seed, Faults: mishaps}
			steps := drawSteps(rand.New(rand.NewPCG(seed, 7)), 400)
			hash, o, err := runMix(cfg, steps)
			require.NoError(t, err, "seed %d", seed)
			hashes[i] = hash
			sum.answered += o.answered
			sum.refused += o.refused
			sum.unreachable += o.unreachable
			sum.unknown += o.unknown
			sum.said += o.said
		}
		require.Equal(t, hashes[0], hashes[1], "seed %d is not the same twice", seed)
	}
	t.Logf("%+v", sum)
	for _, n := range []int{sum.answered, sum.refused, sum.unreachable, sum.unknown, sum.said} {
		require.Greater(t, n, 100, "%+v", sum)
	}
}
