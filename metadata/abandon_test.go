package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestAbandonedWalLeavesWholeStreamsWholeAndHoledOnesOffline(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	whole, torn := w.topic("whole", 10, 1)[0], w.topic("torn", 11, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, entry(whole, 0, 0, 5), entry(torn, 0, 0, 3)))
	w.ok(&metadatapb.SealAndOpen{Stream: whole, LeaderEpoch: 0, End: 5})

	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister()
	gen := r.GetWals()[0].GetGeneration()
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.AbandonWal{Wal: uid(1), Generation: gen})
	w.no(metadatapb.Refusal_REFUSAL_GENERATION, &metadatapb.AbandonWal{Wal: uid(1), Generation: gen - 1})
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: gen, Stream: torn, LeaderEpoch: 0, From: 3, To: -1, Why: "lost"})
	w.ok(&metadatapb.AbandonWal{Wal: uid(1), Generation: gen})
	w.ok(&metadatapb.AbandonWal{Wal: uid(1), Generation: gen})

	r = w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(3), Disk: uid(2), Proof: true}).GetRegister()
	require.Empty(t, r.GetWals(), "a lost WAL is resumed by nobody")
	w.wal(1, r.GetEpoch(), 2)
	w.ok(&metadatapb.OpenRange{Stream: whole, AfterEpoch: 0, To: 1})
	w.no(metadatapb.Refusal_REFUSAL_NOT_SEALED, &metadatapb.OpenRange{Stream: torn, AfterEpoch: 0, To: 1})
	p, _ := w.s.PartitionOf(torn)
	require.True(t, p.Holed)
	require.False(t, p.Owned)
	w.ok(&metadatapb.AcceptLoss{Stream: torn, LeaderEpoch: 0, Operator: "me", NextStart: 1000, To: ptr(1)})
	p, _ = w.s.PartitionOf(torn)
	require.True(t, p.Owned)
	require.EqualValues(t, 1000, p.Start)
}

func TestAHoledRangeDoesNotKeepNewTopicsOffItsWal(t *testing.T) {
	w := newWorld(t)
	w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister()
	gen := r.GetWals()[0].GetGeneration()
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: gen, Stream: s, LeaderEpoch: 0, From: 0, To: -1, Why: "damage"})
	fresh := w.topic("u", 11, 1)[0]
	p, _ := w.s.PartitionOf(fresh)
	require.True(t, p.Owned)
}

func TestAWalIsGivenUpOnlyWhenHolesCoverAllItOwes(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	w.wal(1, e, 2)
	s := w.topic("t", 10, 1)[0] // on the newer one
	hole := func(epoch int32, from, to int64) *metadatapb.MarkHole {
		return &metadatapb.MarkHole{
			Wal: uid(2), Generation: 1, Stream: s, LeaderEpoch: epoch, From: from, To: to, Why: "lost",
		}
	}
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 100, To: ptr(1)})
	w.ok(hole(0, 40, 60))
	w.ok(&metadatapb.AcceptLoss{Stream: s, LeaderEpoch: 0, Operator: "ops"})
	abandon := &metadatapb.AbandonWal{Wal: uid(2), Generation: 1}
	w.ok(hole(1, 110, -1))
	w.no(metadatapb.Refusal_REFUSAL_OWED, abandon)
	w.ok(hole(0, 0, 100))
	v, _ := w.s.Stream(s)
	require.Len(t, v.Holes, 4, "both sides of the accepted one, and the tail")
	w.no(metadatapb.Refusal_REFUSAL_OWED, abandon) // [100, 110) would be served short
	w.ok(hole(1, 100, -1))
	require.Equal(t, metadatapb.WalState_WAL_STATE_RECOVERING, w.ok(abandon).GetWal().GetState())
	w.ok(&metadatapb.AcceptLoss{Stream: s, LeaderEpoch: 1, Operator: "ops", NextStart: 500, To: ptr(1)})
	w.ok(&metadatapb.AcceptLoss{Stream: s, LeaderEpoch: 0, Operator: "ops"})
	b, _ := w.s.WAL(id(2))
	require.Equal(t, metadatapb.WalState_WAL_STATE_RELEASED, b.State, "nothing waits for it any more")
}
