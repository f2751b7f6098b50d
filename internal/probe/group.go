package probe

// Points of package broker/group.
var (
	GroupMissingMember    = define("group.a generation began without a member that did not rejoin")
	GroupSessionEnded     = define("group.a member's session ended")
	GroupNeverSynced      = define("group.a member that never synced was removed")
	GroupStaleGeneration  = define("group.a stale generation was refused")
	GroupMemberIDRequired = define("group.a new member was told to come back with its id")
	GroupPromiseExpired   = define("group.a promised member id expired")
	GroupUnknownMember    = define("group.a commit of nobody's member was refused")
	GroupCommitBetween    = define("group.a commit came between join and assignment")
	GroupExtended         = define("group.the first join phase was extended")
	GroupLeaderGone       = define("group.the leader was removed and another took over")
	GroupRejoined         = define("group.a member rejoined and kept its generation")
	GroupStaticReplaced   = define("group.a static member was replaced")
	GroupAssignmentStale  = define("group.an assignment became durable too late")
	GroupRevived          = define("group.members were taken over by a new coordinator")
	GroupExpired          = define("group.offsets expired")
	GroupDied             = define("group.a group was deleted")
)
