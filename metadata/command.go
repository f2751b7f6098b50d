package metadata

import (
	"fmt"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// NewCommand wraps one of the bodies of metadatapb.Command, such as *metadatapb.Register, for
// Service.Propose. Anything else is a bug of the caller and panics.
func NewCommand(body any) *metadatapb.Command {
	switch b := body.(type) {
	case *metadatapb.InitCluster:
		return &metadatapb.Command{Body: &metadatapb.Command_InitCluster{InitCluster: b}}
	case *metadatapb.Register:
		return &metadatapb.Command{Body: &metadatapb.Command_Register{Register: b}}
	case *metadatapb.SetEndpoint:
		return &metadatapb.Command{Body: &metadatapb.Command_SetEndpoint{SetEndpoint: b}}
	case *metadatapb.CreateWal:
		return &metadatapb.Command{Body: &metadatapb.Command_CreateWal{CreateWal: b}}
	case *metadatapb.OpenWal:
		return &metadatapb.Command{Body: &metadatapb.Command_OpenWal{OpenWal: b}}
	case *metadatapb.ReportWal:
		return &metadatapb.Command{Body: &metadatapb.Command_ReportWal{ReportWal: b}}
	case *metadatapb.Fence:
		return &metadatapb.Command{Body: &metadatapb.Command_Fence{Fence: b}}
	case *metadatapb.AssignRecoverer:
		return &metadatapb.Command{Body: &metadatapb.Command_AssignRecoverer{AssignRecoverer: b}}
	case *metadatapb.SealRecovered:
		return &metadatapb.Command{Body: &metadatapb.Command_SealRecovered{SealRecovered: b}}
	case *metadatapb.MarkHole:
		return &metadatapb.Command{Body: &metadatapb.Command_MarkHole{MarkHole: b}}
	case *metadatapb.Quarantine:
		return &metadatapb.Command{Body: &metadatapb.Command_Quarantine{Quarantine: b}}
	case *metadatapb.AcceptLoss:
		return &metadatapb.Command{Body: &metadatapb.Command_AcceptLoss{AcceptLoss: b}}
	}
	return newCommand(body)
}

// newCommand is the second half of NewCommand.
func newCommand(body any) *metadatapb.Command {
	switch b := body.(type) {
	case *metadatapb.SealAndOpen:
		return &metadatapb.Command{Body: &metadatapb.Command_SealAndOpen{SealAndOpen: b}}
	case *metadatapb.OpenRange:
		return &metadatapb.Command{Body: &metadatapb.Command_OpenRange{OpenRange: b}}
	case *metadatapb.CommitObject:
		return &metadatapb.Command{Body: &metadatapb.Command_CommitObject{CommitObject: b}}
	case *metadatapb.RaiseLow:
		return &metadatapb.Command{Body: &metadatapb.Command_RaiseLow{RaiseLow: b}}
	case *metadatapb.TrimStream:
		return &metadatapb.Command{Body: &metadatapb.Command_TrimStream{TrimStream: b}}
	case *metadatapb.CreateTopic:
		return &metadatapb.Command{Body: &metadatapb.Command_CreateTopic{CreateTopic: b}}
	case *metadatapb.CreatePartitions:
		return &metadatapb.Command{Body: &metadatapb.Command_CreatePartitions{CreatePartitions: b}}
	case *metadatapb.MarkDeleting:
		return &metadatapb.Command{Body: &metadatapb.Command_MarkDeleting{MarkDeleting: b}}
	case *metadatapb.DeleteTopic:
		return &metadatapb.Command{Body: &metadatapb.Command_DeleteTopic{DeleteTopic: b}}
	case *metadatapb.Forget:
		return &metadatapb.Command{Body: &metadatapb.Command_Forget{Forget: b}}
	case *metadatapb.ReleaseWal:
		return &metadatapb.Command{Body: &metadatapb.Command_ReleaseWal{ReleaseWal: b}}
	case *metadatapb.AllocateProducerIds:
		return &metadatapb.Command{Body: &metadatapb.Command_AllocateProducerIds{AllocateProducerIds: b}}
	case *metadatapb.AbandonWal:
		return &metadatapb.Command{Body: &metadatapb.Command_AbandonWal{AbandonWal: b}}
	case *metadatapb.BeginMove:
		return &metadatapb.Command{Body: &metadatapb.Command_BeginMove{BeginMove: b}}
	case *metadatapb.Drain:
		return &metadatapb.Command{Body: &metadatapb.Command_Drain{Drain: b}}
	case *metadatapb.Deregister:
		return &metadatapb.Command{Body: &metadatapb.Command_Deregister{Deregister: b}}
	}
	panic(fmt.Sprintf("metadata: %T is no command", body))
}
