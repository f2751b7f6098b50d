package metadata

import (
	"fmt"

	"github.com/weirmq/weir/internal/invariant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// Apply applies the command that the log holds at index, written in term, and returns its result. It is
// pure: it looks at nothing but s and its arguments, keeps no part of cmd, and never fails; a command whose
// precondition does not hold changes nothing and is answered with a refusal.
//
// index must be above that of the command before, and term not below.
func (s *State) Apply(index, term uint64, cmd *metadatapb.Command) *metadatapb.Result {
	invariant.Check(index > s.index && term >= s.term, invariant.ApplyOrder,
		"command at index %d term %d after index %d term %d", index, term, s.index, s.term)
	s.index, s.term = index, term
	reach := s.reachOf(cmd)
	r := s.judge(cmd)
	s.reshape(reach)
	r.Index = index
	return r
}

// Skip records that the log holds nothing to apply up to index: the entries with which a leader begins its
// term, and changes of membership.
func (s *State) Skip(index, term uint64) {
	invariant.Check(index > s.index && term >= s.term, invariant.ApplyOrder,
		"entry at index %d term %d after index %d term %d", index, term, s.index, s.term)
	s.index, s.term = index, term
}

func (s *State) judge(cmd *metadatapb.Command) *metadatapb.Result {
	if cmd.GetFormat() == 0 || cmd.GetFormat() > FormatNewest {
		return refuse(metadatapb.Refusal_REFUSAL_INVALID, "command format %d, this program knows 1 to %d",
			cmd.GetFormat(), FormatNewest)
	}
	if init := cmd.GetInitCluster(); init != nil {
		return s.initCluster(init)
	}
	if s.cluster.IsZero() {
		return refuse(metadatapb.Refusal_REFUSAL_NOT_INITIALISED, "the cluster has no id yet")
	}
	if Decided(cmd) && cmd.GetTerm() != s.term {
		return refuse(metadatapb.Refusal_REFUSAL_TERM, "decided in term %d, this is term %d", cmd.GetTerm(), s.term)
	}
	return s.dispatch(cmd)
}

// Decided reports whether cmd carries the term it was decided in (° in the protocol): who proposes it sets
// Command.term, and Apply refuses it in another term.
func Decided(cmd *metadatapb.Command) bool {
	switch cmd.GetBody().(type) {
	case *metadatapb.Command_Register, *metadatapb.Command_Fence, *metadatapb.Command_AssignRecoverer:
		return true
	}
	return false
}

func (s *State) dispatch(cmd *metadatapb.Command) *metadatapb.Result {
	ms := cmd.GetWallMs()
	switch b := cmd.GetBody().(type) {
	case *metadatapb.Command_Register:
		return s.register(b.Register)
	case *metadatapb.Command_SetEndpoint:
		return s.setEndpoint(b.SetEndpoint)
	case *metadatapb.Command_Fence:
		return s.fence(b.Fence)
	case *metadatapb.Command_AbandonWal:
		return s.abandonWal(b.AbandonWal)
	case *metadatapb.Command_AllocateProducerIds:
		return s.allocateProducerIds(b.AllocateProducerIds)
	case *metadatapb.Command_CreateWal:
		return s.createWal(b.CreateWal)
	case *metadatapb.Command_OpenWal:
		return s.openWal(b.OpenWal)
	case *metadatapb.Command_ReportWal:
		return s.reportWal(b.ReportWal)
	case *metadatapb.Command_AssignRecoverer:
		return s.assignRecoverer(b.AssignRecoverer)
	case *metadatapb.Command_ReleaseWal:
		return s.releaseWal(b.ReleaseWal)
	case *metadatapb.Command_SealRecovered:
		return s.sealRecovered(b.SealRecovered)
	case *metadatapb.Command_SealAndOpen:
		return s.sealAndOpen(b.SealAndOpen)
	case *metadatapb.Command_OpenRange:
		return s.openRange(b.OpenRange)
	case *metadatapb.Command_MarkHole:
		return s.markHole(b.MarkHole)
	case *metadatapb.Command_Quarantine:
		return s.quarantine(b.Quarantine)
	case *metadatapb.Command_AcceptLoss:
		return s.acceptLoss(b.AcceptLoss, ms)
	case *metadatapb.Command_CommitObject:
		return s.commitObject(b.CommitObject, ms)
	case *metadatapb.Command_RaiseLow:
		return s.raiseLow(b.RaiseLow)
	case *metadatapb.Command_TrimStream:
		return s.trimStream(b.TrimStream, ms)
	case *metadatapb.Command_Forget:
		return s.forget(b.Forget)
	case *metadatapb.Command_CreateTopic:
		return s.createTopic(b.CreateTopic)
	case *metadatapb.Command_CreatePartitions:
		return s.createPartitions(b.CreatePartitions)
	case *metadatapb.Command_MarkDeleting:
		return s.markDeleting(b.MarkDeleting)
	case *metadatapb.Command_DeleteTopic:
		return s.deleteTopic(b.DeleteTopic, ms)
	case *metadatapb.Command_BeginMove:
		return s.beginMove(b.BeginMove)
	case *metadatapb.Command_Drain:
		return s.drain(b.Drain)
	case *metadatapb.Command_Deregister:
		return s.deregister(b.Deregister)
	}
	return invalid("the command has no body that this program knows")
}

func (s *State) initCluster(c *metadatapb.InitCluster) *metadatapb.Result {
	id, ok := uuidOf(c.GetClusterId())
	if !ok || c.GetFormat() == 0 || c.GetFormat() > FormatVersion {
		return invalid("InitCluster needs a cluster id of 16 bytes and a format from 1 to %d", FormatVersion)
	}
	if !s.cluster.IsZero() && s.cluster != id {
		return refuse(metadatapb.Refusal_REFUSAL_FOREIGN_CLUSTER, "this is cluster %s, not %s", s.cluster, id)
	}
	if s.cluster.IsZero() {
		s.cluster, s.format = id, c.GetFormat()
	}
	return &metadatapb.Result{}
}

func refuse(why metadatapb.Refusal, format string, args ...any) *metadatapb.Result {
	if p := rareRefusals[why]; p != nil {
		probe.Hit(p)
	}
	return &metadatapb.Result{Refusal: why, Detail: fmt.Sprintf(format, args...)}
}

// rareRefusals are those that few runs see.
var rareRefusals = map[metadatapb.Refusal]*probe.Point{
	metadatapb.Refusal_REFUSAL_TERM:         probe.MetadataStaleTerm,
	metadatapb.Refusal_REFUSAL_FENCED:       probe.MetadataFenced,
	metadatapb.Refusal_REFUSAL_LOW_SEQUENCE: probe.MetadataLowSequence,
	metadatapb.Refusal_REFUSAL_TOPIC_EXISTS: probe.MetadataTopicExists,
	metadatapb.Refusal_REFUSAL_DELETING:     probe.MetadataDeleting,
	metadatapb.Refusal_REFUSAL_HOLE:         probe.MetadataHoleSealed,
}

func invalid(format string, args ...any) *metadatapb.Result {
	return refuse(metadatapb.Refusal_REFUSAL_INVALID, format, args...)
}
