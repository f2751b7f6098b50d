package metadata

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/metadata/metadatapb"
)

var update = flag.Bool("update", false, "write the golden files")

// everything fills every list and field of a snapshot.
func everything(t failer) *world {
	w := newWorld(t)
	e1, e2 := w.broker(1, 1), w.broker(2, 2)
	w.ok(&metadatapb.SetEndpoint{Broker: 1, Epoch: e1, Endpoints: []*metadatapb.Endpoint{
		{Listener: "kafka", Host: "127.0.0.1", Port: 9092},
	}})
	w.ok(&metadatapb.AllocateProducerIds{Broker: 1, Epoch: e1, Nonce: uid(40), Count: 1000})
	w.ok(&metadatapb.CreateTopic{
		Name: "orders", Id: uid(10), Nonce: uid(11), Owners: []int32{1, 1, 2},
		Configs: []*metadatapb.Config{{Key: "max.message.bytes", Value: "1000"}},
	})
	w.ok(&metadatapb.CreatePartitions{Id: uid(10), Nonce: uid(12), Total: 4, Owners: []int32{2}})
	w.ok(commit(1, e1, 1, 1, 1, with(entry(1, 0, 0, 10)), entry(2, 0, 0, 4)))
	w.ok(commit(1, e1, 1, 1, 3, entry(1, 0, 10, 20), entry(1, 0, 30, 40)))
	w.ok(&metadatapb.SealAndOpen{Stream: 1, LeaderEpoch: 0, End: 60, To: ptr(2)})
	w.ok(&metadatapb.TrimStream{Stream: 2, Offset: 4})
	w.ok(&metadatapb.Fence{Broker: 1, Epoch: e1})
	w.ok(&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 2, Epoch: e2})
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: 2, Stream: 1, From: 30, To: 40, Why: "bad block"})
	w.ok(&metadatapb.MarkHole{Wal: uid(1), Generation: 2, Stream: 2, From: 4, To: -1, Why: "volume lost"})
	w.ok(&metadatapb.Quarantine{Wal: uid(1), Generation: 2, Stream: 1, Seq: 9, Size: 5, Crc: 6})
	w.ok(&metadatapb.AcceptLoss{Stream: 2, Operator: "ops", NextStart: 100, To: ptr(2)})
	w.ok(commit(2, e2, 2, 1, 1, with(entry(2, 1, 100, 110))))
	w.ok(&metadatapb.CreateTopic{Name: "gone", Id: uid(14), Nonce: uid(15), Owners: []int32{2}})
	w.ok(commit(2, e2, 2, 1, 2, entry(5, 0, 0, 1)))
	w.ok(&metadatapb.TrimStream{Stream: 5, Offset: 1})
	w.ok(&metadatapb.MarkDeleting{Id: uid(14)})
	w.broker(3, 3)
	w.ok(&metadatapb.AbandonWal{Wal: uid(3), Generation: 1})
	return w
}

// everythingOfMany fills what format 2 brought.
func everythingOfMany(t failer) *world {
	w := newWorld(t)
	for b := int32(1); b <= 4; b++ {
		w.ok(&metadatapb.Register{
			Broker: b, Nonce: uid(byte(b)), Disk: uid(byte(b)), Rack: "zone-a", Address: "10.0.0.1:19092",
		})
		w.wal(b, w.epoch(b), byte(b))
	}
	w.ok(&metadatapb.CreateTopic{
		Name: "orders", Id: uid(10), Nonce: uid(11), Owners: []int32{1, 1, 2, -1}, Place: true,
	})
	w.ok(&metadatapb.CreatePartitions{Id: uid(10), Nonce: uid(12), Total: 5, Owners: []int32{9}, Place: true})
	w.ok(begin(1, 0, ptr(2)))
	w.ok(begin(3, 0, ptr(1)))
	for b := int32(1); b <= 4; b++ {
		w.ok(&metadatapb.Drain{Broker: b, Epoch: w.epoch(b)})
	}
	w.ok(begin(2, 0, nil))
	w.ok(&metadatapb.SealAndOpen{Stream: 3, End: 5})
	for _, s := range w.s.Seats() {
		require.Failf(t, "a seat", "%v", s)
	}
	for _, o := range w.s.OpenOn(id(4)) {
		w.ok(&metadatapb.SealAndOpen{Stream: o.Stream})
	}
	w.ok(&metadatapb.Deregister{Broker: 4, Epoch: w.epoch(4)})
	w.ok(&metadatapb.Register{Broker: 3, Nonce: uid(33), Disk: uid(3), Proof: true, Rack: "zone-b"})
	w.ok(&metadatapb.SealRecovered{Wal: uid(3), Generation: 2, Entries: []*metadatapb.SealEntry{
		{Stream: 5, End: 2, To: ptr(3)}, {Stream: 4, End: 2, To: ptr(3)},
	}})
	return w
}

func (w *world) commands() (b []byte) {
	for _, raw := range w.log {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(raw)))
		b = append(b, raw...)
	}
	return b
}

func TestSnapshotBytesArePinned(t *testing.T) {
	for path, w := range map[string]*world{
		"testdata/snapshot.v1": everything(t), "testdata/snapshot.v2": everythingOfMany(t),
	} {
		want := golden(t, path, w.s.Snapshot())
		require.Equal(t, path[len(path)-1], want[8]+'0')
		s, err := Restore(want)
		require.NoError(t, err)
		require.Equal(t, want, s.Snapshot())
		require.Equal(t, w.s.Moves(), s.Moves())
		require.Equal(t, w.s.Brokers(), s.Brokers())
	}
}

func TestCommandBytesArePinned(t *testing.T) {
	golden(t, "testdata/commands.v1", everything(t).commands())
	golden(t, "testdata/commands.v2", everythingOfMany(t).commands())
}

// golden returns the bytes of a file, which must be got.
func golden(t *testing.T, path string, got []byte) []byte {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "%s: the format changed: raise FormatNewest or go back", path)
	return want
}

func TestOnlyWhatFormatTwoBroughtIsWrittenInFormatTwo(t *testing.T) {
	formats := map[string]uint32{}
	for _, raw := range everythingOfMany(t).log {
		c, err := DecodeCommand(raw)
		require.NoError(t, err)
		formats[c.ProtoReflect().WhichOneof(c.ProtoReflect().Descriptor().Oneofs().Get(0)).TextName()] = c.GetFormat()
	}
	require.Equal(t, map[string]uint32{
		"init_cluster": 1, "register": 2, "create_wal": 1, "open_wal": 1, "create_topic": 2, "create_partitions": 2,
		"begin_move": 2, "drain": 2, "deregister": 2, "seal_and_open": 1, "seal_recovered": 1,
	}, formats)
	b := everythingOfMany(t).s.Snapshot()
	binary.LittleEndian.PutUint32(b[8:], 1)
	_, err := Restore(b)
	require.ErrorIs(t, err, ErrCorrupt, "an older program would have dropped what format 2 brought")
}

func TestEveryFlippedByteOfASnapshotIsNoticed(t *testing.T) {
	for _, w := range []*world{everything(t), everythingOfMany(t)} {
		good := w.s.Snapshot()
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 0x41
			_, err := Restore(bad)
			require.Error(t, err, "byte %d", i)
		}
		for n := range good {
			_, err := Restore(good[:n])
			require.ErrorIs(t, err, ErrCorrupt, "%d bytes", n)
		}
	}
}

func TestNewerFormatsAreRefusedAsNewer(t *testing.T) {
	b := NewState().Snapshot()
	binary.LittleEndian.PutUint32(b[8:], FormatNewest+1)
	_, err := Restore(b)
	require.ErrorIs(t, err, ErrNewer)

	c := cmdOf(&metadatapb.Forget{})
	c.Format = FormatNewest + 1
	raw, err := proto.Marshal(c)
	require.NoError(t, err)
	_, err = DecodeCommand(raw)
	require.ErrorIs(t, err, ErrNewer)

	unknown := []byte{0x08, 1, 0xfa, 0x3e, 0} // format 1 and an empty body in field 1007
	_, err = DecodeCommand(unknown)
	require.ErrorIs(t, err, ErrNewer)
	_, err = DecodeCommand(nil)
	require.ErrorIs(t, err, ErrCorrupt)
}

// FuzzRestore feeds Restore messages under a right checksum: what it takes must be a state that holds
// every invariant and writes the same bytes again and again.
func FuzzRestore(f *testing.F) {
	f.Add(everything(f).s.Snapshot()[snapshotHeader:])
	f.Add(everythingOfMany(f).s.Snapshot()[snapshotHeader:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append(NewState().Snapshot()[:snapshotHeader:snapshotHeader], body...)
		binary.LittleEndian.PutUint32(b[8:], FormatNewest)
		binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(body, castagnoli()))
		binary.LittleEndian.PutUint64(b[16:], uint64(len(body)))
		s, err := Restore(b)
		if err != nil {
			return
		}
		again, err := Restore(s.Snapshot())
		require.NoError(t, err)
		require.Equal(t, s.Snapshot(), again.Snapshot())
	})
}

// FuzzCommand applies any bytes that decode to states full of things: no panic, every invariant kept.
func FuzzCommand(f *testing.F) {
	one, many := everything(f), everythingOfMany(f)
	snapshots := [][]byte{one.s.Snapshot(), many.s.Snapshot()}
	for _, raw := range append(one.log, many.log...) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeCommand(raw)
		if err != nil {
			return
		}
		for _, snapshot := range snapshots {
			s, err := Restore(snapshot)
			require.NoError(t, err)
			index, term := s.Index()
			c.Term = term
			s.Apply(index+1, term, c)
			s.Apply(index+2, term, c)
			require.NoError(t, s.Check())
		}
	})
}
