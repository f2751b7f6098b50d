package broker

import "strconv"

// Code is an error code of the Kafka protocol. This table is the only place where they stand.
type Code int16

// The codes this broker answers with (Apache Kafka 4.2, class Errors).
const (
	codeNone                        Code = 0
	codeUnknownServerError          Code = -1
	codeOffsetOutOfRange            Code = 1
	codeCorruptMessage              Code = 2
	codeUnknownTopicOrPartition     Code = 3
	codeLeaderNotAvailable          Code = 5
	codeNotLeaderOrFollower         Code = 6
	codeRequestTimedOut             Code = 7
	codeMessageTooLarge             Code = 10
	codeOffsetMetadataTooLarge      Code = 12
	codeCoordinatorLoadInProgress   Code = 14
	codeCoordinatorNotAvailable     Code = 15
	codeNotCoordinator              Code = 16
	codeInvalidTopic                Code = 17
	codeInvalidRequiredAcks         Code = 21
	codeIllegalGeneration           Code = 22
	codeInconsistentGroupProtocol   Code = 23
	codeInvalidGroupID              Code = 24
	codeUnknownMemberID             Code = 25
	codeInvalidSessionTimeout       Code = 26
	codeRebalanceInProgress         Code = 27
	codeInvalidTimestamp            Code = 32
	codeUnsupportedVersion          Code = 35
	codeTopicAlreadyExists          Code = 36
	codeInvalidPartitions           Code = 37
	codeInvalidReplicationFactor    Code = 38
	codeInvalidReplicaAssignment    Code = 39
	codeInvalidConfig               Code = 40
	codeInvalidRequest              Code = 42
	codeUnsupportedForMessageFmt    Code = 43
	codeOutOfOrderSequenceNumber    Code = 45
	codeDuplicateSequenceNumber     Code = 46
	codeInvalidProducerEpoch        Code = 47
	codeInvalidTxnState             Code = 48
	codeTransactionalIDAuthFailed   Code = 53
	codeKafkaStorageError           Code = 56
	codeUnknownProducerID           Code = 59
	codeReassignmentInProgress      Code = 60
	codeNonEmptyGroup               Code = 68
	codeGroupIDNotFound             Code = 69
	codeFetchSessionIDNotFound      Code = 70
	codeInvalidFetchSessionEpoch    Code = 71
	codeFencedLeaderEpoch           Code = 74
	codeUnknownLeaderEpoch          Code = 75
	codeUnsupportedCompressionType  Code = 76
	codeMemberIDRequired            Code = 79
	codePreferredLeaderNotAvailable Code = 80
	codeGroupMaxSizeReached         Code = 81
	codeFencedInstanceID            Code = 82
	codeEligibleLeadersNotAvail     Code = 83
	codeElectionNotNeeded           Code = 84
	codeNoReassignmentInProgress    Code = 85
	codeInvalidRecord               Code = 87
	codeUnknownTopicID              Code = 100
	codeInconsistentTopicID         Code = 103
	codeUnsupportedEndpointType     Code = 115
)

// String gives the code's number; clients know the names.
func (c Code) String() string { return strconv.Itoa(int(c)) }
