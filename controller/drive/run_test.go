package drive_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// member is a controller by itself: what is proposed to it is applied a while later, if it still leads.
type member struct {
	*rig
	h        host.Host
	mu       host.Mutex
	moved    host.Cond
	leads    bool
	term     uint64
	proposed []uint64 // the terms
	suspects []drive.Epoch
	takes    func(*metadatapb.Command) bool // nil: all
}

var errNotLeader = errors.New("not the leader")

func (m *member) Leads() (bool, uint64) { return m.leads, m.term }

func (m *member) Read(fn func(*metadata.State)) { fn(m.s) }

func (m *member) Wait(sc *host.Scope, after uint64, until host.Time) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.index <= after {
		if err := m.moved.Wait(sc, until); err != nil {
			return 0, err
		}
	}
	return m.index, nil
}

func (m *member) ProposeIn(sc *host.Scope, cmd *metadatapb.Command, term uint64) (*metadatapb.Result, error) {
	m.proposed = append(m.proposed, term)
	if !m.leads || term != m.term {
		return nil, errNotLeader
	}
	if err := m.h.Sleep(sc, 5*time.Millisecond); err != nil {
		return nil, err
	}
	if !m.leads || term != m.term {
		return nil, errNotLeader
	}
	if m.takes != nil && !m.takes(cmd) {
		return &metadatapb.Result{Refusal: metadatapb.Refusal_REFUSAL_NO_TARGET}, nil
	}
	r := m.apply(cmd)
	m.moved.Broadcast()
	return r, nil
}

func (m *member) Suspect(_ *host.Scope, broker int32, epoch int64) error {
	m.suspects = append(m.suspects, drive.Epoch{Broker: broker, Epoch: epoch})
	return nil
}

// lead starts a member that leads with three brokers, and drives.
func lead(t *testing.T, seed uint64, cfg drive.Config) (*sim.World, *member) {
	w := sim.New(sim.Config{Seed: seed})
	m := &member{rig: newRig(t, cfg), leads: true, term: 1}
	for id := int32(1); id <= 3; id++ {
		m.broker(id, "")
	}
	w.Machine("c").Boot(func(h host.Host, sc *host.Scope) {
		m.h = h
		m.mu.Init(h)
		m.moved.Init(h, &m.mu)
		if err := drive.Run(sc, h, m, cfg); err != nil && sc.Err() == nil {
			w.Fail(fmt.Errorf("the drive ended: %w", err))
		}
	})
	return w, m
}

func pass(t *testing.T, w *sim.World, d time.Duration) {
	t.Helper()
	require.NoError(t, w.RunUntil(w.Now().Add(d)))
}

func TestWhatADeadBrokerLeavesIsGivenToOthersAtOnce(t *testing.T) {
	w, m := lead(t, 1, drive.Config{})
	m.topic("t", 1, 1, 1)
	pass(t, w, time.Second)
	require.Empty(t, m.proposed, "nothing is to do")
	m.fence(1)
	m.moved.Broadcast()
	pass(t, w, 20*time.Millisecond)
	require.Empty(t, m.s.Orphans())
	require.NoError(t, w.Close())
}

func TestADeposedLeaderProposesNothing(t *testing.T) {
	w, m := lead(t, 2, drive.Config{Moves: 1})
	streams := m.topic("t", 1, 1, 1, 1)
	m.drain(1)
	m.moved.Broadcast()
	pass(t, w, 100*time.Millisecond)
	require.Len(t, m.s.Moves(), 1)
	m.leads = false
	m.seal(m.s.Moves()[0].Stream, 3)
	m.moved.Broadcast()
	n := len(m.proposed)
	pass(t, w, 10*time.Second)
	require.Len(t, m.proposed, n)
	require.Empty(t, m.s.Moves())
	m.leads, m.term = true, 9
	pass(t, w, time.Second)
	require.Len(t, m.s.Moves(), 1)
	require.Equal(t, uint64(9), m.proposed[len(m.proposed)-1])
	require.Len(t, streams, 4)
	require.NoError(t, w.Close())
}

func TestALeadershipBeginsItsDeadlinesAnew(t *testing.T) {
	w, m := lead(t, 3, drive.Config{MoveDeadline: 5 * time.Second})
	to := int32(2)
	m.ok(&metadatapb.BeginMove{Stream: m.topic("t", 1)[0], To: &to})
	pass(t, w, 4*time.Second)
	m.term++
	pass(t, w, 4*time.Second)
	require.Empty(t, m.suspects)
	pass(t, w, 2*time.Second)
	require.Equal(t, []drive.Epoch{{Broker: 1, Epoch: m.epoch(1)}}, m.suspects)
	require.NoError(t, w.Close())
}

func TestARefusalIsNotRepeatedWithoutRest(t *testing.T) {
	w, m := lead(t, 4, drive.Config{Tick: time.Second})
	m.takes = func(*metadatapb.Command) bool { return false }
	m.topic("t", 1)
	m.drain(1)
	m.moved.Broadcast()
	pass(t, w, 10*time.Second)
	require.InDelta(t, 10, len(m.proposed), 2)
	require.NoError(t, w.Close())
}
