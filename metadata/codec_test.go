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

func TestSnapshotBytesArePinned(t *testing.T) {
	got := everything(t).s.Snapshot()
	const path = "testdata/snapshot.v1"
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the snapshot format changed: raise FormatVersion or go back")
	s, err := Restore(want)
	require.NoError(t, err)
	require.Equal(t, want, s.Snapshot())
}

func TestCommandBytesArePinned(t *testing.T) {
	var got []byte
	for _, raw := range everything(t).log {
		got = binary.LittleEndian.AppendUint32(got, uint32(len(raw)))
		got = append(got, raw...)
	}
	const path = "testdata/commands.v1"
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the command format changed: raise FormatVersion or go back")
}

func TestEveryFlippedByteOfASnapshotIsNoticed(t *testing.T) {
	good := everything(t).s.Snapshot()
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

func TestNewerFormatsAreRefusedAsNewer(t *testing.T) {
	b := NewState().Snapshot()
	binary.LittleEndian.PutUint32(b[8:], FormatVersion+1)
	_, err := Restore(b)
	require.ErrorIs(t, err, ErrNewer)

	c := cmdOf(&metadatapb.Forget{})
	c.Format = FormatVersion + 1
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
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append(NewState().Snapshot()[:snapshotHeader:snapshotHeader], body...)
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

// FuzzCommand applies any bytes that decode to a state full of things: no panic, every invariant kept.
func FuzzCommand(f *testing.F) {
	w := everything(f)
	snapshot := w.s.Snapshot()
	for _, raw := range w.log {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeCommand(raw)
		if err != nil {
			return
		}
		s, err := Restore(snapshot)
		require.NoError(t, err)
		index, term := s.Index()
		c.Term = term
		s.Apply(index+1, term, c)
		s.Apply(index+2, term, c)
		require.NoError(t, s.Check())
	})
}
