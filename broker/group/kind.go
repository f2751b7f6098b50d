package group

// Kind is what a request came to. The broker maps kinds to Kafka's codes.
type Kind uint8

const (
	// OK: done.
	OK Kind = iota
	// MemberIDRequired: join again with the member id in the reply.
	MemberIDRequired
	// UnknownMember: no such member; join as a new one.
	UnknownMember
	// FencedInstance: another process joined with the same instance id.
	FencedInstance
	// IllegalGeneration: the generation is not the group's.
	IllegalGeneration
	// RebalanceInProgress: join again.
	RebalanceInProgress
	// InconsistentProtocol: no protocol that all members support.
	InconsistentProtocol
	// InvalidSessionTimeout: outside the limits.
	InvalidSessionTimeout
	// InvalidGroupID: a member needs a group with a name.
	InvalidGroupID
	// GroupFull: the group has as many members as it may have.
	GroupFull
	// NotAvailable: try again later.
	NotAvailable
	// NotCoordinator: this broker no longer coordinates the group.
	NotCoordinator
	// MetadataTooLarge: the metadata of a committed offset is too long.
	MetadataTooLarge
	// RecordTooLarge: the group's membership does not fit a record.
	RecordTooLarge
	// NonEmpty: the group has members.
	NonEmpty
	// NotFound: no such group.
	NotFound
)

var kindNames = [...]string{
	"OK", "MemberIDRequired", "UnknownMember", "FencedInstance", "IllegalGeneration", "RebalanceInProgress",
	"InconsistentProtocol", "InvalidSessionTimeout", "InvalidGroupID", "GroupFull", "NotAvailable",
	"NotCoordinator", "MetadataTooLarge", "RecordTooLarge", "NonEmpty", "NotFound",
}

// String is the constant's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// State is where a group stands; see the package comment.
type State uint8

// The states of a group.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

// String is the name that Kafka's tools show.
func (s State) String() string { return stateNames[s] }
