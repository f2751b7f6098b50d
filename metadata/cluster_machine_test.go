package metadata

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// scene is what an observer sees of the state before a command: who is there, who moves, which ranges are
// last, which WALs owe something. It is taken from the views alone.
type scene struct {
	brokers map[int32]Broker
	moves   map[uint64]Move
	last    map[uint64]Range
	owned   map[uint64]bool
	owes    map[UUID]bool
	wals    map[UUID]WAL
	seats   []Seat
}

func sceneOf(s *State) *scene {
	v := &scene{
		brokers: map[int32]Broker{}, moves: map[uint64]Move{}, last: map[uint64]Range{}, owned: map[uint64]bool{},
		owes: map[UUID]bool{}, wals: map[UUID]WAL{}, seats: s.Seats(),
	}
	for _, b := range s.Brokers() {
		v.brokers[b.ID] = b
	}
	for _, m := range s.Moves() {
		v.moves[m.Stream] = m
	}
	for _, w := range s.WALs() {
		v.wals[w.ID] = w
	}
	for _, sid := range s.sortedStreams() {
		st, _ := s.Stream(sid)
		for _, r := range st.Ranges {
			if r.End == Open || r.Frontier < r.End {
				v.owes[r.WAL] = true
			}
		}
		for _, h := range st.Holes {
			if !h.Accepted && h.Quarantine.IsZero() {
				v.owes[h.WAL] = true
			}
		}
		v.last[sid] = st.Ranges[len(st.Ranges)-1]
		p, _ := s.PartitionOf(sid)
		v.owned[sid] = p.Owned
	}
	return v
}

func (v *scene) canTake(id int32) bool {
	for _, x := range v.seats {
		if x.Broker == id {
			return true
		}
	}
	return false
}

// judge holds what a command did against what the protocol lets it do.
func (v *scene) judge(t failer, s *State, c proto.Message, r *metadatapb.Result) {
	t.Helper()
	now := sceneOf(s)
	v.judgeRanges(t, s, now, c)
	v.judgeMoves(t, s, now, c)
	v.judgeBrokers(t, now, c, r)
}

func (v *scene) judgeRanges(t failer, s *State, now *scene, c proto.Message) {
	t.Helper()
	for _, sid := range s.sortedStreams() {
		st, _ := s.Stream(sid)
		was, old := v.last[sid]
		for _, r := range st.Ranges {
			if old && r.LeaderEpoch == was.LeaderEpoch && was.End == Open && r.End != Open {
				require.True(t, closes(c, sid, r), "ClosedByItsEpoch: stream %d epoch %d at %d by %v", sid, r.LeaderEpoch, r.End, c)
			}
			if !old || r.LeaderEpoch > was.LeaderEpoch {
				h := now.wals[r.WAL]
				require.True(t, h.Held, "stream %d is opened on a WAL that nobody holds", sid)
				b := v.brokers[h.Holder]
				require.True(t, b.Live && b.Epoch == h.HolderEpoch && !b.Draining, "DrainingNoTarget: stream %d to %d by %v",
					sid, h.Holder, c)
			}
		}
	}
}

// closes reports whether a command names the very range, and where it is not a recovery also its end.
func closes(c proto.Message, sid uint64, r Range) bool {
	switch c := c.(type) {
	case *metadatapb.SealAndOpen:
		return c.GetStream() == sid && c.GetLeaderEpoch() == r.LeaderEpoch && c.GetEnd() == r.End
	case *metadatapb.AcceptLoss:
		return c.GetStream() == sid && c.GetLeaderEpoch() == r.LeaderEpoch
	case *metadatapb.SealRecovered:
		for _, e := range c.GetEntries() {
			if e.GetStream() == sid && e.GetLeaderEpoch() == r.LeaderEpoch {
				return r.End == max(e.GetEnd(), r.Committed)
			}
		}
	}
	return false
}

func (v *scene) judgeMoves(t failer, s *State, now *scene, c proto.Message) {
	t.Helper()
	for sid, m := range now.moves {
		was, old := v.moves[sid]
		if !old {
			b, ok := c.(*metadatapb.BeginMove)
			require.True(t, ok && b.GetStream() == sid && b.GetLeaderEpoch() == m.LeaderEpoch, "a move out of nothing by %v", c)
			require.True(t, v.owned[sid], "a move of what nobody owns")
			require.Equal(t, b.To == nil, m.Nobody)
			if !m.Nobody {
				require.True(t, v.canTake(m.To), "DrainingNoTarget: move to %d", m.To)
			}
			index, _ := s.Index()
			require.Equal(t, index, m.Begun)
			continue
		}
		require.Equal(t, []any{was.LeaderEpoch, was.From, was.FromEpoch, was.Begun},
			[]any{m.LeaderEpoch, m.From, m.FromEpoch, m.Begun}, "what is recorded of a move stays")
		if was.Nobody != m.Nobody || was.To != m.To || was.ToEpoch != m.ToEpoch {
			require.False(t, was.Nobody, "a move to nobody found a target by %v", c)
			require.True(t, !now.canTake(was.To) || now.brokers[was.To].Epoch != was.ToEpoch, "redirected without need by %v", c)
			others := slices.DeleteFunc(slices.Clone(now.seats), func(x Seat) bool { return x.Broker == was.To })
			require.Equal(t, m.Nobody, len(others) == 0, "MoveTarget")
			require.True(t, m.Nobody || m.To != m.From || len(others) == 1, "back to the owner although another could")
		}
	}
	for sid := range v.moves {
		if _, still := now.moves[sid]; still || s.streams[sid] == nil {
			continue
		}
		st := s.streams[sid]
		closed := st.find(v.moves[sid].LeaderEpoch)
		require.True(t, closed == nil || closed.end != Open || s.topics[st.topic].deleting, "a move ended by %v", c)
	}
}

func (v *scene) judgeBrokers(t failer, now *scene, c proto.Message, r *metadatapb.Result) {
	t.Helper()
	for id, was := range v.brokers {
		is := now.brokers[id]
		if is.Draining && !(was.Draining && was.Epoch == is.Epoch) {
			d, ok := c.(*metadatapb.Drain)
			require.True(t, ok && d.GetBroker() == id && d.GetEpoch() == is.Epoch, "drains by %v", c)
		}
		if was.Draining && is.Epoch == was.Epoch && is.Live {
			require.True(t, is.Draining, "draining ended by %v", c)
		}
		if !was.Live || is.Live && is.Epoch == was.Epoch {
			continue
		}
		_, gone := c.(*metadatapb.Deregister)
		require.Equal(t, gone, is.Deregistered, "how epoch %d ended", was.Epoch)
		for wid, w := range v.wals {
			if !w.Held || w.Holder != id || w.HolderEpoch != was.Epoch {
				continue
			}
			held := now.wals[wid]
			require.False(t, held.Held && held.HolderEpoch == was.Epoch, "OneHolder: WAL %s by %v", wid, c)
			if gone {
				require.False(t, v.owes[wid], "Deregister of a WAL that owes")
				require.Equal(t, metadatapb.WalState_WAL_STATE_RELEASED, held.State)
			}
		}
		if gone {
			require.True(t, was.Draining, "Deregister of a broker that did not drain")
		}
		require.Equal(t, metadatapb.Refusal_REFUSAL_NONE, r.GetRefusal())
	}
}

// drawMany makes the commands that only a cluster of several brokers needs.
func drawMany(t *rapid.T, w *world, m *memory) proto.Message {
	d := throw(t, w)
	switch d.n(0, 15, "cluster command") {
	case 0, 1, 2:
		return &metadatapb.BeginMove{Stream: d.stream, LeaderEpoch: d.rng.LeaderEpoch, To: d.to}
	case 3:
		if d.n(0, 2, "rare") == 0 {
			return &metadatapb.Drain{Broker: d.broker, Epoch: d.epoch}
		}
	case 4, 5:
		c := &metadatapb.Deregister{Broker: d.broker, Epoch: d.epoch}
		if list := w.s.Draining(); len(list) > 0 && d.n(0, 4, "one that drains") > 0 {
			c.Broker, c.Epoch = list[0].ID, list[0].Epoch
		}
		return c
	case 6:
		return &metadatapb.Register{
			Broker: d.broker, Nonce: uid(byte(d.n(1, 250, "nonce"))), Disk: uid(1), Proof: d.n(0, 1, "proof") == 1,
			Rack: string('a' + rune(d.n(0, 2, "rack"))), Address: fmt.Sprintf("h%d:9", d.broker),
		}
	case 7:
		c := &metadatapb.CreateTopic{
			Name: string('a' + rune(d.topic[0]-10)), Id: d.topic, Nonce: uid(byte(d.n(1, 9, "nonce"))), Place: true,
		}
		for range d.n(1, 3, "partitions") {
			c.Owners = append(c.Owners, int32(d.n(-1, 4, "owner")))
		}
		return c
	case 8:
		return &metadatapb.CreatePartitions{
			Id: d.topic, Nonce: uid(byte(d.n(1, 9, "nonce"))), Total: 3, Owners: []int32{-1, d.broker}, Place: true,
		}
	case 9, 10:
		if list := w.s.Moves(); len(list) > 0 { // drive one on
			x := list[d.n(0, len(list)-1, "move")]
			c := &metadatapb.SealAndOpen{Stream: x.Stream, LeaderEpoch: x.LeaderEpoch}
			st, _ := w.s.Stream(x.Stream)
			c.End = st.Ranges[len(st.Ranges)-1].Committed + int64(d.n(0, 3, "end"))
			if !x.Nobody {
				c.To = &x.To
			}
			return c
		}
	case 11:
		if list := w.s.Orphans(); len(list) > 0 {
			return &metadatapb.AssignRecoverer{Wal: bytesOf(list[0].ID), Broker: d.broker, Epoch: d.epoch}
		}
	case 12:
		if list := w.s.Unowned(); len(list) > 0 {
			return &metadatapb.OpenRange{Stream: list[0].Stream, AfterEpoch: list[0].LeaderEpoch, To: d.broker}
		}
	}
	return draw(t, w, m)
}

func newMemory() *memory {
	return &memory{
		garbage: map[ObjectID]bool{}, ends: map[string]int64{}, commits: map[string]int64{},
		logStart: map[uint64]int64{}, keys: map[ObjectID]bool{},
	}
}

func TestRandomCommandsOfManyBrokersDoOnlyWhatTheProtocolLetsThem(t *testing.T) {
	applied := map[string]int{}
	redirected := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for b := int32(1); b <= 3; b++ {
			w.broker(b, byte(b))
		}
		w.topic("a", 10, 1, 2)
		m := newMemory()
		steps := rapid.IntRange(60, 300).Draw(t, "steps")
		cut := rapid.IntRange(0, steps).Draw(t, "cut")
		var restored *State
		for i := range steps {
			if i == cut {
				var err error
				restored, err = Restore(w.s.Snapshot())
				require.NoError(t, err)
				require.Equal(t, w.s.Moves(), restored.Moves())
				require.Equal(t, w.s.Unowned(), restored.Unowned())
			}
			before := sceneOf(w.s)
			c := drawMany(t, w, m)
			r := w.do(c)
			before.judge(t, w.s, c, r)
			m.look(t, w.s)
			for sid, x := range before.moves {
				if y, ok := w.s.Move(sid); ok && y.ToEpoch != x.ToEpoch {
					redirected++
				}
			}
			applied[string(c.ProtoReflect().Descriptor().Name())+"/"+r.GetRefusal().String()]++
			if restored != nil {
				again, err := DecodeCommand(w.log[len(w.log)-1])
				require.NoError(t, err)
				require.True(t, proto.Equal(r, restored.Apply(w.index, w.term, again)), "RestoreThenApply: %v", c)
			}
		}
		if restored != nil {
			require.Equal(t, w.s.Snapshot(), restored.Snapshot())
		}
	})
	for _, want := range []string{
		"BeginMove/REFUSAL_NONE", "BeginMove/REFUSAL_MOVING", "BeginMove/REFUSAL_NO_TARGET", "BeginMove/REFUSAL_LEADER_EPOCH",
		"BeginMove/REFUSAL_NOT_OWNED", "Drain/REFUSAL_NONE", "Deregister/REFUSAL_NONE", "Deregister/REFUSAL_OWED",
		"Deregister/REFUSAL_NOT_DRAINING", "SealAndOpen/REFUSAL_NONE", "OpenRange/REFUSAL_NONE", "SealRecovered/REFUSAL_NONE",
		"CreateTopic/REFUSAL_NONE",
	} {
		require.Positive(t, applied[want], "the machine never got %s", want)
	}
	require.Positive(t, redirected, "no move was redirected")
}
