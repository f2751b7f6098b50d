package probe

// Points of package node.
var (
	NodeInUse         = define("node.data in use")
	NodeMetadataLost  = define("node.metadata lost")
	NodeIdentityLater = define("node.identity written at a later start")
	NodeNewerWAL      = define("node.newer WAL refused")
	NodeMixedVolumes  = define("node.volumes mixed up")
	NodeStopFailed    = define("node.stop failed")
)
