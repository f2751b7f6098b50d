package metadata

import (
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// The shape of the cluster is what topics there are, which partitions they have, who serves those and what is
// left of those that nobody can. Most commands commit objects and leave it as it is, so who follows it asks first
// whether it moved. It is not persisted: after a restore everything counts as moved.

// Shape returns the index of the last command that may have changed the shape.
func (s *State) Shape() uint64 { return s.shape }

// shapeChange is one change of a topic's shape.
type shapeChange struct {
	index uint64
	topic UUID
}

// keptChanges is how many of the newest changes are known at least: who is further behind looks at all topics.
const keptChanges = 4096

// Reshaped returns by id the topics whose shape may have changed after an index, also those that are not there any
// more. all says that it returns all topics there are instead, because what changed is not known that far back. The
// cost is that of what is returned.
func (s *State) Reshaped(after uint64) (ids []UUID, all bool) {
	if after < s.reshaped {
		ids = make([]UUID, 0, len(s.topics))
		for id := range s.topics {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, UUID.compare)
		return ids, true
	}
	for i := len(s.changes) - 1; i >= 0 && s.changes[i].index > after; i-- {
		ids = append(ids, s.changes[i].topic)
	}
	slices.SortFunc(ids, UUID.compare)
	return slices.Compact(ids), false
}

// reach is what a command may change of the shape.
type reach struct {
	all     bool
	topic   []byte // an id
	streams []uint64
}

// reachOf looks at the arguments alone, but for the holes of streams: whether the command is carried out does
// not matter.
func (s *State) reachOf(cmd *metadatapb.Command) reach {
	switch b := cmd.GetBody().(type) {
	case *metadatapb.Command_AllocateProducerIds, *metadatapb.Command_ReportWal, *metadatapb.Command_RaiseLow,
		*metadatapb.Command_Forget, *metadatapb.Command_SetEndpoint, *metadatapb.Command_Drain,
		*metadatapb.Command_Deregister, *metadatapb.Command_BeginMove:
		return reach{}
	case *metadatapb.Command_CommitObject:
		return reach{streams: s.holed(b.CommitObject)}
	case *metadatapb.Command_TrimStream:
		if st := s.streams[b.TrimStream.GetStream()]; st == nil || len(st.holes) == 0 {
			return reach{}
		}
		return reach{streams: []uint64{b.TrimStream.GetStream()}}
	case *metadatapb.Command_SealAndOpen:
		return reach{streams: []uint64{b.SealAndOpen.GetStream()}}
	case *metadatapb.Command_OpenRange:
		return reach{streams: []uint64{b.OpenRange.GetStream()}}
	case *metadatapb.Command_MarkHole:
		return reach{streams: []uint64{b.MarkHole.GetStream()}}
	case *metadatapb.Command_Quarantine:
		return reach{streams: []uint64{b.Quarantine.GetStream()}}
	case *metadatapb.Command_AcceptLoss:
		return reach{streams: []uint64{b.AcceptLoss.GetStream()}}
	case *metadatapb.Command_SealRecovered:
		var r reach
		for _, e := range b.SealRecovered.GetEntries() {
			r.streams = append(r.streams, e.GetStream())
		}
		return r
	case *metadatapb.Command_CreateTopic:
		return reach{topic: b.CreateTopic.GetId()}
	case *metadatapb.Command_CreatePartitions:
		return reach{topic: b.CreatePartitions.GetId()}
	case *metadatapb.Command_MarkDeleting:
		return reach{topic: b.MarkDeleting.GetId()}
	case *metadatapb.Command_DeleteTopic:
		return reach{topic: b.DeleteTopic.GetId()}
	}
	return reach{all: true}
}

// holed returns the streams of a commit that have holes.
func (s *State) holed(c *metadatapb.CommitObject) (ids []uint64) {
	for _, e := range c.GetEntries() {
		if st := s.streams[e.GetStream()]; st != nil && len(st.holes) > 0 {
			ids = append(ids, st.id)
		}
	}
	return ids
}

// reshape notes that the command of the current index has been applied.
func (s *State) reshape(r reach) {
	if r.all {
		s.reshaped = s.index
	}
	if id, ok := uuidOf(r.topic); ok {
		s.changed(id)
	}
	for _, id := range r.streams {
		if st := s.streams[id]; st != nil {
			s.changed(st.topic)
		}
	}
	if r.all || r.topic != nil || len(r.streams) > 0 {
		s.shape = s.index
	}
}

// changed notes a topic whose shape the current command may have changed.
func (s *State) changed(topic UUID) {
	if n := len(s.changes); n > 0 && s.changes[n-1] == (shapeChange{s.index, topic}) {
		return
	}
	if len(s.changes) == 2*keptChanges {
		s.reshaped = max(s.reshaped, s.changes[keptChanges-1].index)
		s.changes = s.changes[:copy(s.changes, s.changes[keptChanges:])]
	}
	s.changes = append(s.changes, shapeChange{s.index, topic})
}
