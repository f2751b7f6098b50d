package metadata

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestRegisterGivesEachEpochOnce(t *testing.T) {
	w := newWorld(t)
	r := &metadatapb.Register{Broker: 1, Nonce: uid(1), Disk: uid(9)}
	require.EqualValues(t, 1, w.ok(r).GetRegister().GetEpoch())
	require.EqualValues(t, 1, w.ok(r).GetRegister().GetEpoch(), "same nonce")
	w.no(metadatapb.Refusal_REFUSAL_STILL_LIVE, &metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(9)})
	w.no(metadatapb.Refusal_REFUSAL_INVALID, &metadatapb.Register{Broker: -1, Nonce: uid(2), Disk: uid(9)})
	require.EqualValues(t, 2, w.ok(&metadatapb.Register{Broker: 2, Nonce: uid(3), Disk: uid(8)}).GetRegister().GetEpoch())
	require.EqualValues(t, 3, w.ok(&metadatapb.Register{
		Broker: 1, Nonce: uid(4), Disk: uid(9), Proof: true,
	}).GetRegister().GetEpoch())
	require.False(t, w.s.Live(1, 1))
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: 1})
	require.True(t, w.s.Live(1, 3))
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: 3})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.Fence{Broker: 1, Epoch: 4})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.Fence{Broker: 5, Epoch: 1})
	require.EqualValues(t, 4, w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(5), Disk: uid(9)}).GetRegister().GetEpoch())
}

func TestRestartWithProofResumesItsWalAtTheNextGeneration(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister()
	require.Len(t, r.GetWals(), 1)
	require.EqualValues(t, 2, r.GetWals()[0].GetGeneration())
	require.Equal(t, metadatapb.WalState_WAL_STATE_RECOVERING, r.GetWals()[0].GetState())
	p, _ := w.s.PartitionOf(s)
	require.False(t, p.Owned, "nobody owns a range of the old generation")
	require.Equal(t, []OwedRange{{Stream: s, LeaderEpoch: 0, From: 0, To: Open}}, w.s.OpenOn(id(1)))
	w.no(metadatapb.Refusal_REFUSAL_FENCED, commit(1, e, 1, 1, 1, entry(s, 0, 0, 5)))
	e = r.GetEpoch()
	w.no(metadatapb.Refusal_REFUSAL_GENERATION, commit(1, e, 1, 1, 1, entry(s, 0, 0, 5)))

	sealed := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 0, End: 7, To: ptr(1)},
	}}).GetSealRecovered()
	require.Equal(t, metadatapb.WalState_WAL_STATE_OPEN, sealed.GetState())
	require.EqualValues(t, 7, sealed.GetEntries()[0].GetEnd())
	require.EqualValues(t, 1, sealed.GetEntries()[0].GetNext().GetLeaderEpoch())
	require.Equal(t, uid(1), sealed.GetEntries()[0].GetNext().GetWal())
	p, _ = w.s.PartitionOf(s)
	require.True(t, p.Owned)
	require.Equal(t, e, p.OwnerEpoch)
	require.EqualValues(t, 7, p.Start)
	require.Equal(t, []OwedRange{{Stream: s, LeaderEpoch: 0, From: 0, To: 7}}, w.s.Owed(id(1)))

	again := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 0, End: 9, To: ptr(1)}, {Stream: s, LeaderEpoch: 1, End: 9}, {Stream: 99, End: 9},
	}}).GetSealRecovered()
	require.Equal(t, metadatapb.Refusal_REFUSAL_SEALED, again.GetEntries()[0].GetSkipped())
	require.EqualValues(t, 7, again.GetEntries()[0].GetEnd(), "a sealed end is final")
	require.EqualValues(t, 1, again.GetEntries()[0].GetNext().GetLeaderEpoch())
	require.Equal(t, metadatapb.Refusal_REFUSAL_GENERATION, again.GetEntries()[1].GetSkipped())
	require.Equal(t, metadatapb.Refusal_REFUSAL_UNKNOWN_STREAM, again.GetEntries()[2].GetSkipped())
	require.Equal(t, "aa", verdicts(w.ok(commit(1, e, 1, 2, 1, entry(s, 0, 0, 7), entry(s, 1, 7, 9)))))
}

func TestRestartLeavesAWalToItsRecoverer(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	w.no(metadatapb.Refusal_REFUSAL_WAL_STATE, &metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	v, _ := w.s.WAL(id(1))
	require.False(t, v.Held)
	require.Equal(t, metadatapb.WalState_WAL_STATE_RECOVERING, v.State)
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	g := w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2}).GetWal().GetGeneration()
	require.EqualValues(t, 2, g, "asked twice, assigned once")

	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(3), Disk: uid(2), Proof: true}).GetRegister()
	require.Empty(t, r.GetWals())
	w.no(metadatapb.Refusal_REFUSAL_HELD, &metadatapb.AssignRecoverer{Wal: uid(1), Broker: 1, Epoch: r.GetEpoch()})
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	w.no(metadatapb.Refusal_REFUSAL_GENERATION, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 1})

	sealed := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 0, End: 5, To: ptr(2)},
	}}).GetSealRecovered()
	require.Equal(t, uid(2), sealed.GetEntries()[0].GetNext().GetWal(), "a recoverer opens on its own WAL")
	w.no(metadatapb.Refusal_REFUSAL_OWED, &metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	require.Equal(t, "a", verdicts(w.ok(commit(2, e2, 1, 2, 1, entry(s, 0, 0, 5)))))
	w.ok(&metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	w.ok(&metadatapb.ReleaseWal{Wal: uid(1), Generation: 2})
	w.no(metadatapb.Refusal_REFUSAL_NOT_HOLDER, commit(2, e2, 1, 2, 2, entry(s, 0, 0, 5)))
}

func TestFencedRecovererGivesTheWalToTheNext(t *testing.T) {
	w := newWorld(t)
	e1, e2, e3 := w.broker(1, 1), w.broker(2, 2), w.broker(3, 3)
	w.topic("t", 10, 1)
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	w.ok(&metadatapb.Fence{Broker: 2, Epoch: e2})
	r := w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 3, Epoch: e3}).GetWal()
	require.EqualValues(t, 3, r.GetGeneration())
	w.no(metadatapb.Refusal_REFUSAL_GENERATION, &metadatapb.SealRecovered{Wal: uid(1), Generation: 2})
}

func TestUnopenedWalIsReleasedByFenceAndRebornByRestart(t *testing.T) {
	w := newWorld(t)
	e := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(1), Disk: uid(2)}).GetRegister().GetEpoch()
	create := &metadatapb.CreateWal{Broker: 1, Epoch: e, Wal: uid(1), Volume: uid(3), Capacity: 5}
	w.ok(create)
	w.ok(create)
	w.no(metadatapb.Refusal_REFUSAL_EXISTS, &metadatapb.CreateWal{Broker: 1, Epoch: e, Wal: uid(1), Volume: uid(4)})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_WAL, &metadatapb.OpenWal{Broker: 1, Epoch: e, Wal: uid(9)})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.CreateTopic{
		Name: "t", Id: uid(5), Nonce: uid(6), Owners: []int32{1},
	})
	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true}).GetRegister()
	require.Equal(t, metadatapb.WalState_WAL_STATE_FRESH, r.GetWals()[0].GetState())
	require.EqualValues(t, 2, r.GetWals()[0].GetGeneration())
	w.ok(&metadatapb.OpenWal{Broker: 1, Epoch: r.GetEpoch(), Wal: uid(1)})
	w.ok(&metadatapb.CreateWal{Broker: 1, Epoch: r.GetEpoch(), Wal: uid(7), Volume: uid(3)})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: r.GetEpoch()})
	v, _ := w.s.WAL(id(7))
	require.Equal(t, metadatapb.WalState_WAL_STATE_RELEASED, v.State)
}

func TestReportedEvidenceOnlyGrowsAndVoidsACleanEnd(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	report := func(gen int64, trim, durable uint64, clean bool) *metadatapb.ReportWal {
		return &metadatapb.ReportWal{
			Broker: 1, Epoch: e, Wal: uid(1), Generation: gen, Trim: trim, Durable: durable, Clean: clean,
		}
	}
	view := func() WAL { v, _ := w.s.WAL(id(1)); return v }
	w.ok(report(1, 4096, 8192, true))
	require.True(t, view().Clean)
	w.ok(report(1, 0, 4096, false))
	require.EqualValues(t, 4096, view().Trim)
	require.EqualValues(t, 8192, view().Durable)
	require.True(t, view().Clean)
	w.ok(report(1, 4096, 12288, false))
	require.False(t, view().Clean)
	w.ok(report(1, 4096, 8192, true))
	require.False(t, view().Clean, "a clean end below the evidence is none")
	w.ok(report(1, 4096, 12288, true))
	w.topic("t", 10, 1)
	require.False(t, view().Clean, "an opened range may be written")
	w.no(metadatapb.Refusal_REFUSAL_GENERATION, report(2, 0, 0, false))
}

func TestProducerIdBlocksNeverOverlap(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	get := func(nonce byte, n int32) int64 {
		return w.ok(&metadatapb.AllocateProducerIds{Broker: 1, Epoch: e, Nonce: uid(nonce), Count: n}).
			GetProducerIds().GetFirst()
	}
	require.EqualValues(t, 0, get(1, 10))
	require.EqualValues(t, 0, get(1, 10))
	require.EqualValues(t, 10, get(2, 5))
	require.EqualValues(t, 15, get(3, 1))
	w.no(metadatapb.Refusal_REFUSAL_INVALID, &metadatapb.AllocateProducerIds{Broker: 1, Epoch: e, Nonce: uid(4)})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.AllocateProducerIds{
		Broker: 1, Epoch: e + 1, Nonce: uid(4), Count: 1,
	})
}

func TestEndpointsBelongToTheLiveEpoch(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	w.ok(&metadatapb.SetEndpoint{Broker: 1, Epoch: e, Endpoints: []*metadatapb.Endpoint{{Host: "h", Port: 9092}}})
	w.no(metadatapb.Refusal_REFUSAL_INVALID, &metadatapb.SetEndpoint{
		Broker: 1, Epoch: e, Endpoints: []*metadatapb.Endpoint{{Host: "h", Port: 70000}},
	})
	b, _ := w.s.Broker(1)
	require.Equal(t, []Endpoint{{Host: "h", Port: 9092}}, b.Endpoints)
	b.Endpoints[0].Host = "x"
	b, _ = w.s.Broker(1)
	require.Equal(t, "h", b.Endpoints[0].Host, "accessors return copies")
	w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(2), Disk: uid(2), Proof: true})
	b, _ = w.s.Broker(1)
	require.Empty(t, b.Endpoints)
}

func TestTopicNamesFollowKafka(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "A.b_c-9": true, "": false, ".": false, "..": false, "...": true, "a b": false, "ä": false,
		"a/b": false, strings.Repeat("x", 249): true, strings.Repeat("x", 250): false, "__consumer_offsets": true,
	} {
		require.Equal(t, good, ValidTopicName(name) == "", "%q", name)
	}
}

func TestCreateTopicIsOnceByNonce(t *testing.T) {
	w := newWorld(t)
	w.broker(1, 1)
	w.broker(2, 2)
	c := &metadatapb.CreateTopic{
		Name: "a.b", Id: uid(10), Nonce: uid(11), Owners: []int32{1, 2, 1},
		Configs: []*metadatapb.Config{{Key: "z", Value: "1"}, {Key: "a", Value: "2"}},
	}
	require.EqualValues(t, 3, w.ok(c).GetTopic().GetPartitions())
	require.EqualValues(t, 3, w.ok(c).GetTopic().GetPartitions())
	v, _ := w.s.TopicByName("a.b")
	require.Equal(t, []Config{{"a", "2"}, {"z", "1"}}, v.Configs)
	require.Equal(t, []uint64{1, 2, 3}, v.Streams)
	p, _ := w.s.Partition(id(10), 1)
	require.True(t, p.Owned)
	require.EqualValues(t, 2, p.Owner)
	_, found := w.s.TopicByName("a_b")
	require.False(t, found)

	other := func(name string, n byte, owners ...int32) *metadatapb.CreateTopic {
		return &metadatapb.CreateTopic{Name: name, Id: uid(n), Nonce: uid(n + 1), Owners: owners}
	}
	w.no(metadatapb.Refusal_REFUSAL_TOPIC_EXISTS, other("a.b", 20, 1))
	w.no(metadatapb.Refusal_REFUSAL_TOPIC_EXISTS, other("a_b", 20, 1))
	w.no(metadatapb.Refusal_REFUSAL_EXISTS, other("c", 10, 1))
	w.no(metadatapb.Refusal_REFUSAL_TOPIC_NAME, other("c/", 20, 1))
	w.no(metadatapb.Refusal_REFUSAL_PARTITIONS, other("c", 20))
	w.no(metadatapb.Refusal_REFUSAL_PARTITIONS, other("c", 20, make([]int32, MaxPartitions+1)...))
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, other("c", 20, 1, 9))
	require.Len(t, w.s.Topics(), 1)
}

func TestCreatePartitionsIsOnceByNonce(t *testing.T) {
	w := newWorld(t)
	w.broker(1, 1)
	w.topic("t", 10, 1)
	c := &metadatapb.CreatePartitions{Id: uid(10), Nonce: uid(20), Total: 3, Owners: []int32{1, 1}}
	require.EqualValues(t, 3, w.ok(c).GetTopic().GetPartitions())
	require.EqualValues(t, 3, w.ok(c).GetTopic().GetPartitions())
	w.no(metadatapb.Refusal_REFUSAL_PARTITIONS, &metadatapb.CreatePartitions{
		Id: uid(10), Nonce: uid(21), Total: 3, Owners: []int32{1, 1},
	})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_TOPIC, &metadatapb.CreatePartitions{Id: uid(9), Nonce: uid(21), Total: 3})
	w.ok(&metadatapb.MarkDeleting{Id: uid(10)})
	w.no(metadatapb.Refusal_REFUSAL_DELETING, &metadatapb.CreatePartitions{
		Id: uid(10), Nonce: uid(21), Total: 4, Owners: []int32{1},
	})
}

func TestDeletedTopicFreesItsObjectsOnceOwnersConfirmed(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s, keep := w.topic("t", 10, 1)[0], w.topic("u", 12, 1)[0]
	w.ok(commit(1, e, 1, 1, 1, entry(s, 0, 0, 5)))
	w.ok(commit(1, e, 1, 1, 2, entry(s, 0, 5, 9), with(entry(keep, 0, 0, 3))))
	del := &metadatapb.DeleteTopic{Id: uid(10)}
	w.no(metadatapb.Refusal_REFUSAL_NOT_DELETING, del)
	w.ok(&metadatapb.MarkDeleting{Id: uid(10)})
	w.ok(&metadatapb.MarkDeleting{Id: uid(10)})
	w.no(metadatapb.Refusal_REFUSAL_UNCONFIRMED, del)
	del.Confirmed = []*metadatapb.Confirmation{{Broker: 1, Epoch: e}}
	w.ok(del)
	w.ok(del)
	require.True(t, w.s.Deleted(s))
	require.False(t, w.s.Deleted(99))
	require.Equal(t, []ObjectID{{1, e, 2}}, w.s.Objects())
	require.Equal(t, []Destroyed{{ObjectID{1, e, 1}, w.index - 1, 1_700_000_000_000}}, w.s.Destroyed())
	require.False(t, w.s.Garbage(ObjectID{1, e, 1}))
	require.Equal(t, "GR", verdicts(w.ok(commit(1, e, 1, 1, 3, entry(s, 0, 9, 12), entry(99, 0, 0, 1)))))
	w.no(metadatapb.Refusal_REFUSAL_STREAM_DELETED, &metadatapb.TrimStream{Stream: s, Offset: 1})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_STREAM, &metadatapb.TrimStream{Stream: 99, Offset: 1})
	w.topic("t", 14, 1)
}

func TestForgottenKeyIsNeverAcceptedAgain(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	s := w.topic("t", 10, 1)[0]
	c := commit(1, e, 1, 1, 1, entry(s, 0, 0, 5), entry(s, 0, 7, 9))
	require.Equal(t, "aR", verdicts(w.ok(c)))
	require.Equal(t, "aR", verdicts(w.ok(c)), "stored answer")
	forget := &metadatapb.Forget{Objects: []*metadatapb.ObjectID{{Broker: 1, Epoch: e, Seq: 1}}}
	w.no(metadatapb.Refusal_REFUSAL_NOT_DESTROYED, forget)
	require.Equal(t, "a", verdicts(w.ok(commit(1, e, 1, 1, 2, entry(s, 0, 5, 7)))))
	w.ok(&metadatapb.TrimStream{Stream: s, Offset: 6})
	w.ok(forget)
	w.ok(forget)
	require.Equal(t, "lR", verdicts(w.ok(c)), "the second entry fits now, but its bytes are gone")
	w.no(metadatapb.Refusal_REFUSAL_KEY_REUSED, commit(1, e, 1, 1, 2, entry(s, 0, 7, 9), entry(s, 0, 7, 9)))
	w.ok(&metadatapb.RaiseLow{Broker: 1, Epoch: e, Seq: 2})
	require.True(t, w.s.Garbage(ObjectID{1, e, 1}))
	require.False(t, w.s.Garbage(ObjectID{1, e, 2}), "live")
	require.False(t, w.s.Garbage(ObjectID{1, e, 3}), "may still be committed")
	require.False(t, w.s.Garbage(ObjectID{1, e + 1, 0}), "never issued")
	require.False(t, w.s.Garbage(ObjectID{8, 1, 0}), "nobody we know")
	w.no(metadatapb.Refusal_REFUSAL_LOW_SEQUENCE, c)
	w.ok(&metadatapb.RaiseLow{Broker: 1, Epoch: e, Seq: 1})
	b, _ := w.s.Broker(1)
	require.EqualValues(t, 2, b.Low)
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e})
	require.True(t, w.s.Garbage(ObjectID{1, e, 3}))
	w.no(metadatapb.Refusal_REFUSAL_FENCED, &metadatapb.RaiseLow{Broker: 1, Epoch: e, Seq: 9})
}
