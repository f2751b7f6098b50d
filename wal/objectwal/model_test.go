package objectwal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/sim"
	"github.com/weirmq/weir/wal"
	"github.com/weirmq/weir/wal/objectwal"
)

// heldPut is an attempt of the writer's that is under way until somebody lets it land.
type heldPut struct {
	key    string
	bytes  []byte
	lands  bool
	answer host.Future[struct{}]
}

// nets is a store whose conditional puts land when they are told to, with their answer or without.
type nets struct {
	objectstore.Store
	h     host.Host
	under []*heldPut
}

var errLost = errors.New("the answer is lost")

func (n *nets) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	p := &heldPut{key: key, bytes: make([]byte, body.Size())}
	if _, err := objectstore.OpenBody(sc, body).Read(p.bytes); err != nil {
		return err
	}
	p.answer.Init(n.h)
	n.under = append(n.under, p)
	_, err := p.answer.Wait(sc, 0)
	return err
}

// machine drives one log, its writer that never learns of anything but from the store, and recoverers.
type machine struct {
	t     *rapid.T
	r     *rig
	n     *nets
	s     *ledger
	notes int
}

// settle lets everything run until it waits.
func (m *machine) settle() { require.NoError(m.t, m.r.h.Sleep(m.r.sc, 100*time.Millisecond)) }

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"append": func(t *rapid.T) {
			e := &entry{s: m.s, size: rapid.IntRange(8, 6000).Draw(t, "size")}
			if err := m.r.l.Append(m.r.sc, m.r.h.Now().Add(time.Millisecond), e); err == nil {
				m.notes++
			}
			m.settle()
		},
		"land":   func(t *rapid.T) { m.land(t, true) },
		"lose":   func(t *rapid.T) { m.land(t, false) },
		"silent": func(t *rapid.T) { m.forget(t) },
		"commit": func(*rapid.T) { m.s.commit(m.r.l); m.settle() },
		"recover": func(t *rapid.T) {
			m.s.fenced = true
			l, rec, err := objectwal.Fence(m.r.sc, m.r.h, objectwal.ReadConfig{Store: m.r.store, Heads: 4},
				objectwal.Expect{WAL: m.s.id, Trim: m.s.trim, Durable: m.s.durable, Broker: 2, BrokerEpoch: 9, Generation: 2})
			require.NoError(t, err)
			require.NoError(t, m.s.judge(m.r.sc, l, rec))
		},
		"sweep": func(t *rapid.T) {
			_, err := objectwal.Sweep(m.r.sc, m.r.store, m.s.id, m.s.trim, m.s.end)
			require.NoError(t, err)
		},
		"": func(t *rapid.T) { require.NoError(t, m.r.w.Err()) },
	}
}

// land has one of the writer's attempts reach the store, and its answer the writer or not.
func (m *machine) land(t *rapid.T, heard bool) {
	if len(m.n.under) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.n.under)-1).Draw(t, "attempt")
	p := m.n.under[i]
	m.n.under = append(m.n.under[:i], m.n.under[i+1:]...)
	err := m.r.store.PutIfAbsent(m.r.sc, p.key, objectstore.BytesBody(p.bytes))
	if !heard {
		err = errLost
	}
	p.answer.Complete(struct{}{}, err)
	m.settle()
}

// forget has an attempt time out that stays under way.
func (m *machine) forget(t *rapid.T) {
	if len(m.n.under) == 0 || len(m.n.under) > 8 {
		return
	}
	p := m.n.under[rapid.IntRange(0, len(m.n.under)-1).Draw(t, "attempt")]
	p.answer.Complete(struct{}{}, errLost)
	m.settle()
}

func TestAnyOrderOfPutsAnswersAndRecoveriesLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: rt}
		run(t, func(r *rig) {
			m.n = &nets{Store: r.store, h: r.h}
			r.cfg.Store, r.cfg.Attempt = m.n, time.Hour
		}, func(r *rig) error {
			m.r, m.s = r, &ledger{w: r.w, id: testID}
			rt.Repeat(m.actions())
			return nil
		})
	})
}

func TestRecoveryOfTwoAtOnceIsTheSame(t *testing.T) {
	run(t, nil, func(r *rig) error {
		r.fill(t, 6)
		r.w.SetFaults(hardStore)
		var ends []wal.Position
		g := host.NewGroup(r.h, r.sc)
		for range 2 {
			g.Go("test.recover", func(sc *host.Scope) error {
				_, rec, err := objectwal.Fence(sc, r.h, objectwal.ReadConfig{Store: r.store},
					objectwal.Expect{WAL: testID, Broker: 2, BrokerEpoch: 8, Generation: 2})
				if err == nil {
					ends = append(ends, rec.End)
				}
				return err
			})
		}
		require.NoError(t, g.Wait())
		require.Equal(t, []wal.Position{6 * object, 6 * object}, ends)
		r.w.SetFaults(sim.Faults{})
		return nil
	})
}
