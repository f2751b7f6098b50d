package collector_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/collector"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
	"github.com/weirmq/weir/sim"
)

var cluster = metadata.UUID{7}

// books is metadata of one member, who may lead.
type books struct {
	t     *testing.T
	s     *metadata.State
	index uint64
	term  uint64
	leads bool
	asked func() // before each look at who leads
}

func (b *books) Read(fn func(*metadata.State)) { fn(b.s) }

func (b *books) Propose(_ *host.Scope, cmd *metadatapb.Command) (*metadatapb.Result, error) {
	b.index++
	cmd.WallMs, cmd.Term = time.Unix(0, 0).UnixMilli(), b.term
	back, err := metadata.DecodeCommand(metadata.EncodeCommand(cmd))
	if err != nil {
		return nil, err
	}
	return b.s.Apply(b.index, b.term, back), nil
}

func (b *books) ProposeIn(sc *host.Scope, cmd *metadatapb.Command, term uint64) (*metadatapb.Result, error) {
	if !b.leads || term != b.term {
		return nil, fmt.Errorf("not in term %d", term)
	}
	return b.Propose(sc, cmd)
}

func (b *books) Leads() (bool, uint64) {
	if b.asked != nil {
		b.asked()
	}
	return b.leads, b.term
}

func (b *books) ok(body any) *metadatapb.Result {
	b.t.Helper()
	r, err := b.Propose(nil, metadata.NewCommand(body))
	require.NoError(b.t, err)
	require.Zero(b.t, r.GetRefusal(), r.GetDetail())
	return r
}

func uid(n byte) []byte {
	u := metadata.UUID{n, 15: n}
	return u[:]
}

// newBooks knows broker 1 with objects 0 (live), 1 (destroyed), 2 (given up) and 3 (not committed yet), all of which
// are in the store; and a key that is nobody's.
func newBooks(t *testing.T, w *sim.World) *books {
	b := &books{t: t, s: metadata.NewState(), term: 1, leads: true}
	b.ok(&metadatapb.InitCluster{ClusterId: cluster[:], Format: metadata.FormatVersion})
	e := b.ok(&metadatapb.Register{Broker: 1, Nonce: uid(1), Disk: uid(2)}).GetRegister().GetEpoch()
	require.Equal(t, int64(1), e)
	b.ok(&metadatapb.CreateWal{Broker: 1, Epoch: e, Wal: uid(3), Volume: uid(4), Capacity: 1 << 20})
	b.ok(&metadatapb.OpenWal{Broker: 1, Epoch: e, Wal: uid(3)})
	b.ok(&metadatapb.CreateTopic{Name: "t", Id: uid(5), Nonce: uid(6), Owners: []int32{1}})
	topic, _ := b.s.TopicByName("t")
	for seq := range uint64(2) {
		b.ok(&metadatapb.CommitObject{Broker: 1, Epoch: e, Wal: uid(3), Generation: 1, Seq: 1 - seq, Size: 1,
			Entries: []*metadatapb.CommitEntry{{Stream: topic.Streams[0], Start: int64(seq * 10), End: int64(seq*10 + 10)}}})
	}
	b.ok(&metadatapb.RaiseLow{Broker: 1, Epoch: e, Seq: 3})
	b.ok(&metadatapb.TrimStream{Stream: topic.Streams[0], Offset: 10})
	for seq := range uint64(4) {
		w.PutObject(key(seq), []byte{1})
	}
	w.PutObject("00/nobody's", []byte{1})
	return b
}

func key(seq uint64) string { return metadata.ObjectID{Broker: 1, Epoch: 1, Seq: seq}.Key(cluster) }

func there(w *sim.World) map[string]bool {
	list := map[string]bool{}
	for _, o := range w.Objects() {
		list[o] = true
	}
	return list
}

func TestWhatIsDestroyedGoesAndIsForgottenAndGarbageIsSwept(t *testing.T) {
	w := sim.New(sim.Config{Seed: 1})
	b := newBooks(t, w)
	require.Len(t, b.s.Destroyed(), 1)
	require.NoError(t, w.Do(w.Machine("m"), func(h host.Host, sc *host.Scope) error {
		cfg := collector.Config{Grace: 1 << 62}
		if err := collector.New(h, cfg, w.Store(h), b).Destroyed(sc); err != nil {
			return err
		}
		require.True(t, there(w)[key(1)], "the grace is not over")
		c := collector.New(h, collector.Config{}, w.Store(h), b)
		if err := c.Destroyed(sc); err != nil {
			return err
		}
		require.False(t, there(w)[key(1)])
		require.Empty(t, b.s.Destroyed())
		s, err := c.Sweep(sc)
		require.Equal(t, collector.Swept{Listed: 4, Deleted: 1}, s)
		return err
	}))
	require.Equal(t, map[string]bool{key(0): true, key(3): true, "00/nobody's": true}, there(w))
	require.NoError(t, w.Close())
}

func TestOnlyWhoLeadsCollects(t *testing.T) {
	w := sim.New(sim.Config{Seed: 2})
	b := newBooks(t, w)
	b.leads = false
	cfg := collector.Config{Every: time.Second, First: 10 * time.Second, Sweep: time.Hour}
	w.Machine("m").Boot(func(h host.Host, sc *host.Scope) {
		_ = collector.Run(sc, h, cfg, w.Store(h), b)
	})
	require.NoError(t, w.RunUntil(host.Time(time.Minute)))
	require.Len(t, there(w), 5)
	b.leads = true
	require.NoError(t, w.RunUntil(w.Now()+host.Time(5*time.Second)))
	require.False(t, there(w)[key(1)])
	require.True(t, there(w)[key(2)], "the first sweep is not due")
	require.NoError(t, w.RunUntil(w.Now()+host.Time(10*time.Second)))
	require.False(t, there(w)[key(2)])
	require.NoError(t, w.Close())
}

func TestALeaderThatIsDeposedStopsInTheMiddle(t *testing.T) {
	for _, after := range []int{1, 2} {
		w := sim.New(sim.Config{Seed: 3})
		b := newBooks(t, w)
		looks := 0
		b.asked = func() {
			if looks++; looks > after {
				b.leads = false
			}
		}
		cfg := collector.Config{Every: time.Second, First: time.Millisecond, Sweep: time.Hour}
		w.Machine("m").Boot(func(h host.Host, sc *host.Scope) {
			_ = collector.Run(sc, h, cfg, w.Store(h), b)
		})
		require.NoError(t, w.RunUntil(host.Time(time.Minute)))
		require.Equal(t, after == 1, there(w)[key(1)])
		require.Equal(t, after == 1, len(b.s.Destroyed()) == 1)
		require.True(t, there(w)[key(2)], "garbage is for the next leader")
		require.NoError(t, w.Close())
	}
}
