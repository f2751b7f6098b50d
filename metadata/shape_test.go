package metadata

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// shapes is what a follower would copy of every topic, as text, by id.
func shapes(s *State) map[UUID]string {
	out := map[UUID]string{}
	for _, t := range s.Topics() {
		text := fmt.Sprintf("%+v\n", t)
		for p := range t.Streams {
			v, _ := s.Partition(t.ID, int32(p))
			st, _ := s.Stream(v.Stream)
			if !v.Holed {
				v.LogStart = 0 // is asked for when a partition is opened
			}
			text += fmt.Sprintf("%+v %+v\n", v, st.Holes)
		}
		out[t.ID] = text
	}
	return out
}

// checkShape requires that whatever the last command changed counts as changed by it: a follower that skips what
// does not would miss it.
func (w *world) checkShape(before map[UUID]string) {
	w.t.Helper()
	after := shapes(w.s)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		require.Equal(w.t, w.index, w.s.Shape(), "the shape changed")
	}
	ids, all := w.s.Reshaped(w.index - 1)
	require.True(w.t, slices.IsSortedFunc(ids, UUID.compare))
	if all {
		require.Len(w.t, ids, len(after))
	}
	for id := range after {
		if before[id] != after[id] {
			require.Contains(w.t, ids, id, "it changed from %s to %s", before[id], after[id])
		}
	}
	for id := range before {
		if after[id] == "" && !all {
			require.Contains(w.t, ids, id, "it is gone")
		}
	}
}

func TestACommitLeavesTheShapeAsItIs(t *testing.T) {
	w := newWorld(t)
	e := w.broker(1, 1)
	one, two := w.topic("one", 10, 1)[0], w.topic("two", 11, 1)[0]
	w.ok(&metadatapb.SealAndOpen{Stream: one, LeaderEpoch: 0, End: 0, To: ptr(1)})
	shape := w.s.Shape()
	w.ok(commit(1, e, 1, 1, 0, entry(one, 1, 0, 5), entry(two, 0, 0, 5)))
	w.ok(&metadatapb.TrimStream{Stream: two, Offset: 3})
	w.ok(&metadatapb.RaiseLow{Broker: 1, Epoch: e, Seq: 1})
	require.Equal(t, shape, w.s.Shape())
	ids, all := w.s.Reshaped(shape - 1)
	require.Equal(t, []UUID{id(10)}, ids, "only one of them was moved last")
	require.False(t, all)
	back, err := Restore(w.s.Snapshot())
	require.NoError(t, err)
	require.Equal(t, w.index, back.Shape(), "after a restore everything counts as moved")
	ids, all = back.Reshaped(w.index - 1)
	require.Equal(t, []UUID{id(10), id(11)}, ids)
	require.True(t, all)
}

// TestFollowingManyCreationsLooksAtEachTopicOnce: who follows closely sees what each command changed, however many
// topics there are; who is far behind is told to look at all of them.
func TestFollowingManyCreationsLooksAtEachTopicOnce(t *testing.T) {
	const topics = 3 * keptChanges
	w := newWorld(t)
	w.broker(1, 1)
	start, seen, looked := w.s.Shape(), w.s.Shape(), 0
	for n := range topics {
		name := fmt.Sprintf("t%d", n)
		x := UUID{1, byte(n >> 16), byte(n >> 8), byte(n)}
		w.index++
		c := NewCommand(&metadatapb.CreateTopic{Name: name, Id: x[:], Nonce: x[:], Owners: []int32{1}})
		c.Format = FormatVersion
		r := w.s.Apply(w.index, 1, c)
		require.NotNil(t, r.GetTopic(), r.GetDetail())
		ids, all := w.s.Reshaped(seen)
		require.False(t, all)
		require.Equal(t, []UUID{x}, ids)
		seen, looked = w.s.Shape(), looked+len(ids)
		require.LessOrEqual(t, len(w.s.changes), 2*keptChanges)
	}
	require.Equal(t, topics, looked)
	ids, all := w.s.Reshaped(seen)
	require.Empty(t, ids)
	require.False(t, all)
	ids, all = w.s.Reshaped(start)
	require.Len(t, ids, topics)
	require.True(t, all)
}
