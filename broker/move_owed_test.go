package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

// moveTo moves partition 0 of wireTopic and waits until it is served.
func (r *cluster) moveTo(to *member) {
	r.t.Helper()
	r.beginMove(to)
	r.moved()
	r.leads(to, 0)
}

// storeGone cuts a member off from the object store.
func (r *cluster) storeGone(m *member) {
	r.w.Block(fmt.Sprint("b", m.id), sim.StoreNode)
	r.w.Block(sim.StoreNode, fmt.Sprint("b", m.id))
}

// owed is how many offsets of partition 0 of wireTopic closed ranges owe.
func (r *cluster) owed() (n int64) {
	v := r.partition(wireTopic, 0)
	r.state(func(s *metadata.State) {
		st, _ := s.Stream(v.Stream)
		for _, x := range st.Ranges {
			if x.End != metadata.Open {
				n += x.End - x.Frontier
			}
		}
	})
	return n
}

// reads reads partition 0 from 0 to its end and returns the records.
func (c *wire) reads() (values []string) {
	for range 100 {
		got := c.fetched(fetchOf(int64(len(values))))
		c.expect(got.ErrorCode == 0, "a fetch at %d: %+v", len(values), got)
		if int64(len(values)) == got.HighWatermark || got.ErrorCode != 0 {
			return values
		}
		for _, x := range recordsOf(got.RecordBatches) {
			values = append(values, x.value)
		}
	}
	c.expect(false, "the log can be read")
	return values
}

// TestWhatIsOwedIsReadFromWhoOwesIt: a partition that moved three times while nothing could be uploaded is read whole
// from its owner, and by way of objects later.
func TestWhatIsOwedIsReadFromWhoOwesIt(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	for _, m := range r.members {
		r.storeGone(m)
	}
	var want []string
	for i := range 4 {
		at := r.owner()
		r.do(at, func(c *wire) {
			for n := range 5 {
				v := fmt.Sprintf("%d.%d", i, n)
				c.values(v)
				want = append(want, v)
			}
		})
		r.moveTo(r.other(at))
		r.do(r.owner(), func(c *wire) {
			c.expect(fmt.Sprint(c.reads()) == fmt.Sprint(want), "all of it is read after move %d", i)
			got := c.listed(7, 2500, false)
			c.expect(got.ErrorCode == 0 && got.Offset == -1, "no record is that young: %+v", got)
			got = c.listed(7, 500, false)
			c.expect(got.ErrorCode == 0 && got.Offset == 0, "the first record is that young: %+v", got)
		})
	}
	require.Equal(t, int64(20), r.owed())
	r.w.Heal()
	r.until(time.Minute, "nothing is owed", func() bool { return r.owed() == 0 })
	r.do(r.owner(), func(c *wire) {
		c.expect(fmt.Sprint(c.reads()) == fmt.Sprint(want), "all of it is read")
	})
}

// TestWhatNobodyCanBeAskedForIsWaitedFor: a fetch of it is empty and no error, and goes on when the holder is back.
func TestWhatNobodyCanBeAskedForIsWaitedFor(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	to := r.other(from)
	r.storeGone(from)
	r.do(from, func(c *wire) { c.values("a", "b") })
	r.moveTo(to)
	r.kill(from)
	r.do(to, func(c *wire) {
		began := c.h.Now()
		got := c.fetched(fetchOf(0))
		c.expect(got.ErrorCode == 0 && len(got.RecordBatches) == 0, "nothing, and no error: %+v", got)
		c.expect(c.h.Now()-began < host.Time(3*time.Second), "it took %v", time.Duration(c.h.Now()-began))
		c.values("c")
		got = c.fetched(fetchOf(2))
		c.expect(got.ErrorCode == 0 && len(recordsOf(got.RecordBatches)) == 1, "what is here is read: %+v", got)
	})
	r.revive(from)
	r.do(to, func(c *wire) {
		c.must(c.h.Sleep(c.sc, 2*time.Second))
		c.expect(fmt.Sprint(c.reads()) == "[a b c]", "all of it is read")
	})
	r.w.Heal()
}

// TestAStateThatWasNotHandedOverIsAskedFor: the old owner could be reached again only after the move.
func TestAStateThatWasNotHandedOverIsAskedFor(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	to := r.other(from)
	r.storeGone(from)
	o := batch.Plain()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence = 7, 0, 0
	r.do(from, func(c *wire) {
		got := c.produced(produceOf(batchOf(o, "a")))
		c.expect(got.ErrorCode == 0, "%+v", got)
	})
	r.w.Partition([]string{fmt.Sprint("b", from.id)}, []string{fmt.Sprint("b", to.id)})
	r.beginMove(to)
	r.moved()
	require.Equal(t, to.id, r.owner().id)
	r.do(to, func(c *wire) {
		got := c.produced(produceOf(batchOf(o, "a")))
		c.expect(got.ErrorCode == 6, "not before the state is there: %+v", got)
	})
	r.w.Heal()
	r.storeGone(from)
	r.leads(to, 0)
	r.do(to, func(c *wire) {
		got := c.produced(produceOf(batchOf(o, "a")))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 0, "a duplicate is known: %+v", got)
		c.expect(fmt.Sprint(c.reads()) == "[a]", "once")
	})
}

// TestAMoveWhoseTargetIsGoneGoesToAnother: appends wait at the old owner until it can name who.
func TestAMoveWhoseTargetIsGoneGoesToAnother(t *testing.T) {
	for _, brokers := range []int{3, 2} { // of two the old owner is the one that is left
		r, l := underLoad(t, brokers, 3)
		from := r.owner()
		to := r.other(from)
		r.kill(to)
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(clusterLease-200*time.Millisecond)))
		r.w.Partition([]string{fmt.Sprint("b", from.id)}, []string{"c0"}) // until the other is fenced
		v := r.partition(wireTopic, 0)
		require.NoError(t, r.w.Do(r.control, func(_ host.Host, sc *host.Scope) error {
			res, err := r.up.Propose(sc, metadata.NewCommand(&metadatapb.BeginMove{
				Stream: v.Stream, LeaderEpoch: v.LeaderEpoch, To: &to.id}))
			require.Zero(t, res.GetRefusal())
			return err
		}))
		require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(500*time.Millisecond)))
		r.w.Heal()
		r.moved()
		require.NotEqual(t, to.id, r.owner().id)
		l.progress(20)
		l.verify()
	}
}

// TestAPartitionThatCannotOpenMovesOn: its range ends where it began, and the next owner has the state from further
// back.
func TestAPartitionThatCannotOpenMovesOn(t *testing.T) {
	r := newCluster(t, 3)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	r.leads(r.owner(), 0)
	from := r.owner()
	stuck := r.other(from)
	to := r.other(stuck)
	r.storeGone(from)
	o := batch.Plain()
	o.ProducerID, o.ProducerEpoch, o.BaseSequence = 7, 0, 0
	r.do(from, func(c *wire) { c.expect(c.produced(produceOf(batchOf(o, "a"))).ErrorCode == 0, "appended") })
	r.w.Partition([]string{fmt.Sprint("b", from.id)}, []string{fmt.Sprint("b", stuck.id)})
	r.beginMove(stuck)
	r.moved()
	require.Equal(t, stuck.id, r.owner().id)
	require.NoError(t, r.w.RunUntil(r.w.Now()+host.Time(3*time.Second)))
	r.beginMove(to)
	r.moved()
	r.leads(to, 0)
	r.do(to, func(c *wire) {
		got := c.produced(produceOf(batchOf(o, "a")))
		c.expect(got.ErrorCode == 0 && got.BaseOffset == 0, "a duplicate is known: %+v", got)
		c.expect(fmt.Sprint(c.reads()) == "[a]", "once")
	})
}
