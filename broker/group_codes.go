package broker

import "github.com/weirmq/weir/broker/group"

// groupCodes maps what a group answers to the code a client understands.
var groupCodes = map[group.Kind]Code{
	group.OK:                    codeNone,
	group.MemberIDRequired:      codeMemberIDRequired,
	group.UnknownMember:         codeUnknownMemberID,
	group.FencedInstance:        codeFencedInstanceID,
	group.IllegalGeneration:     codeIllegalGeneration,
	group.RebalanceInProgress:   codeRebalanceInProgress,
	group.InconsistentProtocol:  codeInconsistentGroupProtocol,
	group.InvalidSessionTimeout: codeInvalidSessionTimeout,
	group.InvalidGroupID:        codeInvalidGroupID,
	group.GroupFull:             codeGroupMaxSizeReached,
	group.NotAvailable:          codeCoordinatorNotAvailable,
	group.NotCoordinator:        codeNotCoordinator,
	group.MetadataTooLarge:      codeOffsetMetadataTooLarge,
	group.RecordTooLarge:        codeMessageTooLarge,
	group.NonEmpty:              codeNonEmptyGroup,
	group.NotFound:              codeGroupIDNotFound,
}

// groupCode returns the code for k; an unknown kind is a bug and shows as one.
func groupCode(k group.Kind) Code {
	if c, ok := groupCodes[k]; ok {
		return c
	}
	return codeUnknownServerError
}
