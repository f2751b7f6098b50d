package probe

// Points of package controller/remote.
var (
	RemoteHintTaken      = define("remote.a member told who leads")
	RemoteLeaderSlow     = define("remote.a leader that is slow to answer was left")
	RemoteTermPassed     = define("remote.a command was applied in a later term than it was decided in")
	RemoteResultUnread   = define("remote.a result came and the replica did not get there")
	RemoteOutcomeUnknown = define("remote.a command of unknown outcome")
	RemoteSourceLeft     = define("remote.a member that lacks a result was left")
	RemoteSourceRefused  = define("remote.an answer that does not continue the replica was refused")
	RemoteSnapshot       = define("remote.a snapshot was taken over")
	RemoteSnapshotAnew   = define("remote.a snapshot was begun anew in its middle")
	RemoteNoProgress     = define("remote.no heartbeat for want of progress")
	RemoteBeatsFull      = define("remote.too many heartbeats unanswered")
	RemoteUnknownEpoch   = define("remote.a leader did not know a live epoch")
	RemoteFenced         = define("remote.a session ended with its epoch")
	RemoteLapsed         = define("remote.a lease lapsed")
)
