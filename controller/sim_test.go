package controller_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/controller"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// small is a log that takes snapshots often and laps its ring.
var small = controller.Config{LogBytes: 1 << 20, SnapshotBytes: 96 << 10, SlabBytes: 64 << 10}

func nonce(n int) []byte { return fmt.Appendf(nil, "nonce %010d", n) }

// setUp registers broker 1 with an open WAL, whatever a former incarnation got done of it.
func setUp(sc *host.Scope, c *controller.Controller) (int64, error) {
	r, err := propose(sc, c, &metadatapb.Command{Body: &metadatapb.Command_Register{Register: &metadatapb.Register{
		Broker: 1, Nonce: nonce(1), Disk: nonce(2),
	}}})
	if err != nil {
		return 0, err
	}
	e := r.GetRegister().GetEpoch()
	if _, err = propose(sc, c, &metadatapb.Command{Body: &metadatapb.Command_CreateWal{CreateWal: &metadatapb.CreateWal{
		Broker: 1, Epoch: e, Wal: nonce(3), Volume: nonce(4), Capacity: 1,
	}}}); err != nil {
		return 0, err
	}
	_, err = propose(sc, c, &metadatapb.Command{Body: &metadatapb.Command_OpenWal{OpenWal: &metadatapb.OpenWal{
		Broker: 1, Epoch: e, Wal: nonce(3),
	}}})
	return e, err
}

func propose(sc *host.Scope, c *controller.Controller, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	r, err := c.Propose(sc, cmd)
	if err == nil && r.GetRefusal() != 0 {
		err = errors.New(r.GetDetail())
	}
	return r, err
}

// block asks for the n-th block of one producer id; each command has a nonce of its own, so applying one
// twice, or losing one, shows in the counter.
func block(sc *host.Scope, c *controller.Controller, e int64, n int) (int64, error) {
	r, err := propose(sc, c, &metadatapb.Command{Body: &metadatapb.Command_AllocateProducerIds{
		AllocateProducerIds: &metadatapb.AllocateProducerIds{Broker: 1, Epoch: e, Nonce: nonce(1000 + n), Count: 1},
	}})
	return r.GetProducerIds().GetFirst(), err
}

// clients is how many propose at the same time, which makes batches.
const clients = 4

// run proposes what is still missing of total commands and remembers each that was acknowledged.
type run struct {
	total int
	acked map[int]int64 // first producer id by command
	topic bool          // the topic's creation was acknowledged
	next  int64         // the producer id that would be given out next
}

func (r *run) body() func(h host.Host, sc *host.Scope) error {
	return func(h host.Host, sc *host.Scope) error {
		c, err := controller.Open(sc, h, small)
		if err != nil {
			return err
		}
		e, err := setUp(sc, c)
		if err != nil {
			return err
		}
		if err := r.verify(c); err != nil {
			return err
		}
		g := host.NewGroup(h, sc)
		for k := range clients {
			g.Go("client", func(sc *host.Scope) error {
				for n := k; n < r.total; n += clients {
					if _, done := r.acked[n]; done {
						continue
					}
					first, err := block(sc, c, e, n)
					if err != nil {
						return err
					}
					r.acked[n] = first
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		cmd := &metadatapb.CreateTopic{Name: "t", Id: nonce(5), Nonce: nonce(6), Owners: []int32{1, 1, 1}}
		if _, err := propose(sc, c, &metadatapb.Command{
			Body: &metadatapb.Command_CreateTopic{CreateTopic: cmd},
		}); err != nil {
			return err
		}
		r.topic = true
		if err := r.verify(c); err != nil {
			return err
		}
		if r.next, err = block(sc, c, e, -1); err != nil {
			return err
		}
		return c.Close(sc)
	}
}

// verify checks that what was acknowledged is there.
func (r *run) verify(c *controller.Controller) error {
	var err error
	c.Read(func(s *metadata.State) {
		if err = s.Check(); err != nil {
			return
		}
		if _, ok := s.TopicByName("t"); r.topic && !ok {
			err = errors.New("AckedDurable: the topic is gone")
		}
	})
	seen := map[int64]int{}
	for n, first := range r.acked {
		if m, twice := seen[first]; twice {
			return fmt.Errorf("IDNeverReused: commands %d and %d got block %d", m, n, first)
		}
		seen[first] = n
	}
	return err
}

func TestAcknowledgedCommandsSurviveACrashAtEveryCall(t *testing.T) {
	const total = 100
	calls := countCalls(t, total)
	require.Greater(t, calls, uint64(60))
	for at := uint64(1); at <= calls; at++ {
		for _, when := range []sim.When{sim.BeforeEffect, sim.AfterEffect} {
			w := sim.New(sim.Config{Seed: at})
			m := w.Machine("c1")
			r := &run{total: total, acked: map[int]int64{}}
			m.CrashAt(at, when, sim.Seeded)
			if err := w.Do(m, r.body()); err != nil {
				require.ErrorIs(t, err, host.ErrKilled, "call %d", at)
				require.NoError(t, w.Do(m, r.body()), "call %d, %d acknowledged", at, len(r.acked))
			}
			require.Len(t, r.acked, total)
			require.True(t, r.topic)
			require.LessOrEqual(t, r.next, int64(total+clients), "call %d: commands were applied twice", at)
			require.NoError(t, w.Close())
		}
	}
	t.Logf("crashed before and after each of %d calls", calls)
}

// countCalls returns how many I/O calls a run without a crash makes.
func countCalls(t *testing.T, total int) uint64 {
	w := sim.New(sim.Config{Seed: 1})
	m := w.Machine("c1")
	r := &run{total: total, acked: map[int]int64{}}
	require.NoError(t, w.Do(m, r.body()))
	require.NoError(t, w.Close())
	require.EqualValues(t, total, r.next)
	return m.Calls()
}

func TestSnapshotsLetALogOfOneMegabyteLiveForEver(t *testing.T) {
	w := sim.New(sim.Config{Seed: 3})
	m := w.Machine("c1")
	r := &run{acked: map[int]int64{}}
	var lapped bool
	for life := range 4 {
		r.total += 300
		require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
			c, err := controller.Open(sc, h, small)
			if err != nil {
				return err
			}
			e, err := setUp(sc, c)
			for n := len(r.acked); n < r.total && err == nil; n++ {
				r.acked[n], err = block(sc, c, e, n)
			}
			if err != nil {
				return err
			}
			stats := c.Stats()
			if stats.Snapshots < 3 {
				return fmt.Errorf("life %d: %d snapshots", life, stats.Snapshots)
			}
			if err := r.verify(c); err != nil {
				return err
			}
			lapped = lapped || stats.Log.Bytes > 1<<20
			if life == 2 {
				return nil // without Close
			}
			return c.Close(sc)
		}), "life %d", life)
		m.Kill()
	}
	require.True(t, lapped, "the ring was never reused")
	require.NoError(t, w.Close())
}

// TestAStartLetsGoOfWhatASnapshotStandsFor: the run before died between the snapshot and the superblock that carries
// its trim. A ring full of what nobody needs would have no room for the next snapshot.
func TestAStartLetsGoOfWhatASnapshotStandsFor(t *testing.T) {
	w := sim.New(sim.Config{Seed: 8})
	m := w.Machine("c1")
	var full int64
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		c, err := controller.Open(sc, h, small)
		if err != nil {
			return err
		}
		e, err := setUp(sc, c)
		for n := 0; err == nil && c.Stats().Snapshots == 0; n++ {
			_, err = block(sc, c, e, n)
		}
		full = c.Stats().Log.Used
		return err
	}))
	m.KillWith(sim.KeepUnsynced)
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		c, err := controller.Open(sc, h, small)
		if err != nil {
			return err
		}
		if err := h.Sleep(sc, time.Second); err != nil {
			return err
		}
		require.Less(t, c.Stats().Log.Used, full/2)
		return c.Close(sc)
	}))
	require.NoError(t, w.Close())
}

func TestALogThatDiesWhileNobodyProposesEndsTheController(t *testing.T) {
	w := sim.New(sim.Config{Seed: 6})
	m := w.Machine("c1")
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		c, err := controller.Open(sc, h, small)
		if err != nil {
			return err
		}
		if _, err := setUp(sc, c); err != nil {
			return err
		}
		m.SetFaults(&sim.Faults{SyncError: sim.Always}) // the log has yet to write down how far it is durable
		if _, err := c.Wait(sc, 1<<40, h.Now().Add(time.Second)); !errors.Is(err, controller.ErrDead) {
			return fmt.Errorf("a waiter got %v", err)
		}
		return nil
	}))
	m.Kill()
	require.NoError(t, w.Close())
}

func TestASyncErrorEndsTheControllerAndLosesNothingAcknowledged(t *testing.T) {
	w := sim.New(sim.Config{Seed: 5})
	m := w.Machine("c1")
	r := &run{total: 40, acked: map[int]int64{}}
	var told error
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		cfg := small
		cfg.Dead = func(err error) { told = err }
		c, err := controller.Open(sc, h, cfg)
		if err != nil {
			return err
		}
		e, err := setUp(sc, c)
		for n := 0; n < 20 && err == nil; n++ {
			r.acked[n], err = block(sc, c, e, n)
		}
		if err != nil {
			return err
		}
		m.SetFaults(&sim.Faults{SyncError: sim.Always})
		if _, err := block(sc, c, e, 20); !errors.Is(err, controller.ErrUnknown) {
			return fmt.Errorf("a proposal in flight got %v", err)
		}
		m.SetFaults(nil)
		if _, err := block(sc, c, e, 21); !errors.Is(err, controller.ErrDead) {
			return fmt.Errorf("a later proposal got %v", err)
		}
		if _, err := c.Wait(sc, 1<<40, 0); !errors.Is(err, controller.ErrDead) {
			return fmt.Errorf("a waiter got %v", err)
		}
		if err := c.Close(sc); !errors.Is(err, controller.ErrDead) {
			return fmt.Errorf("Close said %v", err)
		}
		return nil
	}))
	require.ErrorIs(t, told, controller.ErrDead)
	m.Kill()
	require.NoError(t, w.Do(m, r.body()))
	require.NoError(t, w.Close())
}

func TestOpenRefusesAForeignOrBusyVolume(t *testing.T) {
	w := sim.New(sim.Config{Seed: 6})
	m := w.Machine("c1")
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		c, err := controller.Open(sc, h, small)
		if err != nil {
			return err
		}
		if _, err := controller.Open(sc, h, small); !errors.Is(err, controller.ErrInUse) {
			return fmt.Errorf("a second one got %v", err)
		}
		var cluster metadata.UUID
		c.Read(func(s *metadata.State) { cluster, _ = s.Cluster() })
		if err := c.Close(sc); err != nil {
			return err
		}
		if err := c.Close(sc); !errors.Is(err, controller.ErrClosed) {
			return fmt.Errorf("a second Close said %v", err)
		}
		if _, err := c.Propose(sc, &metadatapb.Command{}); !errors.Is(err, controller.ErrClosed) {
			return fmt.Errorf("Propose after Close said %v", err)
		}
		other := small
		other.Cluster = metadata.UUID{1}
		if _, err := controller.Open(sc, h, other); !errors.Is(err, controller.ErrForeign) {
			return fmt.Errorf("another cluster's got %v", err)
		}
		other.Cluster = cluster
		if c, err = controller.Open(sc, h, other); err != nil {
			return err
		}
		return c.Close(sc)
	}))
	require.NoError(t, w.Close())
}

func TestAnIdleMemberDoesNothing(t *testing.T) {
	w := sim.New(sim.Config{Seed: 7})
	m := w.Machine("c1")
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error {
		_, err := controller.Open(sc, h, small)
		return errors.Join(err, h.Sleep(sc, time.Minute))
	}))
	before := m.Calls()
	require.NoError(t, w.Do(m, func(h host.Host, sc *host.Scope) error { return h.Sleep(sc, time.Hour/2) }))
	require.Equal(t, before, m.Calls())
	require.NoError(t, w.Close())
}
