package metadata

import (
	"bytes"
	"slices"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// The shape of the cluster is what topics there are, which partitions they have, who serves those and what is
// left of those that nobody can. Most commands commit objects and leave it as it is, so who follows it asks first
// whether it moved. It is not persisted: after a restore everything counts as moved.

// Shape returns the index of the last command that may have changed the shape.
func (s *State) Shape() uint64 { return s.shape }

// TopicShape is when the shape of one topic may have changed last.
type TopicShape struct {
	ID    UUID
	Index uint64
}

// TopicShapes returns all topics by id, those marked for deletion included.
func (s *State) TopicShapes() []TopicShape {
	list := make([]TopicShape, 0, len(s.topics))
	for _, t := range s.topics {
		list = append(list, TopicShape{ID: t.id, Index: max(t.shape, s.reshaped)})
	}
	slices.SortFunc(list, func(a, b TopicShape) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return list
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
		*metadatapb.Command_Forget, *metadatapb.Command_SetEndpoint:
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
	if id, ok := uuidOf(r.topic); ok && s.topics[id] != nil {
		s.topics[id].shape = s.index
	}
	for _, id := range r.streams {
		if st := s.streams[id]; st != nil {
			s.topics[st.topic].shape = s.index
		}
	}
	if r.all || r.topic != nil || len(r.streams) > 0 {
		s.shape = s.index
	}
}
