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

// dice draws the parts of a command out of a few small ids, mostly about things that exist.
type dice struct {
	t      *rapid.T
	w      *world
	broker int32
	epoch  int64
	wal    []byte
	gen    int64
	stream uint64
	rng    Range // one of the stream's newest
	at     int64 // an offset around what is committed of it
	to     *int32
	topic  []byte
}

func (d *dice) n(lo, hi int, what string) int { return rapid.IntRange(lo, hi).Draw(d.t, what) }

func throw(t *rapid.T, w *world) *dice {
	d := &dice{t: t, w: w}
	d.broker = int32(d.n(1, 3, "broker"))
	if v, ok := w.s.Broker(d.broker); ok {
		d.epoch = v.Epoch - int64(d.n(0, 9, "stale")/9)
	}
	d.wal = uid(byte(d.n(1, 6, "wal")))
	if v, ok := w.s.WAL(id(d.wal[0])); ok {
		d.gen = v.Generation - int64(d.n(0, 9, "stale gen")/9)
		if v.Held && d.n(0, 3, "holder") > 0 {
			d.broker, d.epoch = v.Holder, v.HolderEpoch
		}
	}
	d.stream = uint64(d.n(1, 6, "stream"))
	d.rng = Range{End: Open}
	if st, ok := w.s.Stream(d.stream); ok {
		d.rng = st.Ranges[d.n(max(0, len(st.Ranges)-3), len(st.Ranges)-1, "range")]
	}
	if d.n(0, 4, "to") > 0 {
		d.to = ptr(int32(d.n(1, 3, "owner")))
	}
	d.at = d.rng.Committed + int64(d.n(-2, 8, "at"))
	d.topic = uid(byte(d.n(10, 13, "topic")))
	return d
}

// draw makes a random command.
func draw(t *rapid.T, w *world, m *memory) proto.Message {
	d := throw(t, w)
	what := d.n(0, 29, "command")
	for _, kind := range []func(*dice, int) proto.Message{drawBroker, drawRange, drawTopic} {
		if c := kind(d, what); c != nil {
			return c
		}
	}
	return drawCommit(t, w, m, d.broker, d.epoch, d.wal, d.gen)
}

func drawBroker(d *dice, what int) proto.Message {
	switch what {
	case 0:
		return &metadatapb.Register{
			Broker: d.broker, Nonce: uid(byte(d.n(1, 250, "nonce"))), Disk: uid(1), Proof: d.n(0, 1, "proof") == 1,
		}
	case 1:
		return &metadatapb.CreateWal{Broker: d.broker, Epoch: d.epoch, Wal: d.wal, Volume: uid(9)}
	case 2:
		return &metadatapb.OpenWal{Broker: d.broker, Epoch: d.epoch, Wal: d.wal}
	case 3:
		if d.n(0, 3, "rare") == 0 {
			return &metadatapb.Fence{Broker: d.broker, Epoch: d.epoch}
		}
	case 4:
		return &metadatapb.AssignRecoverer{Wal: d.wal, Broker: d.broker, Epoch: d.epoch}
	case 5, 6:
		c := &metadatapb.SealRecovered{Wal: d.wal, Generation: d.gen}
		for _, o := range d.w.s.OpenOn(id(d.wal[0])) {
			c.Entries = append(c.Entries, &metadatapb.SealEntry{
				Stream: o.Stream, LeaderEpoch: o.LeaderEpoch, End: o.From + int64(d.n(-1, 5, "end")), To: d.to,
			})
		}
		return c
	case 13:
		return &metadatapb.RaiseLow{Broker: d.broker, Epoch: d.epoch, Seq: uint64(d.n(0, 30, "seq"))}
	case 25:
		if d.n(0, 2, "rare") == 0 {
			return &metadatapb.AbandonWal{Wal: d.wal, Generation: d.gen}
		}
	case 21:
		return &metadatapb.ReleaseWal{Wal: d.wal, Generation: d.gen}
	}
	return nil
}

func drawRange(d *dice, what int) proto.Message {
	switch what {
	case 7, 22:
		end := d.at + int64(d.n(-1, 5, "to"))
		if d.n(0, 2, "tail") > 0 {
			end = Open
		}
		return &metadatapb.MarkHole{
			Wal: bytesOf(d.rng.WAL), Generation: d.rng.Generation + int64(d.n(0, 1, "gen")), Stream: d.stream,
			LeaderEpoch: d.rng.LeaderEpoch, From: d.at, To: end, Why: "w",
		}
	case 8, 23:
		gen := d.rng.Generation + int64(d.n(0, 1, "gen"))
		if st, _ := d.w.s.Stream(d.stream); len(st.Holes) > 0 && d.n(0, 3, "holed") > 0 { // what may be applied
			h := st.Holes[d.n(0, len(st.Holes)-1, "hole")]
			w, _ := d.w.s.WAL(h.WAL)
			d.rng.WAL, d.rng.LeaderEpoch, gen = h.WAL, h.LeaderEpoch, w.Generation
		}
		return &metadatapb.Quarantine{
			Wal: bytesOf(d.rng.WAL), Generation: gen, Stream: d.stream,
			LeaderEpoch: d.rng.LeaderEpoch, Seq: uint64(d.n(0, 60, "seq")),
		}
	case 9, 24:
		return &metadatapb.AcceptLoss{
			Stream: d.stream, LeaderEpoch: d.rng.LeaderEpoch, Operator: "o", To: d.to,
			NextStart: d.at + int64(d.n(0, 20, "jump")),
		}
	case 10, 11:
		return &metadatapb.SealAndOpen{Stream: d.stream, LeaderEpoch: d.rng.LeaderEpoch, End: d.at, To: d.to}
	case 12:
		return &metadatapb.OpenRange{Stream: d.stream, AfterEpoch: d.rng.LeaderEpoch, To: d.broker}
	case 14, 15:
		return &metadatapb.TrimStream{Stream: d.stream, Offset: d.at}
	}
	return nil
}

func drawTopic(d *dice, what int) proto.Message {
	switch what {
	case 16:
		c := &metadatapb.CreateTopic{
			Name: string('a' + rune(d.topic[0]-10)), Id: d.topic, Nonce: uid(byte(d.n(1, 9, "nonce"))),
		}
		for range d.n(1, 2, "partitions") {
			c.Owners = append(c.Owners, d.broker)
		}
		return c
	case 17:
		return &metadatapb.CreatePartitions{
			Id: d.topic, Nonce: uid(byte(d.n(1, 9, "nonce"))), Total: 2, Owners: []int32{d.broker},
		}
	case 18:
		if d.n(0, 2, "rare") == 0 {
			return &metadatapb.MarkDeleting{Id: d.topic}
		}
	case 19:
		c := &metadatapb.DeleteTopic{Id: d.topic}
		for _, v := range d.w.s.Brokers() {
			c.Confirmed = append(c.Confirmed, &metadatapb.Confirmation{Broker: v.ID, Epoch: v.Epoch})
		}
		return c
	case 20:
		c := &metadatapb.Forget{}
		for _, x := range d.w.s.Destroyed() {
			if d.n(0, 1, "forget") == 1 {
				c.Objects = append(c.Objects, x.ID.proto())
			}
		}
		return c
	}
	return nil
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
