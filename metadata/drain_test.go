package metadata

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

func TestADrainingBrokerIsNobodysTarget(t *testing.T) {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	s := w.topic("t", 10, 1)[0]
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.Drain{Broker: 9, Epoch: 1})
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.Drain{Broker: 1, Epoch: 9})
	w.ok(&metadatapb.Drain{Broker: 2, Epoch: e2})
	w.ok(&metadatapb.Drain{Broker: 2, Epoch: e2})
	require.Equal(t, []int32{2}, brokerIDs(w.s.Draining()))
	require.Equal(t, []Seat{{Broker: 1, Open: 1}}, w.s.Seats())

	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.CreateTopic{
		Name: "u", Id: uid(11), Nonce: uid(12), Owners: []int32{1, 2},
	})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.CreatePartitions{
		Id: uid(10), Nonce: uid(13), Total: 2, Owners: []int32{2},
	})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, begin(s, 0, ptr(2)))
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.SealAndOpen{Stream: s, End: 1, To: ptr(2)})
	w.ok(&metadatapb.SealAndOpen{Stream: s, End: 1})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.OpenRange{Stream: s, AfterEpoch: 0, To: 2})
	w.ok(&metadatapb.OpenRange{Stream: s, AfterEpoch: 0, To: 1})
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	w.no(metadatapb.Refusal_REFUSAL_NO_TARGET, &metadatapb.SealAndOpen{Stream: s, LeaderEpoch: 1, End: 1, To: ptr(1)})

	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(60), Disk: uid(2), Proof: true}).GetRegister()
	require.Equal(t, []int32{2}, brokerIDs(w.s.Draining()), "a new epoch was not told to drain")
	w.no(metadatapb.Refusal_REFUSAL_FENCED, &metadatapb.Drain{Broker: 1, Epoch: e1})
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: r.GetEpoch()})
	sealed := w.ok(&metadatapb.SealRecovered{Wal: uid(1), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: s, LeaderEpoch: 1, End: 4, To: ptr(1)},
	}}).GetSealRecovered()
	require.Equal(t, metadatapb.Refusal_REFUSAL_NO_TARGET, sealed.GetEntries()[0].GetUnopened(), "not even by itself")
	require.Len(t, w.s.Unowned(), 1)
}

func brokerIDs(list []Broker) (ids []int32) {
	for _, b := range list {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestADrainingBrokerLeavesOnceItOwesNothing(t *testing.T) {
	w := newWorld(t)
	e1 := w.broker(1, 1)
	w.broker(2, 2)
	list := w.topic("t", 10, 1, 1)
	w.ok(&metadatapb.CreateWal{Broker: 1, Epoch: e1, Wal: uid(8), Volume: uid(0x70)}) // never opened
	leave := &metadatapb.Deregister{Broker: 1, Epoch: e1}
	w.no(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, &metadatapb.Deregister{Broker: 9, Epoch: 1})
	w.no(metadatapb.Refusal_REFUSAL_NOT_DRAINING, leave)
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e1})
	w.no(metadatapb.Refusal_REFUSAL_OWED, leave) // open ranges
	for _, s := range list {
		w.ok(begin(s, 0, ptr(2)))
		w.ok(&metadatapb.SealAndOpen{Stream: s, End: 9, To: ptr(2)})
	}
	w.no(metadatapb.Refusal_REFUSAL_OWED, leave) // closed, not uploaded
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: 1, Stream: list[0], From: 7, To: 9, Why: "bad block"})
	w.ok(commit(1, e1, 1, 1, 1, entry(list[0], 0, 0, 7), entry(list[1], 0, 0, 9)))
	w.no(metadatapb.Refusal_REFUSAL_OWED, leave) // a hole's bytes
	w.ok(&metadatapb.Quarantine{Wal: uid(1), Generation: 1, Stream: list[0], Seq: 5, Size: 1})
	w.ok(leave)
	require.True(t, w.s.Garbage(ObjectID{1, e1, 9}), "the epoch is fenced")
	for _, n := range []byte{1, 8} {
		require.Equal(t, metadatapb.WalState_WAL_STATE_RELEASED, w.walOf(n).State)
	}
	require.Empty(t, w.s.Draining())
	b, _ := w.s.Broker(1)
	require.True(t, b.Deregistered && !b.Live)
	w.ok(leave)
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	w.no(metadatapb.Refusal_REFUSAL_FENCED, &metadatapb.Drain{Broker: 1, Epoch: e1})

	r := w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(61), Disk: uid(2)}).GetRegister()
	require.Empty(t, r.GetWals())
	w.no(metadatapb.Refusal_REFUSAL_FENCED, leave)
	b, _ = w.s.Broker(1)
	require.True(t, !b.Deregistered && b.Live)
}

func TestAFencedBrokerIsNotDeregistered(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	w.ok(&metadatapb.Drain{Broker: 1, Epoch: e})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e})
	w.no(metadatapb.Refusal_REFUSAL_FENCED, &metadatapb.Deregister{Broker: 1, Epoch: e})
	require.Empty(t, w.s.Draining())
	require.Equal(t, []UUID{id(1)}, walIDs(w.s.Orphans()), "its WAL waits for a recoverer")
	w.ok(&metadatapb.Register{Broker: 1, Nonce: uid(61), Disk: uid(2)}) // no proof is needed: the old epoch is fenced
	require.Equal(t, []UUID{id(1)}, walIDs(w.s.Orphans()), "and without proof goes on waiting")
}

func TestABrokerSaysWhereItIsWhenItRegisters(t *testing.T) {
	w := newWorld(t)
	reg := func(nonce byte, rack, address string) *metadatapb.Register {
		return &metadatapb.Register{Broker: 1, Nonce: uid(nonce), Disk: uid(2), Proof: true, Rack: rack, Address: address}
	}
	long := strings.Repeat("h", 260) + ":1"
	for _, bad := range []string{"host", ":9", "host:", "host:0", "host:65536", "host:x", long} {
		w.no(metadatapb.Refusal_REFUSAL_INVALID, reg(1, "", bad))
	}
	w.no(metadatapb.Refusal_REFUSAL_INVALID, reg(1, strings.Repeat("r", 256), ""))
	e := w.ok(reg(1, "a", "[::1]:19092")).GetRegister().GetEpoch()
	w.ok(&metadatapb.SetEndpoint{Broker: 1, Epoch: e, Endpoints: []*metadatapb.Endpoint{{Host: "h", Port: 9092}}})
	b, _ := w.s.Broker(1)
	require.Equal(t, []string{"a", "[::1]:19092"}, []string{b.Rack, b.Address})
	require.Len(t, b.Endpoints, 1)
	w.ok(reg(2, "", ""))
	b, _ = w.s.Broker(1)
	require.Equal(t, []string{"", ""}, []string{b.Rack, b.Address}, "they are of the epoch")
}
