package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/broker"
	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/wal"
)

// registered waits until a member has a later epoch than before, and returns it.
func (r *cluster) registered(m *member, before int64) (epoch int64) {
	r.t.Helper()
	r.until(time.Minute, "it is registered", func() bool {
		r.state(func(s *metadata.State) {
			b, _ := s.Broker(m.id)
			epoch = b.Epoch
		})
		return epoch > before
	})
	return epoch
}

// create has a topic of one partition made for one broker, through the client of another.
func (r *cluster) create(through *member, owner int32, name string) {
	r.t.Helper()
	id := [16]byte{0x70, byte(len(name))}
	res := r.propose(through, &metadatapb.CreateTopic{Name: name, Id: id[:], Nonce: id[:], Owners: []int32{owner}})
	require.Zero(r.t, res.GetRefusal(), res.GetDetail())
}

func TestARangeMayBeOpenedOnAWALWhoseHolderIsStarting(t *testing.T) {
	for _, dies := range []bool{false, true} {
		r := newCluster(t, 2)
		m := r.broker(2)
		before := r.registered(m, 0)
		r.kill(m)
		r.begin(m)
		before = r.registered(m, before)
		r.create(r.broker(1), 2, wireTopic)
		require.Nil(t, m.b, "it is starting")
		if dies { // before its superblock has the generation that the range was opened at
			r.kill(m)
			r.begin(m)
			r.registered(m, before)
		}
		r.serves(m)
		r.leads(m, 0)
		r.do(m, func(c *wire) {
			c.values("a")
			c.expect(c.produced(produceOf(batchOf(batch.Plain(), "b"))).BaseOffset == 1, "it goes on")
		})
	}
}

func TestABrokerOfOtherDataWaitsUntilTheLastOneIsFenced(t *testing.T) {
	r := newCluster(t, 2)
	m := r.broker(2)
	m.disk = metadata.UUID{0xd1}
	before := r.registered(m, 0)
	r.kill(m)
	killed := r.w.Now()
	r.begin(m)
	r.registered(m, before)
	require.Greater(t, r.w.Now()-killed, host.Time(clusterLease)/2, "no lock proves that the other one is dead")
	r.serves(m)
}

// TestABrokerWhoseDiskHangsLetsItsLeaseRunOut: others can serve its partitions, it cannot (rule 3).
func TestABrokerWhoseDiskHangsLetsItsLeaseRunOut(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	v := r.partition(wireTopic, 0)
	m := r.broker(v.Owner)
	r.leads(m, 0)
	var volume metadata.UUID
	r.state(func(s *metadata.State) {
		w, _ := s.WAL(v.WAL)
		volume = w.Volume
	})
	live := func() (yes bool) {
		r.state(func(s *metadata.State) { yes = s.Live(m.id, v.OwnerEpoch) })
		return yes
	}
	r.do(m, func(c *wire) {
		target := m.m.Name() + ":cluster/" + volume.String()
		r.w.Inject(fault.Step{At: r.w.Now(), Target: target, Kind: fault.DiskStall, For: 30 * time.Second})
		req := produceOf(batchOf(batch.Plain(), "a"))
		req.TimeoutMillis = 5000
		c.expect(c.produced(req).ErrorCode == 7, "it is not acknowledged")
		c.expect(live(), "a while is nothing")
		c.must(c.h.Sleep(c.sc, 8*time.Second))
		c.expect(!live(), "it is fenced")
	})
	r.until(time.Minute, "it ends", func() bool { return m.ended != nil })
	require.ErrorIs(t, m.ended, broker.ErrFenced)
}

// TestAnIdleBrokerNoticesThatItsWALIsAnothers: nobody gives it anything to acknowledge.
func TestAnIdleBrokerNoticesThatItsWALIsAnothers(t *testing.T) {
	r := newCluster(t, 2)
	r.do(r.broker(1), func(c *wire) { c.topic(wireTopic, 1) })
	v := r.partition(wireTopic, 0)
	m := r.broker(v.Owner)
	r.leads(m, 0)
	var w metadata.WAL
	r.state(func(s *metadata.State) { w, _ = s.WAL(v.WAL) })
	require.NoError(t, r.w.Do(r.control, func(h host.Host, sc *host.Scope) error {
		vol, err := h.Disk().Volume(sc, "cluster/"+w.Volume.String())
		if err != nil {
			return err
		}
		_, err = wal.TakeFence(h, vol, "ring-"+w.ID.String()+".fence", wal.UUID(w.ID), w.Generation+1)
		return err
	}))
	r.until(time.Second, "it ends", func() bool { return m.ended != nil })
	require.ErrorIs(t, m.ended, broker.ErrFenced)
}
