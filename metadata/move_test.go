package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func begin(stream uint64, epoch int32, to *int32) *metadatapb.BeginMove {
	return &metadatapb.BeginMove{Stream: stream, LeaderEpoch: epoch, To: to}
}

func TestAMoveIsRecordedUntilItsRangeIsClosed(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	w.broker(3, 3)
	s := w.topic("t", 10, 1)[0]
	r := w.ok(begin(s, 0, ptr(2)))
	want := Move{
		Stream: s, Topic: id(10), From: 1, FromEpoch: e1, To: 2, ToEpoch: e2, Begun: r.GetIndex(),
	}
	require.Equal(t, []Move{want}, w.s.Moves())
	require.EqualValues(t, 2, r.GetMove().GetTo())
	require.Equal(t, r.GetMove().GetBegun(), w.ok(begin(s, 0, ptr(2))).GetMove().GetBegun(), "asked twice, begun once")
	w.no(metadatapb.Refusal_REFUSAL_MOVING, begin(s, 0, ptr(3)))
	w.no(metadatapb.Refusal_REFUSAL_MOVING, begin(s, 0, nil))
	p, _ := w.s.PartitionOf(s)
	require.True(t, p.Owned, "the owner serves until the range is sealed")
	w.ok(commit(1, e1, 1, 1, 1, entry(s, 0, 0, 5)))
	w.no(metadatapb.Refusal_REFUSAL_BELOW_COMMITTED, &metadatapb.SealAndOpen{Stream: s, End: 4, To: ptr(2)})
	w.ok(&metadatapb.SealAndOpen{Stream: s, End: 7, To: ptr(2)})
	require.Empty(t, w.s.Moves())
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, begin(s, 0, ptr(2)))
	w.ok(begin(s, 1, ptr(1)))
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 1, End: 7, To: ptr(3)})
	require.Empty(t, w.s.Moves(), "whoever it goes to")
}

func TestAMoveNeedsAnOpenRangeAndATargetThatCanTakeIt(t *testing.T) {
	w := newWorld(t)
	e1 := w.broker(1, 1)
	e2 := w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	e4 := w.ok(&metadatapb.Register{Broker: 4, Nonce: uid(4), Disk: uid(4)}).GetRegister().GetEpoch()
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_STREAM, begin(9, 0, ptr(2)))
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, begin(s, 1, ptr(2)))
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(9)))
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(4))) // no open WAL
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(1))) // where it is
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, nil))
	w.wal(4, e4, 4)
	w.ok(&metadatapb.Drain{Broker: 4, Epoch: e4})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(4)))
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, nil)) // 2 could take it
	w.ok(&metadatapb.Fence{Broker: 2, Epoch: e2})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(2)))
	w.ok(begin(s, 0, nil))
	require.True(t, w.s.Moves()[0].Nobody)
	require.Nil(t, w.ok(begin(s, 0, nil)).GetMove().To)
	w.ok(&metadatapb.SealAndOpen{Stream: s, End: 3})
	w.no(metadatapb.Refusal_REFUSAL_SEALED, begin(s, 0, ptr(2)))
	require.Len(t, w.s.Unowned(), 1)

	holed := w.brokerWithHole(5, 5)
	w.no(metadatapb.Refusal_REFUSAL_HOLE, begin(holed, 0, ptr(1)))
	e6 := w.broker(6, 6)
	gone := w.topic("gone", 20, 6)[0]
	w.ok(begin(gone, 0, ptr(5)))
	w.ok(&metadatapb.MarkDeleting{Id: uid(20)})
	require.Empty(t, w.s.Moves(), "its owner stops appending anyhow")
	w.no(metadatapb.Refusal_REFUSAL_DELETING, begin(gone, 0, ptr(5)))
	left := w.topic("left", 22, 6)[0]
	w.ok(&metadatapb.Fence{Broker: 6, Epoch: e6})
	w.no(metadatapb.Refusal_REFUSAL_NOT_OWNED, begin(left, 0, ptr(5)))
}

// brokerWithHole registers a broker that owns a stream with a hole.
func (w *world) brokerWithHole(b int32, wal byte) uint64 {
	w.t.Helper()
	w.broker(b, wal)
	s := w.topic("holed", 30+wal, b)[0]
	w.ok(&metadatapb.MarkHole{Wal: uid(wal), Generation: 1, Stream: s, From: 0, To: 4, Why: "bad block"})
	return s
}

func TestAFencedTargetIsReplacedAndTheMoveStays(t *testing.T) {
	w := newWorld(t)
	e1, e2, e3, e4 := w.broker(1, 1), w.broker(2, 2), w.broker(3, 3), w.broker(4, 4)
	list := w.topic("t", 10, 1, 1, 1, 3) // 3 has more than 4
	for _, s := range list[:3] {
		w.ok(begin(s, 0, ptr(2)))
	}
	begun := w.s.Moves()
	targets := func() (ids []int32) {
		for i, m := range w.s.Moves() {
			require.Equal(t, []any{begun[i].Stream, begun[i].Begun, int32(1), e1}, []any{m.Stream, m.Begun, m.From, m.FromEpoch})
			if m.Nobody {
				m.To = -1
			}
			ids = append(ids, m.To)
		}
		return ids
	}
	w.ok(&metadatapb.Fence{Broker: 2, Epoch: e2})
	require.Equal(t, []int32{4, 3, 4}, targets(), "the least loaded, one after the other")
	w.ok(&metadatapb.Drain{Broker: 4, Epoch: e4})
	require.Equal(t, []int32{3, 3, 3}, targets())
	w.ok(&metadatapb.Drain{Broker: 4, Epoch: e4})
	r := w.ok(&metadatapb.Register{Broker: 3, Nonce: uid(77), Disk: uid(4), Proof: true}).GetRegister()
	require.Equal(t, []int32{1, 1, 1}, targets(), "the owner itself, if nobody else can")
	require.NotEqual(t, e3, r.GetEpoch())
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	require.Equal(t, []int32{3, 3, 3}, targets(), "back at a new epoch, its WAL writable")
	w.ok(&metadatapb.Drain{Broker: 3, Epoch: r.GetEpoch()})
	require.Equal(t, []int32{-1, -1, -1}, targets(), "nobody is left")
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.SealAndOpen{Stream: list[0], End: 5, To: ptr(3)})
	w.ok(&metadatapb.SealAndOpen{Stream: list[0], End: 5})
	w.broker(5, 5)
	w.ok(&metadatapb.SealAndOpen{Stream: list[1], End: 5, To: ptr(5)})
	w.ok(&metadatapb.OpenRange{Stream: list[0], AfterEpoch: 0, To: 5})
	require.Equal(t, []uint64{list[2]}, []uint64{w.s.Moves()[0].Stream})
}

func TestATargetWithoutAnOpenWalIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.broker(1, 1)
	e2 := w.broker(2, 2)
	w.broker(3, 3)
	s := w.topic("t", 10, 1)[0]
	w.ok(begin(s, 0, ptr(2)))
	w.wal(2, e2, 9)
	w.ok(&metadatapb.ReleaseWal{Wal: uid(9), Generation: 1})
	require.EqualValues(t, 2, w.s.Moves()[0].To, "it has another")
	w.ok(&metadatapb.ReleaseWal{Wal: uid(2), Generation: 1})
	require.EqualValues(t, 3, w.s.Moves()[0].To)
	w.ok(&metadatapb.AbandonWal{Wal: uid(3), Generation: 1})
	require.EqualValues(t, 1, w.s.Moves()[0].To)
}

func TestAMoveFromAFencedOwnerIsLeftToItsRecovery(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	w.broker(3, 3)
	s := w.topic("t", 10, 1)[0]
	w.ok(begin(s, 0, ptr(2)))
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	m, ok := w.s.Move(s)
	require.True(t, ok && m.Recovering)
	require.EqualValues(t, 2, m.To)
	require.Equal(t, []UUID{id(1)}, walIDs(w.s.Orphans()))
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 3, Epoch: w.epoch(3)})
	require.Empty(t, w.s.Orphans())
	r := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, End: 6, To: ptr(2)},
	}}).GetSealRecovered().GetEntries()[0]
	require.Equal(t, uid(2), r.GetNext().GetWal(), "onto another live broker than the recoverer")
	require.Empty(t, w.s.Moves())
	require.Equal(t, []Debt{{WAL: w.walOf(1), Ranges: []OwedRange{{s, 0, 0, 6}}}}, w.s.Debts())
	w.no(metadatapb.Refusal_REFUSAL_SEALED, &metadatapb.SealAndOpen{Stream: s, End: 9, To: ptr(3)})
	p, _ := w.s.PartitionOf(s)
	require.Equal(t, e2, p.OwnerEpoch)
}

func (w *world) epoch(b int32) int64 { v, _ := w.s.Broker(b); return v.Epoch }

func (w *world) walOf(n byte) WAL { v, _ := w.s.WAL(id(n)); return v }

func walIDs(list []WAL) (ids []UUID) {
	for _, w := range list {
		ids = append(ids, w.ID)
	}
	return ids
}

func TestARecoverySealsInBatchesOntoSeveralBrokers(t *testing.T) {
	w := newWorld(t)
	e1, e2, e3 := w.broker(1, 1), w.broker(2, 2), w.broker(3, 3)
	list := w.topic("t", 10, 1, 1, 1, 1, 1)
	doomed := w.topic("u", 12, 1)[0]
	w.ok(&metadatapb.Drain{Broker: 3, Epoch: e3})
	w.ok(&metadatapb.MarkDeleting{Id: uid(12)})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 3, Epoch: e3}) // may drain: it is no target
	e4 := w.broker(4, 4)
	seal := func(entries ...*metadatapb.SealEntry) []*metadatapb.SealedEntry {
		c := &metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: entries}
		return w.ok(c).GetSealRecovered().GetEntries()
	}
	r := seal(
		&metadatapb.SealEntry{Stream: list[0], End: 5, To: ptr(2)},
		&metadatapb.SealEntry{Stream: list[1], End: 5, To: ptr(3)}, // the recoverer drains
		&metadatapb.SealEntry{Stream: list[2], End: 5},
		&metadatapb.SealEntry{Stream: doomed, End: 5, To: ptr(2)},
		&metadatapb.SealEntry{Stream: list[0], LeaderEpoch: 1, End: 9, To: ptr(4)}, // on another WAL
	)
	require.Equal(t, uid(2), r[0].GetNext().GetWal())
	require.Nil(t, r[1].GetNext())
	require.Equal(t, metadatapb.Refusal_REFUSAL_NO_TARGET, r[1].GetUnopened())
	require.Nil(t, r[2].GetNext())
	require.Equal(t, metadatapb.Refusal_REFUSAL_NONE, r[2].GetUnopened())
	require.Equal(t, metadatapb.Refusal_REFUSAL_DELETING, r[3].GetUnopened())
	require.Equal(t, metadatapb.Refusal_REFUSAL_LEADER_EPOCH, r[4].GetSkipped())
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	r = seal(
		&metadatapb.SealEntry{Stream: list[0], End: 6, To: ptr(4)},
		&metadatapb.SealEntry{Stream: list[3], To: ptr(4)}, &metadatapb.SealEntry{Stream: list[4], To: ptr(2)},
	)
	require.Equal(t, metadatapb.Refusal_REFUSAL_SEALED, r[0].GetSkipped())
	require.EqualValues(t, 5, r[0].GetEnd())
	require.Equal(t, uid(4), r[1].GetNext().GetWal())
	require.Equal(t, []uint64{list[1], list[2]}, streamsOf(w.s.Unowned()))

	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.Deregister{Broker: 3, Epoch: e3})
	w.ok(commit(3, e3, 1, 2, 1, entry(list[0], 0, 0, 5), entry(list[1], 0, 0, 5), entry(list[2], 0, 0, 5)))
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	w.ok(commit(3, e3, 1, 2, 2, entry(doomed, 0, 0, 5)))
	w.ok(&metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	require.Empty(t, w.s.Debts())
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.OpenRange{Stream: list[1], AfterEpoch: 0, To: 3})
	for i, b := range []int32{2, 4} {
		w.ok(&metadatapb.OpenRange{Stream: list[1+i], AfterEpoch: 0, To: b})
	}
	require.Empty(t, w.s.Unowned())
	require.Equal(t, []Seat{{Broker: 2, Open: 3}, {Broker: 4, Open: 2}}, w.s.Seats())
	require.True(t, w.s.Live(2, e2) && w.s.Live(4, e4))
}

func streamsOf(list []Partition) (ids []uint64) {
	for _, p := range list {
		ids = append(ids, p.Stream)
	}
	return ids
}

func TestAStreamThatMovesBackOwesInEachWalByItself(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	for epoch, to := range []int32{2, 1, 2} {
		w.ok(begin(s, int32(epoch), ptr(to)))
		w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: int32(epoch), End: int64(epoch+1) * 10, To: ptr(to)})
	}
	require.Equal(t, []Debt{
		{WAL: w.walOf(1), Ranges: []OwedRange{{s, 0, 0, 10}, {s, 2, 20, 30}}},
		{WAL: w.walOf(2), Ranges: []OwedRange{{s, 1, 10, 20}}},
	}, w.s.Debts())
	require.Equal(t, "a", verdicts(w.ok(commit(2, e2, 2, 1, 1, entry(s, 1, 10, 20)))))
	require.Equal(t, "a", verdicts(w.ok(commit(1, e1, 1, 1, 1, entry(s, 2, 20, 30)))))
	require.Equal(t, []Debt{{WAL: w.walOf(1), Ranges: []OwedRange{{s, 0, 0, 10}}}}, w.s.Debts())
}

func TestADrainThatIsCutShortIsFinishedByRecovery(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	list := w.topic("t", 10, 1, 1, 1)
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	for _, s := range list {
		w.ok(begin(s, 0, ptr(2)))
	}
	w.ok(&metadatapb.SealAndOpen{Stream: list[0], End: 5, To: ptr(2)})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	require.Len(t, w.s.Moves(), 2)
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	require.Len(t, w.s.OpenOn(id(1)), 2, "what was sealed is not recovered again")
	w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: list[0], End: 9, To: ptr(2)}, {Stream: list[1], End: 6, To: ptr(2)}, {Stream: list[2], To: ptr(2)},
	}})
	require.Empty(t, w.s.Moves())
	for _, s := range list {
		p, _ := w.s.PartitionOf(s)
		require.True(t, p.Owned && p.Owner == 2)
	}
	w.ok(commit(2, e2, 1, 2, 1, entry(list[0], 0, 0, 5), entry(list[1], 0, 0, 6)))
	w.ok(&metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
}
