package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestCommitJudgesEachEntryByItself(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	require.Equal(t, "a", verdicts(w.ok(commit(1, e1, 1, 1, 1, entry(s, 0, 0, 80)))))
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 100, To: ptr(2)})
	for i, c := range []struct {
		name string
		e    *metadatapb.CommitEntry
		want string
	}{
		{"below committed", entry(s, 0, 0, 80), "l"},
		{"gap", entry(s, 0, 90, 100), "R"},
		{"beyond the sealed end", entry(s, 0, 80, 101), "R"},
		{"another WAL's range", entry(s, 1, 100, 110), "R"},
		{"no such epoch", entry(s, 2, 100, 110), "R"},
		{"backwards", entry(s, 0, 90, 85), "R"},
		{"state not at committed", state(s, 0, 90), "R"},
		{"state at committed", state(s, 0, 80), "a"},
		{"state there again", state(s, 0, 80), "l"},
		{"overlap", with(entry(s, 0, 70, 90)), "a"},
		{"to the end", entry(s, 0, 90, 100), "a"},
	} {
		require.Equal(t, c.want, verdicts(w.ok(commit(1, e1, 1, 1, uint64(10+i), c.e))), c.name)
	}
	require.Equal(t, "a", verdicts(w.ok(commit(2, e2, 2, 1, 1, entry(s, 1, 100, 150)))), "ranges commit independently")
	v, _ := w.s.Stream(s)
	require.EqualValues(t, 90, v.Ranges[0].CheckpointAt)
	require.Equal(t, ObjectID{1, e1, 19}, v.Ranges[0].Checkpoint)
	require.Empty(t, w.s.Owed(id(1)))
	require.Equal(t, []Coverage{
		{0, 80, 0, 800, ObjectID{1, e1, 1}, 1001, 1},
		{80, 90, 0, 900, ObjectID{1, e1, 19}, 1019, 19},
		{90, 100, 0, 1000, ObjectID{1, e1, 20}, 1020, 20},
		{100, 150, 1, 1500, ObjectID{2, e2, 1}, 1001, 1},
	}, w.s.Coverages(s, 0, 10))
	c, ok := w.s.Covering(s, 99)
	require.True(t, ok)
	require.EqualValues(t, 90, c.Start)
	_, ok = w.s.Covering(s, 150)
	require.False(t, ok)
	c, ok = w.s.ByTimestamp(s, 0, 901)
	require.True(t, ok)
	require.EqualValues(t, 90, c.Start)
	w.no(metadatapb.Refusal_REFUSAL_KEY_REUSED, commit(1, e1, 1, 1, 1))
}

func TestReplacedCheckpointDestroysAnObjectThatHeldNothingElse(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 1, 1, 1, state(s, 0, 0)))))
	require.Equal(t, []ObjectID{{1, e, 1}}, w.s.Objects())
	require.Equal(t, "aa", verdicts(w.ok(commit(1, e, 1, 1, 2, with(entry(s, 0, 0, 5)), with(entry(s, 0, 5, 9))))))
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects())
	require.Len(t, w.s.Destroyed(), 1)
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 9})
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects(), "its checkpoint is still the newest state")
}

func TestTrimFreesObjectsAndNeverMovesCommitted(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 0, 10)))
	w.ok(commit(1, e, 1, 1, 2, entry(s, 0, 10, 20)))
	zero := int32(0)
	trim := func(offset int64) int64 {
		return w.ok(&metadatapb.TrimStream{Stream: s, LeaderEpoch: &zero, Offset: offset}).GetTrim().GetLogStart()
	}
	require.EqualValues(t, 15, trim(15))
	require.EqualValues(t, 15, trim(3), "the log start offset never falls")
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects())
	require.EqualValues(t, 40, trim(40))
	require.Empty(t, w.s.Objects())
	v, _ := w.s.Stream(s)
	require.EqualValues(t, 20, v.Ranges[0].Committed)
	require.EqualValues(t, 40, v.Ranges[0].Frontier)
	for i, c := range []struct {
		e    *metadatapb.CommitEntry
		want string
	}{
		{entry(s, 0, 20, 30), "G"},
		{entry(s, 0, 50, 60), "R"},
		{with(entry(s, 0, 20, 40)), "a"}, // for its checkpoint
		{entry(s, 0, 30, 50), "a"},
	} {
		require.Equal(t, c.want, verdicts(w.ok(commit(1, e, 1, 1, uint64(10+i), c.e))), "%v", i)
	}
	one := int32(1)
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, &metadatapb.TrimStream{Stream: s, LeaderEpoch: &one, Offset: 41})
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 60})
	w.no(metadatapb.Refusal_REFUSAL_OFFSET_RANGE, &metadatapb.TrimStream{Stream: s, Offset: 61})
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 60})
}

func TestTrimmedRangesAreShedOnceALaterOneHasState(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, with(entry(s, 0, 0, 10))))
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 10, To: ptr(1)})
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 1, End: 10, To: ptr(1)})
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 10})
	v, _ := w.s.Stream(s)
	require.Len(t, v.Ranges, 3)
	require.Equal(t, []ObjectID{{1, e, 1}}, w.s.Objects())
	w.ok(commit(1, e, 1, 1, 2, state(s, 2, 10)))
	v, _ = w.s.Stream(s)
	require.Len(t, v.Ranges, 1)
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects())
	require.Equal(t, "GR", verdicts(w.ok(commit(1, e, 1, 1, 3, entry(s, 0, 0, 10), entry(s, 0, 10, 11)))))
	found, end, ok := w.s.EpochEnd(s, 0)
	require.True(t, ok)
	require.EqualValues(t, 0, found)
	require.EqualValues(t, 10, end)
}

func TestSealAndOpenIsFinalAndFirstApplied(t *testing.T) {
	w := newWorld(t)
	e1 := w.broker(1, 1)
	e2 := w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e1, 1, 1, 1, entry(s, 0, 0, 5)))
	move := func(epoch int32, end int64, to *int32) *metadatapb.SealAndOpen {
		return &metadatapb.SealAndOpen{Stream: s, LeaderEpoch: epoch, End: end, To: to}
	}
	w.no(metadatapb.Refusal_REFUSAL_BELOW_COMMITTED, move(0, 4, ptr(2)))
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, move(1, 9, ptr(2)))
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, move(0, 9, ptr(3)))
	r := w.ok(move(0, 9, ptr(2))).GetRange()
	require.True(t, r.GetOpen())
	require.EqualValues(t, 1, r.GetLeaderEpoch())
	require.EqualValues(t, 9, r.GetStart())
	require.Equal(t, uid(2), r.GetWal())
	require.EqualValues(t, 1, w.ok(move(0, 9, ptr(1))).GetRange().GetLeaderEpoch(), "the first one stands")
	w.no(metadatapb.Refusal_REFUSAL_SEALED, move(0, 10, ptr(2)))
	p, _ := w.s.PartitionOf(s)
	require.EqualValues(t, 2, p.Owner)
	require.Equal(t, e2, p.OwnerEpoch)

	w.no(metadatapb.Refusal_REFUSAL_NOT_SEALED, &metadatapb.OpenRange{Stream: s, AfterEpoch: 1, To: 1})
	require.False(t, w.ok(move(1, 12, nil)).GetRange().GetOpen())
	require.False(t, w.ok(move(1, 12, nil)).GetRange().GetOpen())
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, &metadatapb.OpenRange{Stream: s, AfterEpoch: 0, To: 1})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.OpenRange{Stream: s, AfterEpoch: 1, To: 9})
	open := &metadatapb.OpenRange{Stream: s, AfterEpoch: 1, To: 1}
	require.EqualValues(t, 2, w.ok(open).GetRange().GetLeaderEpoch())
	require.EqualValues(t, 2, w.ok(open).GetRange().GetLeaderEpoch())
	w.no(metadatapb.Refusal_REFUSAL_LEADER_EPOCH, &metadatapb.OpenRange{Stream: s, AfterEpoch: 1, To: 2})

	for _, c := range []struct {
		epoch, found int32
		end          int64
		ok           bool
	}{{0, 0, 9, true}, {1, 1, 12, true}, {2, 2, Open, true}, {3, -1, Open, false}, {-1, -1, Open, false}} {
		found, end, ok := w.s.EpochEnd(s, c.epoch)
		require.Equal(t, []any{c.found, c.end, c.ok}, []any{found, end, ok}, c.epoch)
	}
	w.ok(&metadatapb.MarkDeleting{Id: uid(10)})
	w.no(metadatapb.Refusal_REFUSAL_DELETING, move(2, 12, ptr(1)))
	w.ok(move(2, 12, nil))
	w.no(metadatapb.Refusal_REFUSAL_DELETING, &metadatapb.OpenRange{Stream: s, AfterEpoch: 2, To: 1})
}

func TestRecoveredEndIsNotBelowCommitted(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 0, 43)))
	w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true})
	r := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 0, End: 40},
	}}).GetSealRecovered()
	require.EqualValues(t, 43, r.GetEntries()[0].GetEnd())
	require.Nil(t, r.GetEntries()[0].GetNext())
	require.Equal(t, metadatapb.WalState_WAL_STATE_OPEN, r.GetState())
	require.EqualValues(t, 43, w.ok(&metadatapb.OpenRange{Stream: s, AfterEpoch: 0, To: 1}).GetRange().GetStart())
}

func TestLostTailStaysOfflineUntilTheLossIsAccepted(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	list := w.topic("t", 10, 1, 1)
	s, other := list[0], list[1]
	w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 0, 80), entry(other, 0, 0, 5)))
	e = w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister().GetEpoch()
	mark := &metadatapb.MarkHole{Wal: uid(1), Generation: 2, Stream: s, LeaderEpoch: 0, From: 70, To: -1, Why: "gone"}
	w.ok(mark)
	w.ok(mark)
	v, _ := w.s.Stream(s)
	require.Equal(t, []Hole{{LeaderEpoch: 0, WAL: id(1), From: 80, To: Open, Why: "gone"}}, v.Holes)
	r := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 0, End: 80, To: ptr(1)}, {Stream: other, LeaderEpoch: 0, End: 5, To: ptr(1)},
	}}).GetSealRecovered()
	require.Equal(t, metadatapb.Refusal_REFUSAL_HOLE, r.GetEntries()[0].GetSkipped())
	require.NotNil(t, r.GetEntries()[1].GetNext(), "a hole stops no other stream")
	p, _ := w.s.PartitionOf(s)
	require.True(t, p.Holed)
	require.False(t, p.Owned)
	w.no(metadatapb.Refusal_REFUSAL_HOLE, &metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 90})
	require.Equal(t, "R", verdicts(w.ok(commit(1, e, 1, 2, 2, entry(s, 0, 80, 85)))))

	w.wal(1, e, 5)
	accept := &metadatapb.AcceptLoss{Stream: s, LeaderEpoch: 0, Operator: "ops", NextStart: 80, To: ptr(1)}
	w.no(metadatapb.Refusal_REFUSAL_OFFSET_RANGE, accept)
	accept.NextStart = 1080
	w.no(metadatapb.Refusal_REFUSAL_NO_HOLE, &metadatapb.AcceptLoss{Stream: other, NextStart: 9})
	next := w.ok(accept).GetRange()
	require.EqualValues(t, 1080, next.GetStart())
	require.EqualValues(t, 1, next.GetLeaderEpoch())
	require.Equal(t, uid(5), next.GetWal())
	require.EqualValues(t, 1, w.ok(accept).GetRange().GetLeaderEpoch())
	v, _ = w.s.Stream(s)
	require.EqualValues(t, 80, v.Ranges[0].End)
	require.EqualValues(t, 1080, v.Ranges[1].Start)
	require.Equal(t, "ops", v.Holes[0].Operator)
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 5, 1, 3, with(entry(s, 1, 1080, 1090))))))
	c, ok := w.s.Covering(s, 80)
	require.True(t, ok)
	require.EqualValues(t, 1080, c.Start)
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 500})
	v, _ = w.s.Stream(s)
	require.Len(t, v.Ranges, 2, "the gap is still named")
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 1080})
	v, _ = w.s.Stream(s)
	require.Len(t, v.Ranges, 1)
	require.Empty(t, v.Holes)
}

func TestQuarantinedHoleNoLongerPinsTheWal(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	w.ok(&metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 0, End: 100, To: ptr(2)})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	hole := func(from, to int64) *metadatapb.MarkHole {
		return &metadatapb.MarkHole{Wal: uid(1), Generation: 2, Stream: s, From: from, To: to, Why: "bad block"}
	}
	w.ok(hole(40, 50))
	w.ok(hole(45, 60))
	w.no(metadatapb.Refusal_REFUSAL_NO_HOLE, hole(100, 110))
	v, _ := w.s.Stream(s)
	require.Len(t, v.Holes, 1)
	require.EqualValues(t, 60, v.Holes[0].To)
	require.Equal(t, "R", verdicts(w.ok(commit(2, e2, 1, 2, 1, entry(s, 0, 0, 50)))))
	require.Equal(t, "aR", verdicts(w.ok(commit(2, e2, 1, 2, 2, entry(s, 0, 0, 40), entry(s, 0, 60, 100)))))
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	q := &metadatapb.Quarantine{Wal: uid(1), Generation: 2, Stream: s, Seq: 3, Size: 7, Crc: 8}
	w.ok(q)
	w.ok(q)
	w.no(metadatapb.Refusal_REFUSAL_KEY_REUSED, &metadatapb.Quarantine{Wal: uid(1), Generation: 2, Stream: s, Seq: 2})
	w.no(metadatapb.Refusal_REFUSAL_NO_HOLE, &metadatapb.Quarantine{Wal: uid(1), Generation: 2, Stream: s, Seq: 4})
	w.ok(hole(50, 60))
	require.Equal(t, []OwedRange{{s, 0, 60, 100}}, w.s.Owed(id(1)))
	require.Equal(t, "a", verdicts(w.ok(commit(2, e2, 1, 2, 5, entry(s, 0, 60, 100)))))
	w.ok(&metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	require.Len(t, w.s.Objects(), 3)
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 60})
	require.Equal(t, []ObjectID{{2, e2, 5}}, w.s.Objects())
}

func TestAnAcceptedGapIsRememberedAsLongAsItsRange(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, with(entry(s, 0, 0, 80))))
	e = w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister().GetEpoch()
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: 2, Stream: s, From: 80, To: -1, Why: "gone"})
	w.ok(&metadatapb.AcceptLoss{Stream: s, Operator: "ops", NextStart: 1000})
	w.no(metadatapb.Refusal_REFUSAL_OFFSET_RANGE, &metadatapb.TrimStream{Stream: s, Offset: 1001})
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 1000})
	next := w.ok(&metadatapb.OpenRange{Stream: s, AfterEpoch: 0, To: 1}).GetRange()
	require.EqualValues(t, 1000, next.GetStart(), "OffsetNeverReused")
	require.NoError(t, w.s.Check())
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 1, 2, 1, state(s, 1, 1000)))))
	v, _ := w.s.Stream(s)
	require.Len(t, v.Ranges, 1)
	require.Empty(t, v.Holes)
}

func TestAnEntryWithoutRecordsBecomesNoReference(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 5})
	require.Equal(t, "G", verdicts(w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 5, 5)))))
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 1, 1, 2, state(s, 0, 5)))))
	require.Empty(t, w.s.Coverages(s, 0, 9))
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects())
}

func TestACheckpointMayStandBehindASettledHole(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 0, 4)))
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: 1, Stream: s, From: 4, To: 8, Why: "bad block"})
	w.ok(&metadatapb.Quarantine{Wal: uid(1), Generation: 1, Stream: s, Seq: 2, Size: 1})
	require.Equal(t, "Ra", verdicts(w.ok(commit(1, e, 1, 1, 3, state(s, 0, 6), state(s, 0, 8)))))
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 1, 1, 4, entry(s, 0, 8, 9)))))
}
