package metadata

import (
	"fmt"
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
	list := w.s.TopicShapes()
	require.Len(w.t, list, len(after))
	for _, x := range list {
		require.LessOrEqual(w.t, x.Index, w.s.Shape())
		if before[x.ID] != after[x.ID] {
			require.Equal(w.t, w.index, x.Index, "topic %s changed from %s to %s", x.ID, before[x.ID], after[x.ID])
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
	for _, x := range w.s.TopicShapes() {
		require.Equal(t, x.ID == id(10), x.Index == shape, "only one of them was moved last")
	}
	back, err := Restore(w.s.Snapshot())
	require.NoError(t, err)
	require.Equal(t, w.index, back.Shape(), "after a restore everything counts as moved")
}
