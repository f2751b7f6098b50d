package broker_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/controller/drive"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// walOf is the WAL that a broker writes.
func (r *cluster) walOf(m *member) (w metadata.WAL) {
	r.t.Helper()
	r.state(func(s *metadata.State) {
		for _, x := range s.WALs() {
			if x.Broker == m.id && x.State == metadatapb.WalState_WAL_STATE_OPEN {
				w = x
			}
		}
	})
	require.NotZero(r.t, w.ID)
	return w
}

// walNow is what metadata says of a WAL.
func (r *cluster) walNow(id metadata.UUID) (w metadata.WAL) {
	r.state(func(s *metadata.State) { w, _ = s.WAL(id) })
	return w
}

// orphaned waits until nobody holds the WAL of a broker that was killed.
func (r *cluster) orphaned(id metadata.UUID) {
	r.t.Helper()
	r.until(time.Minute, "the dead broker is fenced", func() bool {
		w := r.walNow(id)
		return w.State == metadatapb.WalState_WAL_STATE_RECOVERING && !w.Held
	})
}

// assign names m the recoverer of a WAL that nobody holds.
func (r *cluster) assign(id metadata.UUID, m *member) {
	r.t.Helper()
	res := r.propose(m, &metadatapb.AssignRecoverer{Wal: id[:], Broker: m.id, Epoch: r.epochOf(m)})
	require.Zero(r.t, res.GetRefusal(), res.GetDetail())
}

func (r *cluster) epochOf(m *member) (epoch int64) {
	r.state(func(s *metadata.State) {
		b, _ := s.Broker(m.id)
		epoch = b.Epoch
	})
	return epoch
}

func (r *cluster) released(id metadata.UUID) bool {
	return r.walNow(id).State == metadatapb.WalState_WAL_STATE_RELEASED
}

// files are those of a WAL's volume, as any machine sees them.
func (r *cluster) files(w metadata.WAL) []string {
	return r.control.Volume("cluster/" + w.Volume.String()).Files()
}

// fill creates a topic of one partition led by m and appends n batches to it.
func (r *cluster) fill(m *member, n int) {
	r.t.Helper()
	r.do(m, func(c *wire) {
		c.topic(wireTopic, 1)
		for i := range n {
			c.values(fmt.Sprint("v", i))
		}
	})
	require.Equal(r.t, m.id, r.partition(wireTopic, 0).Owner)
}

// drive lets a leader of controllers give orphans a recoverer and partitions an owner.
func (r *cluster) drive() {
	require.NoError(r.t, r.w.Do(r.control, func(h host.Host, _ *host.Scope) error {
		h.Go(nil, "drive", func(sc *host.Scope) { _ = drive.Run(sc, h, r.up, drive.Config{}) })
		return nil
	}))
}

// leader is who owns partition 0 of wireTopic and lives, nil if nobody.
func (r *cluster) leader() *member {
	v := r.partition(wireTopic, 0)
	if v.LeaderEpoch == 0 && v.Stream == 0 || !v.Owned {
		return nil
	}
	if m := r.broker(v.Owner); m.b != nil {
		return m
	}
	return nil
}

// settles waits until somebody answers for partition 0 of wireTopic.
func (r *cluster) settles() *member {
	r.t.Helper()
	for range 200 {
		r.until(time.Minute, "somebody leads", func() bool { return r.leader() != nil })
		m, ok := r.leader(), false
		r.do(m, func(c *wire) { ok = c.fetched(fetchOf(0)).ErrorCode == 0 })
		if ok {
			return m
		}
		require.NoError(r.t, r.w.RunUntil(r.w.Now()+host.Time(50*time.Millisecond)))
	}
	require.Fail(r.t, "nobody serves the partition")
	return nil
}

// holds reads v0, v1, … vn-1 from the leader, in order and nothing else below the high watermark.
func (r *cluster) holds(m *member, n int) {
	r.t.Helper()
	r.do(m, func(c *wire) {
		for at := int64(0); at < int64(n); {
			got := c.fetched(fetchOf(at))
			c.expect(got.ErrorCode == 0 && got.HighWatermark == int64(n) && len(got.RecordBatches) > 0,
				"offset %d: code %d, high watermark %d", at, got.ErrorCode, got.HighWatermark)
			for p := got.RecordBatches; len(p) > 0; at++ {
				b, err := batch.Parse(p)
				c.must(err)
				c.expect(b.BaseOffset() == at && b.Count() == 1, "offset %d after %d", b.BaseOffset(), at)
				c.expect(bytes.Contains(b.Payload(), []byte(fmt.Sprint("v", at))), "offset %d holds %q", at, b.Payload())
				p = p[b.Size():]
			}
		}
	})
}

func TestADeadBrokersRecordsAreServedFromItsRingByAnother(t *testing.T) {
	r := newCluster(t, 3)
	dead, heir := r.broker(1), r.broker(2)
	const n = 20
	r.fill(dead, n)
	w := r.walOf(dead)
	require.NotEmpty(t, r.files(w))
	r.w.SetFaults(sim.Faults{StoreError: 1_000_000}) // the ring has it all, and nothing can be uploaded
	r.kill(dead)
	r.orphaned(w.ID)
	r.assign(w.ID, heir)
	next := r.settles()
	require.NotEqual(t, dead, next)
	r.holds(next, n)
	r.do(next, func(c *wire) { c.values(fmt.Sprint("v", n)) })
	r.holds(next, n+1)
	require.False(t, r.released(w.ID))
	ring, _ := r.control.Volume("cluster/" + w.Volume.String()).Current("ring-" + w.ID.String())
	require.NotEmpty(t, ring)
	r.w.SetFaults(sim.Faults{})
	r.until(time.Minute, "the WAL is released", func() bool { return r.released(w.ID) })
	r.until(time.Minute, "its files are gone", func() bool { return len(r.files(w)) == 0 })
	r.holds(next, n+1)
}

// Else the loss of one broker while the store does not answer would end all others, one after the other.
func TestTheNextOwnerWaitsForAStoreThatDoesNotAnswer(t *testing.T) {
	r := newCluster(t, 3)
	dead := r.broker(1)
	const n = 20
	r.fill(dead, n)
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Minute))) // its state is in objects only
	r.w.SetFaults(sim.Faults{StoreError: 1_000_000})
	r.kill(dead)
	r.drive()
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Minute)))
	require.NoError(t, r.broker(2).ended)
	require.NoError(t, r.broker(3).ended)
	r.w.SetFaults(sim.Faults{})
	next := r.settles()
	r.holds(next, n)
	r.do(next, func(c *wire) { c.values(fmt.Sprint("v", n)) })
	r.holds(next, n+1)
}

// TestARecoveryGoesByItsOrder: the fence word of the generation is durable before metadata is read as it is then, and
// that before the ring; and the ring is never written (rules 7, 8).
func TestARecoveryGoesByItsOrder(t *testing.T) {
	r := newCluster(t, 2)
	dead, heir := r.broker(1), r.broker(2)
	r.fill(dead, 5)
	w := r.walOf(dead)
	r.kill(dead)
	r.orphaned(w.ID)
	ring, vol := "ring-"+w.ID.String(), r.control.Volume("cluster/"+w.Volume.String())
	before, _ := vol.Current(ring)
	var steps []string
	step := func(s string) {
		if len(steps) == 0 || steps[len(steps)-1] != s {
			steps = append(steps, s)
		}
	}
	heir.onSync = func() { step("metadata") }
	r.onCall = func(c sim.Call) {
		switch own := strings.HasSuffix(c.Target, ring); {
		case strings.HasSuffix(c.Target, ring+".fence") && c.Op == sim.OpSync:
			step("fence")
		case own && c.Op == sim.OpRead:
			step("scan")
		case own && c.Op == sim.OpSync:
			step("sync")
		case own && c.Op == sim.OpWrite:
			step("write")
		}
	}
	r.assign(w.ID, heir)
	r.until(time.Minute, "somebody else owns it", func() bool { return r.partition(wireTopic, 0).Owner == heir.id })
	require.Equal(t, []string{"fence", "metadata", "scan", "sync"}, steps[:min(4, len(steps))])
	require.NotContains(t, steps, "write")
	after, _ := vol.Current(ring)
	require.True(t, bytes.Equal(before, after))
}

// TestARecoveryOutlivesItsControllers: what was scanned stays, and is sealed when they are back.
func TestARecoveryOutlivesItsControllers(t *testing.T) {
	r := newCluster(t, 3)
	dead, heir := r.broker(1), r.broker(2)
	const n = 10
	r.fill(dead, n)
	w := r.walOf(dead)
	r.kill(dead)
	r.orphaned(w.ID)
	scans := 0
	r.onCall = func(c sim.Call) {
		if c.Op == sim.OpSync && strings.HasSuffix(c.Target, "ring-"+w.ID.String()) {
			if scans++; scans == 1 {
				r.control.KillWith(sim.KeepUnsynced)
			}
		}
	}
	r.assign(w.ID, heir)
	r.until(time.Minute, "the ring is scanned", func() bool { return scans > 0 })
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(20*time.Second)))
	r.bootControl()
	r.until(time.Minute, "the controller is back", func() bool { return r.up != nil })
	r.until(time.Minute, "the WAL is released", func() bool { return r.released(w.ID) })
	require.Equal(t, 1, scans)
	r.holds(r.settles(), n)
}

func TestARetriedBatchIsADuplicateForWhoTookOver(t *testing.T) {
	r := newCluster(t, 3)
	dead := r.broker(1)
	sequenced := func(seq int32) *kmsg.ProduceRequest {
		o := batch.Options{ProducerID: 7, BaseSequence: seq}
		return produceOf(batchOf(o, fmt.Sprint("v", seq)))
	}
	r.fill(dead, 0)
	r.do(dead, func(c *wire) {
		for i := range int32(5) {
			got := c.produced(sequenced(i))
			c.expect(got.ErrorCode == 0 && got.BaseOffset == int64(i), "appended: %+v", got)
		}
	})
	r.drive()
	r.kill(dead)
	next := r.settles()
	r.do(next, func(c *wire) {
		for i := range int32(8) { // the first of them were appended before
			got := c.produced(sequenced(i))
			c.expect(got.ErrorCode == 0 && got.BaseOffset == int64(i), "sequence %d: %+v", i, got)
		}
	})
	r.holds(next, 8)
}

// TestARecovererMayDieAnywhere kills whoever recovers at each I/O call that it makes, and after that whoever recovers
// what that one left.
func TestARecovererMayDieAnywhere(t *testing.T) {
	const n = 6
	for call := uint64(1); ; call++ {
		r := newClusterUnder(t, 3, 1000+call, nil)
		dead := r.broker(1)
		r.fill(dead, n)
		w := r.walOf(dead)
		r.drive()
		r.kill(dead)
		r.until(time.Minute, "it has a recoverer", func() bool {
			x := r.walNow(w.ID)
			return x.Held && x.Generation > w.Generation
		})
		heir := r.broker(r.walNow(w.ID).Holder)
		heir.m.CrashAt(heir.m.Calls()+call, sim.When(1+call%2), sim.Seeded)
		r.until(time.Minute, "it is recovered, or its recoverer is dead", func() bool {
			return r.released(w.ID) && len(r.files(w)) == 0 || !heir.m.Alive()
		})
		heir.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Second))) // a call that has begun may still strike
		whole := heir.m.Alive()
		if !whole {
			heir.b = nil
		}
		r.holds(r.settles(), n)
		r.until(time.Minute, "all that is dead is recovered", func() (done bool) {
			r.state(func(s *metadata.State) {
				done = true
				for _, x := range s.WALs() {
					done = done && x.State != metadatapb.WalState_WAL_STATE_RECOVERING
				}
			})
			return done
		})
		r.holds(r.settles(), n)
		if whole {
			t.Logf("%d calls", call)
			return
		}
	}
}

func TestAHoleInADeadBrokersRingStopsItsPartitionAndNoOther(t *testing.T) {
	r := newCluster(t, 2)
	dead, heir := r.broker(1), r.broker(2)
	const n = 20
	r.fill(dead, n)
	w := r.walOf(dead)
	var other [16]byte
	r.do(dead, func(c *wire) { other = c.topic("other", 1) })
	r.kill(dead)
	vol, name := r.control.Volume("cluster/"+w.Volume.String()), "ring-"+w.ID.String()
	img, _ := vol.Current(name)
	at := bytes.Index(img, []byte("v9"))
	require.Positive(t, at)
	require.True(t, vol.Flip(name, int64(at), 1))
	r.drive()
	r.until(time.Minute, "the hole is known, and all else recovered", func() bool {
		v := r.partition(wireTopic, 0)
		return v.Holed && r.walNow(w.ID).OpenRanges == 1
	})
	r.until(time.Minute, "the other partition has an owner", func() (ok bool) {
		r.state(func(s *metadata.State) {
			v, _ := s.Partition(metadata.UUID(other), 0)
			ok = v.Owned && v.Owner == heir.id
		})
		return ok
	})
	var st metadata.Stream
	id := r.partition(wireTopic, 0).Stream
	r.until(time.Minute, "what is left is in a quarantine object", func() bool {
		r.state(func(s *metadata.State) { st, _ = s.Stream(id) })
		return len(st.Holes) == 1 && !st.Holes[0].Quarantine.IsZero()
	})
	require.EqualValues(t, 9, st.Holes[0].From)
	require.False(t, r.released(w.ID), "the range stays open until an operator accepts the loss")
	to := heir.id
	res := r.propose(heir, &metadatapb.AcceptLoss{Stream: st.ID, LeaderEpoch: st.Holes[0].LeaderEpoch,
		Operator: "test", NextStart: 1000, To: &to})
	require.Zero(t, res.GetRefusal(), res.GetDetail())
	r.until(time.Minute, "the WAL is released", func() bool { return r.released(w.ID) })
	r.do(heir, func(c *wire) {
		c.expect(c.fetched(fetchOf(8)).ErrorCode == 0, "what lies below is read")
		got := c.produced(produceOf(batchOf(batch.Plain(), "new")))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 1000, "appended: %+v", got)
	})
}

func TestARingThatIsGoneStopsItsPartitionsAndNobodyElse(t *testing.T) {
	r := newCluster(t, 2)
	dead, heir := r.broker(1), r.broker(2)
	r.fill(dead, 5)
	w := r.walOf(dead)
	r.kill(dead)
	r.w.Machine("thief").Attach("v", r.control.Volume("cluster/"+w.Volume.String()))
	require.NoError(t, r.w.Do(r.w.Machine("thief"), func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "v")
		if err == nil {
			err = vol.Remove("ring-" + w.ID.String())
		}
		return err
	}))
	r.drive()
	r.until(time.Minute, "it has a recoverer", func() bool { return r.walNow(w.ID).Held && r.walNow(w.ID).Generation > 1 })
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(20*time.Second)))
	require.Nil(t, heir.ended)
	require.False(t, r.released(w.ID))
	require.Equal(t, 1, r.walNow(w.ID).OpenRanges, "what it held stays as it was")
	r.do(heir, func(c *wire) {
		c.topic("other", 1)
		c.expect(c.fetched(fetchOf(0)).ErrorCode != 0, "nothing is served short")
	})
}

func TestABrokerWhoseWALIsRecoveredComesBackWithAnother(t *testing.T) {
	r := newCluster(t, 3)
	dead := r.broker(1)
	const n = 20
	r.fill(dead, n)
	w := r.walOf(dead)
	r.w.SetFaults(sim.Faults{StoreError: 1_000_000}) // the recovery lasts
	r.kill(dead)
	r.drive()
	r.until(time.Minute, "it has a recoverer", func() bool { return r.walNow(w.ID).Held && r.walNow(w.ID).Generation > 1 })
	r.begin(dead)
	r.serves(dead)
	require.NotEqual(t, w.ID, r.walOf(dead).ID)
	r.holds(r.settles(), n)
	// Its recoverer dies: who comes back may be given its old WAL again, and is not to write it.
	heir := r.broker(r.walNow(w.ID).Holder)
	r.kill(heir)
	r.kill(dead)
	r.begin(dead)
	r.serves(dead)
	r.w.SetFaults(sim.Faults{})
	r.until(2*time.Minute, "the WAL is released", func() bool { return r.released(w.ID) })
	r.holds(r.settles(), n)
}
