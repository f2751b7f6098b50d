package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// world applies commands as a log would hold them and checks every invariant after each.
type world struct {
	t     failer
	s     *State
	index uint64
	term  uint64
	log   [][]byte
}

func newWorld(t failer) *world {
	w := &world{t: t, s: NewState(), term: 1}
	w.ok(&metadatapb.InitCluster{ClusterId: uid(0xC1), Format: FormatVersion})
	return w
}

// uid returns a uuid told by one byte.
func uid(n byte) []byte {
	b := make([]byte, 16)
	b[0], b[15] = n, n
	return b
}

func id(n byte) UUID {
	u, _ := uuidOf(uid(n))
	return u
}

func cmdOf(m proto.Message) *metadatapb.Command {
	c := &metadatapb.Command{WallMs: 1_700_000_000_000}
	fields := c.ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.Message().FullName() == m.ProtoReflect().Descriptor().FullName() {
			v := c.ProtoReflect().NewField(f)
			proto.Merge(v.Message().Interface(), m)
			c.ProtoReflect().Set(f, v)
			return c
		}
	}
	panic("no such command")
}

func (w *world) do(m proto.Message) *metadatapb.Result {
	w.t.Helper()
	c := cmdOf(m)
	c.Term = w.term
	return w.apply(c)
}

func (w *world) apply(c *metadatapb.Command) *metadatapb.Result {
	w.t.Helper()
	raw := EncodeCommand(c)
	w.log = append(w.log, raw)
	back, err := DecodeCommand(raw)
	require.NoError(w.t, err)
	w.index++
	before := shapes(w.s)
	r := w.s.Apply(w.index, w.term, back)
	w.checkShape(before)
	require.Equal(w.t, w.index, r.GetIndex())
	require.NoError(w.t, w.s.Check())
	return r
}

func (w *world) ok(m proto.Message) *metadatapb.Result {
	w.t.Helper()
	r := w.do(m)
	require.Equal(w.t, metadatapb.Refusal_REFUSAL_NONE.String(), r.GetRefusal().String(), r.GetDetail())
	return r
}

// no applies a command that must be refused and must change nothing but the index.
func (w *world) no(why metadatapb.Refusal, m proto.Message) {
	w.t.Helper()
	before := w.s.export()
	r := w.do(m)
	require.Equal(w.t, why.String(), r.GetRefusal().String(), r.GetDetail())
	require.NotEmpty(w.t, r.GetDetail())
	after := w.s.export()
	after.Index = before.Index
	require.True(w.t, proto.Equal(before, after), "a refused command changed the state")
}

// broker registers a broker with an open WAL, uuid wal, and returns its epoch.
func (w *world) broker(b int32, wal byte) int64 {
	w.t.Helper()
	e := w.ok(&metadatapb.Register{Broker: b, Nonce: uid(100 + wal), Disk: uid(byte(b) + 1)}).GetRegister().GetEpoch()
	w.wal(b, e, wal)
	return e
}

func (w *world) wal(b int32, e int64, wal byte) {
	w.t.Helper()
	w.ok(&metadatapb.CreateWal{Broker: b, Epoch: e, Wal: uid(wal), Volume: uid(0x70), Capacity: 1 << 20})
	w.ok(&metadatapb.OpenWal{Broker: b, Epoch: e, Wal: uid(wal)})
}

// topic creates a topic with a partition for each owner and returns their streams.
func (w *world) topic(name string, n byte, owners ...int32) []uint64 {
	w.t.Helper()
	w.ok(&metadatapb.CreateTopic{Name: name, Id: uid(n), Nonce: uid(n + 50), Owners: owners})
	tp, found := w.s.TopicByName(name)
	require.True(w.t, found)
	return tp.Streams
}

func entry(stream uint64, epoch int32, start, end int64) *metadatapb.CommitEntry {
	return &metadatapb.CommitEntry{Stream: stream, LeaderEpoch: epoch, Start: start, End: end, MaxTimestamp: end * 10}
}

func state(stream uint64, epoch int32, at int64) *metadatapb.CommitEntry {
	return &metadatapb.CommitEntry{Stream: stream, LeaderEpoch: epoch, Start: at, End: at, Checkpoint: true}
}

func with(e *metadatapb.CommitEntry) *metadatapb.CommitEntry {
	e.Checkpoint = true
	return e
}

func commit(
	b int32, e int64, wal byte, gen int64, seq uint64, list ...*metadatapb.CommitEntry,
) *metadatapb.CommitObject {
	return &metadatapb.CommitObject{
		Broker: b, Epoch: e, Wal: uid(wal), Generation: gen, Seq: seq,
		Size: 1000 + seq, Crc: uint32(seq), Entries: list,
	}
}

// verdicts are the answers of a commit as letters: accepted, already, gone, refused.
func verdicts(r *metadatapb.Result) string {
	s := ""
	for _, v := range r.GetCommit().GetVerdicts() {
		s += string("?alGR"[v])
	}
	return s
}

func ptr(b int32) *int32 { return &b }

func TestCommandsBeforeInitClusterAreRefused(t *testing.T) {
	s := NewState()
	c := cmdOf(&metadatapb.Register{Broker: 1, Nonce: uid(1), Disk: uid(2)})
	c.Format, c.Term = 1, 1
	r := s.Apply(1, 1, c)
	require.Equal(t, metadatapb.Refusal_REFUSAL_NOT_INITIALISED, r.GetRefusal())
}

func TestClusterIDIsSetOnce(t *testing.T) {
	w := newWorld(t)
	w.ok(&metadatapb.InitCluster{ClusterId: uid(0xC1), Format: 1})
	w.no(metadatapb.Refusal_REFUSAL_FOREIGN_CLUSTER, &metadatapb.InitCluster{ClusterId: uid(0xC2), Format: 1})
	w.no(metadatapb.Refusal_REFUSAL_INVALID, &metadatapb.InitCluster{ClusterId: uid(0xC1), Format: 2})
	c, f := w.s.Cluster()
	require.Equal(t, id(0xC1), c)
	require.EqualValues(t, 1, f)
}

func TestDecidedCommandsAreRefusedInAnotherTerm(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	for _, m := range []proto.Message{
		&metadatapb.Register{Broker: 1, Nonce: uid(9), Disk: uid(2), Proof: true},
		&metadatapb.Fence{Broker: 1, Epoch: e},
		&metadatapb.AssignRecoverer{Wal: uid(1), Broker: 1, Epoch: e},
	} {
		c := cmdOf(m)
		c.Term = w.term
		w.term++
		require.Equal(t, metadatapb.Refusal_REFUSAL_TERM, w.apply(c).GetRefusal())
		require.True(t, Decided(c))
	}
	require.True(t, w.s.Live(1, e))
}

func TestApplyOutOfOrderPanicsByName(t *testing.T) {
	w := newWorld(t)
	require.PanicsWithValue(t, "invariant ApplyOrder: command at index 1 term 1 after index 1 term 1", func() {
		w.s.Apply(1, 1, cmdOf(&metadatapb.Forget{}))
	})
}

func TestObjectKeysParseBackAndHaveOneSpelling(t *testing.T) {
	x := ObjectID{Broker: 7, Epoch: 12, Seq: 0xabc}
	key := x.Key(id(0xC1))
	require.Equal(t, "c1000000-0000-0000-0000-0000000000c1/7/12/0000000000000abc", key[9:])
	c, back, err := ParseKey(key)
	require.NoError(t, err)
	require.Equal(t, id(0xC1), c)
	require.Equal(t, x, back)
	for _, bad := range []string{"", "a/b", key[1:], "0" + key, key + "0", key[:8] + "x" + key[9:]} {
		_, _, err := ParseKey(bad)
		require.Error(t, err, bad)
	}
}

func TestSpansHoldWhatWasAddedAbove(t *testing.T) {
	var s spans
	for _, n := range []uint64{5, 3, 4, 9, 3, 11, 10, 0} {
		s = s.add(n)
	}
	require.Equal(t, spans{{0, 1}, {3, 6}, {9, 12}}, s)
	s = s.below(4)
	require.Equal(t, spans{{4, 6}, {9, 12}}, s)
	for n, want := range map[uint64]bool{3: false, 4: true, 5: true, 6: false, 9: true, 12: false} {
		require.Equal(t, want, s.has(n), n)
	}
	require.Empty(t, s.below(12))
}
