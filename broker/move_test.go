package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// underLoad is a cluster of n brokers with clients at work on one partition.
func underLoad(t *testing.T, n int, seed uint64) (*cluster, *load) {
	t.Helper()
	r := newClusterUnder(t, n, seed, nil)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.broker(r.partition(wireTopic, 0).Owner), 0)
	l := newLoad(r, 3, 2)
	l.progress(50)
	return r, l
}

func (r *cluster) owner() *member { return r.broker(r.partition(wireTopic, 0).Owner) }

// other is another broker than m.
func (r *cluster) other(m *member) *member { return r.broker(m.id%int32(len(r.members)) + 1) }

// TestAPartitionMovesUnderLoad: nobody sees an error that its client library would not repeat by itself, and nothing is
// lost, doubled or out of order, however often the partition moves and comes back.
func TestAPartitionMovesUnderLoad(t *testing.T) {
	for seed := range uint64(3) {
		r, l := underLoad(t, 3, seed+1)
		for range 12 {
			from := r.owner()
			to := r.other(from)
			r.beginMove(to)
			r.moved()
			require.Equal(t, to.id, r.owner().id)
			l.progress(20)
		}
		require.Less(t, l.longest(), 200*time.Millisecond)
		t.Logf("seed %d: the longest pause between two acknowledgements is %v", seed, l.longest())
		l.verify()
	}
}

// TestAMoveEndsWhoeverDiesInIt: the old owner, the new one, or both, at every step.
func TestAMoveEndsWhoeverDiesInIt(t *testing.T) {
	for _, who := range []string{"old", "new", "both"} {
		for step := 0; step < 900; step += 45 {
			t.Run(fmt.Sprintf("%s/%d", who, step), func(t *testing.T) {
				r, l := underLoad(t, 2, uint64(step))
				from := r.owner()
				to := r.other(from)
				r.beginMove(to)
				n := 0
				require.NoError(t, r.w.Run(func() bool { n++; return n > step }))
				if who != "new" {
					r.kill(from)
				}
				if who != "old" {
					r.kill(to)
				}
				require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(50*time.Millisecond)))
				r.revive(from)
				r.revive(to)
				l.progress(20)
				l.verify()
			})
		}
	}
}

// TestAMoveEndsAlthoughTheTwoBrokersCannotReachEachOther: the state comes by way of what is committed.
func TestAMoveEndsAlthoughTheTwoBrokersCannotReachEachOther(t *testing.T) {
	r, l := underLoad(t, 2, 5)
	from := r.owner()
	to := r.other(from)
	r.w.Partition([]string{fmt.Sprint("b", from.id)}, []string{fmt.Sprint("b", to.id)})
	r.beginMove(to)
	r.moved()
	require.Equal(t, to.id, r.owner().id)
	l.progress(20)
	r.w.Heal()
	l.progress(20)
	l.verify()
}

// TestAMoveEndsWhoeverIsCutOffInIt: the two brokers from each other, or the old owner from the controllers, at every
// step and for a while.
func TestAMoveEndsWhoeverIsCutOffInIt(t *testing.T) {
	for _, who := range []string{"each other", "controller"} {
		for step := 0; step < 500; step += 40 {
			t.Run(fmt.Sprintf("%s/%d", who, step), func(t *testing.T) {
				r, l := underLoad(t, 3, uint64(step))
				from := r.owner()
				to := r.other(from)
				r.beginMove(to)
				n := 0
				require.NoError(t, r.w.Run(func() bool { n++; return n > step }))
				side := fmt.Sprint("b", to.id)
				if who == "controller" {
					side = "c0"
				}
				r.w.Partition([]string{fmt.Sprint("b", from.id)}, []string{side})
				require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(clusterLease/2)))
				r.w.Heal()
				r.moved()
				l.progress(20)
				l.verify()
			})
		}
	}
}

// TestAMoveEndsAlthoughTheOldOwnersDiskFails: what was acknowledged is in the log, and another goes on with it.
func TestAMoveEndsAlthoughTheOldOwnersDiskFails(t *testing.T) {
	for step := 0; step < 400; step += 40 {
		r, l := underLoad(t, 2, uint64(step))
		from := r.owner()
		r.beginMove(r.other(from))
		n := 0
		require.NoError(t, r.w.Run(func() bool { n++; return n > step }))
		from.m.SetFaults(&sim.Faults{SyncError: sim.Always})
		r.moved()
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(time.Second)))
		from.m.SetFaults(nil)
		if from.ended != nil {
			from.b = nil
			from.m.Kill()
			r.revive(from)
		}
		if v := r.partition(wireTopic, 0); !v.Owned { // closed by who lost its disk, for whoever comes next
			res := r.propose(from, &metadatapb.OpenRange{Stream: v.Stream, AfterEpoch: v.LeaderEpoch, To: from.id})
			require.Zero(t, res.GetRefusal(), res.GetDetail())
		}
		l.progress(20)
		l.verify()
	}
}
