package metadata

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// memory is what an observer of the state has seen, and may never see contradicted.
type memory struct {
	garbage  map[ObjectID]bool
	ends     map[string]int64 // closed ends by stream/epoch
	commits  map[string]int64
	logStart map[uint64]int64
	keys     map[ObjectID]bool
}

// look compares the state with everything seen before.
func (m *memory) look(t failer, s *State) {
	t.Helper()
	for id := range m.keys {
		if s.Garbage(id) {
			m.garbage[id] = true
		}
	}
	for _, id := range s.Objects() {
		require.False(t, m.garbage[id], "GarbageForever: %s", id)
	}
	for _, sid := range s.sortedStreams() {
		v, _ := s.Stream(sid)
		require.GreaterOrEqual(t, v.LogStart, m.logStart[sid], "LogStartGrows")
		m.logStart[sid] = v.LogStart
		for _, r := range v.Ranges {
			k := fmt.Sprint(sid, "/", r.LeaderEpoch)
			if end, seen := m.ends[k]; seen {
				require.Equal(t, end, r.End, "SealFinal: %s", k)
			}
			if r.End != Open {
				m.ends[k] = r.End
			}
			require.GreaterOrEqual(t, r.Committed, m.commits[k], "CommitContiguous: %s", k)
			m.commits[k] = r.Committed
		}
	}
}

// draw makes a random command out of a few small ids, mostly about things that exist.
func draw(t *rapid.T, w *world, m *memory) proto.Message {
	n := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
	b := int32(n(1, 3, "broker"))
	var e, gen int64
	if v, ok := w.s.Broker(b); ok {
		e = v.Epoch - int64(n(0, 9, "stale")/9)
	}
	wid := uid(byte(n(1, 6, "wal")))
	if v, ok := w.s.WAL(id(wid[0])); ok {
		gen = v.Generation - int64(n(0, 9, "stale gen")/9)
		if v.Held && n(0, 3, "holder") > 0 {
			b, e = v.Holder, v.HolderEpoch
		}
	}
	var sid uint64 = uint64(n(1, 6, "stream"))
	st, _ := w.s.Stream(sid)
	r := Range{End: Open}
	if len(st.Ranges) > 0 {
		r = st.Ranges[n(max(0, len(st.Ranges)-3), len(st.Ranges)-1, "range")]
	}
	var to *int32
	if n(0, 4, "to") > 0 {
		to = ptr(int32(n(1, 3, "owner")))
	}
	at := r.Committed + int64(n(-2, 8, "at"))
	topic := uid(byte(n(10, 13, "topic")))
	switch n(0, 23, "command") {
	case 0:
		return &metadatapb.Register{
			Broker: b, Nonce: uid(byte(n(1, 250, "nonce"))), Disk: uid(1), Proof: n(0, 1, "proof") == 1,
		}
	case 1:
		return &metadatapb.CreateWal{Broker: b, Epoch: e, Wal: wid, Volume: uid(9)}
	case 2:
		return &metadatapb.OpenWal{Broker: b, Epoch: e, Wal: wid}
	case 3:
		if n(0, 3, "rare") > 0 {
			break
		}
		return &metadatapb.Fence{Broker: b, Epoch: e}
	case 4:
		return &metadatapb.AssignRecoverer{Wal: wid, Broker: b, Epoch: e}
	case 5, 6:
		c := &metadatapb.SealRecovered{Wal: wid, Generation: gen}
		for _, o := range w.s.OpenOn(id(wid[0])) {
			c.Entries = append(c.Entries, &metadatapb.SealEntry{
				Stream: o.Stream, LeaderEpoch: o.LeaderEpoch, End: o.From + int64(n(-1, 5, "end")), To: to,
			})
		}
		return c
	case 7:
		end := at + int64(n(-1, 5, "to"))
		if n(0, 2, "tail") > 0 {
			end = Open
		}
		return &metadatapb.MarkHole{
			Wal: bytesOf(r.WAL), Generation: r.Generation + int64(n(0, 1, "gen")), Stream: sid,
			LeaderEpoch: r.LeaderEpoch, From: at, To: end, Why: "w",
		}
	case 8:
		return &metadatapb.Quarantine{
			Wal: bytesOf(r.WAL), Generation: r.Generation + int64(n(0, 1, "gen")), Stream: sid,
			LeaderEpoch: r.LeaderEpoch, Seq: uint64(n(0, 30, "seq")),
		}
	case 9:
		return &metadatapb.AcceptLoss{
			Stream: sid, LeaderEpoch: r.LeaderEpoch, Operator: "o", NextStart: at + int64(n(0, 20, "jump")), To: to,
		}
	case 10, 11:
		return &metadatapb.SealAndOpen{Stream: sid, LeaderEpoch: r.LeaderEpoch, End: at, To: to}
	case 12:
		return &metadatapb.OpenRange{Stream: sid, AfterEpoch: r.LeaderEpoch, To: b}
	case 13:
		return &metadatapb.RaiseLow{Broker: b, Epoch: e, Seq: uint64(n(0, 30, "seq"))}
	case 14, 15:
		return &metadatapb.TrimStream{Stream: sid, Offset: at}
	case 16:
		c := &metadatapb.CreateTopic{Name: string('a' + rune(topic[0]-10)), Id: topic, Nonce: uid(byte(n(1, 9, "nonce")))}
		for range n(1, 2, "partitions") {
			c.Owners = append(c.Owners, b)
		}
		return c
	case 17:
		return &metadatapb.CreatePartitions{Id: topic, Nonce: uid(byte(n(1, 9, "nonce"))), Total: 2, Owners: []int32{b}}
	case 18:
		if n(0, 2, "rare") > 0 {
			break
		}
		return &metadatapb.MarkDeleting{Id: topic}
	case 19:
		c := &metadatapb.DeleteTopic{Id: topic}
		for _, v := range w.s.Brokers() {
			c.Confirmed = append(c.Confirmed, &metadatapb.Confirmation{Broker: v.ID, Epoch: v.Epoch})
		}
		return c
	case 20:
		c := &metadatapb.Forget{}
		for _, d := range w.s.Destroyed() {
			if n(0, 1, "forget") == 1 {
				c.Objects = append(c.Objects, d.ID.proto())
			}
		}
		return c
	case 21:
		return &metadatapb.ReleaseWal{Wal: wid, Generation: gen}
	}
	return drawCommit(t, w, m, b, e, wid, gen)
}

func drawCommit(t *rapid.T, w *world, m *memory, b int32, e int64, wid []byte, gen int64) proto.Message {
	n := func(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(t, what) }
	c := &metadatapb.CommitObject{Broker: b, Epoch: e, Wal: wid, Generation: gen, Seq: uint64(n(0, 30, "seq")), Size: 1}
	m.keys[ObjectID{b, e, c.Seq}] = true
	for range n(0, 4, "entries") {
		sid := uint64(n(1, 6, "stream"))
		st, ok := w.s.Stream(sid)
		x := &metadatapb.CommitEntry{Stream: sid, Checkpoint: n(0, 2, "checkpoint") == 0}
		if ok {
			r := st.Ranges[n(max(0, len(st.Ranges)-2), len(st.Ranges)-1, "range")]
			x.LeaderEpoch = r.LeaderEpoch
			x.Start = r.Frontier + int64(n(-3, 1, "start"))
			x.End = x.Start + int64(n(0, 6, "length"))
		}
		c.Entries = append(c.Entries, x)
	}
	return c
}

func TestRandomCommandsKeepEveryInvariantAndReplayToTheSameBytes(t *testing.T) {
	applied := map[string]int{} // by command and outcome, to see that the draw reaches things
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for b := int32(1); b <= 3; b++ {
			w.broker(b, byte(b))
		}
		w.topic("a", 10, 1, 2)
		m := &memory{
			garbage: map[ObjectID]bool{}, ends: map[string]int64{}, commits: map[string]int64{},
			logStart: map[uint64]int64{}, keys: map[ObjectID]bool{},
		}
		steps := rapid.IntRange(60, 300).Draw(t, "steps")
		cut := rapid.IntRange(0, steps).Draw(t, "cut")
		var restored *State
		for i := range steps {
			if i == cut {
				var err error
				restored, err = Restore(w.s.Snapshot())
				require.NoError(t, err)
			}
			c := draw(t, w, m)
			r := w.do(c)
			m.look(t, w.s)
			name := string(c.ProtoReflect().Descriptor().Name())
			applied[name+"/"+r.GetRefusal().String()]++
			if name == "CommitObject" {
				applied["verdicts/"+verdicts(r)]++
			}
			if restored != nil {
				again, err := DecodeCommand(w.log[len(w.log)-1])
				require.NoError(t, err)
				require.True(t, proto.Equal(r, restored.Apply(w.index, w.term, again)), "RestoreThenApply: %s", name)
			}
		}
		bytes := w.s.Snapshot()
		if restored != nil {
			require.Equal(t, bytes, restored.Snapshot())
		}
		replay := NewState()
		for i, raw := range w.log {
			c, err := DecodeCommand(raw)
			require.NoError(t, err)
			replay.Apply(uint64(i+1), w.term, c)
		}
		require.Equal(t, bytes, replay.Snapshot())
	})
	for _, want := range []string{
		"Register", "Fence", "AssignRecoverer", "SealRecovered", "MarkHole", "Quarantine", "AcceptLoss", "SealAndOpen",
		"OpenRange", "CommitObject", "RaiseLow", "TrimStream", "DeleteTopic", "Forget", "ReleaseWal",
	} {
		require.Positive(t, applied[want+"/REFUSAL_NONE"], "the machine never got %s applied", want)
	}
}
