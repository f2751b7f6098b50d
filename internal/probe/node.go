package probe

// Points of package node.
var (
	NodeInUse         = define("node.data in use")
	NodeMetadataLost  = define("node.metadata lost")
	NodeIdentityLater = define("node.identity written at a later start")
	NodeNewerWAL      = define("node.newer WAL refused")
	NodeMixedVolumes  = define("node.volumes mixed up")
	NodeStopFailed    = define("node.stop failed")
	NodeFoundsAgain   = define("node.goes on founding a cluster")
	NodeWrongCluster  = define("node.nodes to join are of another cluster")
	NodeTaken         = define("node.id is another node's")
	NodeHandedOver    = define("node.leadership handed over by a stop")
	NodeIsMember      = define("node.data of a cluster's node")
	NodeStopAlone     = define("node.stop without a majority")
	NodeOtherLease    = define("node.lease is another elsewhere")
	NodeRemoved       = define("node.controller was removed")
	NodeGossips       = define("node.gossip sees another node")
	NodeStayed        = define("node.controller stays for brokers that leave")
)
